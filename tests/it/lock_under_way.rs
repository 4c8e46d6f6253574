//! A lock while a call that holds secrets is under way: the call ends, its caller is told, and nothing of it is in memory.

use crate::harness::home::{CHAIN, Home, PASSPHRASE, text};
use crate::harness::inside::{TUTORIAL, until};
use crate::harness::memory::Stopped;
use crate::harness::pinentry;
use crate::harness::process::Running;
use rolecall::protocol::process_output;
use rolecall_sandbox::Match;
use rolecall_sandbox::tutorials::USER_ARN;
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::fs;
use std::io::Write;
use std::process::{Child, Stdio};

/// As much of a secret as is told from chance.
const TAIL: usize = 20;

/// Starts a command whose input and output are the test's.
fn start(home: &Home, args: &[&str], input: &str) -> Child {
    let mut command = home.rolecall(args);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child
}

/// Asserts that a command ended because of the lock, and showed nothing.
#[track_caller]
fn was_locked(home: &Home, child: Child) {
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    home.canaries.shown(&said);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(4), ""), "{said}");
    assert!(said.contains("was locked while"), "{said}");
}

/// Returns where the end of a secret is in the memory of the agent.
fn places(home: &Home, secret: &str) -> Vec<String> {
    Stopped::at_once(home.agent_pid()).places(&secret[secret.len() - TAIL..])
}

#[test]
fn lock_ends_a_console_sign_in() {
    needs!("root");
    let home = Home::ready(&CHAIN.replace("endpoint_url_sts", "endpoint_url"));
    let session = process_output::parse(&home.run(["get", "prod"]).stdout).expect("served");
    let hold = home.aws.hold_matching(Match::action("GetSigninToken"));
    let waiting = start(&home, &["console", "prod", "--print"], "");
    hold.wait_for_arrivals(1);
    assert!(!places(&home, session.token.expose()).is_empty(), "the call has the session");
    assert!(home.run(["lock"]).status.success());
    assert_eq!(places(&home, session.token.expose()), [""; 0], "the session, after the lock");
    was_locked(&home, waiting);
    drop(hold);
}

#[test]
fn lock_ends_the_try_of_a_key() {
    needs!("root");
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    home.open_vault();
    let key = home.aws.access_key(USER_ARN);
    let hold = home.aws.hold_matching(Match::action("GetCallerIdentity"));
    let input = json!({"AccessKeyId": key.id, "SecretAccessKey": key.secret}).to_string();
    let waiting = start(&home, &["identity", "add", "auth", "--region", "eu-west-1"], &input);
    hold.wait_for_arrivals(1);
    assert!(!places(&home, &key.secret).is_empty(), "the call is signed with it");
    assert!(home.run(["lock"]).status.success());
    assert_eq!(places(&home, &key.secret), [""; 0], "the key, after the lock");
    was_locked(&home, waiting);
    drop(hold);
    home.open_vault();
    assert!(home.add_key().status.success(), "nothing was stored, and nothing is in the way");
}

/// Has each unlock take longer: twice the default passes, at the offset of the format.
fn slow_down(home: &Home) {
    let vault = home.path(".local/share/rolecall/vault.rolecall");
    let mut bytes = fs::read(&vault).unwrap();
    bytes[14..18].copy_from_slice(&6_u32.to_le_bytes());
    fs::write(&vault, bytes).unwrap();
}

#[test]
fn queue_of_unlocks_is_no_hung_file() {
    const WRONG: &str = "wrong passphrase of many callers";
    let home = Home::ready(TUTORIAL);
    assert!(home.run(["lock"]).status.success());
    slow_down(&home);
    home.canaries.add(WRONG);
    let waiting = RefCell::new((0..30).map(|_| start(&home, &["unlock", "--vault"], WRONG)).collect::<Vec<_>>());
    let busy = Cell::new(0);
    until("all were tried", || {
        let status = home.status();
        assert_eq!(status["hung_files"], json!([]), "{status}");
        assert!(!status.to_string().contains("does not answer"), "{status}");
        let is_busy = status["vault"]["reason"].to_string().contains("too many calls wait for it");
        busy.set(busy.get() + usize::from(is_busy));
        waiting.borrow_mut().iter_mut().all(|child| child.try_wait().unwrap().is_some())
    });
    assert!(busy.get() > 0, "status was asked while they waited");
    for child in waiting.into_inner() {
        let said = text(&child.wait_with_output().unwrap().stderr);
        assert!(said.contains("wrong passphrase") || said.contains("too many calls wait for it"), "{said}");
    }
}

