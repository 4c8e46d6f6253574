//! What a test needs of the machine: root, or a program that a minimal system lacks.
//!
//! A test declares its needs in its first line, `needs!("root", "tmux")`. If one is not met, the test is not run: it returns
//! at once and writes one line into the file that `ROLECALL_NOT_RUN` names, which `tests/run` counts at its end. With
//! `ROLECALL_NEEDS=strict` an unmet need is a failure: continuous integration must not pass without its tests.
//! `ROLECALL_WITHOUT=root,tmux` treats needs as unmet, to see which tests depend on them.

use std::io::Write;
use std::path::Path;

/// Where programs are searched. `sshd` is not on the `PATH` of everybody.
const DIRECTORIES: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Returns from the test, unless the machine has everything that is named: `"root"`, or the name of a program.
macro_rules! needs {
    ($($need:literal),+ $(,)?) => {
        if !$crate::harness::needs::are_met(&[$($need),+]) {
            return;
        }
    };
}

/// Whether the machine has everything that is named; records what is missing.
pub(crate) fn are_met(needs: &[&str]) -> bool {
    let missing: Vec<&str> = needs.iter().copied().filter(|need| !is_met(need)).collect();
    if missing.is_empty() {
        return true;
    }
    let thread = std::thread::current();
    let line = format!("{} {}\n", missing.join(","), thread.name().unwrap_or("unknown"));
    assert!(
        std::env::var("ROLECALL_NEEDS").as_deref() != Ok("strict"),
        "this machine lacks what the test needs: {line}"
    );
    match std::env::var_os("ROLECALL_NOT_RUN") {
        Some(file) => {
            let mut file =
                std::fs::OpenOptions::new().create(true).append(true).open(file).expect("a file for this list");
            // One write: other tests append at the same time.
            file.write_all(line.as_bytes()).expect("the list is written");
        }
        None => write!(std::io::stderr(), "not run, needs {line}").expect("stderr"),
    }
    false
}

/// Fails if a test uses what it did not declare, on a machine that lacks it.
#[track_caller]
pub(crate) fn require(need: &str) {
    assert!(
        is_met(need),
        "this test needs {need} and does not declare it: write `needs!({need:?});` as its first line"
    );
}

fn is_met(need: &str) -> bool {
    let without = std::env::var("ROLECALL_WITHOUT").unwrap_or_default();
    if without.split(',').any(|word| word == need) {
        return false;
    }
    match need {
        "root" => rustix::process::geteuid().is_root(),
        program => DIRECTORIES.iter().any(|dir| Path::new(dir).join(program).is_file()),
    }
}
