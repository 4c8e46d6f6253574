use super::*;
use rolecall_ports::SourceResult;
use std::time::Duration;

const GOOD: &str = r#"{"Version":1,"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY","SessionToken":"IQoJb3","Expiration":"2026-11-22T08:00:00Z","AccountId":"222222222222"}"#;

/// Runs a script as the program.
async fn with(script: &str) -> Result<SourceCredentials, TokenError> {
    let argv = ["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()];
    ask(&argv, &[("PATH".into(), "/usr/bin:/bin".into())], &Arc::default()).await
}

async fn said(script: &str) -> String {
    let error = with(script).await.expect_err(script);
    assert!(error.report.hint.is_some(), "{script}");
    error.report.message
}

#[tokio::test]
async fn what_aws_documents_is_read() {
    let sourced = with(&format!("echo '{GOOD}'")).await.expect("credentials");
    assert!(matches!(sourced.given, SourceResult::Session { expiration: Some(_), .. }));
    assert_eq!(sourced.account.expect("an account").as_str(), "222222222222");
}

#[tokio::test]
async fn a_program_that_fails_is_told_by_the_first_line_of_its_complaint() {
    let told = said("printf '\\n  \\033[31mlog in first\\nsecond line\\n' >&2; exit 3").await;
    assert_eq!(told, "the program /bin/sh failed with exit code 3: \\u{1b}[31mlog in first");
    assert_eq!(said("kill -9 $$").await, "the program /bin/sh was ended by a signal");
    let missing = ask(&["/nowhere/program".to_owned()], &[], &Arc::default()).await.expect_err("missing");
    assert!(missing.report.message.starts_with("the program /nowhere/program cannot be run: No such file"));
}

#[tokio::test]
async fn garbage_is_no_answer_and_is_not_repeated() {
    for (script, what) in [
        ("true", "printed nothing"),
        ("echo 'not logged in: canary'", "something else than the JSON"),
        ("echo '<html>'", "something else than the JSON"),
        ("echo '{}'", "something else than the JSON"),
        (&format!("echo '{}'", GOOD.replace("\"Version\":1", "\"Version\":2")), "a Version other than"),
        (&format!("echo '{}'", GOOD.replace("\"Version\":1", "\"Version\":\"1\"")), "a Version other than"),
        (&format!("echo '{}'", GOOD.replace("IQoJb3", "")), "without its session token"),
        (&format!("echo '{GOOD}' trailing"), "something else than the JSON"),
        (&format!("echo '{}'", GOOD.replace("2026-11-22T08:00:00Z", "soon")), "whose end is no time"),
        ("head -c 1000000 /dev/zero", "printed more than 64 KiB"),
        ("yes", "printed more than 64 KiB"),
    ] {
        let told = said(script).await;
        assert!(told.contains(what), "{script}: {told}");
        assert!(!told.contains("canary") && !told.contains("wJalr"), "{told}");
    }
}

#[tokio::test]
async fn a_flood_of_complaints_holds_nothing_up() {
    let sourced = with(&format!("head -c 1000000 /dev/zero >&2; echo '{GOOD}'")).await;
    assert!(sourced.is_ok(), "{sourced:?}");
}

#[tokio::test]
async fn it_knows_the_environment_that_it_is_given_and_no_other() {
    let told = said("env >&2; exit 1").await;
    assert!(told.contains("PWD=/") || told.contains("PATH="), "{told}");
    let told = said("echo \"${HOME-none} ${CARGO-none} $(pwd)\" >&2; exit 1").await;
    assert!(told.ends_with("none none /"), "{told}");
}

/// A program that hangs: it and what it started are gone when the wait is given up.
#[tokio::test]
async fn nobody_waits_any_more_and_all_that_it_started_is_killed() {
    let dir = tempfile::tempdir().expect("tempdir");
    let file = dir.path().join("pids");
    let script = format!("sleep 600 & echo $$ $! > {}.new; mv {0}.new {0}; wait", file.display());
    let running = Arc::<Running>::default();
    let argv = ["/bin/sh".to_owned(), "-c".to_owned(), script];
    let environment = [("PATH".into(), "/usr/bin:/bin".into())];
    {
        let mut asking = pin!(ask(&argv, &environment, &running));
        while !file.exists() {
            assert!(timeout(Duration::from_millis(10), &mut asking).await.is_err(), "it hangs");
        }
        assert_eq!(running.pids().await.len(), 1);
    }
    assert!(running.pids().await.is_empty());
    let pids = std::fs::read_to_string(&file).expect("two pids");
    for pid in pids.split_whitespace() {
        let stat = std::path::Path::new("/proc").join(pid).join("stat");
        let lives = || std::fs::read_to_string(&stat).is_ok_and(|s| !s.contains(") Z ") && !s.contains(") X "));
        for _ in 0..30_000 {
            if !lives() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!lives(), "{pid}");
    }
}

#[tokio::test]
async fn what_it_leaves_behind_holds_nobody_up_and_lives_on() {
    let dir = tempfile::tempdir().expect("tempdir");
    let file = dir.path().join("pid");
    let sourced = with(&format!("sleep 600 & echo $! > {}; echo '{GOOD}'", file.display())).await;
    assert!(sourced.is_ok(), "{sourced:?}");
    let pid: i32 = std::fs::read_to_string(&file).expect("a pid").trim().parse().expect("a number");
    let pid = rustix::process::Pid::from_raw(pid).expect("a process");
    assert!(rustix::process::test_kill_process(pid).is_ok(), "an agent of its own is left alone");
    rustix::process::kill_process(pid, Signal::TERM).expect("it was there");
}

async fn code_of(script: &str) -> Result<String, String> {
    let argv = ["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()];
    let environment = [("PATH".into(), "/usr/bin:/bin".into())];
    code(&argv, &environment, &Arc::default()).await.map(|code| code.expose().to_owned())
}

#[tokio::test]
async fn stdout_is_the_mfa_code() {
    assert_eq!(code_of("echo touch the key >&2; printf ' 123456\\r\\n\\n'").await.as_deref(), Ok("123456"));
}

#[tokio::test]
async fn a_failed_mfa_program_is_reported_by_its_stderr() {
    for (script, why) in [
        ("echo 123456; printf '\\nno \\033[2Jkey\\nmore\\n' >&2; exit 3", "failed with exit code 3: no \\u{1b}[2Jkey"),
        ("true", "printed nothing"),
        ("yes 123456", "printed more than 64 KiB"),
        ("printf '\\377'", "printed what is no text"),
    ] {
        assert_eq!(code_of(script).await.expect_err(script), format!("/bin/sh {why}"));
    }
    let missing = code(&["/nowhere/program".to_owned()], &[], &Arc::default()).await.expect_err("missing");
    assert!(missing.starts_with("/nowhere/program cannot be run: No such file"), "{missing}");
}
