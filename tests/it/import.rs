//! `rolecall import` with the real programs: keys tried, the files after it, undo byte for byte, and whatever comes between.
//!
//! Out of its reach: a keyring with other tools' entries (`tests/keyring`), and what clients make of the files
//! (`tests/clients`). The moments between two writes of files are made by putting the files together as a kill would leave
//! them; `killed` kills the command at many moments, whatever they are.

mod killed;
mod sessions;

use crate::harness::home::{Home, text};
use crate::harness::inside::until;
use crate::harness::pinentry;
use crate::harness::programs::ROLECALL;
use rolecall_sandbox::Match;
use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN};
use serde_json::Value;
use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

const CONFIG: &str = "[agent]\nvault = \"file\"\n\n[aws]\nendpoint_url_sts = \"ENDPOINT\"\n";

/// A home as people have it: a key and a role profile in plain files, and an open vault.
fn home() -> Home {
    let home = Home::bare(CONFIG);
    // Somebody who says yes, unless the file `no` is there.
    let no = home.path("no");
    let asked = format!("if test -e '{}'; then echo ERR 83886179 no; else echo OK; fi", no.display());
    let program = pinentry::script(&home.path(""), &asked);
    let text = fs::read_to_string(home.config()).unwrap();
    let agent = format!("[agent]\npinentry_program = \"{}\"\n", program.display());
    fs::write(home.config(), text.replacen("[agent]\n", &agent, 1)).unwrap();
    home.open_vault();
    fs::create_dir(home.path(".aws")).unwrap();
    let key = home.aws.access_key(USER_ARN);
    put(&home, "credentials", &credentials(&key.id, &key.secret));
    put(&home, "config", &config());
    home
}

fn credentials(id: &str, secret: &str) -> String {
    format!("# mine\n[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n\n# the end\n")
}

fn config() -> String {
    format!(
        "[default]\nregion = eu-west-1\n\n[profile prod]\nrole_arn = {ROLE_ARN}\nsource_profile = default\n\
         s3 =\n  max_concurrent_requests = 20\n# a word\n[profile corp]\nsso_session = corp\n"
    )
}

fn put(home: &Home, file: &str, content: &str) {
    fs::write(home.path(".aws").join(file), content).unwrap();
}

fn read(home: &Home, file: &str) -> String {
    fs::read_to_string(home.path(".aws").join(file)).unwrap_or_default()
}

fn all(home: &Home) -> [String; 3] {
    [fs::read_to_string(home.config()).unwrap(), read(home, "config"), read(home, "credentials")]
}

fn import(home: &Home, arguments: &[&str]) -> Output {
    home.rolecall([&["import"], arguments].concat()).env("DISPLAY", ":7").output().unwrap()
}

/// Runs a command after a kill: the agent may still be at what the killed one asked of it, and says so.
fn again(home: &Home, arguments: &[&str]) -> Output {
    let output = RefCell::new(None);
    until("the agent is done with what it was asked", || {
        let now = import(home, arguments);
        let is_busy = text(&now.stderr).contains("is being changed or rotated right now");
        *output.borrow_mut() = Some(now);
        !is_busy
    });
    output.into_inner().expect("it ran")
}

