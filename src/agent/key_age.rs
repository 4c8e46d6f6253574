//! How old each long-term key is, and which are overdue for a rotation.
//!
//! It keeps no secret: only what passed by when the vault was read or written for another reason, so that `status`, which
//! widgets ask every second, need not read the vault each time. A key that has not passed by yet is read once.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rolecall_core::domain::catalogue::{Config, Identity, VaultKind};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::secret::Passphrase;
use rolecall_ipc::protocol::status::KeyAge;
use rolecall_platform::panics::Guard;
use rolecall_ports::{ForeignKeys, StoredKey, Vault, VaultState};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How many keys one `status` reads that nobody has asked for yet: a call to the keyring takes milliseconds.
const READ_AT_ONCE: usize = 8;

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KnownKey {
    access_key_id: String,
    since: DateTime<Utc>,
    /// Whether the secret of its user's MFA device lies beside it.
    has_totp: bool,
}

/// What a look at the vault has shown of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Key(KnownKey),
    NoKey,
    Unreadable,
}

/// What has been seen of the keys.
#[derive(Debug, Default)]
struct KeyMetadata {
    kind: Option<VaultKind>,
    /// Whether the vault was locked when it was last heard of.
    locked: bool,
    seen: HashMap<Name, Seen>,
}

/// The vault, with a look at what passes by.
pub(super) struct CachingVault {
    vault: Arc<dyn Vault>,
    facts: Arc<KeyFacts>,
}

/// What is known of the keys, shared with whoever tells it.
#[derive(Debug, Default)]
pub(super) struct KeyFacts(Mutex<KeyMetadata>);

/// A key that is older than its identity's `rotate_after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OverdueKey {
    /// Whose.
    pub(super) identity: Name,
    /// Its public half.
    pub(super) access_key_id: String,
    /// How old it is.
    pub(super) age: Duration,
    /// How old it may become.
    pub(super) limit: Duration,
}

impl OverdueKey {
    /// Says it, and what to do.
    pub(super) fn report(&self) -> UserError {
        let days = |time: Duration| time.as_secs() / (24 * 60 * 60);
        UserError::new(
            Kind::Failed,
            format!(
                "{}: access key {} is {} days old, `rotate_after` is {}",
                self.identity,
                self.access_key_id,
                days(self.age),
                days(self.limit)
            ),
        )
        .hint(format!("replace it: `rolecall identity rotate {}`", self.identity))
    }
}

impl KeyFacts {
    fn note(&self, identity: &Name, key: Option<&StoredKey>) {
        let fact = key.map(|key| KnownKey {
            access_key_id: key.key.id.clone(),
            since: key.since(),
            has_totp: key.totp.is_some(),
        });
        self.0.guard().seen.insert(identity.clone(), fact.map_or(Seen::NoKey, Seen::Key));
    }

    fn of(&self, identity: &Name) -> Option<KnownKey> {
        match self.0.guard().seen.get(identity) {
            Some(Seen::Key(fact)) => Some(fact.clone()),
            _ => None,
        }
    }

    /// Tells whether the vault was locked when it was last heard of.
    pub(super) fn vault_is_locked(&self) -> bool {
        self.0.guard().locked
    }

    /// Tells whether a code for this identity is known to come from a person only.
    pub(super) fn has_no_totp(&self, identity: &Name) -> bool {
        self.of(identity).is_some_and(|fact| !fact.has_totp)
    }

    fn has_none(&self, identity: &Name) -> bool {
        self.0.guard().seen.get(identity) == Some(&Seen::NoKey)
    }

    /// Returns the keys that are older than their identities allow, as far as anything is known of them; by name.
    pub(super) fn overdue(&self, config: &Config, now: DateTime<Utc>) -> Vec<OverdueKey> {
        let overdue = config.identities.values().filter_map(|identity| self.overdue_key(identity, now));
        let mut overdue: Vec<OverdueKey> = overdue.collect();
        overdue.sort_by(|a, b| a.identity.cmp(&b.identity));
        overdue
    }

    fn overdue_key(&self, identity: &Identity, now: DateTime<Utc>) -> Option<OverdueKey> {
        let limit = identity.rotate_after?;
        let fact = self.of(&identity.name)?;
        let age = age(fact.since, now);
        let key = OverdueKey { identity: identity.name.clone(), access_key_id: fact.access_key_id, age, limit };
        (age > limit).then_some(key)
    }

