//! Regions and partitions: a key that one Region rejects is not called a bad key if another Region accepts it.

use crate::doctor::{ONE, doctor};
use crate::harness::home::{CHAIN, Home, chained_world, text};
use crate::harness::inside::{TUTORIAL, until};
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, USER_ARN, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{KeyStatus, World};
use serde_json::{Value, json};
use std::process::Output;

const OPT_IN: &str = "me-south-1";
const GOV_DEVICE: &str = "arn:aws-us-gov:iam::111111111111:mfa/richard";

/// The role of the tutorials in a Region that no account has enabled.
fn in_opt_in_region(config: &str) -> String {
    format!("{config}region = \"{OPT_IN}\"\n")
}

#[track_caller]
fn names_the_region(output: &Output, account: &str) {
    let stderr = text(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(5), true), "{stderr}");
    assert!(stderr.contains(&format!("Region {OPT_IN} is not enabled in account {account}")), "{stderr}");
    assert!(stderr.contains("region = \"eu-west-1\""), "a Region that works is proposed: {stderr}");
    assert!(!stderr.contains("--replace") && !stderr.contains("deleted"), "the key works: {stderr}");
}

#[test]
fn region_not_enabled_is_named_and_the_key_is_kept() {
    let home = Home::ready(&in_opt_in_region(TUTORIAL));
    names_the_region(&home.run(["get", "prod"]), AUTH_ACCOUNT);
    let is_probe = |line: &Value| line["message"].as_str().is_some_and(|m| m.contains("eu-west-1"));
    let probe = || home.events("sts").into_iter().find(is_probe);
    until("the call to the other Region is logged", || probe().is_some());
    assert_eq!(probe().unwrap()["result"], "ok");
    home.aws.world(|world| {
        for account in [AUTH_ACCOUNT, WORKLOAD_ACCOUNT] {
            world.account(account).enabled_regions.insert(OPT_IN.to_owned());
        }
    });
    until("the Region is used", || home.run(["get", "prod"]).status.success());
}

#[test]
fn region_not_enabled_for_a_session_is_named_too() {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{CHAIN}"));
    home.aws.world(|world| *world = chained_world());
    home.configure(&format!("[agent]\nvault = \"file\"\n{}", in_opt_in_region(CHAIN)));
    home.open_vault();
    assert!(home.add_key().status.success());
    home.canaries.add(&home.aws.access_key(USER_ARN).secret);
    let before = home.aws.count("AssumeRole");
    names_the_region(&home.run(["get", "logs"]), WORKLOAD_ACCOUNT);
    assert_eq!(home.aws.count("AssumeRole") - before, 2, "the session before is not renewed in vain");
}

#[test]
fn doctor_finds_the_region_and_proposes_no_new_key() {
    let home = Home::ready(&in_opt_in_region(ONE));
    let found = doctor(&home, "prod");
    let finding = found.is_certainly("region-disabled");
    assert!(finding["what"].as_str().unwrap().contains(OPT_IN), "{finding}");
    assert!(!found.json.to_string().contains("create-access-key"), "{:#}", found.json);
    assert!(!found.json.to_string().contains("--replace"), "{:#}", found.json);
}

#[test]
fn inactive_key_is_not_called_deleted() {
    let home = Home::ready(ONE);
    home.aws.world(|world| world.user(USER_ARN).access_keys[0].status = KeyStatus::Inactive);
    let output = home.run(["get", "prod"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("possible causes: ") && stderr.contains("`rolecall doctor auth`"), "{stderr}");
    let found = doctor(&home, "prod");
    for cause in ["key-inactive", "key-deleted", "region-disabled"] {
        found.is_possibly(cause);
    }
    assert!(!found.json.to_string().contains("create-access-key"), "nothing says that the key is gone");
}

/// Moves the tutorials' accounts to GovCloud.
fn in_govcloud() -> Home {
    let home = Home::bare("[agent]\nvault = \"file\"\n[aws]\nendpoint_url_sts = \"ENDPOINT\"\n");
    home.aws.world(|world: &mut World| {
        for account in world.accounts.values_mut() {
            *account = account.clone().in_partition("aws-us-gov");
        }
    });
    home.open_vault();
    home
}

fn key_of(home: &Home) -> Value {
    let key = home.aws.world(|world| world.account(AUTH_ACCOUNT).users["richard"].access_keys[0].clone());
    home.canaries.add(&key.secret);
    json!({"AccessKeyId": key.id, "SecretAccessKey": key.secret})
}

#[test]
fn govcloud_key_is_asked_where_its_device_is() {
    let home = in_govcloud();
    let key = key_of(&home).to_string();
    let refused = home.run_with_input(["identity", "add", "gov"], &key);
    let stderr = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("possible causes: ") && stderr.contains("--region us-gov-west-1"), "{stderr}");
    assert!(stderr.contains("nothing was stored") && !stderr.contains("was deleted"), "{stderr}");
    for more in [&["--mfa-serial", GOV_DEVICE][..], &["--region", "us-gov-west-1"]] {
        let name = more[0].trim_start_matches('-');
        let added = home.run_with_input([&["identity", "add", name][..], more].concat(), &key);
        assert!(added.status.success(), "{more:?}: {}", text(&added.stderr));
        assert!(text(&added.stdout).contains("arn:aws-us-gov:iam::111111111111:user/richard"), "{more:?}");
    }
}

