//! A call to AWS in the words of its failure: the service, the purpose, and the route to it.

use super::endpoint::Endpoint;
use super::proxy::is_proxied;
use rolecall_core::domain::arn::RoleArn;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::Session;
use rolecall_core::domain::error::printable;

/// A service of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Identity and Access Management.
    Iam,
    /// The console's sign-in.
    Signin,
    /// The Simple Storage Service.
    S3,
    /// The Security Token Service.
    Sts,
}

impl Service {
    /// Gives the name that people know.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Iam => "IAM",
            Self::Signin => "the console's sign-in",
            Self::S3 => "S3",
            Self::Sts => "STS",
        }
    }

    /// Gives the key of the configuration that names its host.
    pub(super) fn endpoint_key(self) -> &'static str {
        match self {
            Self::Iam => "endpoint_url_iam",
            Self::Signin => "endpoint_url_signin",
            Self::S3 => "endpoint_url",
            Self::Sts => "endpoint_url_sts",
        }
    }
}

/// What was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call<'a> {
    /// A change that an administrator makes, or a look before it, in words.
    Admin(&'a str),
    /// Becoming a role.
    AssumeRole(&'a RoleArn),
    /// A session for a key.
    SessionToken,
    /// Whose key it is.
    CallerIdentity,
    /// A browser signed in to the console.
    SignIn,
    /// Becoming a role by an identity provider's token.
    WebIdentity(&'a RoleArn),
    /// A new access key for a user.
    CreateAccessKey(&'a str),
    /// A user's access keys.
    ListAccessKeys(&'a str),
    /// An access key switched on or off.
    UpdateAccessKey(&'a str),
    /// An access key gone for good.
    DeleteAccessKey(&'a str),
    /// A user, role or policy of IAM's, only looked at; its name.
    Look(&'a str),
    /// The buckets of an account.
    ListBuckets,
}

impl Call<'_> {
    /// Tells whom it is asked of.
    pub(crate) fn service(self) -> Service {
        match self {
            Self::AssumeRole(_) | Self::SessionToken | Self::CallerIdentity | Self::WebIdentity(_) => Service::Sts,
            Self::SignIn => Service::Signin,
            Self::Admin(_)
            | Self::CreateAccessKey(_)
            | Self::ListAccessKeys(_)
            | Self::UpdateAccessKey(_)
            | Self::DeleteAccessKey(_)
            | Self::Look(_) => Service::Iam,
            Self::ListBuckets => Service::S3,
        }
    }
}

/// A call as its failure is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallContext<'a> {
    /// What was asked.
    pub(crate) call: Call<'a>,
    /// The host that was asked.
    pub(crate) host: &'a str,
    /// Its region.
    pub(crate) region: &'a str,
    /// The id of what signed.
    pub(crate) key_id: &'a str,
    /// Whether a session signed, not a long-term key.
    pub(crate) by_session: bool,
    /// Whether a proxy is between.
    pub(crate) proxied: bool,
    /// The user at the proxy, if the configuration names one.
    pub(crate) proxy_user: Option<&'a str>,
    /// What must not be repeated: secret key, token, code.
    pub(crate) secrets: &'a [&'a str],
}

impl<'a> CallContext<'a> {
    /// Describes a call that a session signs.
    pub(crate) fn of_session(
        call: Call<'a>,
        aws: &'a AwsSettings,
        endpoint: &'a Endpoint,
        region: &'a str,
        session: &'a Session,
        secrets: &'a [&'a str],
    ) -> Self {
        Self {
            call,
            host: &endpoint.host,
            region,
            key_id: &session.access_key_id,
            by_session: true,
            proxied: is_proxied(aws, &endpoint.url),
            proxy_user: aws.https_proxy_user.as_deref(),
            secrets,
        }
    }
}

/// Names a call as what it is for.
pub(crate) fn name(call: Call<'_>, key_id: &str) -> String {
    match call {
        Call::Admin(what) => printable(what, 300),
        Call::AssumeRole(role) => format!("assume {role}"),
        Call::SessionToken => format!("start a session of access key {}", printable(key_id, 128)),
        Call::WebIdentity(role) => format!("assume {role} with a web identity token"),
        Call::CallerIdentity => format!("tell whose access key {} is", printable(key_id, 128)),
        Call::SignIn => format!("sign in to the console with session {}", printable(key_id, 128)),
        Call::CreateAccessKey(user) => format!("make an access key for user {}", printable(user, 128)),
        Call::ListAccessKeys(user) => format!("list the access keys of user {}", printable(user, 128)),
        Call::UpdateAccessKey(id) => format!("deactivate access key {}", printable(id, 128)),
        Call::DeleteAccessKey(id) => format!("delete access key {}", printable(id, 128)),
        Call::Look(what) => format!("look at {} in IAM", printable(what, 2048)),
        Call::ListBuckets => format!("list buckets with session {}", printable(key_id, 128)),
    }
}
