use super::*;
use crate::entry::Entry;

fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|name| Name::new(name).expect("name")).collect()
}

fn look(config: &[u8], credentials: &[u8], served: &[&str], variables: &[&str]) -> Vec<Warning> {
    warnings(&ProfileFiles {
        config: (Path::new("/c"), config),
        credentials: (Path::new("/k"), credentials),
        names: &names(served),
        variables,
    })
}

fn synced(config: &str, served: &[&str]) -> Vec<u8> {
    let entry = |name: Name| Entry::new(name, Path::new("/usr/bin/rolecall"), Some("eu-west-1")).expect("entry");
    let block = managed_block::render(&names(served).into_iter().map(entry).collect::<Vec<_>>());
    managed_block::replace(Path::new("/c"), config.as_bytes(), &block).expect("written")
}

fn messages(warnings: &[Warning]) -> String {
    let line = |w: &Warning| format!("{:?} {}\n  {}\n", w.severity, w.message, w.hint);
    warnings.iter().fold(String::new(), |all, warning| all + &line(warning))
}

#[test]
fn a_clean_place_gives_no_warning() {
    let config = synced("[default]\nregion = x\n[profile other]\nrole_arn = y\n", &["prod", "data"]);
    let all =
        look(&config, b"[default]\naws_access_key_id = A\n[other]\n", &["prod", "data"], &["AWS_PROFILE", "HOME"]);
    assert_eq!(messages(&all), "");
}

#[test]
fn a_section_that_is_not_ours_is_named_with_what_wins() {
    let all = look(b"[profile prod]\nrole_arn = x\nregion = y\nsso_session = z\n", b"", &["prod"], &[]);
    let shown = messages(&all);
    assert!(shown.contains("/c:1: [profile prod] stands outside rolecall's block"), "{shown}");
    assert!(shown.contains("/c:2: role_arn of prod wins over credential_process in the AWS CLI, boto3 and"), "{shown}");
    assert!(shown.contains("/c:4: sso_session of prod"), "{shown}");
    assert_eq!(all[0].at, Some((PathBuf::from("/c"), 1)));
    assert_eq!(all.len(), 3);
}

#[test]
fn our_command_written_by_hand_is_no_trouble() {
    let config = b"[profile prod]\ncredential_process = /usr/bin/rolecall get prod\n";
    assert_eq!(look(config, b"", &["prod"], &[]), []);
    assert_eq!(look(config, b"", &["prod", "data"], &[]), []);
}

#[test]
fn keys_that_slip_into_our_sections_are_found() {
    let mut config = synced("", &["prod"]);
    config.extend_from_slice(b"role_arn = x\n");
    let all = look(&config, b"", &["prod"], &[]);
    assert_eq!(all.len(), 1, "{}", messages(&all));
    assert_eq!(all[0].trouble, Precedence::WinningKey);
}

#[test]
fn a_profile_that_is_named_twice_in_two_ways_is_found() {
    for (ours, theirs) in
        [("prod", "[profile \"prod\"]"), ("prod", "[profile  prod]"), ("default", "[profile default]")]
    {
        let all = look(&synced(&format!("{theirs}\nregion = x\n"), &[ours]), b"", &[ours], &[]);
        assert_eq!(all.len(), 1, "{}", messages(&all));
        assert!(all[0].message.contains("names the profile again"), "{}", all[0].message);
    }
}

#[test]
fn the_same_section_twice_breaks_the_file_for_botocore() {
    let mut config = synced("", &["prod"]);
    let lines = config.split_inclusive(|byte| *byte == b'\n').count();
    config.extend_from_slice(b"[profile prod]\nregion = x\n");
    let all = look(&config, b"", &["prod"], &[]);
    assert_eq!(all[0].severity, Severity::Breaks);
    assert!(
        all[0].message.starts_with(&format!("/c:{}: the section is already there", lines + 1)),
        "{}",
        messages(&all)
    );
}

#[test]
fn keys_in_the_credentials_file_shadow_for_ever() {
    let credentials = b"[prod]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = hush\n[data]\n";
    let all = look(&synced("", &["prod", "data"]), credentials, &["prod", "data"], &[]);
    assert_eq!(all.len(), 2, "{}", messages(&all));
    assert!(all[0].message.starts_with("/k:2: aws_access_key_id of prod wins over credential_process in the AWS CLI"));
    assert_eq!((all[1].severity, all[1].trouble), (Severity::Note, Precedence::CredentialsSection));
    assert!(!messages(&all).contains("hush"));
}

#[test]
fn bad_neighbours_come_first() {
    let all = look(b"\xef\xbb\xbf[profile prod]\nregion = x\n[profile b\n", b"nonsense\n", &["prod"], &[]);
    let breaks: Vec<_> = all.iter().filter(|w| w.severity == Severity::Breaks).map(|w| w.at.clone()).collect();
    let at = |file: &str, line| Some((PathBuf::from(file), line));
    assert_eq!(breaks, [at("/c", 1), at("/c", 3), at("/k", 1)]);
    assert_eq!(all[0].severity, Severity::Breaks);
    assert!(all[0].hint.contains("without a byte order mark"));
}

#[test]
fn damaged_markers_default_keys_and_odd_names_are_told() {
    let text = format!("[DEFAULT]\nrole_arn = x\n{}\n", managed_block::BEGIN);
    let troubles: Vec<_> = look(text.as_bytes(), b"", &["a=b"], &[]).into_iter().map(|w| w.trouble).collect();
    for trouble in [Precedence::Markers, Precedence::PythonDefaults, Precedence::UnreadName] {
        assert!(troubles.contains(&trouble), "{troubles:?}");
    }
}

#[test]
fn variables_are_judged_together() {
    let table: &[(&[&str], Severity, &str)] = &[
        (&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], Severity::Shadows, "wins over every profile"),
        (&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"], Severity::Shadows, "JavaScript"),
        (&["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"], Severity::Breaks, "half key"),
        (&["AWS_SECRET_ACCESS_KEY"], Severity::Note, "left over"),
        (&["AWS_SESSION_TOKEN"], Severity::Note, "without a key"),
        (&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"], Severity::Note, "boto3 and the C++ SDK take the second"),
        (&["AWS_DEFAULT_PROFILE"], Severity::Note, "AWS_DEFAULT_PROFILE is set"),
        (&["AWS_CONFIG_FILE"], Severity::Note, "~/.aws/config"),
        (&["AWS_SHARED_CREDENTIALS_FILE"], Severity::Note, "~/.aws/credentials"),
    ];
    for (variables, severity, what) in table {
        let all = look(b"", b"", &["prod"], variables);
        assert_eq!(all.len(), 1, "{variables:?}");
        assert_eq!(all[0].severity, *severity, "{variables:?}");
        assert!(all[0].message.contains(what), "{}", all[0].message);
        assert!(!all[0].message.contains('\n') && !all[0].hint.is_empty());
    }
}
