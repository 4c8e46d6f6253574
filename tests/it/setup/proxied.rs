//! A setup behind a proxy with a password: typed for the one command, as the vault is open in the agent only.

use super::stage::{PERSON, Stage};
use crate::harness::home::{PASSPHRASE, text};
use crate::harness::programs::ROLECALL;
use crate::harness::tls::{TlsFront, certificate};
use crate::proxy::{PASSWORD, Proxy};
use std::io::Write;
use std::process::{Output, Stdio};

/// A stage whose accounts are behind the proxy.
fn behind_proxy() -> (Stage, Proxy) {
    let stage = Stage::new();
    stage.home.canaries.add(PASSWORD);
    let front = TlsFront::start(&stage.home.aws.url(), "far");
    let proxy = Proxy::start(front.port, true);
    stage.home.configure(&format!(
        "[agent]\nvault = \"file\"\n[aws]\nendpoint_url = \"https://sts.example.com\"\nca_bundle = \"{}\"\n\
         https_proxy = \"{}\"\nhttps_proxy_user = \"richard\"\n",
        certificate("root.pem").display(),
        proxy.url
    ));
    assert!(stage.home.run(["agent", "restart"]).status.success());
    assert!(stage.home.run_with_input(["unlock", "--vault"], PASSPHRASE).status.success());
    assert!(stage.home.run_with_input(["unlock", "--proxy"], PASSWORD).status.success());
    (stage, proxy)
}

fn setup(stage: &Stage, word: &str, flags: &[&str], input: &str) -> Output {
    let mut command = stage.command(word, flags);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    stage.home.canaries.shown(&text(&output.stdout));
    stage.home.canaries.shown(&text(&output.stderr));
    output
}

#[test]
fn setup_behind_a_proxy_takes_its_password() {
    let (stage, proxy) = behind_proxy();
    let before = stage.inventory();
    let none = setup(&stage, "apply", &PERSON, "");
    assert_eq!(none.status.code(), Some(4), "{}", text(&none.stderr));
    assert!(text(&none.stderr).contains("no password of richard at the proxy was given"), "{}", text(&none.stderr));
    let wrong = setup(&stage, "apply", &PERSON, "not the password");
    assert_eq!(wrong.status.code(), Some(6), "{}", text(&wrong.stderr));
    assert!(text(&wrong.stderr).contains("the proxy has not accepted user richard"), "{}", text(&wrong.stderr));
    assert_eq!(stage.inventory(), before);

    let planned = setup(&stage, "plan", &PERSON[..9], &format!("{PASSWORD}\n"));
    assert!(planned.status.success(), "{}", text(&planned.stderr));
    let done = setup(&stage, "apply", &PERSON, &format!("{PASSWORD}\n"));
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    stage.learn();
    stage.lists_the_bucket("prod");
    assert!(proxy.heads().iter().all(|head| head.starts_with("CONNECT sts.example.com:443 ")), "{:?}", proxy.heads());
    let undone = setup(&stage, "destroy", &["--name", "prod", "--yes"], &format!("{PASSWORD}\n"));
    assert!(undone.status.success(), "{}{}", text(&undone.stdout), text(&undone.stderr));
    assert_eq!(stage.inventory(), before);
}

#[test]
fn refused_setup_takes_no_password() {
    let (stage, proxy) = behind_proxy();
    let dir = stage.home.path("bin");
    std::fs::create_dir(&dir).unwrap();
    std::fs::copy(ROLECALL, dir.join("rolecall")).unwrap();
    for (word, flags) in [("apply", &PERSON[..]), ("plan", &PERSON[..9]), ("destroy", &["--name", "prod", "--yes"])] {
        // A client without the program of the agent beside it cannot start the worker.
        let mut command = stage.home.command(dir.join("rolecall").to_str().unwrap());
        let profiles = ["--auth-profile", "auth-admin", "--workload-profile", "prod-admin"];
        command.args(["setup", word]).args(profiles).args(flags);
        // Without a password on stdin: a command that asks for it fails because it is missing.
        let refused = command.stdin(Stdio::null()).output().unwrap();
        let said = text(&refused.stderr);
        assert!(said.contains("rolecalld") && !said.contains("password"), "{word}: {said}");
    }
    assert!(proxy.heads().is_empty());
}
