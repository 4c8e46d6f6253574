//! The measurements behind `docs/performance.md`: the released binaries against an in-process AWS, as one table.
//!
//! Run by `benches/run`, which builds what is measured and passes its paths. What depends on the machine's mood (times,
//! resident memory) is printed with its target and fails nothing; what does not (calls to AWS, vault reads, descriptors,
//! threads) is asserted.

mod clients;
mod crowd;
mod endpoint;
mod faults;
mod launch;
mod many;
mod measure;
mod process;
mod sheet;
mod size;
mod stage;

use sheet::Sheet;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// The programs that are measured, and what they are measured against.
pub(crate) struct Programs {
    /// `rolecalld` of `cargo build --release`.
    pub(crate) agent: PathBuf,
    /// `rolecall` of `cargo build --release`.
    pub(crate) plain: PathBuf,
    /// `rolecall` of `packaging/release`; nothing where the toolchain has no musl.
    pub(crate) released: Option<PathBuf>,
    /// `benches/client.c`, glibc, dynamic.
    pub(crate) c_glibc: PathBuf,
    /// `benches/client.c`, musl, static; nothing where there is no `musl-gcc`.
    pub(crate) c_musl: Option<PathBuf>,
}

/// A part of the table.
type Section = fn(&Programs, &mut Sheet);

/// The sections, by the names that `--only` takes.
const SECTIONS: [(&str, Section); 9] = [
    ("clients", clients::run),
    ("crowd", crowd::run),
    ("endpoint", endpoint::run),
    ("faults", faults::run),
    ("launch", launch::run),
    ("many", many::run),
    ("idle", size::idle),
    ("flat", size::flat),
    ("reload", size::reload),
];

fn main() -> ExitCode {
    let mut programs = [const { None }; 5];
    let mut only: Option<OsString> = None;
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        let at = ["--agent", "--plain", "--released", "--c-glibc", "--c-musl"].iter().position(|name| arg == *name);
        match at {
            Some(at) => programs[at] = args.next().map(PathBuf::from),
            None if arg == "--only" => only = args.next(),
            // What cargo adds by itself.
            None => {}
        }
    }
    let [Some(agent), Some(plain), released, Some(c_glibc), c_musl] = programs else {
        let _ = writeln!(std::io::stderr(), "run `benches/run`: it builds what is measured");
        return ExitCode::SUCCESS;
    };
    let programs = Programs { agent, plain, released, c_glibc, c_musl };
    let mut sheet = Sheet::new();
    for (name, section) in SECTIONS {
        if only.as_ref().is_none_or(|only| only == name) {
            section(&programs, &mut sheet);
        }
    }
    sheet.end();
    ExitCode::SUCCESS
}
