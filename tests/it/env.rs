//! `env`: variables for shells and tools, what takes them back, and files that hold them where a person insists.

use crate::harness::home::{CHAIN, Home, text};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Output;

/// Runs `env`, whose output and file hold the session by design.
fn env(home: &Home, args: &[&str]) -> Output {
    let output = home.rolecall(["env"].iter().chain(args)).output().unwrap();
    home.canaries.shown(&text(&output.stderr));
    output
}

fn refused(home: &Home, args: &[&str], words: &str) {
    let output = env(home, args);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
    assert!(output.stdout.is_empty() && said.contains(words) && said.contains("hint: "), "{args:?}: {said}");
}

#[test]
fn the_variables_come_from_the_agent_and_are_taken_back_without_one() {
    let home = Home::ready(CHAIN);
    let script = "eval \"$1\"; env | grep ^AWS_ | cut -d= -f1 | sort; eval \"$2\"; env | grep -c ^AWS_; exit 0";
    let set = text(&env(&home, &["prod", "--format", "sh"]).stdout);
    for clear in ["--unset", "--clear"] {
        let unset = text(&env(&home, &[clear, "--format", "sh"]).stdout);
        let run = home
            .command("sh")
            .env("AWS_PROFILE", "old")
            .env("AWS_ROLE_ARN", "old")
            .args(["-c", script, "sh", &set, &unset])
            .output()
            .unwrap();
        assert_eq!(
            text(&run.stdout),
            "AWS_ACCESS_KEY_ID\nAWS_CREDENTIAL_EXPIRATION\nAWS_DEFAULT_REGION\nAWS_REGION\nAWS_SECRET_ACCESS_KEY\n\
             AWS_SESSION_TOKEN\n0\n"
        );
    }
    let alone = Home::bare(CHAIN);
    assert_eq!(env(&alone, &["--unset"]).status.code(), Some(0));
    assert!(!alone.socket().exists(), "no agent was started for it");
    refused(&alone, &["--unset", "--format", "json"], "not unset them");
    assert_eq!(env(&alone, &["prod", "--unset"]).status.code(), Some(2));
    assert_eq!(env(&alone, &[]).status.code(), Some(2));
}

#[test]
fn secrets_go_into_a_file_only_when_told_twice_and_then_for_their_owner_alone() {
    let home = Home::ready(CHAIN);
    refused(&home, &["prod", "--write-file", "creds.env"], "would hold secrets on disk");
    assert!(!home.path("creds.env").exists());
    for (file, starts) in
        [("creds.env", "AWS_ACCESS_KEY_ID=ASIA"), ("creds.json", "{\n  \"AWS_ACCESS_KEY_ID\": \"ASIA")]
    {
        // One that was open to all is not afterwards.
        std::fs::write(home.path(file), "AWS_ACCESS_KEY_ID=old\n").unwrap();
        std::fs::set_permissions(home.path(file), std::fs::Permissions::from_mode(0o644)).unwrap();
        let output = env(&home, &["prod", "--write-file", file, "--yes-secrets-on-disk"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).starts_with("written to ") && output.stderr.is_empty());
        assert!(!text(&output.stdout).contains("ASIA"), "only where it is");
        assert!(std::fs::read_to_string(home.path(file)).unwrap().starts_with(starts));
        assert_eq!(std::fs::metadata(home.path(file)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(env(&home, &["prod", "--yes-secrets-on-disk"]).status.code(), Some(2), "it says nothing alone");
}

#[test]
fn a_file_that_leads_elsewhere_is_refused_before_anything_is_fetched() {
    let home = Home::ready(CHAIN);
    let write = |file: &'static str| ["prod", "--write-file", file, "--yes-secrets-on-disk"];
    symlink(home.path("elsewhere"), home.path("link.env")).unwrap();
    refused(&home, &write("link.env"), "is a symlink");
    assert!(!home.path("elsewhere").exists());
    std::fs::create_dir(home.path("folder")).unwrap();
    refused(&home, &write("folder"), "is not a file");
    std::fs::write(home.path("own.env"), "AWS_REGION=x\nDATABASE_URL=x\n").unwrap();
    refused(&home, &write("own.env"), "is there already and holds something else");
    assert!(std::fs::read_to_string(home.path("own.env")).unwrap().contains("DATABASE_URL"));
    refused(&home, &write("missing/creds.env"), "is in no directory");
    refused(&home, &write("folder/.."), "is not the name of a file");
    assert_eq!(home.aws.count("AssumeRole"), 0);
}

#[test]
fn in_a_git_work_tree_it_is_said_to_keep_the_file_out_of_commits() {
    let home = Home::ready(CHAIN);
    std::fs::create_dir_all(home.path("repo/below")).unwrap();
    std::fs::create_dir(home.path("plain")).unwrap();
    // A file, as a linked work tree and a submodule have.
    std::fs::write(home.path("repo/.git"), "gitdir: /elsewhere\n").unwrap();
    for (file, is_said) in [("repo/.env", true), ("repo/below/.env", true), ("plain/.env", false)] {
        let output = env(&home, &["prod", "--write-file", file, "--yes-secrets-on-disk"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert_eq!(said.contains("; it lies in a git work tree: keep it out of commits\n"), is_said, "{said}");
        assert!(output.stderr.is_empty() && home.path(file).exists());
    }
}

#[test]
fn no_repository_has_a_program_run_or_holds_it_up() {
    let mut home = Home::ready(CHAIN);
    // git does what a repository's settings say, also those of a bare one that lies in a clone: it is not run at all.
    std::fs::create_dir_all(home.path("bin")).unwrap();
    std::fs::write(home.path("bin/git"), "#!/bin/sh\ntouch \"$HOME/ran\"\n").unwrap();
    std::fs::set_permissions(home.path("bin/git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    home.set("PATH", format!("{}:/usr/bin:/bin", home.path("bin").display()));
    std::fs::create_dir_all(home.path("clone/.git")).unwrap();
    std::fs::create_dir_all(home.path("clone/deploy/objects")).unwrap();
    for file in ["clone/.env", "clone/deploy/.env"] {
        let output = env(&home, &["prod", "--write-file", file, "--yes-secrets-on-disk"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    assert!(!home.path("ran").exists());
    assert!(home.command("git").status().unwrap().success() && home.path("ran").exists(), "it would have been seen");
}
