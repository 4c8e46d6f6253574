use super::attempt::{Attempt, Own, Party, RequestVariation, Target};
use super::document::{Condition, Document, Facts, Holds, Set, Statement, is_like};
use super::key::{KeyFacts, Listed, Obstacle, clock, rejected, unreachable, wrong_region};
use super::refusal::{PolicyKind, Refusal};
use super::*;
use crate::domain::arn::RoleArn;
use crate::domain::error::UserError;
use crate::domain::regions::Rejected;
use chrono::TimeDelta;
use std::collections::BTreeMap;
use std::time::Duration;

const USER: &str = "arn:aws:iam::111111111111:user/richard";
const ROLE: &str = "arn:aws:iam::222222222222:role/AssumedRole";

fn attempt(refusal: Refusal) -> Attempt {
    Attempt {
        name: "prod".into(),
        role: RoleArn::new(ROLE).expect("valid"),
        caller: Party { name: "auth".into(), arn: USER.into(), session_arn: None },
        external_id: None,
        with_mfa: false,
        device: None,
        takes_mfa: true,
        duration: Duration::from_hours(1),
        source_identity: None,
        tags: BTreeMap::new(),
        refusal,
        words: "not authorized".into(),
        granted: Vec::new(),
        own: Own::Unread,
        target: Target::Unread,
    }
}

fn set(patterns: &[&str]) -> Set {
    Set { patterns: patterns.iter().map(ToString::to_string).collect(), inverted: false }
}

fn trusting(principal: &str, conditions: &[(&str, &str, &str)]) -> Target {
    let conditions = conditions
        .iter()
        .map(|(operator, key, value)| Condition {
            operator: (*operator).into(),
            key: (*key).into(),
            values: vec![(*value).into()],
        })
        .collect();
    let statement = Statement {
        actions: set(&["sts:AssumeRole"]),
        principals: Some(set(&[principal])),
        conditions,
        text: "{…}".into(),
        ..Statement::default()
    };
    Target::Read { trust: Some(Document { statements: vec![statement] }), max_session: Some(Duration::from_hours(4)) }
}

fn causes(attempt: &Attempt) -> Vec<(Cause, Certainty)> {
    explain(attempt).into_iter().map(|finding| (finding.cause, finding.certainty)).collect()
}

#[test]
fn what_aws_says_itself_is_certain() {
    use Certainty::Certain;
    for (refusal, cause) in [
        (Refusal::OverMaximum, Cause::DurationOverMaximum),
        (Refusal::OverChain, Cause::ChainedOverOneHour),
        (Refusal::BadPolicy, Cause::SessionPolicyInvalid),
        (Refusal::Region, Cause::RegionDisabled),
        (Refusal::Mfa, Cause::MfaRefused),
        (Refusal::MfaCode, Cause::MfaRefused),
        (Refusal::TagSession, Cause::SessionTags),
        (Refusal::SetSourceIdentity, Cause::SourceIdentity),
        (Refusal::NotAllowed(PolicyKind::Identity), Cause::MissingIdentityPermission),
        (Refusal::NotAllowed(PolicyKind::Session), Cause::SessionPolicyTooNarrow),
        (Refusal::NotAllowed(PolicyKind::Boundary), Cause::Guardrail),
        (Refusal::NotAllowed(PolicyKind::Organization), Cause::Guardrail),
        (Refusal::Denied(PolicyKind::Identity), Cause::ExplicitDeny),
        (Refusal::Denied(PolicyKind::Trust), Cause::ExplicitDeny),
        (Refusal::Denied(PolicyKind::Other), Cause::ExplicitDeny),
    ] {
        assert_eq!(causes(&attempt(refusal)), [(cause, Certain)], "{refusal:?}");
    }
}

