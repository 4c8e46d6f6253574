//! Where an application runs, and who says who it is: an instance, a task, an identity provider.

use crate::mint;

/// Credentials of an instance or a task last so long ("IAM roles for Amazon EC2": "temporary", in practice six hours).
const SESSION_SECONDS: i64 = 6 * 3600;

/// The EC2 instance that the sandbox's metadata service is of.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its id, the name of its role's sessions.
    pub id: String,
    /// The role of its instance profile, if it has one.
    pub role_arn: Option<String>,
    /// Whether the metadata service is on (`HttpEndpoint`).
    pub is_enabled: bool,
    /// How long its role's sessions last, in seconds.
    pub session_seconds: i64,
    /// Whether the service goes on giving the session it has, even beyond its end, as it does in an outage of STS.
    pub is_stale: bool,
}

/// The task or pod that the sandbox's container endpoint is of.
#[derive(Clone, Debug)]
pub struct Task {
    /// The path of its credentials: `/v2/credentials/ID` on ECS, `/v1/credentials` on EKS.
    pub path: String,
    /// Its task role.
    pub role_arn: String,
    /// What its requests must carry in `Authorization`, if anything.
    pub authorization: Option<String>,
    /// How long its role's sessions last, in seconds.
    pub session_seconds: i64,
}

/// An OpenID Connect provider that an account has made known to IAM.
#[derive(Clone, Debug)]
pub struct OidcProvider {
    /// The account that trusts it.
    pub account: String,
    /// The issuer's address without `https://`.
    pub issuer: String,
    /// The audiences (client ids) that it is registered for.
    pub audiences: Vec<String>,
}

impl Instance {
    /// Returns an instance with a role, or without an instance profile.
    pub fn new(role_arn: Option<&str>) -> Self {
        Self {
            id: format!("i-0{}", &mint::request_id().replace('-', "")[..16]),
            role_arn: role_arn.map(str::to_owned),
            is_enabled: true,
            session_seconds: SESSION_SECONDS,
            is_stale: false,
        }
    }
}

impl Task {
    /// Returns an ECS task with a role.
    pub fn new(role_arn: &str) -> Self {
        Self {
            path: format!("/v2/credentials/{}", mint::request_id()),
            role_arn: role_arn.to_owned(),
            authorization: None,
            session_seconds: SESSION_SECONDS,
        }
    }

    /// Makes it a pod of EKS's, whose requests carry a token.
    #[must_use]
    pub fn with_authorization(mut self, token: &str) -> Self {
        "/v1/credentials".clone_into(&mut self.path);
        self.authorization = Some(token.to_owned());
        self
    }
}

impl OidcProvider {
    /// Returns a provider for one audience.
    pub fn new(account: &str, issuer: &str, audience: &str) -> Self {
        Self { account: account.to_owned(), issuer: issuer.to_owned(), audiences: vec![audience.to_owned()] }
    }

    /// Returns its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::{}:oidc-provider/{}", self.account, self.issuer)
    }
}
