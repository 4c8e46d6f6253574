//! The entries that aws-vault and Granted keep in the Secret Service, read for an import and never changed.
//!
//! Both use the Go library `keyring` (99designs/keyring and ByteNess/keyring, `secretservice.go`): a collection found by
//! its path, an item whose label is the profile's name, in it a JSON object whose `Data` is base64 of another, which is
//! aws-sdk-go-v2's `aws.Credentials`. aws-vault keeps its sessions beside the keys, under names with commas
//! (ByteNess/aws-vault, `vault/sessionkeyring.go`). Its encrypted files and `pass` are not read.
//!
//! It knows no reports of identities. Like the vault's own store it runs on a thread that may be lost.

use super::dbus::SessionBus;
use super::secret_service::connect;
use crate::vault::blocking_worker::{Worker, WorkerError};
use crate::vault::os::{REASON_MAX, VaultError};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::secret::SecretKey;
use rolecall_ports::{ForeignEntry, ForeignKeys};
use secret_service::{Collection, Error};
use serde::Deserialize;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// How long a list or an entry may take: a question for each entry.
const LIST: Duration = Duration::from_secs(5);

/// What the thread has on top of that time.
const MARGIN: Duration = Duration::from_secs(10);

/// What stands before a collection's name in its path.
const PATH: &str = "/org/freedesktop/secrets/collection/";

/// An item as the Go library writes it.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(rename = "Data", borrow)]
    data: &'a str,
}

/// `aws.Credentials`, whose fields have their Go names.
#[derive(Deserialize)]
struct Credentials<'a> {
    #[serde(rename = "AccessKeyID", borrow)]
    id: &'a str,
    #[serde(rename = "SecretAccessKey", borrow)]
    secret: &'a str,
    #[serde(rename = "SessionToken", borrow, default)]
    token: &'a str,
}

/// The keyring of this session.
pub(crate) struct ThirdPartyKeyrings {
    thread: Worker<()>,
    bus: Arc<SessionBus>,
}

impl ThirdPartyKeyrings {
    /// Returns them as the port of a vault.
    #[expect(clippy::unnecessary_wraps, reason = "other systems have none")]
    pub(crate) fn as_port(&self) -> Option<&dyn ForeignKeys> {
        Some(self)
    }

    /// Prepares the thread; it does not run yet.
    pub(crate) fn new(bus: Arc<SessionBus>) -> Self {
        Self { thread: Worker::new("keyring-foreign", || ()), bus }
    }

    async fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        job: impl FnOnce() -> Result<T, UserError> + Send + 'static,
    ) -> Result<T, UserError> {
        self.thread.run(limit, |()| job()).await.unwrap_or_else(|fault| {
            let why = match fault {
                WorkerError::Late => "did not answer in time",
                WorkerError::Busy | WorkerError::Stuck => "is busy with earlier calls",
                WorkerError::Panicked => "made its client crash",
            };
            Err(failed(why))
        })
    }
}

