//! The AWS files as people have them: the null device, relative paths, other encodings, one profile under two headers.

use crate::harness::home::{CHAIN, Home, set_mode, text};
use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN};
use std::fs;
use std::process::Output;

const VARIABLES: [&str; 2] = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"];

fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// A home with a key and a role in plain files.
fn plain() -> Home {
    let home = Home::bare("[agent]\nvault = \"file\"\n\n[aws]\nendpoint_url_sts = \"ENDPOINT\"\n");
    home.open_vault();
    fs::create_dir(home.path(".aws")).unwrap();
    let key = home.aws.access_key(USER_ARN);
    fs::write(
        home.path(".aws/credentials"),
        format!("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n", key.id, key.secret),
    )
    .unwrap();
    fs::write(home.path(".aws/config"), format!("[profile prod]\nrole_arn = {ROLE_ARN}\nsource_profile = default\n"))
        .unwrap();
    home
}

#[test]
fn null_device_reads_as_an_empty_file() {
    let mut home = Home::ready(CHAIN);
    for name in VARIABLES {
        home.set(name, "/dev/null");
    }
    for args in [
        &["doctor", "prod"][..],
        &["import", "--dry-run"],
        &["status"],
        &["profiles", "diff"],
        &["exec", "prod", "--", "true"],
        &[],
    ] {
        let output = home.run(args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        assert!(!said(&output).contains("/dev/null.old"), "{args:?}: {}", said(&output));
    }
    let output = home.run(["profiles", "sync"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let said = text(&output.stderr);
    assert!(said.contains("null device") && said.contains("AWS_CONFIG_FILE"), "{said}");
    let meta = fs::metadata("/dev/null").unwrap();
    assert!(std::os::unix::fs::FileTypeExt::is_char_device(&meta.file_type()), "it is still a device");
}

#[test]
fn import_that_cannot_write_stores_no_key() {
    let mut home = plain();
    home.set("AWS_CONFIG_FILE", "/dev/null");
    let before = fs::read(home.path(".aws/credentials")).unwrap();
    let output = home.run(["import", "--yes"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(text(&output.stderr).contains("null device"), "{}", said(&output));
    assert_eq!(fs::read(home.path(".aws/credentials")).unwrap(), before);
    assert!(!fs::read_to_string(home.config()).unwrap().contains("[identities"), "no identity was written");
    assert!(home.events("identity").is_empty(), "no key was stored: {}", home.audit());
    fs::write(home.path(".aws/credentials"), "").unwrap();
}

#[test]
fn relative_aws_config_file_is_undone_from_elsewhere() {
    let home = plain();
    let before = fs::read(home.path(".aws/config")).unwrap();
    let run = |dir: &str, file: &str, args: &[&str]| {
        let mut command = home.rolecall(args);
        command.current_dir(home.path(dir)).env("AWS_CONFIG_FILE", file).env("AWS_SHARED_CREDENTIALS_FILE", "none");
        command.output().unwrap()
    };
    // Without a key, so that the undo asks nobody: the role stands on what the machine gives.
    fs::remove_file(home.path(".aws/credentials")).unwrap();
    let config =
        String::from_utf8(before).unwrap().replace("source_profile = default", "credential_source = Environment");
    fs::write(home.path(".aws/config"), &config).unwrap();
    let imported = run(".aws", "config", &["import", "--yes"]);
    assert!(imported.status.success(), "{}", said(&imported));
    assert_ne!(fs::read_to_string(home.path(".aws/config")).unwrap(), config);
    let undone = run("run", "other", &["import", "--undo", "--yes"]);
    assert!(undone.status.success(), "{}", said(&undone));
    assert_eq!(fs::read_to_string(home.path(".aws/config")).unwrap(), config);
}

#[test]
fn relative_token_file_is_stored_absolute() {
    let home = Home::bare(CHAIN);
    let output = home.run([
        "identity",
        "add",
        "web",
        "--type",
        "web-identity",
        "--web-identity-token-file",
        "token",
        "--role-arn",
        ROLE_ARN,
    ]);
    assert!(output.status.success(), "{}", said(&output));
    let config = fs::read_to_string(home.config()).unwrap();
    assert!(config.contains(&format!("web_identity_token_file = \"{}\"", home.path("token").display())), "{config}");
}

#[test]
fn utf_16_files_are_named_and_not_written() {
    let wide = |text: &str| {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
    };
    let home = Home::ready(CHAIN);
    fs::create_dir(home.path(".aws")).unwrap();
    let file = home.path(".aws/config");
    for bytes in [wide("[default]\r\nregion = eu-west-1\r\n"), b"[\0d\0]\0\n\0".to_vec()] {
        fs::write(&file, &bytes).unwrap();
        for args in [&["profiles", "sync"][..], &["profiles", "diff"], &["import", "--yes"]] {
            let output = home.run(args);
            assert!(!output.status.success(), "{args:?}: {}", said(&output));
            let stderr = text(&output.stderr);
            assert!(
                stderr.contains("UTF-16") && stderr.contains(".aws/config") && stderr.contains("iconv"),
                "{stderr}"
            );
        }
        let doctor = home.run(["doctor", "prod"]);
        assert!(said(&doctor).contains("UTF-16"), "{}", said(&doctor));
        assert_eq!(fs::read(&file).unwrap(), bytes, "as it was");
    }
    // A byte order mark of UTF-8 is kept, and the AWS CLI's refusal of it is told.
    fs::write(&file, "\u{feff}[default]\nregion = eu-west-1\n").unwrap();
    let synced = home.run(["profiles", "sync"]);
    assert!(synced.status.success() && said(&synced).contains("byte order mark"), "{}", said(&synced));
    assert!(fs::read(&file).unwrap().starts_with(b"\xef\xbb\xbf[default]"));

    let config = fs::read_to_string(home.config()).unwrap();
    fs::write(home.config(), wide(&config)).unwrap();
    let before = fs::read(home.config()).unwrap();
    for args in [&["role", "list"][..], &["role", "remove", "logs"], &["identity", "add", "x", "--type", "ec2"]] {
        let output = home.run(args);
        assert_eq!(output.status.code(), Some(3), "{args:?}: {}", said(&output));
        assert!(text(&output.stderr).contains("UTF-16"), "{}", said(&output));
    }
    assert_eq!(fs::read(home.config()).unwrap(), before);
    fs::write(home.config(), config).unwrap();
    let csv = home.path("key.csv");
    fs::write(&csv, wide("Access key ID,Secret access key\r\n")).unwrap();
    let output = home.run(["identity", "add", "auth", "--csv", "key.csv", "--replace"]);
    assert!(!output.status.success() && text(&output.stderr).contains("UTF-16"), "{}", said(&output));
}

#[test]
fn profile_under_two_headers_is_told_as_the_aws_cli_reads_it() {
    let home = plain();
    fs::write(
        home.path(".aws/config"),
        "[default]\nregion = eu-west-1\n\n[profile default]\nrole_arn = arn:aws:iam::222222222222:role/x\n\
         credential_source = Environment\n",
    )
    .unwrap();
    let planned = home.run(["import", "--dry-run"]);
    let plan = text(&planned.stdout);
    assert!(plan.contains("of which the AWS CLI reads the last"), "{plan}");
    assert!(!plan.contains("which the AWS CLI refuses"), "{plan}");
    fs::write(home.path(".aws/config"), "[profile a]\nrole_arn = x\n[profile a]\nregion = eu-west-1\n").unwrap();
    let planned = text(&home.run(["import", "--dry-run"]).stdout);
    assert!(planned.contains("which the AWS CLI refuses"), "{planned}");
    fs::write(home.path(".aws/credentials"), "").unwrap();
}

#[test]
fn key_of_aws_mfa_stays_in_its_file() {
    let home = plain();
    let text_of = |name: &str| fs::read_to_string(home.path(name)).unwrap();
    let credentials = text_of(".aws/credentials").replace("[default]", "[x-long-term]")
        + "aws_mfa_device = arn:aws:iam::111111111111:mfa/richard\n\n[x]\naws_access_key_id = ASIAEXAMPLE\n\
           aws_secret_access_key = x\naws_session_token = x\naws_security_token = x\nexpiration = 2026-01-01 00:00:00\n";
    fs::write(home.path(".aws/credentials"), &credentials).unwrap();
    fs::write(
        home.path(".aws/config"),
        format!("[profile prod]\nrole_arn = {ROLE_ARN}\nsource_profile = x-long-term\n"),
    )
    .unwrap();
    let output = home.rolecall(["import", "--yes"]).output().unwrap();
    let shown = said(&output);
    assert!(shown.contains("aws-mfa renews `x` with its key"), "{shown}");
    assert_eq!(text_of(".aws/credentials"), credentials);
    fs::write(home.path(".aws/credentials"), "").unwrap();
}

#[test]
fn config_that_the_next_command_would_refuse_is_not_made() {
    let home = Home::bare(CHAIN);
    fs::remove_file(home.config()).unwrap();
    let dir = home.path(".config/rolecall");
    set_mode(&dir, 0o775);
    for args in [&["identity", "add", "x", "--type", "ec2"][..], &["import", "--yes"]] {
        let output = home.run(args);
        assert_eq!(output.status.code(), Some(3), "{args:?}: {}", said(&output));
        let stderr = text(&output.stderr);
        assert!(stderr.contains("can be written by other users") && stderr.contains("`chmod go-w "), "{stderr}");
        assert!(!home.config().exists(), "{args:?}");
    }
    set_mode(&dir, 0o755);
    assert!(home.run(["identity", "add", "x", "--type", "ec2"]).status.success());
    assert!(home.run(["identity", "list"]).status.success());
}
