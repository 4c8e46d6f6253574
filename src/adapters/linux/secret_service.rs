//! The keyring of Linux: the Secret Service on the session bus, looked at before anything is asked of it.
//!
//! It knows no reports and no keys. Every call has a deadline, and none unlocks anything: with nobody at the display, a
//! dialog would be waited for in vain. The `secret-service` crate is called directly, over a connection that is made here:
//! the stores of the `keyring` crate connect to whatever address the environment of the process names, which may be a
//! program to run or the bus of a login that has ended.
//!
//! An item has the attributes `service` = "rolecall", or another one for a separate world, and `username` = the name of the
//! identity, and lies in the default collection, so `secret-tool lookup service rolecall username NAME` prints it. Its
//! label, which the programs of the desktop show, says what it is.
//!
//! This runs on a thread of its own, with a runtime of its own for its deadlines.

use super::dbus::SessionBus;
use crate::vault::os::{DIALOG, REASON_MAX, VaultError};
use rolecall_core::domain::error::printable;
use rolecall_core::domain::names::Name;
use secret_service::{EncryptionType, Error, Item, SecretService};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use zbus::connection;
use zeroize::Zeroizing;

/// How long a look may take: connecting takes 20 ms and each question one; more means that nobody is there to answer.
const LOOK: Duration = Duration::from_secs(2);

/// How long a call may take in all. Some keyrings ask their user before they give an item away.
const CALL: Duration = Duration::from_secs(8);

/// What the bytes of an item are called.
const CONTENT_TYPE: &str = "application/octet-stream";

/// Which keyring, and whose items in it.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) bus: Arc<SessionBus>,
    pub(crate) service: Arc<str>,
}

impl Place {
    fn attributes<'a>(&'a self, name: &'a Name) -> HashMap<&'a str, &'a str> {
        HashMap::from([("service", &*self.service), ("username", name.as_str())])
    }

    /// Finds the items of a name. Refuses where one of them, or the keyring, is locked.
    async fn find<'a>(&self, service: &'a SecretService<'_>, name: &Name) -> Result<Vec<Item<'a>>, VaultError> {
        ensure_open(service).await?;
        let found = service.search_items(self.attributes(name)).await.map_err(|e| failed(&e))?;
        if found.locked.is_empty() { Ok(found.unlocked) } else { Err(VaultError::Locked) }
    }
}

/// A connection to the keyring, kept from call to call.
pub(crate) struct Keyring {
    place: Place,
    held: Option<SecretService<'static>>,
}

impl Keyring {
    /// Connects to nothing yet.
    pub(crate) fn new(place: Place) -> Self {
        Self { place, held: None }
    }

    /// Finds out whether the keyring can be read without a dialog.
    pub(crate) fn look(&mut self) -> Result<(), VaultError> {
        self.call(&async |service, _| ensure_open(service).await)
    }

    /// Reads the item of a name; `None` if there is none.
    pub(crate) fn read(&mut self, name: &Name) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        self.call(&async |service, place| match place.find(service, name).await?.as_slice() {
            [] => Ok(None),
            [item] => Ok(Some(Zeroizing::new(item.get_secret().await.map_err(|e| failed(&e))?))),
            _ => Err(VaultError::Ambiguous),
        })
    }

    /// Writes the item of a name, a new one if there is none.
    pub(crate) fn write(&mut self, name: &Name, secret: &[u8]) -> Result<(), VaultError> {
        self.call(&async |service, place| match place.find(service, name).await?.as_slice() {
            [] => {
                let label = format!("rolecall: AWS access key of {name}");
                let collection = service.get_default_collection().await.map_err(|e| failed(&e))?;
                let created = collection.create_item(&label, place.attributes(name), secret, true, CONTENT_TYPE).await;
                created.map(drop).map_err(|e| failed(&e))
            }
            [item] => item.set_secret(secret, CONTENT_TYPE).await.map_err(|e| failed(&e)),
            _ => Err(VaultError::Ambiguous),
        })
    }

    /// Deletes every item of a name; tells whether there was one.
    pub(crate) fn delete(&mut self, name: &Name) -> Result<bool, VaultError> {
        self.call(&async |service, place| {
            let found = place.find(service, name).await?;
            for item in &found {
                item.delete().await.map_err(|e| failed(&e))?;
            }
            Ok(!found.is_empty())
        })
    }

    /// Does something over the connection there is, else over a new one.
    ///
    /// A connection from before the keyring or the bus was restarted fails for ever ("NoSession", "Broken pipe"), so a
    /// failure over it is taken as that, once. All calls may be made twice.
    fn call<T>(
        &mut self,
        work: &impl AsyncFn(&SecretService<'static>, &Place) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let (held, place) = (self.held.take(), self.place.clone());
        let (service, answer) = within(CALL, async {
            if let Some(service) = held {
                match work(&service, &place).await {
                    Err(VaultError::Failed(_)) => {}
                    answer => return Ok((service, answer)),
                }
            }
            let service = connect(&place.bus).await?;
            let answer = work(&service, &place).await;
            Ok((service, answer))
        })??;
        self.held = Some(service);
        answer
    }
}

