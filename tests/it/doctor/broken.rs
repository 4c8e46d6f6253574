//! Twelve kinds of broken chain, each in two worlds.

use super::{Found, ONE, Sight, doctor, home, root, trust};
use crate::harness::home::{Home, chained_world, text};
use rolecall_sandbox::KeyStatus;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN, USER_ARN, WORKLOAD_ACCOUNT};
use serde_json::{Value, json};

/// Breaks a chain and examines it, where IAM may be read and where nothing may.
fn both(config: &str, break_it: impl Fn(&Home) + Sync) -> (Found, Found) {
    let found = |sight| {
        let home = home(config, sight);
        break_it(&home);
        let found = doctor(&home, "prod");
        assert_eq!(home.status()["roles"][0]["session"], Value::Null, "no session of it is kept");
        found
    };
    // Side by side: each waits for a clock to be corrected, or for a second attempt.
    std::thread::scope(|scope| {
        let none = scope.spawn(|| found(Sight::None));
        (found(Sight::Full), none.join().unwrap())
    })
}

fn with(lines: &str) -> String {
    format!("{ONE}{lines}\n")
}

fn change(finding: &Value) -> &str {
    finding["change"]["text"].as_str().unwrap()
}

#[test]
fn a_missing_permission_of_the_identity() {
    let (full, none) = both(ONE, |home| {
        home.aws.world(|world| world.user(USER_ARN).permissions.inline.remove("AllowAssumeRole"));
    });
    let finding = full.is_certainly("missing-identity-permission");
    assert_eq!((finding["account"].as_str(), full.code), (Some(AUTH_ACCOUNT), 5));
    let statement: Value = serde_json::from_str(change(&finding)).expect("the statement is JSON");
    assert_eq!(statement, json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE_ARN}));
    assert!(finding["fix"].as_str().unwrap().starts_with("aws iam put-user-policy --user-name richard "));
    let finding = none.is_possibly("missing-identity-permission");
    assert_eq!((finding["account"].as_str(), none.code), (Some(AUTH_ACCOUNT), 5));
}

#[test]
fn a_trust_policy_that_names_somebody_else() {
    let (full, none) = both(ONE, |home| trust(home, "arn:aws:iam::999999999999:root", &Value::Null));
    let finding = full.is_certainly("wrong-principal");
    assert_eq!(
        (finding["account"].as_str(), finding["change"]["edit"].as_str()),
        (Some(WORKLOAD_ACCOUNT), Some("add")),
        "whom the role trusts already is not locked out"
    );
    let statement: Value = serde_json::from_str(change(&finding)).expect("the statement is JSON");
    assert_eq!(statement["Principal"]["AWS"], USER_ARN);
    none.is_possibly("wrong-principal");
}

#[test]
fn a_role_that_was_deleted() {
    let (full, none) = both(ONE, |home| {
        home.aws.world(|world| world.account(WORKLOAD_ACCOUNT).roles.remove("AssumedRole"));
    });
    assert_eq!(full.is_certainly("role-deleted")["account"], WORKLOAD_ACCOUNT);
    none.is_possibly("role-deleted");
}

#[test]
fn an_external_id_that_is_missing_or_wrong() {
    let wanted = json!({"StringEquals": {"sts:ExternalId": "the-right-one"}});
    let (full, none) = both(ONE, |home| trust(home, &root(), &wanted));
    let finding = full.is_certainly("external-id-missing");
    assert_eq!(change(&finding), "external_id = \"the-right-one\"");
    assert_eq!(finding["change"]["document"], "[roles.prod] in config.toml");
    none.is_possibly("external-id-missing");

    let (full, none) = both(&with("external_id = \"the-wrong-one\""), |home| trust(home, &root(), &wanted));
    let finding = full.is_certainly("external-id-wrong");
    assert_eq!(
        (change(&finding), finding["change"]["edit"].as_str()),
        ("external_id = \"the-right-one\"", Some("replace"))
    );
    none.is_possibly("external-id-wrong");
    assert!(!none.causes().iter().any(|(cause, _)| cause == "external-id-missing"), "one is set");
}