#[async_trait]
impl ForeignKeys for ThirdPartyKeyrings {
    async fn list(&self, collections: &[&'static str]) -> Result<Vec<ForeignEntry>, UserError> {
        let (collections, bus) = (collections.to_vec(), Arc::clone(&self.bus));
        self.run(LIST + MARGIN, move || within(LIST, list(&bus, &collections))?).await
    }

    async fn read(&self, entry: &ForeignEntry) -> Result<AccessKey, UserError> {
        let (entry, bus) = (entry.clone(), Arc::clone(&self.bus));
        self.run(LIST + MARGIN, move || within(LIST, read(&bus, &entry))?).await
    }
}

fn failed(why: &str) -> UserError {
    UserError::new(Kind::Failed, format!("the keyring {why}"))
        .hint("see whether others can read it: `secret-tool search --all profile NAME`")
}

fn told(error: &Error) -> UserError {
    failed(&format!("failed: {}", printable(&error.to_string(), REASON_MAX)))
}

async fn list(bus: &SessionBus, collections: &[&'static str]) -> Result<Vec<ForeignEntry>, UserError> {
    // No bus, no entries.
    let Ok(service) = connect(bus).await else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for collection in service.get_all_collections().await.map_err(|e| told(&e))? {
        let Some(name) = collections.iter().find(|name| is_called(&collection, name)) else { continue };
        for item in collection.get_all_items().await.map_err(|e| told(&e))? {
            // A label that cannot be read is one of a collection that hides it until it is opened.
            let Ok(label) = item.get_label().await else { continue };
            if is_key(&label) {
                found.push(ForeignEntry { collection: name, name: label });
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

async fn read(bus: &SessionBus, entry: &ForeignEntry) -> Result<AccessKey, UserError> {
    let shown = printable(&entry.name, 128);
    let none = || {
        UserError::new(Kind::Config, format!("the keyring's collection {} has no entry `{shown}`", entry.collection))
            .hint("`rolecall import --dry-run` lists what there is")
    };
    let service = connect(bus).await.map_err(|trouble| match trouble {
        VaultError::Unreached(why) => failed(&format!("cannot be reached: {why}")),
        _ => failed("did not answer in time"),
    })?;
    let collections = service.get_all_collections().await.map_err(|e| told(&e))?;
    let collection = collections.iter().find(|collection| is_called(collection, entry.collection)).ok_or_else(none)?;
    if collection.is_locked().await.map_err(|e| told(&e))? {
        // Any program of the user's can ask for this: none of them is to raise a dialog for a password.
        let what = format!("the keyring's collection {} is locked", entry.collection);
        return Err(UserError::new(Kind::Locked, what)
            .hint("unlock it, in Seahorse or by the tool it belongs to, then run `rolecall import` again"));
    }
    for item in collection.get_all_items().await.map_err(|e| told(&e))? {
        if item.get_label().await.is_ok_and(|label| label == entry.name) {
            let secret = Zeroizing::new(item.get_secret().await.map_err(|e| told(&e))?);
            return decode(&secret).map_err(|why| {
                UserError::new(Kind::Failed, format!("the entry `{shown}` of {} {why}", entry.collection))
                    .hint("store its key with `rolecall identity add`")
            });
        }
    }
    Err(none())
}

fn is_called(collection: &Collection<'_>, name: &str) -> bool {
    // The Go library unescapes `_2d` and the like before it compares.
    let path = unescape(collection.collection_path.as_str());
    path.strip_prefix(PATH) == Some(name)
}

/// Turns `_2d` into `-`, as names of D-Bus paths are written; gives the text as it is where that does not go.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('_') {
        let code = rest.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let Some(code) = code else { return text.to_owned() };
        out.push_str(&rest[..at]);
        out.push(char::from(code));
        rest = &rest[at + 3..];
    }
    out.push_str(rest);
    out
}

/// Tells a long-term key from a cached session (`TYPE,PROFILE,SERIAL,TIME` or `session:…`) and from an OIDC token.
fn is_key(label: &str) -> bool {
    let is_session = label.split(',').count() == 4 || label.starts_with("session:") || label.contains(" session (");
    !is_session && !label.starts_with("oidc:")
}

/// Reads an item; says what it is instead, without any of it.
fn decode(item: &[u8]) -> Result<AccessKey, &'static str> {
    const FOREIGN: &str = "is not what the tool writes";
    let item: Item<'_> = serde_json::from_slice(item).map_err(|_| FOREIGN)?;
    let data = Zeroizing::new(STANDARD.decode(item.data).map_err(|_| FOREIGN)?);
    let credentials: Credentials<'_> = serde_json::from_slice(&data).map_err(|_| FOREIGN)?;
    if !credentials.token.is_empty() {
        return Err("is a temporary session, not a key");
    }
    Ok(AccessKey { id: credentials.id.to_owned(), secret: SecretKey::new(credentials.secret.to_owned()) })
}

fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, UserError> {
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|e| failed(&format!("cannot be asked: no timer: {e}")))?;
    runtime.block_on(async { timeout(limit, work).await }).map_err(|_| failed("did not answer in time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What aws-vault 7 writes for `aws-vault add auth`.
    fn item(id: &str, token: &str) -> String {
        let credentials = format!(
            r#"{{"AccessKeyID":"{id}","SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY","SessionToken":"{token}","Source":"","CanExpire":false,"Expires":"0001-01-01T00:00:00Z","AccountID":""}}"#
        );
        let data = STANDARD.encode(credentials);
        format!(
            r#"{{"Key":"auth","Data":"{data}","Label":"aws-vault (auth)","Description":"","KeychainNotTrustApplication":true,"KeychainNotSynchronizable":false}}"#
        )
    }

    #[test]
    fn an_entry_of_the_go_library_is_read_and_what_is_none_is_not_quoted() {
        let key = decode(item("AKIAIOSFODNN7EXAMPLE", "").as_bytes()).expect("a key");
        assert_eq!(key.id, "AKIAIOSFODNN7EXAMPLE");
        assert_eq!(key.secret.expose(), "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        assert!(decode(item("ASIAIOSFODNN7EXAMPLE", "canary").as_bytes()).expect_err("temporary").contains("session"));
        for foreign in ["", "canary", "{}", r#"{"Data":"canary!"}"#, r#"{"Data":"e30="}"#] {
            assert!(!decode(foreign.as_bytes()).expect_err(foreign).contains("canary"), "{foreign}");
        }
    }

    #[test]
    fn sessions_and_tokens_are_no_keys() {
        for (label, is) in [
            ("auth", true),
            ("team/auth", true),
            ("sts.GetSessionToken,YXV0aA,YXJu,1790000000", false),
            ("session,YXV0aA,,1790000000", false),
            ("session:auth:serial:1790000000", false),
            ("auth session (1790000000)", false),
            ("oidc:https://corp.awsapps.com/start", false),
        ] {
            assert_eq!(is_key(label), is, "{label}");
        }
        assert_eq!(
            unescape("/collection/granted_2daws_2diam_2dcredentials"),
            "/collection/granted-aws-iam-credentials"
        );
        assert_eq!(unescape("/collection/a_zz"), "/collection/a_zz");
    }
}
