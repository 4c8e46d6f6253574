//! The two bodies that a session is served in: made once, then kept beside its line, in locked pages.

use crate::credentials::{Bodies, CachedCredentials, target};
use crate::locked_memory::LockedBytes;
use bytes::Bytes;
use chrono::TimeDelta;
use rolecall_core::domain::arn::AccountId;
use rolecall_core::domain::plan::Plan;
use rolecall_ipc::protocol::process_output::{self, OUTPUT_MAX, timestamp};
use serde::Serialize;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What is said, in the order of AWS's own documents. `Token` and not `SessionToken`: only the Rust SDK takes both.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    /// The Rust SDK takes nothing but `Success`, where there is a code at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_updated: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'a str>,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    token: &'a str,
    expiration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<String>,
}

/// A session's body where it rests: it goes out from there without a copy of ours.
struct Resting {
    held: Arc<CachedCredentials>,
    is_imds: bool,
}

impl AsRef<[u8]> for Resting {
    fn as_ref(&self) -> &[u8] {
        let Bodies { container, imds } = &self.held.bodies;
        let body = if self.is_imds { imds } else { container };
        body.get().and_then(Option::as_deref).unwrap_or_default()
    }
}

/// Gives what the container endpoint says; `None` where there is no memory for it.
pub(super) fn container(held: &Arc<CachedCredentials>, plan: &Plan) -> Option<Bytes> {
    let make = || {
        let role_arn = target(plan.key().step());
        write(held, |body| Body { role_arn, ..body })
    };
    held.bodies.container.get_or_init(make).as_ref()?;
    Some(Bytes::from_owner(Resting { held: Arc::clone(held), is_imds: false }))
}

/// Gives what the metadata service says; `None` where there is no memory for it.
pub(super) fn imds(held: &Arc<CachedCredentials>) -> Option<Bytes> {
    let life = TimeDelta::from_std(held.lifetime.life).unwrap_or_default();
    let make = || {
        let last_updated = Some(timestamp(held.lifetime.expiration - life));
        write(held, |body| Body { code: Some("Success"), last_updated, r#type: Some("AWS-HMAC"), ..body })
    };
    held.bodies.imds.get_or_init(make).as_ref()?;
    Some(Bytes::from_owner(Resting { held: Arc::clone(held), is_imds: true }))
}

fn write(held: &CachedCredentials, more: impl for<'a> FnOnce(Body<'a>) -> Body<'a>) -> Option<LockedBytes> {
    let session = process_output::parse(&held.line)?;
    // Room for the whole from the start: growing would leave copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * OUTPUT_MAX));
    let common = Body {
        code: None,
        last_updated: None,
        r#type: None,
        access_key_id: &session.access_key_id,
        secret_access_key: session.secret.expose(),
        token: session.token.expose(),
        expiration: timestamp(session.expiration),
        account_id: session.account.as_ref().map(AccountId::as_str),
        role_arn: None,
    };
    serde_json::to_writer(&mut *bytes, &more(common)).ok()?;
    LockedBytes::new(&bytes).ok()
}
