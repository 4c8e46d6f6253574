//! The operating system's keyring: one item per identity, each call on a thread that may be lost, each with a deadline.
//!
//! It knows nothing of D-Bus; [`secret_service`](super::secret_service) does. Nothing here unlocks, except
//! [`OsVault::unlock`], which a person asked for. The `keyring` crate does the storing on every system; what it says of a
//! failure is passed on only where it cannot hold a secret.

use super::blob;
#[cfg(not(target_os = "linux"))]
use super::native as system;
#[cfg(target_os = "linux")]
use super::secret_service as system;
use super::worker::{Fault, Worker};
use crate::domain::names::Name;
use crate::domain::report::{Kind, Report, printable};
use crate::ports::{StoredKey, VaultState};
use std::time::Duration;
use system::Keyring;
use zeroize::{Zeroize, Zeroizing};

/// What every item's `service` attribute says. With its `username`, the identity's name, `secret-tool lookup service
/// rolecall username NAME` finds the item.
pub(super) const SERVICE: &str = "rolecall";

/// How long one call may take. On Linux nothing in it waits for a person. Elsewhere the system itself may ask whether
/// rolecall may read the item, after an update for instance, so there is time to answer.
const DEADLINE: Duration = Duration::from_secs(if cfg!(target_os = "linux") { 10 } else { 15 });

/// How long a person has to answer the keyring's dialog.
pub(super) const DIALOG: Duration = Duration::from_mins(1);

/// What the dialog's thread has on top of that, to connect and to look.
const DIALOG_MARGIN: Duration = Duration::from_secs(10);

/// The longest foreign text in a message.
pub(super) const REASON_MAX: usize = 200;

/// Why the keyring did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only the Secret Service is absent or refuses"))]
pub(super) enum Trouble {
    /// It is locked, as far as this item goes.
    Locked,
    /// Nobody answered the dialog, or somebody said no.
    Refused,
    /// There is none.
    Absent(String),
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

impl Trouble {
    /// Takes over what the `keyring` crate says.
    pub(super) fn of(error: keyring::Error) -> Self {
        use keyring::Error::{Ambiguous, BadDataFormat, BadEncoding, NoStorageAccess, PlatformFailure};
        match error {
            // These two carry the secret itself.
            BadEncoding(mut bytes) | BadDataFormat(mut bytes, _) => {
                bytes.zeroize();
                Self::Unreadable
            }
            Ambiguous(_) => Self::Ambiguous,
            // Between the look and the call somebody locked it, and nobody was there to unlock it.
            NoStorageAccess(_) => Self::Locked,
            PlatformFailure(why) => Self::Failed(printable(&why.to_string(), REASON_MAX)),
            other => Self::Failed(printable(&other.to_string(), REASON_MAX)),
        }
    }

