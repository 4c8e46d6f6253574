//! A configuration of several files and many accounts, as the real programs and the running agent have it.
//!
//! Out of reach here: file systems that tell nothing of changes; the agent then looks once a minute.

use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::harness::wire::NOBODY;
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The account of the tutorials, and a template of its role.
const MANY: &str = r#"
[accounts]
work = { id = "222222222222", tags = ["team-a"] }
other = { id = "333333333333" }

[templates.AssumedRole]
source = "auth"
role_arn = "arn:aws:iam::{account}:role/{name}"
"#;

fn role(name: &str) -> String {
    format!("[roles.{name}]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"\n")
}

/// An agent whose configuration includes `more/*.toml`, of which there is one.
fn including() -> (Inside, PathBuf) {
    let mut dir = PathBuf::new();
    let agent = Inside::start_after(&format!("include = [\"more/*.toml\"]\n{TUTORIAL}"), |paths| {
        dir = paths.config.parent().unwrap().join("more");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("a.toml"), role("first")).unwrap();
    });
    (agent, dir)
}

fn has(agent: &Inside, name: &str) -> bool {
    agent.status().roles.iter().any(|role| role.name == name)
}

fn noticed(agent: &Inside, name: &str) {
    until(&format!("`{name}` is noticed"), || has(agent, name));
    assert!(agent.get("prod").is_ok());
}

#[test]
fn an_edit_of_an_included_file_is_noticed_however_it_is_made() {
    let (agent, dir) = including();
    let before = agent.get("prod").expect("served").access_key_id;
    noticed(&agent, "first");
    fs::write(dir.join("a.toml"), role("in-place")).unwrap();
    noticed(&agent, "in-place");
    rolecall::files::write_atomically(&dir.join("a.toml"), role("renamed").as_bytes()).unwrap();
    noticed(&agent, "renamed");
    fs::write(dir.join("b.toml"), role("new-file")).unwrap();
    noticed(&agent, "new-file");
    fs::remove_file(dir.join("b.toml")).unwrap();
    until("its roles are gone", || !has(&agent, "new-file"));
    let elsewhere = agent.dir().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("c.toml"), role("linked")).unwrap();
    symlink(elsewhere.join("c.toml"), dir.join("c.toml")).unwrap();
    noticed(&agent, "linked");
    rolecall::files::write_atomically(&elsewhere.join("c.toml"), role("behind-the-link").as_bytes()).unwrap();
    noticed(&agent, "behind-the-link");
    // A file that is included by one that is included.
    fs::write(dir.join("a.toml"), format!("include = [\"deep/x.toml\"]\n{}", role("leads"))).unwrap();
    until("that it is missing is said", || {
        agent.status().warnings.iter().any(|w| w.message.contains("there is no file"))
    });
    fs::create_dir(dir.join("deep")).unwrap();
    fs::write(dir.join("deep/x.toml"), role("deep")).unwrap();
    noticed(&agent, "deep");
    fs::write(dir.join("deep/x.toml"), role("deeper")).unwrap();
    noticed(&agent, "deeper");
    assert!(agent.status().warnings.is_empty());
    assert_eq!(agent.get("prod").expect("served").access_key_id, before, "its session outlives all of that");
}

