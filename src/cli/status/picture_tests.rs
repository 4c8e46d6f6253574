//! The drawing of a status, at fixed widths.

use super::*;
use crate::line;
use crate::status::{identities, roles};
use rolecall_core::domain::error::Kind;
use rolecall_ipc::protocol::status::{KeyAge, RoleStatus};

/// Draws what an agent has said.
fn render(status: &Status, screen: Screen) -> String {
    render_with(Problems::default(), status, screen)
}

fn render_with(problems: Problems, status: &Status, screen: Screen) -> String {
    let seen = StatusInput { problems, state: StatusSource::Agent(Box::new(status.clone())) };
    line::paint(&lines(&seen, screen), screen)
}

pub(crate) fn example() -> Status {
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
auth        iam-user, MFA             ━━━━━━━━━─  11h 20m left  key 92d old
├─ prod     222222222222 AssumedRole  ━━━━━━━━──  52m left      aws 3m ago
│  └─ data  333333333333 DataReader               no session
└─ staging  444444444444 Staging                  failed
     ! AccessDenied: not authorized
       hint: run `rolecall doctor staging`
instance    ec2

agent   running, pid 4242, up 2h 5m, version 0.1.0
vault   keyring ready
config  /home/r/.config/rolecall/config.toml
served  118 of 120 requests, 3 STS calls, 1 of them failed
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
    status.warnings = vec![UserError::new(Kind::Config, "config.toml:3: no\u{1b}[2J").hint("correct it")];
    status.vault.state = "locked".into();
    status.agent.version = "0.0.9".into();
    let text = render(&status, Screen::default());
    assert!(text.starts_with("warning: config.toml:3: no\\u{1b}[2J\n  hint: correct it\n\nauth"), "{text}");
    assert!(text.contains("keyring locked, it opens when you log in"), "{text}");
    assert!(text.contains("`rolecall agent restart`"), "{text}");
    assert!(text.contains("`- staging"), "{text}");
    status.vault.kind = "file".into();
    assert!(render(&status, Screen::default()).contains("rolecall unlock --vault"));
}

#[test]
fn a_narrow_terminal_still_shows_what_matters() {
    let drawn = |width| render(&example(), Screen { unicode: true, width: Some(width), colour: false });
    let tree = |width| drawn(width).split_once("\n\n").expect("the tree, then the agent").0.to_owned();
    assert_eq!(
        tree(60),
        "\
auth        iam-user     ━━━━─  11h 20m left  key 92d old
├─ prod     AssumedRole  ━━━━─  52m left      aws 3m ago
│  └─ data  DataReader          no session
└─ staging  Staging             failed
     ! AccessDenied: not authorized
       hint: run `rolecall doctor staging`
instance    ec2"
    );
    assert_eq!(
        tree(40),
        "\
auth        ━━━━─  11h 20m  key 92d old
├─ prod     ━━━━─  52m      aws 3m ago
│  └─ data         none
└─ staging         failed
     ! AccessDenied: not authorized
       hint: run
             `rolecall doctor staging`
instance"
    );
    let mut status = example();
    status.warnings = vec![UserError::new(Kind::Config, "config.toml:3: no").hint("correct it")];
    for width in 1..130 {
        let text = render(&status, Screen { unicode: true, width: Some(width), colour: false });
        assert!(text.lines().all(|l| line::width(l) <= width), "{width}: {text}");
        assert!(width < 20 || text.contains("52m"), "{width}: {text}");
    }
}

#[test]
fn a_caller_with_a_long_or_wide_name_keeps_the_time_in_sight() {
    let mut status = example();
    status.roles[1].last_caller = Some("/opt/配備ツール/デプロイヤー-production-release-runner".into());
    status.roles[1].role_arn =
        "arn:aws:iam::222222222222:role/a-role-with-a-very-long-name-as-they-are-made-by-tools".into();
    for width in [120, 100, 80, 60] {
        let text = render(&status, Screen { unicode: true, width: Some(width), colour: false });
        let line = text.lines().find(|line| line.contains(" prod")).expect("the role");
        assert!(line::width(line) <= width && line.contains("52m"), "{width}: {text}");
        assert!(line.ends_with("… 3m ago") || line.ends_with("runner 3m ago"), "{width}: {text}");
    }
}