    fn report(self, identity: Option<&Name>) -> Report {
        let subject = subject(identity);
        let name = identity.map_or("NAME", Name::as_str);
        let to_file = "set `vault = \"file\"` under [agent] in config.toml, then `rolecall unlock --vault`";
        match self {
            Self::Locked => Report::new(Kind::Locked, format!("{subject}: the keyring is locked"))
                .hint("unlock it: `rolecall unlock --vault`, or log in on the desktop"),
            Self::Refused => {
                Report::new(Kind::Locked, "the keyring stayed locked: nobody answered its dialog").hint(format!(
                    "try again where there is a display: `rolecall unlock --vault`; on a machine without, {to_file}"
                ))
            }
            Self::Absent(why) => Report::new(Kind::Failed, format!("{subject}: no keyring can be used: {why}"))
                .hint(format!("start one (GNOME Keyring, KWallet, KeePassXC); on a machine without, {to_file}")),
            Self::Silent(after) => {
                let cause = format!("{subject}: the keyring did not answer within {} s", after.as_secs());
                Report::new(Kind::Failed, cause).hint(format!(
                    "see whether others wait as well: `secret-tool lookup service {SERVICE} username {name}`"
                ))
            }
            Self::Ambiguous => Report::new(
                Kind::Failed,
                format!("{subject}: the keyring holds several items of rolecall by this name"),
            )
            .hint(format!("remove them all and store the key again: `rolecall identity remove {name}`")),
            Self::Unreadable => Report::new(
                Kind::Failed,
                format!("{subject}: what the keyring holds there is not a key that rolecall stored"),
            )
            .hint(format!("store it again: `rolecall identity add {name}`")),
            Self::Newer => Report::new(Kind::Failed, format!("{subject}: a later version of rolecall stored it"))
                .hint("upgrade: `rolecall --version` tells yours"),
            Self::Failed(why) => Report::new(Kind::Failed, format!("{subject}: the keyring failed: {why}")).hint(
                format!("see whether others fail as well: `secret-tool lookup service {SERVICE} username {name}`"),
            ),
        }
    }
}

fn subject(identity: Option<&Name>) -> String {
    identity.map_or_else(|| "the vault".to_owned(), |name| format!("the key of {name}"))
}

/// Says what became of a call that brought no answer.
fn lost(fault: Fault, identity: Option<&Name>) -> Report {
    let what = match fault {
        Fault::Busy => "the keyring is busy with other calls",
        Fault::Late => return Trouble::Silent(DEADLINE).report(identity),
        Fault::Panicked => "the keyring's client crashed",
        Fault::Stuck => "earlier calls to the keyring never came back",
    };
    Report::new(Kind::Failed, format!("{}: {what}", subject(identity)))
        .hint("see that the keyring works, then `rolecall agent restart`")
}

/// The keyring of the operating system.
pub(super) struct OsVault {
    items: Worker<Keyring>,
    /// A thread of its own for the dialog: while a person looks for a password, others are told at once that it is locked.
    dialogs: Worker<()>,
}

impl OsVault {
    /// Prepares the threads; neither runs yet.
    pub(super) fn new() -> Self {
        Self { items: Worker::new("keyring", Keyring::new), dialogs: Worker::new("keyring-dialog", || ()) }
    }

    /// Tells whether the keyring would answer. Never prompts.
    pub(super) async fn state(&self) -> VaultState {
        let trouble = match self.items.run(DEADLINE, |keyring| keyring.look(None)).await {
            Ok(Ok(())) => return VaultState::Ready,
            Ok(Err(trouble)) => trouble,
            Err(fault) => return VaultState::Absent(lost(fault, None).message),
        };
        match trouble {
            Trouble::Locked => VaultState::Locked,
            Trouble::Absent(why) => VaultState::Absent(why),
            other => VaultState::Absent(other.report(None).message),
        }
    }

    /// Reads one key; `None` where there is none of that name.
    pub(super) async fn read(&self, identity: &Name) -> Result<Option<StoredKey>, Report> {
        self.call(identity, |keyring, name| {
            let blob = attempt(keyring, name, |entry| entry.get_secret().map(Zeroizing::new))?;
            let Some(blob) = blob else { return Ok(None) };
            let key = blob::decode(&blob).map_err(|flaw| match flaw {
                blob::Flaw::Newer => Trouble::Newer,
                blob::Flaw::Unreadable | blob::Flaw::TooLong => Trouble::Unreadable,
            })?;
            Ok(Some(key))
        })
        .await
    }

    /// Stores one key.
    pub(super) async fn write(&self, identity: &Name, key: &StoredKey) -> Result<(), Report> {
        let blob = blob::encode(key)
            .map_err(|_| Report::new(Kind::Failed, format!("the key of {identity} is too long to be stored")))?;
        self.call(identity, move |keyring, name| {
            let written = attempt(keyring, name, |entry| entry.set_secret(&blob))?;
            written.ok_or_else(|| Trouble::Failed("the item vanished while it was written".to_owned()))
        })
        .await
    }

