use super::*;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const NOW: Duration = Duration::from_hours(100);

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn wanted(name_asked_for: &str) -> WantedCode {
    let serial = MfaSerial::new("arn:aws:iam::111111111111:mfa/richard").expect("a serial");
    WantedCode { whom: name("auth"), name: name(name_asked_for), serial }
}

fn session(id: &str, left: Duration, last_used: Option<Duration>) -> CodeNotice {
    CodeNotice {
        whom: name("auth"),
        access_key_id: id.into(),
        expiration: DateTime::from_timestamp(1_795_305_600, 0).expect("in range"),
        life: HOUR * 12,
        left,
        last_used,
    }
}

fn ago(minutes: u32) -> Option<Duration> {
    NOW.checked_sub(MINUTE * minutes)
}

fn seen() -> Seen {
    Seen {
        codes: Vec::new(),
        consents: Vec::new(),
        coded: Vec::new(),
        warn_before: Some(MINUTE * 30),
        overdue: Vec::new(),
    }
}

#[test]
fn a_wanted_code_is_told_once_however_many_ask_and_again_after_it_was_given() {
    let mut told = NotificationState::default();
    let many = || Seen { codes: vec![wanted("prod"), wanted("data"), wanted("prod")], ..seen() };
    let first = told.decide(&many(), NOW);
    assert_eq!(first.len(), 1);
    assert_eq!(
        first[0].body,
        "prod was asked for, and nobody could be asked for the code of arn:aws:iam::111111111111:mfa/richard. \
         Run: rolecall unlock auth"
    );
    assert!(told.decide(&many(), NOW + MINUTE * 59).is_empty(), "the same question");
    assert_eq!(told.decide(&many(), NOW + HOUR).len(), 1, "an hour later it is another one");
    let given = Seen { coded: vec![session("ASIA1", HOUR * 12, None)], ..seen() };
    assert!(told.decide(&given, NOW + HOUR).is_empty());
    assert_eq!(told.decide(&many(), NOW + HOUR + MINUTE).len(), 1, "the code was given in between");
}

#[test]
fn a_session_that_ends_is_told_of_once_and_only_if_it_was_used_lately() {
    let mut told = NotificationState::default();
    let mut at = |left: Duration, used: Option<Duration>, before: Option<Duration>| {
        let seen = Seen { coded: vec![session("ASIA1", left, used)], warn_before: before, ..seen() };
        told.decide(&seen, NOW).len()
    };
    let (half, lately) = (Some(MINUTE * 30), ago(5));
    assert_eq!(at(MINUTE * 31, lately, half), 0, "not yet");
    assert_eq!(at(MINUTE * 29, None, half), 0, "nobody uses it");
    assert_eq!(at(MINUTE * 29, ago(31), half), 0, "nobody uses it any more");
    assert_eq!(at(MINUTE * 29, lately, None), 0, "never");
    assert_eq!(at(MINUTE * 28, lately, half), 1);
    assert_eq!(at(MINUTE * 5, lately, half), 0, "once");
    let next = Seen { coded: vec![session("ASIA2", MINUTE * 10, lately)], ..seen() };
    assert_eq!(told.decide(&next, NOW).len(), 1, "the next session is another one");
}

#[test]
fn a_session_shorter_than_the_warning_is_told_of_at_half_its_life() {
    let short = |left| CodeNotice { life: MINUTE * 15, ..session("ASIA1", left, Some(NOW)) };
    assert!(!short(MINUTE * 15).ends_soon(Some(MINUTE * 30), NOW), "it has only begun");
    assert!(short(MINUTE * 7).ends_soon(Some(MINUTE * 30), NOW));
}

#[test]
fn old_keys_are_named_together_once_a_day() {
    let mut told = NotificationState::default();
    assert_eq!(told.old_keys(&[], NOW), None);
    let two = [name("auth"), name("ci")];
    let notice = told.old_keys(&two, NOW).expect("told");
    assert!(notice.body.contains("auth, ci are older") && notice.body.ends_with("identity rotate auth"), "{notice:?}");
    assert_eq!(told.old_keys(&two, NOW + HOUR * 23), None);
    assert!(told.old_keys(&two[..1], NOW + HOUR * 24).is_some());
}

#[test]
fn a_wanted_consent_is_told_once_for_each_that_wants_it() {
    let mut told = NotificationState::default();
    let grant = |program: Option<&str>| GivenConsent {
        role: name("prod"),
        program: program.map(str::to_owned),
        terminal: None,
        socket: None,
    };
    let (aws, unnamed) = (grant(Some("/usr/bin/aws")), grant(None));
    let many = || Seen { consents: vec![aws.clone(), unnamed.clone(), aws.clone()], ..seen() };
    let first = told.decide(&many(), NOW);
    assert_eq!(first.len(), 2);
    assert_eq!(
        first[0].body,
        "/usr/bin/aws wants prod, and nobody could be asked. It was refused; to allow it for good, write \
         `access_by_program = { \"/usr/bin/aws\" = \"allow\" }` in [roles.prod]"
    );
    assert!(first[1].body.starts_with("a program that cannot be named wants prod"), "{first:?}");
    assert!(told.decide(&many(), NOW + MINUTE * 59).is_empty(), "the same question");
    assert_eq!(told.decide(&many(), NOW + HOUR).len(), 2, "an hour later it is another one");
}
