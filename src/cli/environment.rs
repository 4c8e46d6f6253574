//! The environment variables of this process, and those from which SDKs and tools take credentials.
//!
//! `env` unsets these and `exec` removes them before it sets others: both use one list, since a variable that only one of
//! them knows would leave the wrong identity in the other. Regions, endpoints, proxies and the paths of the AWS files are
//! not in the list: they select no identity.

/// Every variable from which some SDK or tool takes credentials, a profile, a role to become, or what belongs to a session.
///
/// SDKs and Tools Reference Guide, "Environment variables support"; the odd ones with whoever reads them. Most SDKs look
/// here before they look at a profile, and at each of these in an order of their own.
pub(super) const SHADOWING: [&str; 29] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    // Older names of these three: boto and the SDKs for Java 1, Ruby and Perl; Ruby's own; s3fs-fuse's.
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SECURITY_TOKEN",
    "AMAZON_ACCESS_KEY_ID",
    "AMAZON_SECRET_ACCESS_KEY",
    "AMAZON_SESSION_TOKEN",
    "AWSACCESSKEYID",
    "AWSSECRETACCESSKEY",
    "AWSSESSIONTOKEN",
    // What goes with a session, and would be told of another.
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_SESSION_EXPIRATION",
    "AWS_ACCOUNT_ID",
    "AWS_CREDENTIAL_SCOPE",
    // By which the prompts of aws-vault and awsume know a role.
    "AWS_VAULT",
    "AWSUME_PROFILE",
    // A file or a profile that has keys.
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CREDENTIAL_FILE",
    // A role to become by a token.
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    // An endpoint that gives credentials.
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    // Bedrock's clients take it before any key.
    "AWS_BEARER_TOKEN_BEDROCK",
];

/// Returns the value of a variable of this process, if it is set and not empty: it selects how output looks.
#[expect(clippy::disallowed_methods, reason = "shell, colour and locale of the one who reads the output")]
pub(super) fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the names of the variables of this process that are set and not empty.
#[expect(clippy::disallowed_methods, reason = "names only, to warn of those that shadow a profile")]
pub(super) fn variables() -> Vec<String> {
    let set = std::env::vars_os().filter(|(_, value)| !value.is_empty());
    set.filter_map(|(name, _)| name.into_string().ok()).collect()
}
