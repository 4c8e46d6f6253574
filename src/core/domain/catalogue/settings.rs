//! `[agent]` and `[aws]`: what holds for every identity and role.

use std::path::PathBuf;
use std::time::Duration;

/// The vault that contains the long-term keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum VaultKind {
    /// The keyring of the operating system.
    #[default]
    Os,
    /// The encrypted file, for machines without a keyring.
    File,
}

/// The facts in which the vaults differ.
#[derive(Clone, Copy, Debug)]
pub struct VaultFacts {
    /// The value of `vault` in config.toml, and the name in JSON.
    pub name: &'static str,
    /// Its name in `status`.
    pub label: &'static str,
    /// Its name in a sentence.
    pub place: &'static str,
    /// Whether a passphrase that the agent receives opens it, and a lock closes it. Only the agent can read such a vault.
    pub takes_passphrase: bool,
    /// Whether it is the vault file of a user, so that two programs can mean different ones.
    pub is_file: bool,
}

impl VaultKind {
    /// Every vault.
    pub const ALL: [Self; 2] = [Self::Os, Self::File];

    /// Returns the facts of the vault.
    pub const fn facts(self) -> VaultFacts {
        match self {
            Self::Os => VaultFacts {
                name: "os",
                label: "keyring",
                place: "the keyring",
                takes_passphrase: false,
                is_file: false,
            },
            Self::File => VaultFacts {
                name: "file",
                label: "encrypted file",
                place: "the vault file",
                takes_passphrase: true,
                is_file: true,
            },
        }
    }

    /// Returns the value of `vault` in the configuration.
    pub const fn as_str(self) -> &'static str {
        self.facts().name
    }

    /// Returns the vault with this value of `vault`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What happens if a line of the audit log cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum AuditMode {
    /// The line is counted as lost, and credentials are served.
    #[default]
    BestEffort,
    /// Credentials are served only after their line is in the file.
    Required,
}

/// A way to ask a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PromptKind {
    /// A pinentry program.
    Pinentry,
    /// The caller's terminal.
    Tty,
}

/// What makes the agent forget every session, beside time and the person's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockEvent {
    /// The screen of one of the user's desktop sessions is locked.
    ScreenLock,
    /// The machine is about to sleep.
    Sleep,
}

/// `[agent]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSettings {
    /// Every session is forgotten after this long without a request; `None` is never.
    pub idle_lock: Option<Duration>,
    /// Every session is forgotten this long after the first one, used or not; `None` is never.
    pub max_unlocked: Option<Duration>,
    /// Whether credentials are served without a line in the audit log.
    pub audit: AuditMode,
    /// Where long-term keys rest.
    pub vault: VaultKind,
    /// How a person is asked, in order.
    pub prompts: Vec<PromptKind>,
    /// The program that asks in a window; the system's own where nothing is said.
    pub pinentry_program: Option<PathBuf>,
    /// What else makes the agent forget every session.
    pub lock_on: Vec<LockEvent>,
    /// How long before the end of an MFA session that is in use the person is told; `None` is never.
    pub warn_before: Option<Duration>,
    /// How long a consent holds.
    pub consent: Duration,
}

impl Default for AgentSettings {
    fn default() -> Self {
        Self {
            idle_lock: Some(Duration::from_hours(12)),
            max_unlocked: None,
            audit: AuditMode::BestEffort,
            vault: VaultKind::Os,
            prompts: vec![PromptKind::Pinentry, PromptKind::Tty],
            pinentry_program: None,
            lock_on: vec![LockEvent::ScreenLock, LockEvent::Sleep],
            warn_before: Some(Duration::from_mins(30)),
            consent: Duration::from_hours(1),
        }
    }
}

/// `[aws]`: how AWS is reached. Comes from the configuration alone, never from a caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct AwsSettings {
    /// Where STS is asked instead of AWS's own host: https, or http to loopback.
    pub sts_endpoint: Option<String>,
    /// The same for IAM.
    pub iam_endpoint: Option<String>,
    /// The same for the console's sign-in.
    pub signin_endpoint: Option<String>,
    /// A PEM file whose certificates are trusted instead of the system's.
    pub ca_bundle: Option<PathBuf>,
    /// An HTTP proxy for calls to AWS.
    pub https_proxy: Option<String>,
    /// The user at the proxy; the password is in the vault.
    pub https_proxy_user: Option<String>,
    /// The hosts that are reached without the proxy: names, domains, addresses, networks, or `*`.
    pub no_proxy: Vec<String>,
    /// Whether FIPS hosts are used.
    pub fips: bool,
    /// Whether dual-stack hosts are used.
    pub dual_stack: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_describe_every_vault() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        let page = std::fs::read_to_string(file).expect("the page");
        for VaultFacts { name, label, .. } in VaultKind::ALL.map(VaultKind::facts) {
            assert!(page.contains(&format!("`\"{name}\"`: the {label}")), "docs/configuration.md: {name}");
            assert_eq!(VaultKind::named(name).map(VaultKind::as_str), Some(name));
        }
    }
}