#[test]
fn what_looks_alike_from_here_is_told_as_possible_and_none_is_picked() {
    let all = causes(&attempt(Refusal::Bare));
    let named: Vec<Cause> = all.iter().map(|(cause, _)| *cause).collect();
    assert_eq!(
        named,
        [
            Cause::MissingIdentityPermission,
            Cause::WrongPrincipal,
            Cause::RoleDeleted,
            Cause::ExternalIdMissing,
            Cause::MfaDemanded
        ]
    );
    assert!(all.iter().all(|(_, certainty)| *certainty == Certainty::Possible));
    let with_id = causes(&Attempt { external_id: Some("7f3a".into()), with_mfa: true, ..attempt(Refusal::Bare) });
    assert!(with_id.contains(&(Cause::ExternalIdWrong, Certainty::Possible)), "{with_id:?}");
    assert!(!with_id.iter().any(|(cause, _)| *cause == Cause::MfaDemanded), "MFA was given");
    let own_is_fine = causes(&Attempt { own: Own::Allowed, ..attempt(Refusal::Bare) });
    assert!(!own_is_fine.iter().any(|(cause, _)| *cause == Cause::MissingIdentityPermission));
    let no_resource = causes(&attempt(Refusal::NotAllowed(PolicyKind::Trust)));
    assert!(!no_resource.iter().any(|(cause, _)| *cause == Cause::MissingIdentityPermission));
}

#[test]
fn what_could_be_read_makes_one_cause_certain() {
    use Certainty::Certain;
    let root = "arn:aws:iam::111111111111:root";
    let id = ("StringEquals", "sts:ExternalId", "right");
    let mfa = ("Bool", "aws:MultiFactorAuthPresent", "true");
    let bare = || attempt(Refusal::Bare);
    for (attempt, want) in [
        (Attempt { own: Own::NotAllowed, ..bare() }, Cause::MissingIdentityPermission),
        (Attempt { own: Own::Denied { policy: None, statement: None }, ..bare() }, Cause::ExplicitDeny),
        (Attempt { target: Target::Missing, ..bare() }, Cause::RoleDeleted),
        (Attempt { target: trusting("arn:aws:iam::999999999999:root", &[]), ..bare() }, Cause::WrongPrincipal),
        (Attempt { target: trusting("arn:aws:iam::111111111111:user/other", &[]), ..bare() }, Cause::WrongPrincipal),
        (Attempt { target: trusting(root, &[id]), ..bare() }, Cause::ExternalIdMissing),
        (
            Attempt { target: trusting(root, &[id]), external_id: Some("wrong".into()), ..bare() },
            Cause::ExternalIdWrong,
        ),
        (Attempt { target: trusting(USER, &[mfa]), ..bare() }, Cause::MfaDemanded),
        (
            Attempt { target: trusting("*", &[("StringLike", "aws:RequestTag/team", "web*")]), ..bare() },
            Cause::SessionTags,
        ),
        (
            Attempt { target: trusting(root, &[("StringEquals", "sts:SourceIdentity", "me")]), ..bare() },
            Cause::SourceIdentity,
        ),
    ] {
        assert_eq!(causes(&attempt), [(want, Certain)]);
    }
    // What the documents have nothing against is refused elsewhere, and that is an inference.
    let fits = Attempt { target: trusting(root, &[]), ..bare() };
    assert_eq!(causes(&fits), [(Cause::MissingIdentityPermission, Certainty::Likely)]);
    let both = Attempt { own: Own::Allowed, ..fits };
    assert_eq!(causes(&both), [(Cause::Guardrail, Certainty::Likely)]);
    let unknown = Attempt { target: trusting(root, &[("IpAddress", "aws:SourceIp", "192.0.2.0/24")]), ..bare() };
    assert_eq!(causes(&unknown), [(Cause::OtherCondition, Certainty::Likely)]);
}

#[test]
fn a_variation_that_aws_grants_is_proof() {
    let by =
        |granted| causes(&Attempt { granted: vec![granted], external_id: Some("x".into()), ..attempt(Refusal::Bare) });
    for (variation, cause) in [
        (RequestVariation::WithMfa, Cause::MfaDemanded),
        (RequestVariation::WithoutExternalId, Cause::ExternalIdWrong),
        (RequestVariation::WithoutTags, Cause::SessionTags),
        (RequestVariation::WithoutSourceIdentity, Cause::SourceIdentity),
        (RequestVariation::CallerUnlimited, Cause::SessionPolicyTooNarrow),
    ] {
        assert_eq!(by(variation), [(cause, Certainty::Certain)], "{variation:?}");
    }
}

