//! The drawing of a status, at fixed widths.

use super::*;
use crate::domain::report::Kind;

pub(in crate::cli) fn example() -> Status {
    serde_json::from_str(
        r#"{
        "agent": {"version": "0.1.0", "pid": 4242, "started": "2026-11-22T00:00:00Z", "now": "2026-11-22T02:05:00Z",
                  "config": "/home/r/.config/rolecall/config.toml", "socket": "/run/user/1000/rolecall/agent.sock"},
        "warnings": [],
        "vault": {"kind": "os", "state": "ready"},
        "identities": [
            {"name": "auth", "kind": "iam-user", "mfa_serial": "arn:aws:iam::111111111111:mfa/richard",
             "key": {"access_key_id": "AKIAEXAMPLE", "since": "2026-08-22T02:05:00Z", "age_seconds": 7948800, "overdue": true},
             "session": {"access_key_id": "ASIAEXAMPLE1", "expiration": "2026-11-22T13:25:00Z", "left_seconds": 40800,
                         "life_seconds": 43200, "freshness": "fresh"}},
            {"name": "instance", "kind": "ec2"}],
        "roles": [
            {"name": "data", "source": "prod", "role_arn": "arn:aws:iam::333333333333:role/team/DataReader"},
            {"name": "prod", "source": "auth", "role_arn": "arn:aws:iam::222222222222:role/AssumedRole",
             "session": {"access_key_id": "ASIAEXAMPLE2", "expiration": "2026-11-22T02:57:00Z", "left_seconds": 3120,
                         "life_seconds": 3600, "freshness": "fresh"},
             "last_used": "2026-11-22T02:02:00Z", "last_caller": "/usr/local/bin/aws"},
            {"name": "staging", "source": "auth", "role_arn": "arn:aws:iam::444444444444:role/Staging",
             "error": {"kind": "refused", "message": "AccessDenied: not authorized", "hint": "run `rolecall doctor staging`"}}],
        "counts": {"gets": 120, "handed_out": 118, "sts_calls": 3, "sts_failures": 1, "vault_reads": 1,
                   "turned_away": 0, "audit_lost": 0}
    }"#,
    )
    .expect("a status")
}

#[test]
fn roles_hang_under_what_they_start_from() {
    let text = render(&example(), Screen { unicode: true, ..Screen::default() });
    assert_eq!(
        text,
        "\
agent   running, pid 4242, up 2h 5m, version 0.1.0
vault   keyring ready
config  /home/r/.config/rolecall/config.toml

auth        iam-user, MFA             11h 20m left  key 92d old
├─ prod     222222222222 AssumedRole  52m left      aws 3m ago
│  └─ data  333333333333 DataReader   no session
└─ staging  444444444444 Staging      failed
     ! AccessDenied: not authorized
       hint: run `rolecall doctor staging`
instance    ec2

118 of 120 requests served, 3 STS calls, 1 of them failed
"
    );
}

#[test]
fn a_wanted_code_is_the_first_line_and_says_what_answers_it() {
    let mut status = example();
    status.questions = vec![QuestionStatus {
        kind: "mfa-code".into(),
        identity: Some("auth".into()),
        serial: Some("arn:aws:iam::111111111111:mfa/richard".into()),
        name: "prod".into(),
        program: Some("terraform".into()),
        since: status.agent.now - chrono::TimeDelta::minutes(2),
        open: false,
        answer_with: Some("rolecall unlock auth".into()),
    }];
    let text = render(&status, Screen::default());
    let lines: Vec<&str> = text.lines().collect();
    let since = status.questions[0].since.with_timezone(&Local).format("%H:%M");
    let code = "wanted: MFA code of auth (arn:aws:iam::111111111111:mfa/richard) for prod";
    assert_eq!(lines[0], format!("{code}, wanted since {since}"), "a time, as a span would read as how long it holds");
    assert!(lines[1].contains("nobody could be asked: run `rolecall unlock auth`"), "{text}");
    status.questions[0].answer_with = None;
    (status.questions[0].identity, status.questions[0].serial) = (None, None);
    let text = render(&status, Screen::default());
    assert!(text.starts_with(&format!("wanted: consent for terraform to use prod, wanted since {since}\n")), "{text}");
    status.questions[0].since = status.agent.now - chrono::TimeDelta::days(2);
    let day = status.questions[0].since.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string();
    assert!(render(&status, Screen::default()).contains(&format!("wanted since {day}\n")));
}