    /// Deletes one key, and every double of it; tells whether there was one.
    pub(super) async fn delete(&self, identity: &Name) -> Result<bool, Report> {
        self.call(identity, |keyring, name| {
            let deleted = attempt(keyring, name, |entry| match entry.delete_credential() {
                // The person wants the key gone, so all of them go.
                Err(keyring::Error::Ambiguous(doubles)) => {
                    doubles.into_iter().try_for_each(|inner| keyring::Entry { inner }.delete_credential())
                }
                other => other,
            })?;
            Ok(deleted.is_some())
        })
        .await
    }

    /// Opens the keyring through its own dialog, because a person asked for it.
    pub(super) async fn unlock(&self) -> Result<(), Report> {
        match self.dialogs.run(DIALOG + DIALOG_MARGIN, |()| system::unlock()).await {
            Ok(answer) => answer.map_err(|trouble| trouble.report(None)),
            Err(Fault::Busy) => Err(Report::new(Kind::Locked, "the keyring is being unlocked already")
                .hint("answer its dialog, on the desktop")),
            Err(fault) => Err(lost(fault, None)),
        }
    }

    async fn call<T: Send + 'static>(
        &self,
        identity: &Name,
        job: impl FnOnce(&mut Keyring, &Name) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Report> {
        let name = identity.clone();
        match self.items.run(DEADLINE, move |keyring| job(keyring, &name)).await {
            Ok(answer) => answer.map_err(|trouble| trouble.report(Some(identity))),
            Err(fault) => Err(lost(fault, Some(identity))),
        }
    }
}

/// Looks, which never prompts, and only then calls the store, which might; `None` where there is no such item.
///
/// A store from before the keyring or the bus was restarted fails for ever ("NoSession", "Broken pipe"), so a failure of
/// the platform is taken as that, once. All three calls may be made twice.
fn attempt<T>(
    keyring: &mut Keyring,
    name: &Name,
    call: impl Fn(&keyring::Entry) -> keyring::Result<T>,
) -> Result<Option<T>, Trouble> {
    let mut first = true;
    loop {
        keyring.look(Some(name))?;
        match keyring.entry(name).and_then(|entry| call(&entry)) {
            Ok(answer) => return Ok(Some(answer)),
            Err(keyring::Error::NoEntry) => return Ok(None),
            Err(keyring::Error::PlatformFailure(_)) if first => {
                first = false;
                keyring.forget();
            }
            Err(error) => return Err(Trouble::of(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_carries_the_secret_is_never_shown() {
        let canary = b"canary-6f1d".to_vec();
        let broken = || Box::new(std::io::Error::other("bad")) as Box<dyn std::error::Error + Send + Sync>;
        for error in
            [keyring::Error::BadEncoding(canary.clone()), keyring::Error::BadDataFormat(canary.clone(), broken())]
        {
            let report = Trouble::of(error).report(Some(&Name::new("auth").expect("a name")));
            let shown = format!("{report:?}");
            assert!(!shown.contains("canary") && !shown.contains("99, 97"), "{shown}");
            assert!(report.message.contains("auth"), "{shown}");
        }
    }

    #[test]
    fn what_the_keyring_says_stays_on_one_line() {
        let said =
            keyring::Error::PlatformFailure(Box::new(std::io::Error::other(format!("a\n\u{1b}{}", "x".repeat(999)))));
        let Trouble::Failed(why) = Trouble::of(said) else { panic!("another trouble") };
        assert!(!why.contains(['\n', '\u{1b}']) && why.len() < 2 * REASON_MAX, "{why}");
    }

    #[test]
    fn only_what_a_person_can_unlock_is_called_locked() {
        for (trouble, kind) in [
            (Trouble::Locked, Kind::Locked),
            (Trouble::Refused, Kind::Locked),
            (Trouble::Absent("no bus".into()), Kind::Failed),
            (Trouble::Silent(DEADLINE), Kind::Failed),
            (Trouble::Unreadable, Kind::Failed),
        ] {
            let report = trouble.report(None);
            assert_eq!(report.kind, kind, "{report:?}");
            assert!(report.hint.is_some_and(|hint| hint.contains('`')), "a command to run");
        }
    }
}