#[test]
fn lock_wipes_passphrases_of_pending_unlocks() {
    const WRONG: &str = "wrong passphrase for a locked agent";
    needs!("root");
    let home = Home::ready(TUTORIAL);
    assert!(home.run(["lock"]).status.success());
    slow_down(&home);
    home.canaries.add(WRONG);
    let waiting = RefCell::new((0..8).map(|_| start(&home, &["unlock", "--vault"], WRONG)).collect::<Vec<_>>());
    // They are tried one after the other, so that the others still wait.
    until("the first one was tried", || {
        waiting.borrow_mut().iter_mut().any(|child| child.try_wait().unwrap().is_some())
    });
    assert!(home.run(["lock"]).status.success());
    assert_eq!(places(&home, WRONG), [""; 0], "the passphrases, after the lock");
    let said: Vec<_> =
        waiting.into_inner().into_iter().map(|child| text(&child.wait_with_output().unwrap().stderr)).collect();
    assert!(said.iter().filter(|said| said.contains("was locked while")).count() > 1, "{said:?}");
}

#[test]
fn lock_ends_the_undo_of_an_import() {
    let home = Home::bare("[agent]\nvault = \"file\"\n\n[aws]\nendpoint_url_sts = \"ENDPOINT\"\n");
    // Somebody who says yes once the file `yes` is there.
    let (asked, yes) = (home.path("asked"), home.path("yes"));
    let answer =
        format!("touch '{}'; until test -e '{}'; do sleep 0.05; done; echo OK", asked.display(), yes.display());
    let program = pinentry::script(&home.path(""), &answer);
    let config = fs::read_to_string(home.config()).unwrap();
    let agent = format!("[agent]\npinentry_program = \"{}\"\n", program.display());
    fs::write(home.config(), config.replacen("[agent]\n", &agent, 1)).unwrap();
    home.open_vault();
    fs::create_dir(home.path(".aws")).unwrap();
    let key = home.aws.access_key(USER_ARN);
    let credentials = home.path(".aws/credentials");
    let plain = format!("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n", key.id, key.secret);
    fs::write(&credentials, &plain).unwrap();
    assert!(home.run(["import", "--yes"]).status.success());
    assert!(!fs::read_to_string(&credentials).unwrap().contains(&key.secret));

    let mut undo = home.rolecall(["import", "--undo", "--yes"]);
    let mut undo = Running::start(undo.env("DISPLAY", ":7").stderr(Stdio::piped()));
    until("the person is asked", || asked.exists());
    assert!(home.run(["lock"]).status.success());
    fs::write(&yes, "").unwrap();
    assert_eq!(undo.end().code(), Some(4));
    let said = undo.complaint();
    assert!(said.contains("was locked while"), "{said}");
    assert!(!fs::read_to_string(&credentials).unwrap().contains(&key.secret), "the key stays in the vault");
    let given = || home.events("identity").into_iter().filter(|line| line["message"] == "given back to a file");
    until("it is logged", || given().count() > 0);
    assert!(given().all(|line| line["result"] == "refused"), "{}", home.audit());

    home.run_with_input(["unlock", "--vault"], PASSPHRASE);
    let undone = home.rolecall(["import", "--undo", "--yes"]).env("DISPLAY", ":7").output().unwrap();
    assert!(undone.status.success(), "{}", text(&undone.stderr));
    assert_eq!(fs::read_to_string(&credentials).unwrap(), plain);
    // What was asked for, and a secret on disk all the same.
    fs::remove_file(&credentials).unwrap();
}