#[test]
fn each_finding_says_whose_account_and_what_to_write_there() {
    let found = explain(&Attempt { external_id: Some("7f3a".into()), ..attempt(Refusal::Bare) });
    let of = |cause| found.iter().find(|finding| finding.cause == cause).expect("it is among them");
    let permission = of(Cause::MissingIdentityPermission);
    assert_eq!(permission.account.as_deref(), Some("111111111111"));
    let change = permission.change.as_ref().expect("a statement");
    assert!(change.text.contains(&format!("\"Resource\": \"{ROLE}\"")), "{}", change.text);
    assert!(permission.fix.as_deref().is_some_and(|fix| fix.contains("put-user-policy --user-name richard ")));
    let principal = of(Cause::WrongPrincipal);
    assert_eq!(principal.account.as_deref(), Some("222222222222"));
    let text = &principal.change.as_ref().expect("a statement").text;
    assert!(text.contains(USER) && text.contains("\"sts:ExternalId\": \"7f3a\""), "{text}");
    let wanted = explain(&Attempt {
        target: trusting("*", &[("StringEquals", "sts:ExternalId", "ri\"ght")]),
        ..attempt(Refusal::Bare)
    });
    assert_eq!(wanted[0].change.as_ref().expect("a line").text, "external_id = \"ri\\\"ght\"");
    let long =
        Attempt { duration: Duration::from_hours(12), target: trusting("*", &[]), ..attempt(Refusal::OverMaximum) };
    assert_eq!(explain(&long)[0].change.as_ref().expect("a line").text, "duration = \"4h\"");
}

#[test]
fn conditions_are_judged_as_iam_does_and_never_guessed() {
    use Holds::{No, Unknown, Yes};
    let mut facts = Facts::default();
    facts.put("sts:ExternalId", ["a".to_owned()]);
    facts.put("aws:MultiFactorAuthPresent", None);
    facts.put("aws:TagKeys", ["team".to_owned(), "stage".to_owned()]);
    for (operator, key, value, want) in [
        ("StringEquals", "STS:externalid", "a", Yes),
        ("StringEquals", "sts:ExternalId", "b", No),
        ("StringNotEquals", "sts:ExternalId", "b", Yes),
        ("StringLike", "sts:ExternalId", "?", Yes),
        ("Bool", "aws:MultiFactorAuthPresent", "true", No),
        ("BoolIfExists", "aws:MultiFactorAuthPresent", "true", Yes),
        ("Null", "aws:MultiFactorAuthPresent", "true", Yes),
        ("Null", "aws:MultiFactorAuthPresent", "false", No),
        ("StringNotEquals", "aws:MultiFactorAuthPresent", "x", Yes),
        ("StringEquals", "aws:RequestTag/none", "x", No),
        ("ForAllValues:StringEquals", "aws:TagKeys", "team", No),
        ("ForAnyValue:StringEquals", "aws:TagKeys", "team", Yes),
        ("StringEquals", "aws:PrincipalOrgID", "o-1", Unknown),
        ("DateLessThan", "sts:ExternalId", "x", Unknown),
    ] {
        let condition = Condition { operator: operator.into(), key: key.into(), values: vec![value.into()] };
        assert_eq!(condition.holds(&facts), want, "{operator} {key} {value}");
    }
    for (pattern, text, fits) in
        [("*", "", true), ("a*c", "abbc", true), ("a?c", "ac", false), ("*b*", "abc", true), ("ab", "abc", false)]
    {
        assert_eq!(is_like(pattern, text), fits, "{pattern} {text}");
    }
}

#[test]
fn unread_key_list_leaves_three_possible_causes() {
    use Certainty::{Certain, Possible};
    let key = KeyFacts { identity: "auth", id: "AKIAEXAMPLE", owner: USER, account: "111111111111" };
    let of = |code, listed| -> Vec<(Cause, Certainty)> {
        rejected(code, &key, listed).into_iter().map(|f| (f.cause, f.certainty)).collect()
    };
    assert_eq!(of("InvalidClientTokenId", Listed::Inactive), [(Cause::KeyInactive, Certain)]);
    assert_eq!(of("InvalidClientTokenId", Listed::Gone), [(Cause::KeyDeleted, Certain)]);
    assert_eq!(
        of("InvalidClientTokenId", Listed::Unread),
        [(Cause::KeyInactive, Possible), (Cause::KeyDeleted, Possible), (Cause::RegionDisabled, Possible)]
    );
    assert_eq!(of("SignatureDoesNotMatch", Listed::Unread), [(Cause::KeyWrong, Certain)]);
}

#[test]
fn a_clock_is_off_beyond_what_aws_takes() {
    assert!(clock(TimeDelta::minutes(4), "set it").is_none() && clock(TimeDelta::minutes(-4), "set it").is_none());
    let behind = clock(TimeDelta::hours(1), "set it").expect("off");
    assert!(behind.what.contains("is 1 hour behind AWS's"), "{}", behind.what);
    assert!(clock(TimeDelta::hours(-1), "set it").expect("off").what.contains("ahead of"));
}