/// Opens the default collection through the keyring's own dialog, and waits for the person.
pub(crate) fn unlock(place: &Place) -> Result<(), VaultError> {
    within(DIALOG + CALL, async {
        let service = connect(&place.bus).await?;
        let state = ensure_open(&service).await;
        if state != Err(VaultError::Locked) {
            return state;
        }
        let dialog = async { service.get_default_collection().await?.unlock().await };
        match timeout(DIALOG, dialog).await {
            Err(_) | Ok(Err(Error::Prompt | Error::PromptDisconnected)) => return Err(VaultError::Refused),
            Ok(answer) => answer.map_err(|e| failed(&e))?,
        }
        // Its word is not enough: what counts is whether the next call would wait.
        match ensure_open(&service).await {
            Err(VaultError::Locked) => Err(VaultError::Refused),
            state => state,
        }
    })?
}

/// Connects to the keyring: on the first bus of this user that has one.
pub(crate) async fn connect(bus: &SessionBus) -> Result<SecretService<'static>, VaultError> {
    let mut why = VaultError::Unreached("there is no session bus".to_owned());
    for stream in bus.streams().map_err(VaultError::Unreached)? {
        let service = timeout(LOOK, async {
            let connection = connection::Builder::async_io_unix_stream(stream).build().await?;
            SecretService::connect_with_existing(EncryptionType::Dh, connection).await
        });
        match service.await {
            Ok(Ok(service)) => return Ok(service),
            Ok(Err(error)) => why = VaultError::Unreached(reason(&error)),
            Err(_) => why = VaultError::Silent(LOOK),
        }
    }
    Err(why)
}

/// Tells whether the default collection is there and open.
async fn ensure_open(service: &SecretService<'_>) -> Result<(), VaultError> {
    let look = async {
        let collection = match service.get_default_collection().await {
            Err(Error::NoResult) => {
                let why = "it has no default collection, which the first log-in on the desktop makes";
                return Err(VaultError::Absent(why.to_owned()));
            }
            other => other.map_err(|e| failed(&e))?,
        };
        if collection.is_locked().await.map_err(|e| failed(&e))? { Err(VaultError::Locked) } else { Ok(()) }
    };
    timeout(LOOK, look).await.unwrap_or(Err(VaultError::Silent(LOOK)))
}

fn failed(error: &Error) -> VaultError {
    match error {
        Error::Locked => VaultError::Locked,
        error => VaultError::Failed(reason(error)),
    }
}

pub(crate) fn reason(error: &Error) -> String {
    let text = error.to_string();
    printable(text.strip_prefix("zbus error: ").unwrap_or(&text), REASON_MAX)
}

fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, VaultError> {
    let runtime: Runtime = Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|e| VaultError::Failed(format!("no timer for its deadline: {e}")))?;
    // A timer can only be made inside the runtime.
    runtime.block_on(async { timeout(limit, work).await }).map_err(|_| VaultError::Silent(limit))
}