#[test]
fn an_included_file_that_is_none_or_not_ours_is_refused_and_the_old_configuration_stays() {
    needs!("root");
    let (agent, dir) = including();
    let before = agent.get("first").expect("served").access_key_id;
    let refused = |spoil: &dyn Fn(&Path), reason: &str| {
        let file = dir.join("z.toml");
        spoil(&file);
        until(&format!("said: {reason}"), || agent.status().warnings.iter().any(|w| w.message.contains(reason)));
        assert_eq!(agent.get("first").expect("the old one is in use").access_key_id, before);
        assert!(agent.status().warnings[0].message.contains("z.toml"), "the file is named");
        let _ = fs::remove_dir(&file).or_else(|_| fs::remove_file(&file));
        until("mended", || agent.status().warnings.is_empty());
    };
    refused(&|file| fs::create_dir(file).unwrap(), "is not a file");
    refused(
        &|file| assert!(Command::new("mkfifo").args(["-m", "600"]).arg(file).status().unwrap().success()),
        "is not a file",
    );
    refused(&|file| symlink("/dev/zero", file).unwrap(), "is not a file");
    refused(&|file| symlink("z.toml", file).unwrap(), "too many symlinks lead to it");
    refused(&|file| symlink("/nowhere", file).unwrap(), "there is no file");
    refused(&|file| symlink("a.toml", file).unwrap(), "is included twice");
    refused(&|file| symlink("../config.toml", file).unwrap(), "the files include each other");
    refused(&|file| fs::write(file, "").unwrap(), "is empty");
    refused(
        &|file| {
            fs::write(file, role("open")).unwrap();
            set_mode(file, 0o620);
        },
        "can be written by other users",
    );
    refused(
        &|file| {
            let made = dir.join("made");
            fs::write(&made, role("foreign")).unwrap();
            chown(&made, Some(NOBODY), None).unwrap();
            fs::rename(made, file).unwrap();
        },
        "belongs to another user",
    );
    refused(&|file| fs::File::create(file).unwrap().set_len(1 << 30).unwrap(), "the files are larger than 8 MiB");
    refused(&|file| fs::write(file, "root:$6$secret:19000::\n").unwrap(), "not valid TOML");
    assert!(!agent.status().warnings.iter().any(|w| w.message.contains("$6$secret")));
}

#[test]
fn roles_of_templates_are_served_found_shown_completed_and_not_removed() {
    let home = Home::ready(&format!("{TUTORIAL}{MANY}"));
    let got = home.run(["get", "work-AssumedRole"]);
    assert!(got.status.success(), "{}", text(&got.stderr));

    let shown = text(&home.run(["role", "show", "work-AssumedRole"]).stdout);
    assert!(shown.contains("from the template AssumedRole (") && shown.contains("for the account work"), "{shown}");
    let json: serde_json::Value =
        serde_json::from_slice(&home.run(["role", "show", "work-AssumedRole", "--json"]).stdout).unwrap();
    assert_eq!((&json["origin"]["template"], &json["account_name"]), (&"AssumedRole".into(), &"work".into()));

    for (words, wanted) in [
        (["complete-names", "get", "wor"].as_slice(), "work-AssumedRole\n"),
        (&["complete-names", "agent", "socket", "add", "vm", "--roles", "prod,wor"], "prod,work-AssumedRole\n"),
    ] {
        assert_eq!(text(&home.run(words).stdout), wanted);
    }

    let removed = home.run(["role", "remove", "work-AssumedRole"]);
    assert_eq!(removed.status.code(), Some(3));
    assert!(text(&removed.stderr).contains("is made by the template `AssumedRole`"), "{}", text(&removed.stderr));
    let arn = "arn:aws:iam::222222222222:role/Other";
    let add = |more: &[&str]| {
        let words = ["role", "add", "work-AssumedRole", "--source", "auth", "--role-arn", arn];
        home.run(words.iter().chain(more))
    };
    let refused = add(&[]);
    assert!(
        text(&refused.stderr).contains("add `--replace` to write one that goes before it"),
        "{}",
        text(&refused.stderr)
    );
    let added = add(&["--replace"]);
    assert!(text(&added.stdout).contains("it goes before the one that the template `AssumedRole` makes"), "{added:?}");
    let removed = home.run(["role", "remove", "work-AssumedRole"]);
    assert!(text(&removed.stdout).contains("makes a role of this name again"), "{removed:?}");

    let socket = home.run(["agent", "socket", "add", "vm", "--roles", "work-AssumedRole"]);
    assert!(socket.status.success(), "{}", text(&socket.stderr));
}

