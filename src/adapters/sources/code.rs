//! A code of an MFA device from a program of the configuration's (`mfa_process`), run as any credential program is.

use super::process::{self, Running};
use rolecall_core::domain::error::printable;
use rolecall_core::domain::secret::MfaCode;
use std::ffi::OsString;
use std::sync::Arc;

/// Runs the program and gives what it printed, without the blanks around it; says why there is nothing.
pub(super) async fn ask(
    argv: &[String],
    environment: &[(OsString, OsString)],
    running: &Arc<Running>,
) -> Result<MfaCode, String> {
    let name = printable(argv.first().map_or("", String::as_str), 200);
    let answer = process::run(argv, environment, running).await.map_err(|no| format!("{name} {no}"))?;
    let text = std::str::from_utf8(&answer).map_err(|_| format!("{name} printed what is no text"))?;
    Ok(MfaCode::new(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn with(script: &str) -> Result<String, String> {
        let argv = ["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()];
        let environment = [("PATH".into(), "/usr/bin:/bin".into())];
        ask(&argv, &environment, &Arc::default()).await.map(|code| code.expose().to_owned())
    }

    #[tokio::test]
    async fn what_it_prints_is_the_code_whatever_it_says_beside() {
        assert_eq!(with("echo touch the key >&2; printf ' 123456\\r\\n\\n'").await.as_deref(), Ok("123456"));
    }

    #[tokio::test]
    async fn a_program_that_fails_is_told_by_its_complaint_and_by_nothing_that_it_printed() {
        for (script, why) in [
            (
                "echo 123456; printf '\\nno \\033[2Jkey\\nmore\\n' >&2; exit 3",
                "failed with exit code 3: no \\u{1b}[2Jkey",
            ),
            ("true", "printed nothing"),
            ("yes 123456", "printed more than 64 KiB"),
            ("printf '\\377'", "printed what is no text"),
        ] {
            assert_eq!(with(script).await.expect_err(script), format!("/bin/sh {why}"));
        }
        let missing = ask(&["/nowhere/program".to_owned()], &[], &Arc::default()).await.expect_err("missing");
        assert!(missing.starts_with("/nowhere/program cannot be run: No such file"), "{missing}");
    }
}
