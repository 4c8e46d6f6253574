//! The operating system's keyring: one item per identity, each call on a thread that may be lost, each with a deadline.
//!
//! It knows nothing of D-Bus; [`keyring`] does. Nothing here unlocks, except
//! [`OsVault::unlock`], which a person asked for. What a keyring says of a failure is passed on only where it cannot hold a
//! secret.

use super::blocking_worker::{Worker, WorkerError};
use super::{Backend, key_record};
use crate::system::keyring::{self, Keyring, Place};
use async_trait::async_trait;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::secret::Passphrase;
use rolecall_platform::os::KEYRING_ASKS;
use rolecall_ports::{StoredKey, VaultState};
use std::time::Duration;

/// How long one call may take. On Linux nothing in it waits for a person. Elsewhere the system itself may ask whether
/// rolecall may read the item, after an update for instance, so there is time to answer.
const DEADLINE: Duration = Duration::from_secs(if KEYRING_ASKS { 15 } else { 10 });

/// How long a person has to answer the keyring's dialog.
pub(crate) const DIALOG: Duration = Duration::from_mins(1);

/// What the dialog's thread has on top of that, to connect and to look.
const DIALOG_MARGIN: Duration = Duration::from_secs(10);

/// The longest foreign text in a message.
pub(crate) const REASON_MAX: usize = 200;

/// Why the keyring did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "only the Secret Service is absent or refuses")]
pub(crate) enum VaultError {
    /// It is locked, as far as this item goes.
    Locked,
    /// Nobody answered the dialog, or somebody said no.
    Refused,
    /// There is none that could hold a key.
    Absent(String),
    /// None was reached.
    Unreached(String),
    /// It did not answer in time.
    Silent(Duration),
    /// It holds several items of this name.
    Ambiguous,
    /// The item is not what rolecall wrote.
    Unreadable,
    /// A later rolecall wrote the item.
    Newer,
    /// It failed, in its own words.
    Failed(String),
}

impl VaultError {
    fn report(self, identity: Option<&Name>, service: &str) -> UserError {
        let subject = subject(identity);
        let name = identity.map_or("NAME", Name::as_str);
        let to_file = "set `vault = \"file\"` under [agent] in config.toml, then `rolecall unlock --vault`";
        match self {
            Self::Locked => UserError::new(Kind::Locked, format!("{subject}: the keyring is locked"))
                .hint("unlock it: `rolecall unlock --vault`, or log in on the desktop"),
            Self::Refused => UserError::new(Kind::Locked, "the keyring stayed locked: nobody answered its dialog")
                .hint(format!(
                    "try again where there is a display: `rolecall unlock --vault`; on a machine without, {to_file}"
                )),
            Self::Absent(why) | Self::Unreached(why) => {
                UserError::new(Kind::Failed, format!("{subject}: no keyring can be used: {why}"))
                    .hint(format!("start one (GNOME Keyring, KWallet, KeePassXC); on a machine without, {to_file}"))
            }
            Self::Silent(after) => {
                let cause = format!("{subject}: the keyring did not answer within {} s", after.as_secs());
                UserError::new(Kind::Failed, cause).hint(format!(
                    "see whether others wait as well: `secret-tool lookup service {} username {name}`",
                    quoted(service)
                ))
            }
            Self::Ambiguous => UserError::new(
                Kind::Failed,
                format!("{subject}: the keyring holds several items of rolecall by this name"),
            )
            .hint(format!("remove them all and store the key again: `rolecall identity remove {name}`")),
            Self::Unreadable => UserError::new(
                Kind::Failed,
                format!("{subject}: what the keyring holds there is not a key that rolecall stored"),
            )
            .hint(format!("store it again: `rolecall identity add {name}`")),
            Self::Newer => UserError::new(Kind::Failed, format!("{subject}: a later version of rolecall stored it"))
                .hint("upgrade: `rolecall --version` tells yours"),
            Self::Failed(why) => {
                UserError::new(Kind::Failed, format!("{subject}: the keyring failed: {why}")).hint(format!(
                    "see whether others fail as well: `secret-tool lookup service {} username {name}`",
                    quoted(service)
                ))
            }
        }
    }
}

/// Writes the attribute as one word of a shell: that of a separate world holds a path.
fn quoted(service: &str) -> String {
    if service.contains(|c: char| !c.is_ascii_alphanumeric() && !"/:._-".contains(c)) {
        format!("'{}'", service.replace('\'', "'\\''"))
    } else {
        service.to_owned()
    }
}

fn subject(identity: Option<&Name>) -> String {
    identity.map_or_else(|| "the vault".to_owned(), |name| format!("the key of {name}"))
}

/// Says what became of a call that brought no answer.
fn lost(fault: WorkerError, identity: Option<&Name>, service: &str) -> UserError {
    let what = match fault {
        WorkerError::Busy => "the keyring is busy with other calls",
        WorkerError::Late => return VaultError::Silent(DEADLINE).report(identity, service),
        WorkerError::Panicked => "the keyring's client crashed",
        WorkerError::Stuck => "earlier calls to the keyring never came back",
    };
    UserError::new(Kind::Failed, format!("{}: {what}", subject(identity)))
        .hint("see that the keyring works, then `rolecall agent restart`")
}