#[test]
fn the_verdict_is_that_of_the_first_link_that_does_not_hold() {
    let holds = |kind| Link::new(kind, LinkState::Holds, "");
    assert_eq!(verdict(&[holds(LinkKind::Config), holds(LinkKind::Result)], &[]), None);
    let locked = Finding::new(Cause::VaultLocked, LinkKind::Vault, Certainty::Certain, "").kind(Kind::Locked);
    let refused = Finding::new(Cause::Other, LinkKind::Trust, Certainty::Certain, "");
    let links = [
        holds(LinkKind::Config),
        Link::new(LinkKind::Vault, LinkState::Broken, ""),
        Link::new(LinkKind::Trust, LinkState::Broken, ""),
    ];
    assert_eq!(verdict(&links, &[refused, locked]), Some(Kind::Locked));
    let unproven = [Link::new(LinkKind::Trust, LinkState::Unproven, "")];
    assert_eq!(verdict(&unproven, &[]), Some(Kind::Failed), "what is not proven is no success");
}

#[test]
fn a_change_of_a_trust_policy_takes_nothing_away_and_keeps_the_conditions_that_are_there() {
    let id = ("StringEquals", "sts:ExternalId", "right");
    let mfa = ("Bool", "aws:MultiFactorAuthPresent", "true");
    let other = trusting("arn:aws:iam::999999999999:root", &[id, mfa]);
    let found = explain(&Attempt { target: other, ..attempt(Refusal::Bare) });
    let change = found[0].change.as_ref().expect("a change");
    assert_eq!(change.edit, Edit::Add);
    let conditions =
        r#""Condition": {"StringEquals": {"sts:ExternalId": "right"}, "Bool": {"aws:MultiFactorAuthPresent": "true"}}"#;
    assert!(change.text.contains(conditions) && change.text.contains(USER), "{}", change.text);
    let found = explain(&attempt(Refusal::TagSession));
    let change = found[0].change.as_ref().expect("a change");
    assert_eq!(change.edit, Edit::Add);
    assert!(change.text.contains("\"sts:TagSession\"") && !change.text.contains("AssumeRole\""), "{}", change.text);
}

#[test]
fn a_policy_that_denies_what_carries_no_mfa_wants_mfa_and_is_not_to_be_removed() {
    let denied = |statement: &str| Attempt {
        own: Own::Denied { policy: Some("inline policy Guard".into()), statement: Some(statement.into()) },
        ..attempt(Refusal::Denied(PolicyKind::Identity))
    };
    let found = explain(&denied(
        r#"{"Effect": "Deny", "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}}"#,
    ));
    assert_eq!((found[0].cause, found[0].account.as_deref()), (Cause::MfaDemanded, Some("111111111111")));
    let change = found[0].change.as_ref().expect("a change");
    assert!(change.text.starts_with("mfa_serial = ") && change.edit == Edit::Add, "{change:?}");
    let found = explain(&denied(r#"{"Effect": "Deny", "Condition": {"Null": {"aws:SourceIp": "true"}}}"#));
    assert!(found[0].cause == Cause::ExplicitDeny && found[0].change.is_none(), "{found:?}");
}

#[test]
fn a_change_is_one_that_the_configuration_takes() {
    let root = "arn:aws:iam::111111111111:root";
    let bare = || attempt(Refusal::Bare);
    let text = |attempt: &Attempt| explain(attempt)[0].change.as_ref().map(|change| change.text.clone());
    let like = trusting(root, &[("StringLike", "sts:ExternalId", "team-*")]);
    assert_eq!(text(&Attempt { target: like, ..bare() }).as_deref(), Some("external_id = \"one that fits team-*\""));
    let mut two = trusting(root, &[("StringEquals", "sts:SourceIdentity", "ann")]);
    if let Target::Read { trust: Some(trust), .. } = &mut two {
        trust.statements[0].conditions[0].values.push("bob".into());
    }
    assert_eq!(text(&Attempt { target: two, ..bare() }).as_deref(), Some("source_identity = \"ann\""));
    let address = trusting(root, &[("StringEquals", "aws:PrincipalOrgID", "o-1")]);
    assert_eq!(text(&Attempt { target: address, ..bare() }), None, "the statement that is there is no change");
    let missing = Attempt { own: Own::NotAllowed, target: Target::Missing, ..bare() };
    assert_eq!(
        causes(&missing),
        [(Cause::RoleDeleted, Certainty::Certain)],
        "no permission for a role that is not there"
    );
}

#[test]
fn a_role_under_another_path_is_named_by_its_own_arn() {
    let arn = "arn:aws:iam::222222222222:role/team/AssumedRole";
    let found = explain(&Attempt { target: Target::Elsewhere(arn.into()), ..attempt(Refusal::Bare) });
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].cause, found[0].certainty), (Cause::RoleDeleted, Certainty::Certain));
    let change = found[0].change.as_ref().expect("a change");
    assert!(change.text.contains(arn), "{change:?}");
}

