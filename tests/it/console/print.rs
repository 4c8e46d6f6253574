//! `console --print`: the address itself, and what AWS was asked for it.

use super::{home, last_event, parameters, run_secret, visit};

#[test]
fn the_address_signs_in_as_the_role_once_and_lands_in_its_region() {
    let home = home();
    let output = run_secret(&home, &["console", "prod", "--print"]);
    let parameters = parameters(&home, &output);
    assert_eq!(parameters["Action"], "login");
    assert_eq!(parameters["Destination"], "https://eu-west-1.console.aws.amazon.com/console/home?region=eu-west-1");
    let url = String::from_utf8(output.stdout).unwrap();
    let (status, location) = visit(&url);
    assert_eq!((status, location.as_deref()), (302, Some(parameters["Destination"].as_str())));
    assert_eq!(visit(&url).0, 400, "the token is used");
    let [browser] = home.aws.signed_in().try_into().expect("one sign-in");
    assert!(browser.arn.starts_with("arn:aws:sts::222222222222:assumed-role/AssumedRole/"), "{}", browser.arn);
    let calls = home.aws.calls();
    let call = calls.iter().find(|call| call.action == "GetSigninToken").expect("the call");
    assert_eq!(call.params["SessionDuration"], "3600", "the role's own, as a key assumed it");
    let line = last_event(&home, "console");
    assert_eq!((line["result"].as_str(), line["name"].as_str()), (Some("ok"), Some("prod")));
    assert!(line["access_key_id"].as_str().is_some_and(|id| id.starts_with("ASIA")), "{line}");
    assert!(line["caller"]["pid"].is_number(), "{line}");
    assert!(!home.audit().contains(&parameters["SigninToken"]));
}

#[test]
fn a_page_is_named_by_service_region_or_address() {
    let home = home();
    for (args, page) in [
        (vec!["--service", "s3"], "https://eu-west-1.console.aws.amazon.com/s3/home?region=eu-west-1"),
        (
            vec!["-s", "sfn", "-r", "eu-central-1"],
            "https://eu-central-1.console.aws.amazon.com/states/home?region=eu-central-1",
        ),
        (vec!["--region", "us-east-2"], "https://us-east-2.console.aws.amazon.com/console/home?region=us-east-2"),
        (
            vec!["--destination", "https://eu-west-1.console.aws.amazon.com/s3/buckets/x?a=b&c=d#e"],
            "https://eu-west-1.console.aws.amazon.com/s3/buckets/x?a=b&c=d#e",
        ),
    ] {
        let args: Vec<&str> = ["console", "prod", "--print"].into_iter().chain(args).collect();
        assert_eq!(parameters(&home, &run_secret(&home, &args))["Destination"], page, "{args:?}");
    }
    assert_eq!(home.aws.count("AssumeRole"), 1, "one session served them all");
}

#[test]
fn a_duration_goes_to_aws_for_a_role_of_a_key_and_none_for_a_role_of_a_role() {
    let home = home();
    let output = run_secret(&home, &["console", "prod", "--print", "--duration", "12h"]);
    parameters(&home, &output);
    visit(&String::from_utf8(output.stdout).unwrap());
    let left = home.aws.signed_in()[0].until - home.aws.clock().now();
    assert!(left > chrono::TimeDelta::hours(11) && left <= chrono::TimeDelta::hours(12), "{left}");
    home.aws.clear_calls();
    parameters(&home, &run_secret(&home, &["console", "data", "--print"]));
    let calls = home.aws.calls();
    let call = calls.iter().find(|call| call.action == "GetSigninToken").expect("the call");
    assert!(!call.params.contains_key("SessionDuration"), "{:?}", call.params);
    assert!(home.aws.count("GetSigninToken") == 1);
}
