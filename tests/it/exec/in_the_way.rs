//! A `[default]` that gives credentials comes before an endpoint in every SDK.

use super::{environment, quietly};
use crate::harness::home::{Home, text};
use crate::harness::inside::TUTORIAL;

const DEFAULT: &str = "[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = other\n";

fn home(config: &str) -> Home {
    let home = Home::ready(TUTORIAL);
    std::fs::create_dir(home.path(".aws")).unwrap();
    std::fs::write(home.path(".aws/config"), config).unwrap();
    home
}

#[test]
fn without_a_profile_for_the_role_it_is_refused_and_nothing_runs() {
    let home = home(DEFAULT);
    for line in [
        &["exec", "prod", "--", "touch", "ran"][..],
        &["exec", "--imds", "prod", "--", "touch", "ran"],
        &["shell", "prod"],
        &["shell-variables", "--shell", "sh", "prod"],
    ] {
        let output = home.run(line);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(".aws/config:1: [default] gives credentials"), "{said}");
        assert!(said.contains("`rolecall profiles sync`"), "{said}");
        assert!(output.stdout.is_empty());
    }
    assert!(!home.path("ran").exists());
    assert_eq!(home.aws.count("AssumeRole"), 0);
    let found = environment(&quietly(home.rolecall(["exec", "--static", "prod", "--", "env", "-0"])));
    assert!(found["AWS_ACCESS_KEY_ID"].starts_with("ASIA"), "plain variables come before it");
}

#[test]
fn the_credentials_file_has_one_too() {
    let home = home("");
    std::fs::write(home.path(".aws/credentials"), DEFAULT).unwrap();
    let output = home.run(["exec", "prod", "--", "true"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains(".aws/credentials:1"), "{}", text(&output.stderr));
}

#[test]
fn the_profile_that_sync_wrote_stands_in_for_it() {
    let home = home(DEFAULT);
    assert!(home.run(["profiles", "sync"]).status.success());
    let found = environment(&quietly(home.rolecall(["exec", "prod", "--", "env", "-0"])));
    assert_eq!(found["AWS_PROFILE"], "prod");
    assert!(found.contains_key("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
}

#[test]
fn one_without_credentials_is_in_nobodys_way() {
    let home = home("[default]\nregion = us-east-1\noutput = json\n");
    let found = environment(&quietly(home.rolecall(["exec", "prod", "--", "env", "-0"])));
    assert!(!found.contains_key("AWS_PROFILE"));
}

#[test]
fn what_cannot_be_looked_at_is_not_taken_for_empty() {
    let home = home("[profile default ]\naws_access_key_id = AKIAOTHER\n");
    let refused = |file: &str, words: &str| {
        for line in [&["exec", "prod", "--", "touch", "ran"][..], &["shell-variables", "--shell", "sh", "prod"]] {
            let output = home.run(line);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{file}: {said}");
            assert!(said.contains(file) && said.contains(words) && said.contains("or run `rolecall "), "{said}");
            assert!(output.stdout.is_empty() && !home.path("ran").exists());
        }
    };
    refused(".aws/config:1", "[default] gives credentials");
    std::fs::write(home.path(".aws/config"), "").unwrap();
    // SDKs read a pipe, as `<(…)` makes one, and files of any size.
    let credentials = home.path(".aws/credentials");
    assert!(home.command("mkfifo").arg(&credentials).status().unwrap().success());
    refused(".aws/credentials", "is a named pipe");
    std::fs::remove_file(&credentials).unwrap();
    std::fs::File::create(&credentials).unwrap().set_len(17 << 20).unwrap();
    refused(".aws/credentials", "is larger than 16 MiB");
    std::fs::remove_file(&credentials).unwrap();
    std::fs::create_dir(&credentials).unwrap();
    refused(".aws/credentials", "is a directory");
    std::fs::remove_dir(&credentials).unwrap();
    assert!(home.run(["exec", "--static", "prod", "--", "true"]).status.success());
    // What says that there is none.
    std::os::unix::fs::symlink("/dev/null", &credentials).unwrap();
    assert!(home.run(["exec", "prod", "--", "true"]).status.success());
}