#[test]
fn tags_that_the_role_would_take_are_the_callers_to_be_allowed() {
    let Target::Read { trust: Some(mut trust), max_session } = trusting(USER, &[]) else { unreachable!("it is read") };
    trust.statements[0].actions = set(&["sts:AssumeRole", "sts:TagSession"]);
    let target = Target::Read { trust: Some(trust), max_session };
    let of = |target| explain(&Attempt { target, ..attempt(Refusal::TagSession) }).remove(0);
    assert_eq!(of(target).account.as_deref(), Some("111111111111"));
    assert_eq!(of(trusting(USER, &[])).account.as_deref(), Some("222222222222"));
}

/// Every refusal of AWS with what may be known around it: the finding, the change and the command.
/// `ROLECALL_BLESS=1 cargo test -p rolecall-core wording` writes the file.
#[test]
fn wording_of_every_finding_is_as_in_the_file() {
    let mut page = Page::default();
    add_refusals(&mut page);
    add_documents(&mut page);
    add_keys(&mut page);
    crate::blessed::check(env!("CARGO_MANIFEST_DIR"), "domain/diagnosis/wording.txt", &page.0);
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn add(&mut self, title: &str, findings: Vec<Finding>) {
        self.0.push_str(title);
        for finding in findings {
            self.0.push('\n');
            self.0.push_str(&serde_json::to_string_pretty(&finding).expect("a finding is JSON"));
        }
        self.0.push_str("\n\n");
    }
}

fn add_refusals(page: &mut Page) {
    let kinds = [
        PolicyKind::Identity,
        PolicyKind::Boundary,
        PolicyKind::Trust,
        PolicyKind::Organization,
        PolicyKind::Session,
        PolicyKind::Other,
    ];
    let mut refusals = vec![
        Refusal::TagSession,
        Refusal::SetSourceIdentity,
        Refusal::Mfa,
        Refusal::OverMaximum,
        Refusal::OverChain,
        Refusal::BadPolicy,
        Refusal::Region,
        Refusal::Bare,
        Refusal::Other,
    ];
    refusals.extend(kinds.map(Refusal::NotAllowed));
    refusals.extend(kinds.map(Refusal::Denied));
    let session = Party {
        name: "first".into(),
        arn: "arn:aws:iam::333333333333:role/path/First".into(),
        session_arn: Some("arn:aws:sts::333333333333:assumed-role/First/me".into()),
    };
    for refusal in refusals {
        page.add(&format!("{refusal:?}"), explain(&attempt(refusal)));
        let full = Attempt {
            caller: session.clone(),
            external_id: Some("7f3a".into()),
            with_mfa: true,
            takes_mfa: false,
            device: Some("arn:aws:iam::111111111111:mfa/richard".into()),
            duration: Duration::from_mins(90),
            source_identity: Some("alice".into()),
            tags: BTreeMap::from([("team".to_owned(), "web".to_owned())]),
            ..attempt(refusal)
        };
        page.add(&format!("{refusal:?}, with all parameters"), explain(&full));
    }
}

