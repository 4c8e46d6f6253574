//! The environment variables that say who one is: what `env` unsets and what `exec` takes away before it sets its own.
//!
//! One list for both, since a variable that only one of them knows is a silent wrong identity in the other. It knows no
//! values and no shell. Where credentials come from is here; regions, endpoints, proxies and the places of AWS's files are
//! not: they choose no identity, and are often meant.

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
