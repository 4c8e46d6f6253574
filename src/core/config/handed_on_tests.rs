//! What a chain hands on, from the text of a configuration: the rules are `domain::handed_on`'s.

use super::parse;
use std::path::Path;

const ACCOUNT: &str = "arn:aws:iam::222222222222:role";

/// All that is wrong with a chain of three roles, each with lines of its own.
fn wrong(first: &str, second: &str, third: &str) -> Vec<String> {
    let text = format!(
        "[identities.auth]\ntype = \"iam-user\"\n\
         [roles.first]\nsource = \"auth\"\nrole_arn = \"{ACCOUNT}/First\"\n{first}\n\
         [roles.second]\nsource = \"first\"\nrole_arn = \"{ACCOUNT}/Second\"\n{second}\n\
         [roles.third]\nsource = \"second\"\nrole_arn = \"{ACCOUNT}/Third\"\n{third}\n"
    );
    parse(&text, Path::new("c")).err().map(|error| error.lines().collect()).unwrap_or_default()
}

#[test]
fn a_source_identity_may_be_said_again_along_a_chain_but_not_be_another() {
    let (alice, bob) = ("source_identity = \"alice\"", "source_identity = \"bob\"");
    assert!(wrong(alice, "", alice).is_empty());
    assert!(wrong("", "", bob).is_empty());
    let said = "roles.third.source_identity: role `first` before it in the chain has set `alice`, and AWS lets no one change it";
    let found = wrong(alice, "", bob);
    assert_eq!(found, [format!("c:14: {said}")]);
    assert_eq!(wrong(alice, bob, alice).len(), 1, "only who changes it is to blame");
}

#[test]
fn a_tag_that_is_handed_on_is_not_replaced_in_whatever_case() {
    let team = "session_tags = { Team = \"red\" }";
    let handed_on = format!("{team}\ntransitive_tag_keys = [\"team\"]");
    assert!(wrong(team, "", team).is_empty(), "one that is not handed on is nobody else's");
    assert!(wrong("", "", &handed_on).is_empty());
    let found = wrong(&handed_on, "", "session_tags = { stage = \"prod\", TEAM = \"blue\" }");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("roles.third.session_tags.TEAM: role `first` before it"), "{found:?}");
}

#[test]
fn only_tags_of_the_role_itself_can_be_marked_to_be_handed_on() {
    let found = wrong("transitive_tag_keys = [\"Team\"]", "", "");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("roles.first.transitive_tag_keys: `Team` is none of the role's own"), "{found:?}");
    let handed_on = "session_tags = { Team = \"red\" }\ntransitive_tag_keys = [\"Team\"]";
    let found = wrong(handed_on, "", "transitive_tag_keys = [\"team\"]");
    assert!(found[0].contains("`team` is handed on by role `first` already"), "{found:?}");
}

#[test]
fn policy_and_policy_arns_share_one_limit() {
    let policy = |length: usize| {
        let empty = r#"{"Sid":""}"#;
        format!("policy = '{}'", empty.replace("\"\"", &format!("\"{}\"", "x".repeat(length - empty.len()))))
    };
    let arn = "arn:aws:iam::aws:policy/SecurityAudit";
    let arns = format!("policy_arns = [\"{arn}\"]");
    assert!(wrong(&policy(2048), "", "").is_empty());
    assert!(wrong(&format!("{}\n{arns}", policy(2048 - arn.len())), "", "").is_empty());
    let found = wrong(&format!("{}\n{arns}", policy(2049 - arn.len())), "", "");
    assert!(found[0].contains("roles.first.policy: `policy` and `policy_arns` have 2049 characters"), "{found:?}");
}

#[test]
fn policy_arns_alone_have_no_limit_together() {
    let arn = |name: &str| format!("\"arn:aws:iam::222222222222:policy/{}/{name}\"", "p".repeat(500));
    let arns = ["a", "b", "c", "d"].map(arn).join(", ");
    assert!(wrong(&format!("policy_arns = [{arns}]"), "", "").is_empty());
}