fn done(home: &Home, arguments: &[&str]) -> String {
    let output = import(home, arguments);
    assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Undoes the import; the key is in plain text afterwards, as was asked for, so the leak scan must not see it.
fn undo(home: &Home, before: &[String; 3]) {
    done(home, &["--undo", "--yes"]);
    assert_eq!(&all(home), before, "byte for byte");
    clear(home);
}

fn clear(home: &Home) {
    put(home, "credentials", "");
}

fn serves(home: &Home, name: &str) {
    let output = home.run(["get", name]);
    assert!(output.status.success(), "{name}: {}", text(&output.stderr));
}

#[test]
fn one_command_takes_a_key_and_a_role_over_and_another_takes_it_back() {
    let home = home();
    let before = all(&home);
    let said = done(&home, &["--yes"]);
    assert!(said.contains("1 command typed: 1 key in the vault, 1 role in "), "{said}");
    assert!(said.contains("next: `aws s3 ls --profile prod`"), "{said}");
    assert!(said.contains("left: corp") && said.contains("SSO"), "{said}");
    let face = ROLECALL;
    assert_eq!(
        read(&home, "config"),
        format!(
            "[default]\ncredential_process = {face} get default\nregion = eu-west-1\n\n[profile prod]\n\
             credential_process = {face} get prod\ns3 =\n  max_concurrent_requests = 20\n# a word\n\
             [profile corp]\nsso_session = corp\n"
        )
    );
    assert_eq!(read(&home, "credentials"), "# mine\n\n# the end\n");
    serves(&home, "prod");
    serves(&home, "default");

    // What rolecall serves outside its block is in order.
    let synced = home.run(["profiles", "sync"]);
    assert!(text(&synced.stdout).contains("is up to date: 1 profile\n"), "{}", text(&synced.stdout));
    assert!(!text(&synced.stdout).contains("warning"), "{}", text(&synced.stdout));

    let after = all(&home);
    let again = done(&home, &["--yes"]);
    assert!(again.contains("nothing to take over") && again.contains("rolecall serves 2 profiles"), "{again}");
    assert_eq!(all(&home), after, "a second import changes nothing");

    undo(&home, &before);
    let given = |line: &Value| line["message"] == "given back to a file";
    until("it is logged", || home.events("identity").iter().any(given));
    assert!(!home.run(["get", "prod"]).status.success(), "config.toml has it no more");
    let nothing = import(&home, &["--undo", "--yes"]);
    assert_eq!(nothing.status.code(), Some(2), "{}", text(&nothing.stderr));
}

#[test]
fn nothing_is_done_without_a_yes() {
    let home = home();
    let before = all(&home);
    let said = done(&home, &["--dry-run"]);
    assert!(said.contains("-aws_secret_access_key = ********") && said.contains("+credential_process = "), "{said}");
    assert!(said.contains("+[roles.prod]") && said.contains("nothing was changed"), "{said}");
    let json: Value = serde_json::from_slice(&import(&home, &["--dry-run", "--json"]).stdout).unwrap();
    assert_eq!((&json["step"], &json["roles"][0]["name"]), (&"plan".into(), &"prod".into()));
    let refused = import(&home, &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("--yes"), "{}", text(&refused.stderr));
    assert_eq!(all(&home), before);
    assert_eq!(home.aws.count("GetCallerIdentity"), 0, "no key was tried");
    clear(&home);
}

#[test]
fn a_key_that_does_not_work_stays_and_so_does_what_stands_on_it() {
    let home = home();
    let good = read(&home, "credentials");
    let bad = "[bad]\naws_access_key_id = AKIAI44QH8DHBEXAMPLE\naws_secret_access_key = je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY\n";
    put(&home, "credentials", &format!("{good}{bad}"));
    let role = format!("[profile onbad]\nrole_arn = {ROLE_ARN}\nsource_profile = bad\n");
    put(&home, "config", &format!("{}{role}", config()));
    let said = done(&home, &["--yes"]);
    assert!(said.contains("left: bad") && said.contains("left: onbad"), "{said}");
    assert!(read(&home, "credentials").ends_with(bad), "{}", read(&home, "credentials"));
    assert!(read(&home, "config").ends_with(&role));
    serves(&home, "prod");
}

#[test]
fn a_file_that_somebody_changes_meanwhile_is_not_written_over() {
    let home = home();
    let before = all(&home);
    let hold = home.aws.hold_matching(Match::action("GetCallerIdentity"));
    let output = std::thread::scope(|scope| {
        let importing = scope.spawn(|| import(&home, &["--yes"]));
        hold.wait_for_arrivals(1);
        put(&home, "config", &format!("{}# mine, just now\n", before[1]));
        hold.release();
        importing.join().unwrap()
    });
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("changed since it was read"), "{}", text(&output.stderr));
    assert_eq!(all(&home), [before[0].clone(), format!("{}# mine, just now\n", before[1]), before[2].clone()]);
    done(&home, &["--yes"]);
    serves(&home, "prod");
}

