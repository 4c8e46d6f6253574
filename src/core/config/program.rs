//! The check of a program that the agent runs: its arguments one by one, as no shell reads them.

use super::reader::Position;
use super::validators;
use toml::de::DeValue;

/// All arguments together; no code and no credential needs more.
const ARGV_MAX: usize = 8 * 1024;

/// Reads an argument list whose first element is a program's absolute path.
pub(super) fn read(spot: &mut Position<'_>) -> Option<Vec<String>> {
    if matches!(spot.value.get_ref(), DeValue::String(_)) {
        spot.wrong("is a list here, and no shell reads it: [\"/usr/local/bin/program\", \"argument\"]");
        return None;
    }
    let argv = spot.list(|spot| spot.text(check_argument))?;
    if argv.iter().map(String::len).sum::<usize>() > ARGV_MAX {
        spot.wrong("has more than 8 KiB");
        return None;
    }
    match argv.first().map(|program| validators::absolute_path(program)) {
        Some(Ok(_)) => return Some(argv),
        Some(Err(why)) => spot.wrong(format!("the program comes first: {why}")),
        None => spot.wrong("names no program"),
    }
    None
}

/// An argument of a program cannot hold a zero byte (execve(2)); nothing else is special without a shell.
fn check_argument(text: &str) -> Result<(), &'static str> {
    if text.contains('\0') { Err("an argument cannot hold a zero byte") } else { Ok(()) }
}
