//! The program that shows an address: which one, started, and looked at for a moment.
//!
//! It knows no command. The address stands in the program's command line, which every user of the machine can read, so
//! nobody may give it one that is a secret.

use super::environment::var;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_platform::os;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A program that has no browser to start says so at once; one that is the browser stays.
const LOOKS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(25);

/// A program with its arguments; `%s` in one of them is the address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Program(Vec<String>);

/// The programs that may show an address, the preferred one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Browser(Vec<Program>);

impl Browser {
    /// Finds out what would be started; says what to do where a browser makes no sense.
    pub(super) fn find() -> Result<Self, UserError> {
        let is_set = |name: &str| var(name).is_some();
        Self::of(
            var("BROWSER").as_deref(),
            os::OPENER,
            is_set("WSL_DISTRO_NAME"),
            is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"),
        )
    }

    fn of(browser: Option<&str>, opener: Option<&str>, is_wsl: bool, has_display: bool) -> Result<Self, UserError> {
        let plain = |name: &str| Program(vec![name.to_owned()]);
        // Several are separated by colons, as in xdg-open.
        let own = browser.unwrap_or_default().split(':').filter(|one| !one.trim().is_empty());
        let own: Vec<Program> = own
            .map(|one| {
                let is_path = Path::new(one).is_file();
                if is_path { plain(one) } else { Program(one.split_whitespace().map(str::to_owned).collect()) }
            })
            .collect();
        match opener {
            _ if !own.is_empty() => Ok(Self(own)),
            Some(opener) => Ok(Self(vec![plain(opener)])),
            None if is_wsl => Ok(Self(vec![plain("wslview"), plain("xdg-open")])),
            None if has_display => Ok(Self(vec![plain("xdg-open")])),
            None => Err(UserError::new(Kind::Failed, "there is no display to open a browser on").hint(PRINT)),
        }
    }

    /// Starts the first that is there. It lives on without us, and what it says goes nowhere.
    pub(super) fn open(&self, url: &str) -> Result<(), UserError> {
        for program in &self.0 {
            match program.start(url) {
                Ok(child) => return program.look(child),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(program.failed(&format!("cannot be started: {e}"))),
            }
        }
        let names: Vec<String> = self.0.iter().map(Program::name).collect();
        Err(UserError::new(Kind::Failed, format!("there is no browser: {} is not installed", names.join(" and ")))
            .hint(PRINT))
    }
}

const PRINT: &str = "set `BROWSER` to a program that shows an address, or add `--print` to open it elsewhere";

impl Program {
    fn name(&self) -> String {
        printable(self.0.first().map_or("", String::as_str), 200)
    }

    fn start(&self, url: &str) -> io::Result<Child> {
        let (name, args) = self.0.split_first().ok_or(io::ErrorKind::NotFound)?;
        let mut args: Vec<String> = args.to_vec();
        if args.iter().any(|arg| arg.contains("%s")) {
            for arg in &mut args {
                *arg = arg.replace("%s", url);
            }
        } else {
            args.push(url.to_owned());
        }
        // A group of its own: an interrupt that is meant for the command after this one is not meant for the browser.
        Command::new(name)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
    }

    fn look(&self, mut child: Child) -> Result<(), UserError> {
        for _ in 0..LOOKS {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(self.failed(&format!("failed ({status})"))),
                Ok(None) => thread::sleep(PAUSE),
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn failed(&self, what: &str) -> UserError {
        UserError::new(Kind::Failed, format!("the browser {} {what}", self.name())).hint(PRINT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(browser: Option<&str>, opener: Option<&str>, is_wsl: bool, has_display: bool) -> String {
        Browser::of(browser, opener, is_wsl, has_display).expect("a browser").0[0].0.join(" ")
    }

    #[test]
    fn the_persons_own_word_goes_first_then_what_the_system_has() {
        assert_eq!(
            first(Some("firefox --private-window %s:w3m"), Some("open"), true, false),
            "firefox --private-window %s"
        );
        assert_eq!(first(None, Some("open"), false, false), "open");
        assert_eq!(first(None, None, true, false), "wslview");
        assert_eq!(first(Some(" : "), None, false, true), "xdg-open");
        let none = Browser::of(None, None, false, false).expect_err("no display");
        assert!(none.hint.expect("a hint").contains("--print"));
    }
}