#[test]
fn a_kill_while_a_key_is_tried_loses_nothing_and_the_next_import_finishes() {
    let home = home();
    let before = all(&home);
    let hold = home.aws.hold_matching(Match::action("GetCallerIdentity"));
    let mut killed = home.rolecall(["import", "--yes"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    hold.wait_for_arrivals(1);
    killed.kill().unwrap();
    killed.wait().unwrap();
    hold.release();
    until("the key is tried", || home.aws.count("GetCallerIdentity") > 0);
    assert_eq!(all(&home), before);
    assert!(again(&home, &["--yes"]).status.success());
    serves(&home, "prod");
    undo(&home, &before);
}

/// Every state that a kill between two writes can leave.
#[test]
fn from_every_state_that_a_kill_can_leave_an_import_is_finished_and_undone() {
    for written in 0..3 {
        let home = home();
        let before = all(&home);
        done(&home, &["--yes"]);
        let after = all(&home);
        // As far as `written` files came; the journal says that it was broken off.
        let paths = [home.config(), home.path(".aws/config"), home.path(".aws/credentials")];
        for at in written..3 {
            fs::write(&paths[at], &before[at]).unwrap();
        }
        let journal = home.path(".local/state/rolecall/imports/0001.json");
        let text = fs::read_to_string(&journal).unwrap();
        assert!(text.contains("\"done\": true"), "{text}");
        fs::write(&journal, text.replace("\"done\": true", "\"done\": false")).unwrap();
        done(&home, &["--yes"]);
        assert_eq!(all(&home)[1..], after[1..], "after {written} files");
        serves(&home, "prod");
        undo(&home, &before);
    }
}

#[test]
fn an_undo_that_is_broken_off_is_finished_by_the_next() {
    let home = home();
    let before = all(&home);
    done(&home, &["--yes"]);
    // The credentials file is written first.
    put(&home, "credentials", &before[2]);
    undo(&home, &before);
}

#[test]
fn what_was_changed_since_survives_the_undo_and_what_cannot_be_found_again_stops_it() {
    let home = home();
    let before = all(&home);
    done(&home, &["--yes"]);
    put(&home, "config", &format!("{}[profile later]\nregion = eu-west-2\n", read(&home, "config")));
    done(&home, &["--undo", "--yes"]);
    assert_eq!(read(&home, "config"), format!("{}[profile later]\nregion = eu-west-2\n", before[1]));
    assert_eq!(read(&home, "credentials"), before[2]);
    put(&home, "config", &before[1]);
    done(&home, &["--yes"]);
    put(&home, "config", &read(&home, "config").replace("get prod", "get other"));
    let after = all(&home);
    let refused = import(&home, &["--undo", "--yes"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("[profile prod]"), "{}", text(&refused.stderr));
    assert_eq!(all(&home), after, "nothing was changed");
}

#[test]
fn a_key_that_no_import_brought_never_leaves_the_vault() {
    let home = Home::ready(&CONFIG.replace("[agent]\nvault = \"file\"\n", ""));
    let id = home.aws.access_key(USER_ARN).id;
    let paths = rolecall::paths::Paths {
        config: home.config(),
        socket: home.socket(),
        state: home.path(".local/state/rolecall"),
        vault_file: home.path("vault"),
        aws_config: home.path(".aws/config"),
        aws_credentials: home.path(".aws/credentials"),
        ..rolecall::paths::Paths::default()
    };
    let request = rolecall::protocol::message::Request::IdentityTakeBack { name: "auth".into(), access_key_id: id };
    let context = rolecall::protocol::message::Context::default();
    let report = rolecall::client::ask(&paths, request, context, rolecall::client::Autostart::No).expect_err("refused");
    assert!(report.message.contains("no import took it out of a file"), "{report:?}");
}

#[test]
fn modes_and_links_stay() {
    let home = home();
    let before = all(&home);
    fs::create_dir(home.path("dotfiles")).unwrap();
    fs::rename(home.path(".aws/config"), home.path("dotfiles/aws")).unwrap();
    std::os::unix::fs::symlink("../dotfiles/aws", home.path(".aws/config")).unwrap();
    fs::set_permissions(home.path("dotfiles/aws"), fs::Permissions::from_mode(0o640)).unwrap();
    done(&home, &["--yes"]);
    assert!(fs::symlink_metadata(home.path(".aws/config")).unwrap().file_type().is_symlink());
    assert_eq!(fs::metadata(home.path("dotfiles/aws")).unwrap().permissions().mode() & 0o777, 0o640);
    let journal = home.path(".local/state/rolecall/imports/0001.json");
    assert_eq!(fs::metadata(journal).unwrap().permissions().mode() & 0o777, 0o600);
    undo(&home, &before);
    assert!(fs::symlink_metadata(home.path(".aws/config")).unwrap().file_type().is_symlink());
}

#[test]
fn config_only_writes_config_toml_and_nothing_else() {
    let home = home();
    let before = all(&home);
    let said = done(&home, &["--config-only", "--yes"]);
    assert!(said.contains("rolecall identity add default"), "{said}");
    assert_eq!(all(&home)[1..], before[1..]);
    assert!(all(&home)[0].contains("[roles.prod]"));
    assert_eq!(home.aws.count("GetCallerIdentity"), 0);
    let described = all(&home)[0].clone();
    done(&home, &["--yes"]);
    assert_eq!(all(&home)[0], described, "the keys are those of the identities that are there already");
    serves(&home, "prod");
}

#[test]
fn only_what_is_named_is_taken_over_with_what_it_stands_on() {
    let home = home();
    let before = all(&home);
    let unknown = import(&home, &["--only", "prdo", "--yes"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("did you mean `prod`?"), "{}", text(&unknown.stderr));
    done(&home, &["--only", "prod", "--yes"]);
    serves(&home, "prod");
    assert_eq!(read(&home, "credentials"), before[2], "the other profile was not named, and keeps its key");
    done(&home, &["--yes"]);
    assert_eq!(read(&home, "credentials"), "# mine\n\n# the end\n");
    done(&home, &["--undo", "--yes"]);
    assert!(read(&home, "config").contains(" get prod"), "one import at a time");
    undo(&home, &before);
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_key_where_it_is() {
    let home = home();
    let before = all(&home);
    fs::remove_file(home.path(".aws/config")).unwrap();
    fs::create_dir(home.path(".aws/config")).unwrap();
    let refused = import(&home, &["--yes"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("is a directory"), "{}", text(&refused.stderr));
    assert_eq!(read(&home, "credentials"), before[2]);
    assert_eq!(home.aws.count("GetCallerIdentity"), 0);
    clear(&home);
}

#[test]
fn hostile_names_and_a_world_without_files_are_met_calmly() {
    let home = home();
    put(&home, "config", &format!("[profile a\u{1b}[2Jb]\nrole_arn = {ROLE_ARN}\nsource_profile = default\n"));
    let said = done(&home, &["--yes"]);
    assert!(!said.contains('\u{1b}') && said.contains("\\u{1b}"), "{said}");
    let bare = Home::bare(CONFIG);
    let said = done(&bare, &["--yes"]);
    assert!(said.contains("nothing to take over"), "{said}");
}

#[test]
fn no_key_goes_back_without_a_persons_yes_to_the_agent_itself() {
    let home = home();
    done(&home, &["--yes"]);
    let after = all(&home);
    // Nobody there: `--yes` is the face's word, and any program can say it.
    let nobody = home.command("setsid").args(["-w", ROLECALL, "import", "--undo", "--yes"]).output();
    let nobody = nobody.unwrap();
    assert_eq!(nobody.status.code(), Some(4), "{}", text(&nobody.stderr));
    assert!(text(&nobody.stderr).contains("nobody could be asked"), "{}", text(&nobody.stderr));
    fs::write(home.path("no"), "").unwrap();
    let refused = import(&home, &["--undo", "--yes"]);
    assert_eq!(refused.status.code(), Some(4), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("that was refused"), "{}", text(&refused.stderr));
    assert_eq!(all(&home), after, "nothing was changed");
    let said = fs::read_to_string(home.path("pinentry.said")).unwrap();
    assert!(said.contains("wants the secret access key AKIA") && said.contains("of `default`"), "{said}");
    let given = || home.events("identity").into_iter().filter(|line| line["message"] == "given back to a file");
    until("both are logged", || given().count() == 2);
    assert!(given().all(|line| line["result"] == "refused"), "{}", home.audit());
}

#[test]
fn a_second_import_with_a_dead_key_leaves_the_first_to_the_undo() {
    let home = home();
    let bad = "[bad]\naws_access_key_id = AKIAI44QH8DHBEXAMPLE\naws_secret_access_key = je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY\n";
    put(&home, "credentials", &format!("{}{bad}", read(&home, "credentials")));
    let before = all(&home);
    done(&home, &["--yes"]);
    for _ in 0..2 {
        assert_eq!(import(&home, &["--yes"]).status.code(), Some(5), "the dead key stays");
    }
    undo(&home, &before);
}

#[test]
fn what_a_kill_left_of_a_write_is_cleared_by_the_next_import() {
    let home = home();
    let left = read(&home, "credentials");
    put(&home, ".rolecall-notes.txt", "mine");
    // The second finds nothing to take over.
    for _ in 0..2 {
        put(&home, ".rolecall-aB3dE6", &left);
        done(&home, &["--dry-run"]);
        assert!(home.path(".aws/.rolecall-aB3dE6").exists(), "a dry run changes nothing");
        done(&home, &["--yes"]);
        assert!(!home.path(".aws/.rolecall-aB3dE6").exists());
    }
    assert_eq!(read(&home, ".rolecall-notes.txt"), "mine");
}

#[test]
fn a_profile_that_asks_for_no_code_asks_for_none_afterwards() {
    let home = home();
    let serial = "mfa_serial = arn:aws:iam::111111111111:mfa/richard\n";
    put(
        &home,
        "config",
        &config().replace("source_profile = default\n", &format!("source_profile = default\n{serial}")),
    );
    done(&home, &["--yes"]);
    serves(&home, "default");
    let toml = &all(&home)[0];
    assert!(toml.find("[roles.prod]") < toml.find("mfa_serial"), "the device stays with the role: {toml}");
}
