//! From the configuration to the block in the AWS file.

use super::*;
use crate::config_file::tests::paths;
use rolecall_core::config;
use std::fs;
use std::os::unix::fs::symlink;

const TEXT: &str = r#"
    [identities.auth]
    type = "iam-user"
    region = "eu-west-1"
    [roles.prod]
    source = "auth"
    role_arn = "arn:aws:iam::222222222222:role/AssumedRole"
    [roles.data]
    source = "prod"
    role_arn = "arn:aws:iam::333333333333:role/DataReader"
"#;

fn catalogue(text: &str) -> Config {
    config::parse(text, Path::new("config.toml")).unwrap_or_else(|e| panic!("{e}"))
}

fn plan(text: &str, file: &Path) -> ProfilesChange {
    ProfilesChange::plan(&catalogue(text), file, Path::new("/usr/bin/rolecall")).expect("a plan")
}

#[test]
fn every_role_gets_a_profile_and_identities_get_none() {
    let dir = tempfile::tempdir().expect("tempdir");
    let paths = paths(dir.path());
    let change = plan(TEXT, &paths.aws_config);
    let text = String::from_utf8_lossy(&change.new).into_owned();
    assert!(text.contains("[profile prod]\ncredential_process = /usr/bin/rolecall get prod\nregion = eu-west-1\n"));
    assert!(!text.contains("auth"), "{text}");
    assert_eq!(change.added, ["data", "prod"]);
    file_io::write(&paths.aws_config, &change.old, &change.new).expect("written");

    let again = plan(TEXT, &paths.aws_config);
    assert_eq!(*again.old, *again.new);
    let summary = again.summary(&paths, None, &[], Screen::default());
    assert!(summary.ends_with("is up to date: 2 profiles\n"), "{summary}");

    let less = TEXT.split("[roles.data]").next().expect("the first part").replace("eu-west-1", "eu-central-1");
    let change = plan(&less, &paths.aws_config);
    assert_eq!(
        (change.changed.as_slice(), change.removed.as_slice()),
        (&["prod".to_owned()][..], &["data".to_owned()][..])
    );
    let summary = change.summary(&paths, None, &[], Screen::default());
    assert!(summary.ends_with(": 1 profile\n  ~ prod\n  - data\n"), "{summary}");
}

#[test]
fn a_taken_name_is_left_out_and_said() {
    let dir = tempfile::tempdir().expect("tempdir");
    let paths = paths(dir.path());
    fs::create_dir(dir.path().join("aws")).expect("made");
    let mine = "[profile prod]\nrole_arn = arn:aws:iam::222222222222:role/AssumedRole\nsource_profile = me\n";
    fs::File::create(&paths.aws_config)
        .and_then(|mut f| std::io::Write::write_all(&mut f, mine.as_bytes()))
        .expect("made");
    let change = plan(TEXT, &paths.aws_config);
    assert!(change.new.starts_with(mine.as_bytes()));
    assert_eq!(change.added, ["data"]);
    let warnings = change.warnings(&paths);
    let summary = change.summary(&paths, Some(Path::new("/b")), &warnings, Screen::default());
    assert!(summary.contains("left out: prod"), "{summary}");
    assert!(summary.contains("rename it"), "{summary}");
    assert!(summary.contains("kept: /b"), "{summary}");
    let json = serde_json::to_value(change.shown(&paths, None, None, warnings)).expect("JSON");
    assert_eq!((&json["left_out"][0], &json["profiles"]), (&"prod".into(), &1.into()));
    assert_eq!(json["warnings"][0]["severity"], "shadows");
}

#[test]
fn a_diff_has_colour_only_where_there_is_some() {
    let text = "--- a\n+++ b\n@@ -0 +1 @@\n+new\n-old\n same\n";
    assert_eq!(paint_diff(text, Screen::default()), text);
    let painted = paint_diff(text, Screen { colour: true, ..Screen::default() });
    assert!(painted.contains("\u{1b}[32m+new\u{1b}[0m\n") && painted.contains("\n same\n"), "{painted:?}");
}

#[test]
fn the_path_that_survives_an_update_is_written() {
    let dir = tempfile::tempdir().expect("tempdir");
    let top = dir.path().canonicalize().expect("real");
    let (cellar, bin, other) = (top.join("Cellar/0.1.0"), top.join("bin"), top.join("other"));
    for at in [&cellar, &bin, &other] {
        fs::create_dir_all(at).expect("made");
    }
    let own = cellar.join("rolecall");
    fs::File::create(&own).expect("made");
    fs::File::create(other.join("rolecall")).expect("made");
    symlink(&own, bin.join("rolecall")).expect("linked");
    let search = |dirs: &[&Path]| stable(&own, dirs.iter().map(|dir| dir.to_path_buf()));
    assert_eq!(search(&[&top, &bin, &other]), Some(bin.join("rolecall")));
    assert_eq!(search(&[&other, &bin]), None, "another rolecall comes first");
    assert_eq!(search(&[Path::new("relative")]), None);
}