/// The keyring of the operating system.
pub(crate) struct OsVault {
    place: Place,
    items: Worker<Keyring>,
    /// A thread of its own for the dialog: while a person looks for a password, others are told at once that it is locked.
    dialogs: Worker<()>,
}

impl OsVault {
    /// Prepares the threads; neither runs yet.
    pub(crate) fn new(place: Place) -> Self {
        let of_items = place.clone();
        let items = Worker::new("keyring", move || Keyring::new(of_items.clone()));
        Self { place, items, dialogs: Worker::new("keyring-dialog", || ()) }
    }

    async fn call<T: Send + 'static>(
        &self,
        identity: &Name,
        job: impl FnOnce(&mut Keyring, &Name) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, UserError> {
        let (name, service) = (identity.clone(), &self.place.service);
        match self.items.run(DEADLINE, move |keyring| job(keyring, &name)).await {
            Ok(answer) => answer.map_err(|trouble| trouble.report(Some(identity), service)),
            Err(fault) => Err(lost(fault, Some(identity), service)),
        }
    }
}

/// The keyring belongs to the desktop: a lock of rolecall does not close it for other programs. Its calls hold one key each,
/// for ten seconds at most.
#[async_trait]
impl Backend for OsVault {
    async fn state(&self) -> VaultState {
        let trouble = match self.items.run(DEADLINE, Keyring::look).await {
            Ok(Ok(())) => return VaultState::Ready,
            Ok(Err(trouble)) => trouble,
            Err(fault) => return VaultState::Unreached(lost(fault, None, &self.place.service).message),
        };
        match trouble {
            VaultError::Locked => VaultState::Locked,
            VaultError::Absent(why) => VaultState::Absent(why),
            VaultError::Unreached(why) => VaultState::Unreached(why),
            other => VaultState::Unreached(other.report(None, &self.place.service).message),
        }
    }

    async fn read(&self, identity: &Name) -> Result<Option<StoredKey>, UserError> {
        self.call(identity, |keyring, name| {
            let Some(blob) = keyring.read(name)? else { return Ok(None) };
            let key = key_record::decode(&blob).map_err(|flaw| match flaw {
                key_record::KeyRecordError::Newer => VaultError::Newer,
                key_record::KeyRecordError::Unreadable | key_record::KeyRecordError::TooLong => VaultError::Unreadable,
            })?;
            Ok(Some(key))
        })
        .await
    }

    async fn write(&self, identity: &Name, key: &StoredKey) -> Result<(), UserError> {
        let blob = key_record::encode(key)
            .map_err(|_| UserError::new(Kind::Failed, format!("the key of {identity} is too long to be stored")))?;
        self.call(identity, move |keyring, name| keyring.write(name, &blob)).await
    }

    /// Deletes every item of this name.
    async fn delete(&self, identity: &Name) -> Result<bool, UserError> {
        self.call(identity, Keyring::delete).await
    }

    /// Opens the dialog of the keyring. Only a request of a person calls it.
    async fn unlock(&self, passphrase: Option<Passphrase>) -> Result<(), UserError> {
        if passphrase.is_some() {
            return Err(UserError::new(
                Kind::Usage,
                "the keyring takes no passphrase from rolecall, it has a dialog of its own",
            )
            .hint("open it: `rolecall unlock --vault`"));
        }
        let (place, service) = (self.place.clone(), &self.place.service);
        match self.dialogs.run(DIALOG + DIALOG_MARGIN, move |()| keyring::unlock(&place)).await {
            Ok(answer) => answer.map_err(|trouble| trouble.report(None, service)),
            Err(WorkerError::Busy) => Err(UserError::new(Kind::Locked, "the keyring is being unlocked already")
                .hint("answer its dialog, on the desktop")),
            Err(fault) => Err(lost(fault, None, service)),
        }
    }

    async fn accept_restored(&self) -> Result<(), UserError> {
        Err(UserError::new(Kind::Usage, "the keys are in the keyring: there is no vault file to accept")
            .hint("`--accept-restored` is for `vault = \"file\"`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_person_can_unlock_is_called_locked() {
        for (trouble, kind) in [
            (VaultError::Locked, Kind::Locked),
            (VaultError::Refused, Kind::Locked),
            (VaultError::Absent("no collection".into()), Kind::Failed),
            (VaultError::Unreached("no bus".into()), Kind::Failed),
            (VaultError::Silent(DEADLINE), Kind::Failed),
            (VaultError::Unreadable, Kind::Failed),
        ] {
            let report = trouble.report(None, "rolecall");
            assert_eq!(report.kind, kind, "{report:?}");
            assert!(report.hint.is_some_and(|hint| hint.contains('`')), "a command to run");
        }
    }
}
