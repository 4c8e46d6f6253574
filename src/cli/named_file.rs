//! Files that an option or an argument names: on a file system that does not answer, a command ends with an error.

use super::config_file::shown;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_platform::reach;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// AWS takes 2048 characters of session policy; white space that is taken out may be as much again, many times.
const SESSION_POLICY_MAX: u64 = 64 * 1024;

/// IAM counts 10240 characters; white space that is taken out may be as much again, many times.
const IAM_POLICY_MAX: u64 = 256 * 1024;

/// Opens a file for reading; `refuse` words the error of the file system.
///
/// A named pipe is waited for: `--csv <(program)` is one.
pub(super) fn open(path: &Path, refuse: impl FnOnce(&io::Error) -> UserError) -> Result<File, UserError> {
    reach::ensure_answers(path)?;
    File::open(path).map_err(|error| refuse(&error))
}

/// Returns a session policy as it is typed, or as the file at `file://PATH` has it, like the AWS CLI.
pub(super) fn session_policy(typed: &str) -> Result<String, UserError> {
    let Some(path) = typed.strip_prefix("file://") else { return Ok(typed.to_owned()) };
    let shown = shown(Path::new(path));
    let mut text = String::new();
    let refuse = |e: &io::Error| {
        UserError::new(Kind::Failed, format!("cannot read the policy {shown}: {e}")).hint("give `--policy file://PATH`")
    };
    let file = open(Path::new(path), refuse)?;
    file.take(SESSION_POLICY_MAX + 1).read_to_string(&mut text).map_err(|e| refuse(&e))?;
    if text.len() as u64 > SESSION_POLICY_MAX {
        return Err(UserError::new(Kind::Usage, format!("the policy {shown} is longer than 64 KiB"))
            .hint("AWS takes 2048 characters; use `--policy-arn` for a larger one"));
    }
    // AWS counts white space. What is no JSON stays as it is, to be refused with the reason.
    let compact = serde_json::from_str::<serde_json::Value>(&text).map(|value| value.to_string());
    Ok(compact.unwrap_or(text))
}

/// Reads a policy for IAM. A pipe without a writer would block, so that only regular files are accepted.
pub(super) fn iam_policy(path: &Path) -> Result<String, UserError> {
    let hint = "give `--policy-file` a file with an IAM policy as JSON";
    let refuse = |why: String| UserError::new(Kind::Usage, format!("{}: {why}", shown(path))).hint(hint);
    reach::ensure_answers(path)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty());
    let file = File::from(file.map_err(|e| refuse(format!("it cannot be read: {}", std::io::Error::from(e))))?);
    if !file.metadata().is_ok_and(|about| about.is_file()) {
        return Err(refuse("it is no regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    let read = file.take(IAM_POLICY_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|e| refuse(format!("it cannot be read: {e}")))?;
    if bytes.len() as u64 > IAM_POLICY_MAX {
        return Err(refuse("it is longer than 256 KiB, and IAM takes 10240 characters".to_owned()));
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()].split(|b| *b == b'\n').count();
        refuse(format!("line {line}: it is not UTF-8"))
    })
}
