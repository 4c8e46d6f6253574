//! Everything that AssumeRole can carry, demanded by AWS and used by every client: external id, session tags of which one is
//! passed on, source identity, session policies; and what is too much of it.

use crate::harness::home::text;
use crate::peers::{CLIENTS, Client};
use crate::person::{Person, assert_listing};
use crate::refusals::{complaint, reaches_people};
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, BUCKET, ROLE_ARN, USER_ARN, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{Policy, Role, World};
use serde_json::json;

const READER_ARN: &str = "arn:aws:iam::222222222222:role/Reader";
const README_ARN: &str = "arn:aws:iam::222222222222:policy/Readme";
const README: &str = "readme.txt";
const REPORT: &str = "2026/10/usage report.csv";

/// What AWS checks one by one where tags and a source identity are passed, and checks again along the chain.
const ACTIONS: [&str; 3] = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"];

/// What the entrance demands, and that the tag is passed on.
const ENTRANCE: [[&str; 2]; 4] = [
    ["--external-id", "7f3a"],
    ["--session-tag", "team=web"],
    ["--source-identity", "richard"],
    ["--transitive-tag-key", "team"],
];

/// `AssumedRole` is the entrance. `Reader` behind it takes who comes with tag and source identity, and may read the bucket
/// where both are its session's own still, the tag because it is passed on.
fn demanding(world: &mut World) {
    let may = |arn: &str| -> Policy {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ACTIONS, "Resource": arn}]}).into()
    };
    let trusts = |principal: &str, condition: serde_json::Value| -> Policy {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ACTIONS,
            "Principal": {"AWS": principal}, "Condition": {"StringEquals": condition}}]})
        .into()
    };
    world.user(USER_ARN).permissions.inline.insert("Enter".to_owned(), may(ROLE_ARN));
    let entrance = world.role(ROLE_ARN);
    entrance.trust = trusts(
        &format!("arn:aws:iam::{AUTH_ACCOUNT}:root"),
        json!({"sts:ExternalId": "7f3a", "aws:RequestTag/team": "web", "sts:SourceIdentity": "richard"}),
    );
    entrance.permissions.attached.clear();
    entrance.permissions.inline.insert("GoOn".to_owned(), may(READER_ARN));
    let passed_on = json!({"aws:PrincipalTag/team": "web", "aws:SourceIdentity": "richard"});
    let reads = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"],
        "Resource": "*", "Condition": {"StringEquals": passed_on}}]});
    let reader = Role::new("Reader", trusts(ROLE_ARN, passed_on)).with_policy("Reads", reads);
    let reader = Role { account: WORKLOAD_ACCOUNT.to_owned(), ..reader };
    world.account(WORKLOAD_ACCOUNT).roles.insert("Reader".to_owned(), reader);
    let readme = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{BUCKET}/{README}")}]});
    world.managed_policies.insert(README_ARN.to_owned(), readme.into());
}

/// Writes the entrance into the configuration, without one of its words where that is said.
fn add_entrance(person: &Person, without: Option<&str>) {
    let words = ENTRANCE.iter().filter(|[flag, _]| Some(*flag) != without).flatten().copied();
    // A key can only be passed on where there is such a tag.
    let words: Vec<&str> = match without {
        Some("--session-tag") => words.filter(|word| !["--transitive-tag-key", "team"].contains(word)).collect(),
        _ => words.collect(),
    };
    let add = ["role", "add", "entrance", "--replace", "--source", "auth", "--role-arn", ROLE_ARN];
    person.rolecall(&[&add[..], &words].concat());
}

/// A person with the whole role as `whole`, and as `prod` what two session policies leave of it.
fn person() -> Person {
    let person = Person::new(None);
    person.home.aws.world(demanding);
    person.add_key();
    add_entrance(&person, None);
    let add = |name: &str, more: &[&str]| {
        let add = ["role", "add", name, "--source", "entrance", "--role-arn", READER_ARN];
        person.rolecall(&[&add[..], more].concat());
    };
    let list = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": format!("arn:aws:s3:::{BUCKET}")}]});
    add("whole", &[]);
    add("prod", &["--policy", &list.to_string(), "--policy-arn", README_ARN]);
    person.rolecall(&["profiles", "sync"]);
    person
}

