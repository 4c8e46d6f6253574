//! The log of calls: what was asked, by whom, and what was answered.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// One call, as it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it was judged, by the sandbox's clock.
    pub time: DateTime<Utc>,
    /// The service in the signature's scope, or `-`.
    pub service: String,
    /// The operation, such as `AssumeRole`.
    pub action: String,
    /// The access key id it was signed with.
    pub access_key_id: Option<String>,
    /// Who it came from, if that was found out.
    pub principal_arn: Option<String>,
    /// The parameters; no signature, session token or identity token is among them.
    pub params: BTreeMap<String, String>,
    /// The HTTP status; 0 if a fault left it without an answer.
    pub status: u16,
    /// The code of the error, if it was one.
    pub error_code: Option<String>,
    /// The request id of the answer.
    pub request_id: String,
}

/// Parameters that are credentials. A one-time code stays: it is spent, and tests ask whether one was used twice.
const SECRET: [&str; 6] =
    ["X-Amz-Signature", "X-Amz-Security-Token", "WebIdentityToken", "SAMLAssertion", "Session", "SigninToken"];

/// Returns the parameters of a call without secrets, of several with one name the first.
pub(crate) fn parameters(given: &[(String, String)]) -> BTreeMap<String, String> {
    let shown = |name: &str| !SECRET.iter().any(|secret| secret.eq_ignore_ascii_case(name));
    given.iter().rev().filter(|(name, _)| shown(name)).cloned().collect()
}
