//! What `packaging/release` builds, once for all tests of a run, and a look at each piece.

use crate::root::{sound, target};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where it lies.
pub(crate) struct Built {
    pub(crate) tarball: PathBuf,
    pub(crate) formula: PathBuf,
    /// The package, and the same with a higher version.
    pub(crate) debs: [PathBuf; 2],
}

pub(crate) fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let version = env!("CARGO_PKG_VERSION");
        let out = target().join("release-static");
        let mut first = release();
        match std::env::var("ROLECALL_PROFILE") {
            Ok(profile) => first.args(["--profile", &profile]),
            Err(_) => first.args(["--profile", "dev", "--agent", env!("CARGO_BIN_EXE_rolecalld")]),
        };
        sound("packaging/release", &mut first);
        let higher = format!("{version}-2");
        sound("packaging/release", release().args(["--prebuilt", "--deb-version", &higher]));
        let arch = sound("dpkg", Command::new("dpkg").arg("--print-architecture"));
        let deb = |version: &str| out.join(format!("rolecall_{version}_{}.deb", arch.trim()));
        Built {
            tarball: out.join(format!("rolecall-{version}-linux-{}.tar.gz", std::env::consts::ARCH)),
            formula: out.join("rolecall.rb"),
            debs: [deb(&format!("{version}-1")), deb(&higher)],
        }
    })
}

fn release() -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/release"));
    // Not where the tests' own programs lie, and neither what cargo tells them.
    command.env("CARGO_TARGET_DIR", target());
    command
}

#[test]
fn debians_own_check_finds_no_error_in_the_package() {
    let said = sound("lintian", Command::new("lintian").args(["--fail-on", "error"]).arg(&built().debs[0]));
    assert!(!said.contains("E: "), "{said}");
}

#[test]
fn the_tarball_is_the_same_when_it_is_built_again() {
    let before = std::fs::read(&built().tarball).unwrap();
    sound("packaging/release", release().args(["--prebuilt", "--deb-version", "0-again"]));
    assert!(std::fs::read(&built().tarball).unwrap() == before);
    let listed = sound("tar", Command::new("tar").arg("-tvf").arg(&built().tarball));
    assert!(listed.lines().all(|line| line.split_whitespace().nth(1) == Some("0/0")), "nobody's name in it: {listed}");
}

#[test]
fn the_formula_is_ruby_and_names_the_tarball_by_its_checksum() {
    sound("ruby", Command::new("ruby").arg("-c").arg(&built().formula));
    let formula = std::fs::read_to_string(&built().formula).unwrap();
    let sum = sound("sha256sum", Command::new("sha256sum").arg(&built().tarball));
    assert!(formula.contains(sum.split_whitespace().next().unwrap()));
    assert!(!formula.contains("@VERSION") && !formula.contains("SHA256@") && !formula.contains("@URL"), "{formula}");
}

#[test]
fn the_property_list_of_launchd_is_one() {
    let plist = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/launchd/rolecall.agent.plist");
    let python = "import plistlib, sys; p = plistlib.load(open(sys.argv[1], 'rb')); \
        print(p['Label'], p['ProgramArguments'][0], p['HardResourceLimits']['Core'])";
    let said = sound("plistlib", Command::new("python3").args(["-c", python]).arg(plist));
    assert_eq!(said, "rolecall.agent /usr/local/bin/rolecalld 0\n");
}