#[test]
fn roles_are_looked_for_by_words_tags_and_accounts_and_drawn_as_a_tree() {
    let home = Home::bare(&format!("{TUTORIAL}tags = [\"web\"]\n{MANY}"));
    let found = |args: &[&str]| -> Vec<String> {
        let words = ["roles", "--json"].iter().chain(args);
        let json: Vec<serde_json::Value> = serde_json::from_slice(&home.run(words).stdout).unwrap();
        json.iter().map(|role| role["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found(&[]), ["other-AssumedRole", "prod", "work-AssumedRole"]);
    assert_eq!(found(&["ASSUMED", "333333"]), ["other-AssumedRole"]);
    assert_eq!(found(&["work"]), ["prod", "work-AssumedRole"], "by the account's name too");
    assert_eq!(found(&["--tag", "team-a"]), ["work-AssumedRole"]);
    assert_eq!(found(&["--account", "work"]), found(&["--account", "222222222222"]));
    assert_eq!(found(&["--account", "other", "--account", "work"]).len(), 3);
    assert_eq!(found(&["--tag", "web", "--tag", "team-a"]), Vec::<String>::new());

    let listed = text(&home.run(["roles", "web"]).stdout);
    assert!(listed.ends_with("\n1 of 3 roles\n") && listed.contains("CALLED"), "{listed}");
    let nothing = home.run(["roles", "--tag", "team-b"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(
        text(&nothing.stderr).contains("no role fits the tag `team-b`\nhint: did you mean `team-a`?"),
        "{nothing:?}"
    );

    let chained =
        format!("{TUTORIAL}{MANY}[roles.data]\nsource = \"prod\"\nrole_arn = \"arn:aws:iam::333333333333:role/D\"\n");
    home.configure(&chained);
    let tree = text(&home.run(["roles", "--tree"]).stdout);
    assert_eq!(
        tree,
        "auth                  iam-user            4 roles\n\
         |- other-AssumedRole  other 333333333333  AssumedRole\n\
         |- prod               work 222222222222   AssumedRole\n\
         |  `- data            other 333333333333  D\n\
         `- work-AssumedRole   work 222222222222   AssumedRole  team-a\n\
         \n4 roles\n"
    );
    let narrowed = text(&home.run(["roles", "--tree", "data"]).stdout);
    assert!(
        narrowed.starts_with("auth ") && narrowed.contains("`- prod") && narrowed.contains("   `- data"),
        "{narrowed}"
    );
    assert!(narrowed.ends_with("\n1 of 4 roles\n"), "{narrowed}");
}

#[test]
fn entries_of_included_files_are_edited_where_they_stand() {
    let home = Home::bare("");
    let team = home.config().with_file_name("team.toml");
    fs::write(&team, format!("# the team's\n{}", role("theirs"))).unwrap();
    home.configure(&format!("include = [\"team.toml\"]\n[agent]\nvault = \"file\"\n{TUTORIAL}"));
    let shown = text(&home.run(["role", "show", "theirs"]).stdout);
    assert!(shown.contains(&format!("from {}:2\n", team.display())), "{shown}");
    let arn = "arn:aws:iam::222222222222:role/Other";
    let changed = home.run(["role", "add", "theirs", "--source", "auth", "--role-arn", arn, "--replace"]);
    assert!(
        text(&changed.stdout).contains("role changed in ") && text(&changed.stdout).contains("team.toml"),
        "{changed:?}"
    );
    assert!(fs::read_to_string(&team).unwrap().starts_with("# the team's\n[roles.theirs]\n"));
    let removed = home.run(["role", "remove", "theirs"]);
    assert!(removed.status.success(), "{}", text(&removed.stderr));
    assert_eq!(fs::read_to_string(&team).unwrap(), "# No entries.\n");
    assert!(fs::read_to_string(home.config()).unwrap().starts_with("include = "));
}