    /// Returns what `status` shows of the key of an identity; `None` if it has no key of its own.
    pub(super) fn age(&self, identity: &Identity, now: DateTime<Utc>) -> Option<KeyAge> {
        if !identity.has_stored_key() {
            return None;
        }
        let fact = self.of(&identity.name);
        Some(KeyAge {
            missing: self.has_none(&identity.name),
            overdue: self.overdue_key(identity, now).is_some(),
            age_seconds: fact.as_ref().map(|fact| age(fact.since, now).as_secs()),
            since: fact.as_ref().map(|fact| fact.since),
            access_key_id: fact.map(|fact| fact.access_key_id),
        })
    }

    /// Reads keys of which nothing is known yet, a few at a time, if the vault is open.
    pub(super) async fn read_unknown(&self, config: &Config, vault: &dyn Vault) {
        let unknown: Vec<Name> = {
            let facts = self.0.guard();
            let users = config.identities.values().filter(|identity| identity.has_stored_key());
            let names = users.map(|identity| &identity.name).filter(|name| !facts.seen.contains_key(*name));
            names.take(READ_AT_ONCE).cloned().collect()
        };
        for name in unknown {
            let Err(report) = vault.read(&name).await else { continue };
            // Once is enough: the error is returned when the key is needed.
            self.0.guard().seen.entry(name).or_insert(Seen::Unreadable);
            // A vault that hangs costs one status ten seconds, not each key.
            if report.kind != Kind::Config {
                return;
            }
        }
    }
}

impl CachingVault {
    pub(super) fn new(vault: Arc<dyn Vault>, facts: Arc<KeyFacts>) -> Self {
        Self { vault, facts }
    }
}

#[async_trait]
impl Vault for CachingVault {
    fn select(&self, kind: VaultKind) {
        let mut facts = self.facts.0.guard();
        if facts.kind.replace(kind) != Some(kind) {
            facts.seen.clear();
            // Nobody has opened a file yet; a keyring may be open, as it is whenever one is signed in.
            facts.locked = kind.facts().takes_passphrase;
        }
        drop(facts);
        self.vault.select(kind);
    }

    async fn state(&self) -> VaultState {
        let state = self.vault.state().await;
        self.facts.0.guard().locked = matches!(state, VaultState::Locked);
        state
    }

    async fn read(&self, identity: &Name) -> Result<StoredKey, UserError> {
        let read = self.vault.read(identity).await;
        self.facts.0.guard().locked = read.as_ref().is_err_and(|report| report.kind == Kind::Locked);
        match &read {
            Ok(key) => self.facts.note(identity, Some(key)),
            Err(report) if report.kind == Kind::Config => self.facts.note(identity, None),
            // A vault that is locked now changes nothing about a key that has been seen.
            Err(_) => {}
        }
        read
    }

    async fn write(&self, identity: &Name, key: &StoredKey) -> Result<(), UserError> {
        self.vault.write(identity, key).await?;
        self.facts.note(identity, Some(key));
        Ok(())
    }

    async fn delete(&self, identity: &Name) -> Result<bool, UserError> {
        let found = self.vault.delete(identity).await?;
        self.facts.note(identity, None);
        Ok(found)
    }

    fn foreign(&self) -> Option<&dyn ForeignKeys> {
        self.vault.foreign()
    }

    async fn unlock(&self, passphrase: Option<Passphrase>) -> Result<(), UserError> {
        self.vault.unlock(passphrase).await?;
        self.facts.0.guard().locked = false;
        Ok(())
    }

    fn lock(&self) {
        let mut facts = self.facts.0.guard();
        // The keyring stays as it is: it belongs to the desktop.
        facts.locked |= facts.kind.is_some_and(|kind| kind.facts().takes_passphrase);
        drop(facts);
        self.vault.lock();
    }

    async fn calls_end(&self) {
        self.vault.calls_end().await;
    }

    fn offer_bus(&self, address: &str) {
        self.vault.offer_bus(address);
    }

    fn warning(&self) -> Option<UserError> {
        self.vault.warning()
    }

    async fn accept_restored(&self) -> Result<(), UserError> {
        self.vault.accept_restored().await
    }
}

/// Returns an age. A key from the future, by a clock that was set back, is new.
fn age(since: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (now - since).max(TimeDelta::zero()).to_std().unwrap_or_default()
}
