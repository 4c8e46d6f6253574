use super::*;
use chrono::DateTime;
use rolecall_core::domain::secret::{SecretKey, SessionToken};
use std::collections::BTreeMap;

/// Gives the environment that a plan makes of another.
fn after(role: &Role<'_>, before: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> =
        before.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let now = environment.clone();
    for (name, value) in plan(role, |name| now.get(name).cloned()) {
        match value {
            Some(value) => environment.insert(name.to_owned(), value.to_string()),
            None => environment.remove(name),
        };
    }
    environment
}

fn map(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const URL: &str = "http://127.0.0.1:4711/role/prod";

fn token() -> EndpointToken {
    EndpointToken::new("secret-token".into())
}

fn session() -> Session {
    Session {
        access_key_id: "ASIAEXAMPLE".into(),
        secret: SecretKey::new("secret-key".into()),
        token: SessionToken::new("session-token".into()),
        expiration: DateTime::from_timestamp(1_795_305_600, 0).expect("in range"),
        account: None,
    }
}

/// Everything that any tool takes for a way to credentials, and the plain rest of an environment.
fn littered() -> Vec<(&'static str, &'static str)> {
    let stale = touched().filter(|name| !name.to_lowercase().contains("proxy")).map(|name| (name, "stale"));
    stale.chain([("PATH", "/bin"), ("AWS_CONFIG_FILE", "/c"), ("AWS_PAGER", ""), ("AWS_ENDPOINT_URL", "u")]).collect()
}

const REST: [(&str, &str); 4] =
    [("PATH", "/bin"), ("AWS_CONFIG_FILE", "/c"), ("AWS_PAGER", ""), ("AWS_ENDPOINT_URL", "u")];

#[test]
fn a_program_finds_the_endpoint_the_region_and_nothing_else_that_gives_credentials() {
    let token = token();
    let role = Role {
        name: "prod",
        way: CredentialRoute::Container { url: URL, token: &token },
        region: Some("eu-west-1"),
        profile: None,
    };
    let mut wanted = map(&REST);
    wanted.extend(map(&[
        ("ROLECALL_ROLE", "prod"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", URL),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret-token"),
        ("AWS_METADATA_ENDPOINT", "http://127.0.0.1:4711/metadata/secret-token"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("NO_PROXY", "127.0.0.1,localhost"),
        ("no_proxy", "127.0.0.1,localhost"),
    ]));
    assert_eq!(after(&role, &littered()), wanted);
}

#[test]
fn the_metadata_service_has_no_trailing_slash_and_is_not_disabled() {
    let role = Role { name: "prod", way: CredentialRoute::Imds("http://127.0.0.1:4711/"), region: None, profile: None };
    let mut wanted = map(&REST);
    wanted.extend(map(&[
        ("ROLECALL_ROLE", "prod"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:4711"),
        ("AWS_METADATA_ENDPOINT", "http://127.0.0.1:4711"),
        ("AWS_EC2_METADATA_V1_DISABLED", "true"),
        ("NO_PROXY", "127.0.0.1,localhost"),
        ("no_proxy", "127.0.0.1,localhost"),
    ]));
    assert_eq!(after(&role, &littered()), wanted);
}

#[test]
fn plain_variables_come_with_their_end_and_leave_proxies_alone() {
    let session = session();
    let role = Role { name: "prod", way: CredentialRoute::Static(&session), region: None, profile: None };
    let mut wanted = map(&REST);
    wanted.extend(map(&[
        ("ROLECALL_ROLE", "prod"),
        ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret-key"),
        ("AWS_SESSION_TOKEN", "session-token"),
        ("AWS_CREDENTIAL_EXPIRATION", "2026-11-22T00:00:00Z"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]));
    assert_eq!(after(&role, &littered()), wanted);
}

#[test]
fn the_region_of_a_role_that_one_comes_from_is_not_that_of_the_next() {
    let token = token();
    let role =
        Role { name: "prod", way: CredentialRoute::Container { url: URL, token: &token }, region: None, profile: None };
    let before = [("AWS_REGION", "eu-central-1"), ("AWS_DEFAULT_REGION", "eu-central-1")];
    assert_eq!(after(&role, &before)["AWS_REGION"], "eu-central-1", "outside of a role it is the person's own");
    let inside = after(&role, &[&before[..], &[("ROLECALL_ROLE", "other")]].concat());
    assert!(!inside.contains_key("AWS_REGION") && !inside.contains_key("AWS_DEFAULT_REGION"), "{inside:?}");
}

#[test]
fn a_profile_that_stands_in_for_default_is_named_beside_the_endpoint() {
    let token = token();
    let way = CredentialRoute::Container { url: URL, token: &token };
    let role = Role { name: "prod", way, region: None, profile: Some("prod") };
    let environment = after(&role, &[("AWS_PROFILE", "other"), ("AWS_DEFAULT_PROFILE", "other")]);
    assert_eq!(environment["AWS_PROFILE"], "prod");
    assert_eq!(environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"], URL);
    assert!(!environment.contains_key("AWS_DEFAULT_PROFILE"));
}

#[test]
fn hosts_that_the_person_keeps_from_the_proxy_stay_in_both_lists() {
    let token = token();
    for (before, wanted) in [
        (vec![], ["127.0.0.1,localhost"; 2]),
        (vec![("NO_PROXY", ".corp, 10.0.0.0/8")], [".corp,10.0.0.0/8,127.0.0.1,localhost"; 2]),
        (vec![("no_proxy", ".corp")], [".corp,127.0.0.1,localhost"; 2]),
        (vec![("NO_PROXY", "a"), ("no_proxy", "b")], ["a,127.0.0.1,localhost", "b,127.0.0.1,localhost"]),
        (vec![("NO_PROXY", "localhost,127.0.0.1")], ["localhost,127.0.0.1"; 2]),
        (vec![("NO_PROXY", "*")], ["*"; 2]),
        (vec![("NO_PROXY", ""), ("no_proxy", ",x,")], ["127.0.0.1,localhost", "x,127.0.0.1,localhost"]),
    ] {
        let role = Role {
            name: "prod",
            way: CredentialRoute::Container { url: URL, token: &token },
            region: None,
            profile: None,
        };
        let environment = after(&role, &before);
        assert_eq!([&environment["NO_PROXY"], &environment["no_proxy"]], wanted, "{before:?}");
    }
}

#[test]
fn what_may_be_touched_is_all_that_is_touched_and_nothing_twice() {
    let (token, session) = (token(), session());
    for way in [
        CredentialRoute::Container { url: URL, token: &token },
        CredentialRoute::Imds(URL),
        CredentialRoute::Static(&session),
    ] {
        let role = Role { name: "prod", way, region: Some("eu-west-1"), profile: Some("prod") };
        let mut names: Vec<&str> = plan(&role, |_| None).into_iter().map(|(name, _)| name).collect();
        assert!(names.iter().all(|name| touched().any(|touched| touched == *name)), "{names:?}");
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