fn add_documents(page: &mut Page) {
    let bare = || attempt(Refusal::Bare);
    for own in [
        Own::NotAllowed,
        Own::Allowed,
        Own::Denied { policy: None, statement: None },
        Own::Denied { policy: Some("inline policy Guard".into()), statement: Some("{\"Effect\": \"Deny\"}".into()) },
        Own::Denied {
            policy: None,
            statement: Some("{\"Condition\": {\"Bool\": {\"aws:MultiFactorAuthPresent\": 0}}}".into()),
        },
        Own::Denied { policy: None, statement: Some("{\"Condition\": {}}".into()) },
    ] {
        page.add(&format!("{own:?}"), explain(&Attempt { own, ..bare() }));
    }
    for (operator, key, value) in [
        ("StringEquals", "sts:ExternalId", "right"),
        ("StringLike", "sts:ExternalId", "right-*"),
        ("Bool", "aws:MultiFactorAuthPresent", "true"),
        ("StringEquals", "sts:SourceIdentity", "me"),
        ("StringLike", "aws:RequestTag/team", "web*"),
        ("ForAllValues:StringEquals", "sts:TransitiveTagKeys", "team"),
        ("IpAddress", "aws:SourceIp", "192.0.2.0/24"),
        ("StringEquals", "aws:RequestTag/none", "x"),
    ] {
        for external_id in [None, Some("7f3a".to_owned())] {
            let target = trusting("*", &[(operator, key, value)]);
            let title = format!("{operator} {key} {value}, external ID {external_id:?}");
            page.add(&title, explain(&Attempt { external_id, target, ..bare() }));
        }
    }
    let denying = || {
        let Target::Read { trust: Some(mut trust), max_session } = trusting("*", &[]) else {
            unreachable!("it is read")
        };
        trust.statements[0].denies = true;
        Target::Read { trust: Some(trust), max_session }
    };
    page.add("trust policy denies", explain(&Attempt { target: denying(), ..bare() }));
    page.add(
        "trust policy denies, says AWS",
        explain(&Attempt { target: denying(), ..attempt(Refusal::Denied(PolicyKind::Trust)) }),
    );
    page.add("trusts another", explain(&Attempt { target: trusting("arn:aws:iam::999999999999:root", &[]), ..bare() }));
    page.add("trusts us", explain(&Attempt { target: trusting("*", &[]), ..bare() }));
    page.add("missing", explain(&Attempt { target: Target::Missing, ..bare() }));
    page.add("elsewhere", explain(&Attempt { target: Target::Elsewhere(format!("{ROLE}/x")), ..bare() }));
    let long =
        Attempt { duration: Duration::from_hours(12), target: trusting("*", &[]), ..attempt(Refusal::OverMaximum) };
    page.add("over the maximum that was read", explain(&long));
    for variation in [
        RequestVariation::CallerUnlimited,
        RequestVariation::WithMfa,
        RequestVariation::WithoutExternalId,
        RequestVariation::WithoutPolicy,
        RequestVariation::WithoutSourceIdentity,
        RequestVariation::WithoutTags,
        RequestVariation::Short,
    ] {
        let attempt = Attempt { granted: vec![variation], external_id: Some("x".into()), ..bare() };
        page.add(&format!("granted {}", variation.as_str()), explain(&attempt));
    }
}

fn add_keys(page: &mut Page) {
    let role = RoleArn::new(ROLE).expect("valid");
    page.add("session policy", vec![narrow_session_policy("prod", &role, "s3:ListAllMyBuckets")]);
    let key = KeyFacts { identity: "auth", id: "AKIAEXAMPLE", owner: USER, account: "111111111111" };
    for listed in [Listed::Unread, Listed::Inactive, Listed::Active, Listed::Gone] {
        page.add(&format!("key {listed:?}"), rejected("InvalidClientTokenId", &key, listed));
    }
    page.add("wrong secret", rejected("SignatureDoesNotMatch", &key, Listed::Unread));
    for minutes in [6, 61, 60, 120, -7] {
        page.add(&format!("clock {minutes}"), clock(TimeDelta::minutes(minutes), "set it").into_iter().collect());
    }
    for (asked, accepted_by) in
        [("eu-west-1", "us-gov-west-1"), ("me-south-1", "eu-west-1"), ("eu-west-1", "us-east-1")]
    {
        let rejected =
            Rejected { key_id: "AKIAEXAMPLE", account: "111111111111", asked, accepted_by, section: "[roles.prod]" };
        page.add(&format!("{asked} rejects, {accepted_by} accepts"), vec![wrong_region(&rejected, "prod")]);
    }
    for obstacle in [Obstacle::Certificate, Obstacle::Answer, Obstacle::Proxy, Obstacle::Way] {
        let report = UserError::new(Kind::Unreachable, "why").hint("what helps");
        page.add(&format!("{obstacle:?}"), vec![unreachable(obstacle, &report)]);
    }
}
