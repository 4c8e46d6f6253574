//! What a program in a role finds in its environment: a plan, made of what is there and of what the agent has answered.
//!
//! Pure: it reads no environment and starts nothing, so that a program's environment, a shell's script and a test are made
//! of the same plan. What could lead a tool to somebody else's credentials goes, even if today's tools read
//! it after ours: which of two wins differs by SDK and by version.

use crate::environment::SHADOWING;
use rolecall_core::domain::credential::Session;
use rolecall_core::domain::secret::EndpointToken;
use rolecall_ipc::protocol::message::{METADATA_PATH, ROLE_PATH};
use rolecall_ipc::protocol::process_output::timestamp;
use zeroize::Zeroizing;

/// The role of a shell.
pub(crate) const ROLE: &str = "ROLECALL_ROLE";

/// What leads some tool to the metadata service, or away from it.
pub(crate) const METADATA: [&str; 5] = [
    "AWS_METADATA_ENDPOINT",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_EC2_METADATA_V1_DISABLED",
];

/// Gives what goes where it is not set: whatever says who one is, and where a machine's own credentials would be.
fn misleading() -> impl Iterator<Item = &'static str> {
    SHADOWING.into_iter().chain(METADATA)
}

/// Where a role's region is: boto3 reads only the second, most others only the first.
pub(crate) const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// What is set besides, in some case or another.
const BESIDES: [&str; 5] = [REGIONS[0], REGIONS[1], "NO_PROXY", "no_proxy", ROLE];

/// Where an endpoint is: a proxy cannot reach what listens on this machine alone.
const OWN_HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];

/// How credentials come.
pub(crate) enum CredentialRoute<'a> {
    /// From the container endpoint.
    Container {
        /// Its address.
        url: &'a str,
        /// What it wants to be shown.
        token: &'a EndpointToken,
    },
    /// From the metadata service at this address.
    Imds(&'a str),
    /// Once.
    Static(&'a Session),
}

/// What a plan is made of.
pub(crate) struct Role<'a> {
    pub(crate) name: &'a str,
    pub(crate) way: CredentialRoute<'a>,
    pub(crate) region: Option<&'a str>,
    /// The profile that stands in for a `[default]` which would come before an endpoint.
    pub(crate) profile: Option<&'a str>,
}

/// A variable and what it is to be; nothing where it is to be gone.
pub(crate) type Change = (&'static str, Option<Zeroizing<String>>);

/// Every variable that a plan may touch.
pub(crate) fn touched() -> impl Iterator<Item = &'static str> {
    misleading().chain(BESIDES)
}

/// Makes the plan; `var` gives what is there now. No name comes twice.
pub(crate) fn plan(role: &Role<'_>, var: impl Fn(&str) -> Option<String>) -> Vec<Change> {
    let mut set: Vec<(&'static str, String)> = vec![(ROLE, role.name.to_owned())];
    match &role.way {
        CredentialRoute::Container { url, token } => {
            set.push(("AWS_CONTAINER_CREDENTIALS_FULL_URI", (*url).to_owned()));
            // Never the file beside it: the SDKs disagree which of the two comes first.
            set.push(("AWS_CONTAINER_AUTHORIZATION_TOKEN", token.expose().to_owned()));
            // The Rust crate `object_store` (polars, delta-rs, DataFusion, Lance) does not read the token variable and
            // ignores AWS_EC2_METADATA_DISABLED. Without this address it uses the role of the EC2 instance.
            set.extend(metadata_address(url, token).map(|address| ("AWS_METADATA_ENDPOINT", address)));
        }
        CredentialRoute::Imds(url) => {
            // Java puts its path behind a trailing slash and finds nothing.
            set.push(("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.trim_end_matches('/').to_owned()));
            set.push(("AWS_METADATA_ENDPOINT", url.trim_end_matches('/').to_owned()));
            set.push(("AWS_EC2_METADATA_V1_DISABLED", "true".to_owned()));
        }
        CredentialRoute::Static(session) => {
            set.push(("AWS_ACCESS_KEY_ID", session.access_key_id.clone()));
            set.push(("AWS_SECRET_ACCESS_KEY", session.secret.expose().to_owned()));
            set.push(("AWS_SESSION_TOKEN", session.token.expose().to_owned()));
            set.push(("AWS_CREDENTIAL_EXPIRATION", timestamp(session.expiration)));
        }
    }
    if !matches!(role.way, CredentialRoute::Imds(_)) {
        // On a machine of EC2 some SDKs (Java, C++) go on to its own metadata service when we say no, and would be
        // somebody else.
        set.push(("AWS_EC2_METADATA_DISABLED", "true".to_owned()));
    }
    if !matches!(role.way, CredentialRoute::Static(_)) {
        for name in ["NO_PROXY", "no_proxy"] {
            // Tools read the one or the other; where there is only one, a new second must not hide its hosts.
            let list = var(name).or_else(|| var("NO_PROXY")).or_else(|| var("no_proxy"));
            set.push((name, without_proxy(list.as_deref().unwrap_or_default())));
        }
    }
    if let Some(profile) = role.profile {
        set.push(("AWS_PROFILE", profile.to_owned()));
    }
    if let Some(region) = role.region {
        set.extend(REGIONS.map(|name| (name, region.to_owned())));
    }
    // Inside of another role the region may be that role's. None is an error that says so; another's is a silent one.
    let left_behind = REGIONS.into_iter().filter(|_| var(ROLE).is_some());
    let gone = |name: &&str| !set.iter().any(|(other, _)| other == name);
    let gone: Vec<&'static str> = misleading().chain(left_behind).filter(gone).collect();
    let set = set.into_iter().map(|(name, value)| (name, Some(Zeroizing::new(value))));
    gone.into_iter().map(|name| (name, None)).chain(set).collect()
}

/// Returns the address of the metadata service that the container endpoint at `url` has for its token.
fn metadata_address(url: &str, token: &EndpointToken) -> Option<String> {
    let host = &url[..url.find(ROLE_PATH)?];
    Some(format!("{host}{METADATA_PATH}{}", token.expose()))
}

/// Adds our own hosts to a list of those that are reached without a proxy.
fn without_proxy(list: &str) -> String {
    let listed: Vec<&str> = list.split(',').map(str::trim).filter(|host| !host.is_empty()).collect();
    if listed.contains(&"*") {
        return list.to_owned();
    }
    let missing = OWN_HOSTS.into_iter().filter(|host| !listed.contains(host));
    listed.iter().copied().chain(missing).collect::<Vec<&str>>().join(",")
}

#[cfg(test)]
#[path = "variables_tests.rs"]
mod tests;