#[test]
fn a_demand_for_mfa_that_the_configuration_does_not_know_of() {
    let wanted = json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}});
    let (full, none) = both(ONE, |home| trust(home, &root(), &wanted));
    let finding = full.is_certainly("mfa-demanded");
    assert_eq!(change(&finding), format!("mfa_serial = \"arn:aws:iam::{AUTH_ACCOUNT}:mfa/richard\""));
    none.is_possibly("mfa-demanded");
}

#[test]
fn a_duration_over_the_roles_maximum() {
    let (full, none) = both(&with("duration = \"4h\""), |home| {
        home.aws.world(|world| world.role(ROLE_ARN).max_session_seconds = 7200);
    });
    assert_eq!(change(&full.is_certainly("duration-over-maximum")), "duration = \"2h\"");
    // Where the maximum cannot be read, AWS's own least is what works for sure; and a shorter call has proven the rest.
    let finding = none.is_certainly("duration-over-maximum");
    assert_eq!(change(&finding), "duration = \"1h\"");
    let links = none.json["names"][0]["links"].as_array().unwrap();
    assert!(links.iter().any(|link| link["kind"] == "result" && link["state"] == "holds"), "{links:#?}");
    let varied: Vec<_> = none.calls().into_iter().filter(|call| call["variation"] == "for 15 minutes").collect();
    assert_eq!(varied.len(), 1, "{:#?}", none.calls());
}

#[test]
fn a_chained_role_for_more_than_an_hour() {
    let chain = r#"
[roles.data]
source = "prod"
role_arn = "arn:aws:iam::333333333333:role/DataReader"
duration = "2h"
"#;
    for sight in [Sight::Full, Sight::None] {
        let home = home(ONE, sight);
        home.configure(&format!("[agent]\nvault = \"file\"\n{ONE}{chain}"));
        home.aws.clear_calls();
        let found = doctor(&home, "data");
        let finding = found.is_certainly("chained-over-one-hour");
        assert_eq!((found.code, change(&finding), finding["of"].as_str()), (3, "duration = \"1h\"", Some("data")));
        assert_eq!(home.aws.calls().len(), 0, "the configuration says it, and AWS is not asked");
    }
}

#[test]
fn a_key_that_is_inactive_or_deleted() {
    let (full, none) = both(ONE, |home| {
        home.aws.world(|world| world.user(USER_ARN).access_keys[0].status = KeyStatus::Inactive);
    });
    let finding = full.is_certainly("key-inactive");
    assert!(finding["fix"].as_str().unwrap().contains("--status Active"), "{finding}");
    none.is_possibly("key-inactive");
    assert_eq!(none.causes().len(), 3, "AWS says the same of a deleted one, and of one that is elsewhere");

    let (full, none) = both(ONE, |home| home.aws.world(|world| world.user(USER_ARN).access_keys.clear()));
    let finding = full.is_certainly("key-deleted");
    assert!(finding["fix"].as_str().unwrap().contains("identity add auth --replace"), "{finding}");
    none.is_possibly("key-deleted");
}

#[test]
fn a_clock_that_is_off_by_an_hour() {
    for ahead in [true, false] {
        let (full, none) = both(ONE, |home| {
            let hour = chrono::TimeDelta::hours(1);
            let clock = home.aws.clock();
            clock.set(if ahead { clock.now() + hour } else { clock.now() - hour });
        });
        for found in [full, none] {
            let finding = found.is_certainly("clock-off");
            let what = finding["what"].as_str().unwrap();
            assert!(what.contains("1 hour") || what.contains("59 minutes"), "{what}");
            assert!(what.contains(if ahead { "behind" } else { "ahead of" }), "{what}");
            assert_eq!(found.code, 5);
        }
    }
}

#[test]
fn an_explicit_deny() {
    let deny = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "NoHopping", "Effect": "Deny", "Action": "sts:Assume*", "Resource": "*"}]});
    let (full, none) = both(ONE, |home| {
        home.aws.world(|world| world.user(USER_ARN).permissions.inline.insert("Stop".to_owned(), deny.clone().into()));
    });
    let finding = full.is_certainly("explicit-deny");
    assert!(finding["what"].as_str().unwrap().contains("inline policy Stop"), "{finding}");
    assert!(change(&finding).contains("NoHopping"), "the statement itself: {finding}");
    assert_eq!(none.is_certainly("explicit-deny")["account"], AUTH_ACCOUNT);
}