#[test]
fn nothing_that_a_caller_is_called_can_move_the_cursor() {
    let mut status = example();
    status.roles[1].last_caller = Some("/x/\u{1b}[2Jy\n\u{202e}".into());
    status.roles[1].error = Some(UserError::new(Kind::Failed, "a\u{1b}]0;b\u{7}"));
    status.agent.config = "/\u{1b}c".into();
    let text = render(&status, Screen { unicode: true, ..Screen::default() });
    assert!(!text.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'), "{text:?}");
}

#[test]
fn a_bar_never_says_all_or_nothing_where_it_is_not_so() {
    let mut status = example();
    let mut bar = |left, life| {
        let session = status.roles[1].session.as_mut().expect("prod has one");
        (session.left_seconds, session.life_seconds) = (left, life);
        let text = render(&status, Screen::default());
        let line = text.lines().find(|line| line.contains("- prod")).expect("prod").to_owned();
        line.chars().filter(|c| "#.".contains(*c)).collect::<String>()
    };
    assert_eq!(bar(3600, 3600), "##########");
    assert_eq!(bar(3599, 3600), "#########.");
    assert_eq!(bar(1, 3600), "#.........");
    assert_eq!(bar(0, 3600), "..........");
    assert_eq!(bar(7200, 3600), "##########", "a life that a clock has shortened");
    assert_eq!(bar(u64::MAX - 1, u64::MAX), "#########.");
    assert_eq!(bar(0, 0), "..........");
}

#[test]
fn what_is_in_use_stands_before_what_is_not() {
    let mut status = example();
    let idle = status.roles[0].clone();
    status.roles = (0..10_000)
        .map(|at| RoleStatus { name: format!("role{at:05}"), source: "auth".into(), ..idle.clone() })
        .collect();
    let session = example().roles[1].session.clone();
    status.roles[9000].session = session.clone();
    status.roles[42].source = "role07000".into();
    status.roles[42].session = session;
    let text = render(&status, Screen::default());
    let names: Vec<&str> =
        text.lines().filter_map(|line| line.split_once("role")).map(|(_, rest)| &rest[..5]).take(4).collect();
    assert_eq!(names, ["07000", "00042", "09000", "00000"]);
    assert_eq!(text.lines().filter(|line| line.contains("no session")).count(), 9998, "none is left out");
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
    let catalogue = rolecall_core::config::parse(
        "identities.auth.type = \"iam-user\"\n\
         roles.prod = { source = \"auth\", role_arn = \"arn:aws:iam::222222222222:role/R\" }\n",
        Path::new("c"),
    )
    .expect("valid");
    let draw = |identities, roles| {
        let configured =
            WithoutAgent { agent: None, config: "/c".into(), world: None, warnings: Vec::new(), identities, roles };
        let seen = StatusInput { problems: Problems::default(), state: StatusSource::NoAgent(configured) };
        line::paint(&lines(&seen, Screen::default()), Screen::default())
    };
    assert_eq!(
        draw(identities(&catalogue), roles(&catalogue)),
        "\
auth     iam-user
`- prod  222222222222 R

agent   no agent is running; `rolecall get NAME` starts it
config  /c (does not exist yet)
"
    );
    assert!(draw(Vec::new(), Vec::new()).contains("identity add"));
    let narrow = tree::lines(&[], &[], None, &[], Screen { width: Some(30), ..Screen::default() });
    assert!(narrow.len() > 1 && narrow.iter().all(|line| line.width() <= 30), "{narrow:?}");
}

#[test]
fn all_that_is_wrong_with_the_file_is_listed_once() {
    let mut status = example();
    let error = rolecall_core::config::parse("xx = 1\nyy = 2\n", Path::new("c")).err();
    let problems = Problems { conflict: None, error };
    status.warnings = vec![problems.report().expect("wrong"), UserError::new(Kind::Failed, "other")];
    assert!(status.warnings[0].message.ends_with("(and 1 more)"));
    let text = render_with(problems, &status, Screen::default());
    assert!(text.starts_with("error: c:1: xx: unknown key\nerror: c:2: yy: unknown key\n  hint: correct"), "{text}");
    assert!(text.contains("\n\nwarning: other\n\nauth") && !text.contains("1 more"), "{text}");
}

#[test]
fn what_is_served_to_whom_stands_between_the_tree_and_the_agent() {
    let mut status = example();
    let since = status.agent.now - chrono::TimeDelta::minutes(2);
    let grant = |form, port, program: Option<&str>| GrantStatus {
        name: "prod".into(),
        form,
        port,
        pid: 4711,
        program: program.map(str::to_owned),
        since,
        served: 0,
    };
    status.endpoint.grants = vec![
        grant(EndpointForm::Container, None, Some("/usr/bin/zsh\u{1b}")),
        grant(EndpointForm::Imds, Some(8111), None),
    ];
    let socket = SocketStatus {
        name: "far".into(),
        path: "/run/far.sock".into(),
        roles: vec!["prod".into(), "data".into()],
        ask: true,
        last_used: Some(since),
        error: None,
    };
    let broken = Some(UserError::new(Kind::Failed, "x"));
    status.sockets = vec![socket.clone(), SocketStatus { ask: false, error: broken, ..socket }];
    let text = render(&status, Screen::default());
    let time = clock(since, status.agent.now);
    let expected = format!(
        "instance    ec2\n\n\
         given   prod to zsh\\u{{1b}} (4711) since {time}\n\
         given   prod to {UNNAMED} (4711) since {time}, by IMDS at port 8111\n\
         socket  far: prod, data, asks, used 2m ago\n\
         socket  far: prod, data, not open\n\
         agent   running"
    );
    assert!(text.contains(&expected), "{text}");
}