#[test]
fn an_identity_without_a_key_is_not_one_whose_key_has_no_age() {
    let mut status = example();
    let tree = |key: KeyAge, status: &mut Status| {
        status.identities[0].key = Some(key);
        render(status, Screen::default())
    };
    assert!(tree(KeyAge::default(), &mut status).contains("key of unknown age"), "a vault that was not looked into");
    let text = tree(KeyAge { missing: true, ..KeyAge::default() }, &mut status);
    assert!(text.contains("no key\n") && !text.contains("unknown age"), "{text}");
}

#[test]
fn warnings_come_first_and_the_vault_says_what_to_do() {
    let mut status = example();
    status.warnings = vec![Report::new(Kind::Config, "config.toml:3: no\u{1b}[2J").hint("correct it")];
    status.vault.state = "locked".into();
    status.agent.version = "0.0.9".into();
    let text = render(&status, Screen::default());
    assert!(text.starts_with("warning: config.toml:3: no\\u{1b}[2J\n  hint: correct it\n\nagent"), "{text}");
    assert!(text.contains("keyring locked, it opens when you log in"), "{text}");
    assert!(text.contains("`rolecall agent restart`"), "{text}");
    assert!(text.contains("`- staging"), "{text}");
    status.vault.kind = "file".into();
    assert!(render(&status, Screen::default()).contains("rolecall unlock --vault"));
}

#[test]
fn a_narrow_terminal_still_shows_what_matters() {
    let screen = Screen { unicode: true, width: Some(50), colour: false };
    let text = render(&example(), screen);
    let tree: Vec<&str> = text.lines().skip(4).take(2).collect();
    assert!(tree.iter().all(|line| line.chars().count() <= 50), "{text}");
    assert!(tree[1].contains("prod") && tree[1].contains("52m left"), "{text}");
}

#[test]
fn a_role_whose_source_is_gone_or_turns_in_a_circle_is_still_shown_once() {
    let mut status = example();
    status.identities.clear();
    status.roles[1].source = "data".into();
    let text = render(&status, Screen::default());
    for name in ["data", "prod", "staging"] {
        assert_eq!(text.matches(name).count(), if name == "staging" { 2 } else { 1 }, "{name}: {text}");
    }
}

#[test]
fn no_agent_shows_the_names_that_are_configured() {
    let catalogue = crate::config::parse(
        "identities.auth.type = \"iam-user\"\n\
         roles.prod = { source = \"auth\", role_arn = \"arn:aws:iam::222222222222:role/R\" }\n",
        Path::new("c"),
    )
    .expect("valid");
    let text = render_tree(&identities(&catalogue), &roles(&catalogue), None, Screen::default());
    assert_eq!(text, "\nauth     iam-user\n`- prod  222222222222 R\n");
    assert!(render_tree(&[], &[], None, Screen::default()).contains("identity add"));
}

#[test]
fn all_that_is_wrong_with_the_file_is_listed_once() {
    let problems = ["c:1: a".to_owned(), "c:2: b".to_owned()];
    let mut warnings = vec![Report::new(Kind::Config, "c:1: a (and 1 more)"), Report::new(Kind::Failed, "other")];
    let text = render_problems(&problems, &mut warnings, Screen::default());
    assert!(text.starts_with("error: c:1: a\nerror: c:2: b\n  hint: correct"), "{text}");
    assert_eq!(warnings.len(), 1);
    assert_eq!(render_problems(&[], &mut warnings, Screen::default()), "");
}