#[test]
fn a_session_policy_that_is_too_narrow() {
    let policy = r#"policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}]}'"#;
    let (full, none) = both(&with(policy), |_| {});
    for found in [full, none] {
        let finding = found.is_certainly("session-policy-too-narrow");
        assert!(change(&finding).contains("s3:ListAllMyBuckets"), "{finding}");
        assert_eq!((found.code, finding["link"].as_str()), (5, Some("session-policy")));
    }
    let wide = r#"policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'"#;
    assert_eq!(doctor(&home(&with(wide), Sight::None), "prod").code, 0, "one that leaves it in is fine");
}

#[test]
fn a_session_policy_along_a_chain_that_leaves_the_next_role_out() {
    let config = format!(
        "{}\n[roles.data]\nsource = \"prod\"\nrole_arn = \"arn:aws:iam::333333333333:role/DataReader\"\n",
        with(r#"policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'"#)
    );
    let home = home(&config, Sight::None);
    let key = home.aws.access_key(USER_ARN);
    home.aws.world(|world| {
        *world = chained_world();
        world.user(USER_ARN).access_keys = vec![key.clone()];
    });
    let found = doctor(&home, "data");
    let finding = found.is_certainly("session-policy-too-narrow");
    assert_eq!(finding["of"], "prod", "the role before has the policy: {finding}");
    assert!(change(&finding).contains("sts:AssumeRole"), "{finding}");
}

#[test]
fn what_aws_refuses_of_tags_and_a_source_identity() {
    for (line, cause) in
        [("session_tags = { team = \"web\" }", "session-tags"), ("source_identity = \"richard\"", "source-identity")]
    {
        let (full, none) = both(&with(line), |_| {});
        for found in [full, none] {
            assert_eq!(found.is_certainly(cause)["account"], WORKLOAD_ACCOUNT);
        }
    }
}

#[test]
fn mfa_of_a_device_that_the_role_does_without_is_proof() {
    let config = ONE.replace("region", "mfa_serial = \"SERIAL\"\nregion");
    let home = home(
        &format!("{}mfa = \"none\"\n", config.replace("SERIAL", "arn:aws:iam::111111111111:mfa/richard")),
        Sight::None,
    );
    home.aws.world(rolecall_sandbox::World::demand_mfa);
    // The device's session is there already: nobody is asked.
    let unlocked = home.run_with_input(["unlock", "auth"], &home.aws.mfa_code(USER_ARN));
    assert!(unlocked.status.success(), "{}", text(&unlocked.stderr));
    let found = doctor(&home, "prod");
    let finding = found.is_certainly("mfa-demanded");
    assert_eq!(change(&finding), "mfa = \"session\"");
}

#[test]
fn where_only_the_identitys_own_side_may_be_read_its_permission_is_ruled_out() {
    let home = home(ONE, Sight::None);
    let may_look = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iam:SimulatePrincipalPolicy", "Resource": USER_ARN}]});
    home.aws.world(|world| world.user(USER_ARN).permissions.inline.insert("Look".to_owned(), may_look.into()));
    trust(&home, "arn:aws:iam::999999999999:root", &Value::Null);
    let found = doctor(&home, "prod");
    found.is_possibly("wrong-principal");
    assert!(!found.causes().iter().any(|(cause, _)| cause == "missing-identity-permission"), "{:#}", found.json);
    let links = found.json["names"][0]["links"].as_array().unwrap();
    assert!(links.iter().any(|l| l["kind"] == "permission" && l["state"] == "holds"), "{links:#?}");
    // A permission that is missing is certain by the same look.
    home.aws.world(|world| world.user(USER_ARN).permissions.inline.remove("AllowAssumeRole"));
    doctor(&home, "prod").is_certainly("missing-identity-permission");
}
