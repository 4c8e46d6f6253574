//! The keyring of Linux: the Secret Service on the session bus, looked at before it is called.
//!
//! It knows no reports and no keys. The look goes through `secret-service`, whose calls can be given up; the call itself goes
//! through `keyring`, whose calls cannot. The look is there because that store unlocks whatever it meets: with nobody at the
//! display, it then waits for ever.
//!
//! An item has the attributes `service` = "rolecall" and `username` = the identity's name and lies in the default
//! collection, so `secret-tool lookup service rolecall username NAME` prints it. Its label, which the desktop's own programs
//! show, says what it is.
//!
//! This runs on a thread of its own that belongs to no tokio runtime: the one below is entered for the look alone, because
//! a store that is called inside a runtime panics as soon as any crate turns on zbus's tokio feature.

use super::os::{DIALOG, REASON_MAX, SERVICE, Trouble};
use crate::domain::names::Name;
use crate::domain::report::printable;
use keyring_core::api::CredentialStoreApi;
use secret_service::{EncryptionType, Error, SecretService};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use zbus_secret_service_keyring_store::Store;

/// How long a look may take: connecting takes 10 ms and each question one; more means that nobody is there to answer.
const LOOK: Duration = Duration::from_secs(2);

/// What a look found.
enum Seen {
    Open,
    Locked,
    NoCollection,
}

/// One connection to look through and one store to call.
pub(super) struct Keyring {
    looker: Option<SecretService<'static>>,
    /// Held here and not left to `keyring::Entry::new`, which makes one store for the life of the process, if need be a
    /// broken one, and never another.
    store: Option<Arc<Store>>,
}

impl Keyring {
    /// Connects to nothing yet.
    pub(super) fn new() -> Self {
        Self { looker: None, store: None }
    }

    /// Finds out whether the keyring, and an item where one is named, can be read without a dialog.
    pub(super) fn look(&mut self, item: Option<&Name>) -> Result<(), Trouble> {
        let held = self.looker.take();
        let look = async {
            if let Some(looker) = held {
                // Where it fails, the keyring or the bus was restarted since: a new connection tells.
                if let Ok(seen) = see(&looker, item).await {
                    return Ok((looker, seen));
                }
            }
            let looker = connect().await?;
            let seen = see(&looker, item).await.map_err(|e| failed(&e))?;
            Ok((looker, seen))
        };
        let (looker, seen) = within(LOOK, look)??;
        self.looker = Some(looker);
        verdict(&seen)
    }

    /// Names an identity's item in the store.
    pub(super) fn entry(&mut self, name: &Name) -> keyring::Result<keyring::Entry> {
        let store = match &self.store {
            Some(store) => store,
            None => self.store.insert(Store::new()?),
        };
        let label = format!("rolecall: AWS access key of {name}");
        let inner = store.build(SERVICE, name.as_str(), Some(&HashMap::from([("label", label.as_str())])))?;
        Ok(keyring::Entry { inner })
    }

    /// Gives up the connections; the next call makes new ones.
    pub(super) fn forget(&mut self) {
        self.looker = None;
        self.store = None;
    }
}

/// Opens the default collection through the keyring's own dialog, and waits for the person.
pub(super) fn unlock() -> Result<(), Trouble> {
    within(DIALOG + LOOK, async {
        let before = timeout(LOOK, async {
            let service = connect().await?;
            let seen = see(&service, None).await.map_err(|e| failed(&e))?;
            Ok((service, seen))
        });
        let (service, seen) = before.await.map_err(|_| Trouble::Silent(LOOK))??;
        if !matches!(seen, Seen::Locked) {
            return verdict(&seen);
        }
        let dialog = async { service.get_default_collection().await?.unlock().await };
        match timeout(DIALOG, dialog).await {
            Err(_) | Ok(Err(Error::Prompt | Error::PromptDisconnected)) => return Err(Trouble::Refused),
            Ok(answer) => answer.map_err(|e| failed(&e))?,
        }
        // Its word is not enough: what counts is whether the next call would wait.
        match see(&service, None).await.map_err(|e| failed(&e))? {
            Seen::Locked => Err(Trouble::Refused),
            seen => verdict(&seen),
        }
    })?
}

async fn connect() -> Result<SecretService<'static>, Trouble> {
    // Plain, because no secret passes here, and without a key exchange it is 10 ms faster.
    SecretService::connect(EncryptionType::Plain).await.map_err(|error| Trouble::Absent(reason(&error)))
}

async fn see(service: &SecretService<'_>, item: Option<&Name>) -> Result<Seen, Error> {
    let collection = match service.get_default_collection().await {
        Err(Error::NoResult) => return Ok(Seen::NoCollection),
        other => other?,
    };
    if collection.is_locked().await? {
        return Ok(Seen::Locked);
    }
    if let Some(name) = item {
        // The store searches every collection, and unlocks the one where it finds a match.
        let found = service.search_items(HashMap::from([("service", SERVICE), ("username", name.as_str())])).await?;
        if !found.locked.is_empty() {
            return Ok(Seen::Locked);
        }
    }
    Ok(Seen::Open)
}

fn verdict(seen: &Seen) -> Result<(), Trouble> {
    match seen {
        Seen::Open => Ok(()),
        Seen::Locked => Err(Trouble::Locked),
        Seen::NoCollection => {
            Err(Trouble::Absent("it has no default collection, which the first log-in on the desktop makes".to_owned()))
        }
    }
}

fn failed(error: &Error) -> Trouble {
    Trouble::Failed(reason(error))
}

fn reason(error: &Error) -> String {
    let text = error.to_string();
    printable(text.strip_prefix("zbus error: ").unwrap_or(&text), REASON_MAX)
}

fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, Trouble> {
    let runtime: Runtime = Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|e| Trouble::Failed(format!("no timer for its deadline: {e}")))?;
    // A timer can only be made inside the runtime.
    runtime.block_on(async { timeout(limit, work).await }).map_err(|_| Trouble::Silent(limit))
}