/// Reads an object, and gives what was printed.
fn reads(person: &Person, client: Client, profile: &str, key: &str) -> Result<String, String> {
    let output = person.runs(&mut client.read_as(profile, &person.home, &person.cloud.url, key));
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn in_every_client_a_chain_carries_what_aws_demands_and_session_policies_narrow_it() {
    let person = person();
    for client in CLIENTS {
        person.listed(client);
        let readme = reads(&person, client, "prod", README).unwrap_or_else(|said| panic!("{client:?}: {said}"));
        assert!(
            readme.contains("Reports of the workload account."),
            "{client:?}: the managed policy allows it: {readme}"
        );
        let refused = reads(&person, client, "prod", REPORT).expect_err("neither session policy allows it");
        assert!(refused.contains("AccessDenied"), "{client:?}: {refused}");
        let report = reads(&person, client, "whole", REPORT).unwrap_or_else(|said| panic!("{client:?}: {said}"));
        assert!(report.contains("2026-10-31,1204"), "{client:?}: the role alone may read it: {report}");
        let listing = person.runs(&mut client.list_as("whole", &person.home, &person.cloud.url));
        assert_listing(client, &listing);
    }
    let calls = person.home.aws.calls();
    let assumed: Vec<_> = calls.iter().filter(|call| call.action == "AssumeRole").collect();
    assert_eq!(assumed.len(), 3, "the entrance once, for both: {assumed:#?}");
    assert_eq!(assumed[0].params["RoleArn"], ROLE_ARN);
    for further in &assumed[1..] {
        assert_eq!(further.params["RoleArn"], READER_ARN);
        let said_again = ["Tags.member.1.Key", "SourceIdentity"].map(|word| further.params.get(word));
        assert_eq!(said_again, [None, None], "AWS itself passes them on: {further:?}");
    }
    person.nothing_leaked();
}

#[test]
fn without_any_one_of_its_words_aws_turns_the_chain_away() {
    let person = person();
    for missing in ["--external-id", "--session-tag", "--source-identity"] {
        add_entrance(&person, Some(missing));
        let (code, lines) = complaint(&person);
        assert_eq!(code, Some(5), "{missing}: {lines:?}");
        assert!(lines[0].contains("AccessDenied"), "{missing}: {lines:?}");
    }
    add_entrance(&person, Some("--transitive-tag-key"));
    let refused = text(&person.lists(Client::CliV2).stderr);
    assert!(refused.contains("AccessDenied"), "the second session does not bear the tag: {refused}");
    add_entrance(&person, None);
    person.listed(Client::CliV2);
}

#[test]
fn tags_that_are_more_than_aws_packs_are_told_in_every_client_with_what_to_shorten() {
    let person = Person::settled();
    person.home.aws.world(|world| {
        let may =
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]});
        world.user(USER_ARN).permissions.inline.insert("All".to_owned(), may.into());
    });
    // Each is within AWS's limits, and so are fifty; only their packed size is not, which AWS alone knows.
    let tags: Vec<String> = (0..50).map(|at| format!("key{at}={}", "v".repeat(200))).collect();
    let mut add = vec!["role", "add", "prod", "--replace", "--source", "auth", "--role-arn", ROLE_ARN];
    for tag in &tags {
        add.extend(["--session-tag", tag]);
    }
    person.rolecall(&add);
    let (code, lines) = complaint(&person);
    assert_eq!(code, Some(5), "{lines:?}");
    assert!(lines[0].starts_with("rolecall: prod: ") && lines[0].contains("PackedPolicyTooLarge"), "{lines:?}");
    assert!(lines[0].contains("% of allotted space"), "AWS's own word on how much too much: {lines:?}");
    assert!(lines[1].starts_with("hint: ") && lines[1].contains("`session_tags`"), "{lines:?}");
    // AWS gives every refusal an id of its own, and the line ends with it.
    let cause = lines[0].split(", request ").next().unwrap().to_owned();
    reaches_people(&person, &[cause, lines[1].clone()]);
}