#[test]
fn import_asks_the_partition_of_the_roles() {
    let home = in_govcloud();
    let key = key_of(&home);
    std::fs::create_dir_all(home.path(".aws")).unwrap();
    std::fs::write(
        home.path(".aws/credentials"),
        format!(
            "[gov]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            key["AccessKeyId"].as_str().unwrap(),
            key["SecretAccessKey"].as_str().unwrap()
        ),
    )
    .unwrap();
    let role = "[profile admin]\nrole_arn = arn:aws-us-gov:iam::222222222222:role/AssumedRole\nsource_profile = gov\n";
    std::fs::write(home.path(".aws/config"), role).unwrap();
    let imported = home.run(["import", "--yes"]);
    assert!(imported.status.success(), "{}{}", text(&imported.stdout), text(&imported.stderr));
    assert!(
        !std::fs::read_to_string(home.path(".aws/credentials")).unwrap().contains("aws_secret"),
        "it is taken over"
    );
    let listed = text(&home.run(["identity", "list", "--json"]).stdout);
    assert!(listed.contains("arn:aws-us-gov:iam::111111111111:user/richard"), "{listed}");
}

#[test]
fn key_is_stored_with_a_warning_if_only_its_region_is_wrong() {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    home.open_vault();
    let key = home.aws.access_key(USER_ARN);
    let input = json!({"AccessKeyId": key.id, "SecretAccessKey": key.secret}).to_string();
    let added = home.run_with_input(["identity", "add", "second", "--region", OPT_IN], &input);
    assert!(added.status.success(), "{}", text(&added.stderr));
    // Output is broken to the width of the screen.
    let said = text(&added.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(&format!("Region {OPT_IN} is not enabled in account {AUTH_ACCOUNT}")), "{said}");
}

#[test]
fn import_warns_of_a_region_that_is_not_enabled() {
    let home = Home::bare("[agent]\nvault = \"file\"\n[aws]\nendpoint_url_sts = \"ENDPOINT\"\n");
    home.open_vault();
    let key = home.aws.access_key(USER_ARN);
    std::fs::create_dir_all(home.path(".aws")).unwrap();
    let put = |credentials: &str| std::fs::write(home.path(".aws/credentials"), credentials).unwrap();
    put(&format!("[far]\naws_access_key_id = {}\naws_secret_access_key = {}\n", key.id, key.secret));
    std::fs::write(home.path(".aws/config"), format!("[profile far]\nregion = {OPT_IN}\n")).unwrap();
    let imported = home.run(["import", "--yes", "--json"]);
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    let shown: Value = serde_json::from_slice(&imported.stdout).unwrap();
    let warning = &shown["warnings"][0];
    assert_eq!(warning["profile"], "far");
    let named = format!("Region {OPT_IN} is not enabled in account {AUTH_ACCOUNT}");
    assert!(warning["message"].as_str().unwrap().contains(&named), "{shown}");

    // The same for a person, after an undo on the same files.
    assert!(home.run(["identity", "remove", "far", "--yes"]).status.success());
    let config = std::fs::read_to_string(home.config()).unwrap();
    let config = config.split("[identities.far]").next().unwrap();
    // In one step: half of a file would be another configuration, with another vault.
    std::fs::write(home.path("next.toml"), config).unwrap();
    std::fs::rename(home.path("next.toml"), home.config()).unwrap();
    put(&format!("[far]\naws_access_key_id = {}\naws_secret_access_key = {}\n", key.id, key.secret));
    std::fs::write(home.path(".aws/config"), format!("[profile far]\nregion = {OPT_IN}\n")).unwrap();
    let imported = home.run(["import", "--yes"]);
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    // Output is broken to the width of the screen.
    let said = text(&imported.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("far: ") && said.contains(&named), "{said}");
    assert!(said.contains("set `region = \"us-east-1\"` in [identities.far]"), "a Region that works: {said}");
}
