//! What the profiles of both AWS files would be in rolecall, and the edits that make rolecall serve them.
//!
//! Texts in, a plan out: it knows neither the disk nor the agent, and of the configuration only which names are taken.
//! A profile is taken over whole or left whole, with the reason: half of one would be somebody else's credentials. Where
//! tools differ, what counts is what botocore does (`credentials.py`, `configloader.py`), which reads most of these files.
//!
//! | file | owns |
//! |---|---|
//! | `profile` | both files as one list of profiles: which value counts and where it stands |
//! | `command` | what a `credential_process` of another tool asks for |
//! | `resolve` | from a profile to the identity or role that it means, or why not |
//! | `renewal` | tools that renew another profile with a key that an import would take |
//! | `mfa` | which device belongs to the identity, and which to a role alone |
//! | `change` | the lines that go and come, forwards and backwards, without any secret |
//! | `edit` | those lines, for the profiles that are taken over |

pub mod change;
mod command;
mod edit;
mod mfa;
mod profile;
mod renewal;
mod resolve;

use super::document::FileKind;
use change::Change;
use rolecall_core::config::schema_types::RoleSection;
use rolecall_core::domain::catalogue::Config;
use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::names::Name;
use rolecall_core::domain::source::{ForeignTool, IdentityKind};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

pub use resolve::plan;

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct ImportInput<'a> {
    /// The config file and its text; empty text if it is missing.
    pub config: (&'a Path, &'a [u8]),
    /// The credentials file and its text.
    pub credentials: (&'a Path, &'a [u8]),
    /// What the configuration has already.
    pub catalogue: &'a Config,
    /// The keys in the vault: which identity has the key of this id.
    pub stored: &'a HashMap<String, Name>,
    /// The entries in other tools' keyrings.
    pub entries: &'a BTreeSet<(ForeignTool, String)>,
    /// The profiles that are wanted; all where nothing is said.
    pub only: Option<&'a BTreeSet<String>>,
    /// Profiles that must stay, and why.
    pub excluded: &'a BTreeMap<String, String>,
    /// Where rolecall lies.
    pub program: &'a Path,
}

/// Where the credentials of a new identity come from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A key in one of the files.
    Key(AccessKey),
    /// An entry in another tool's keyring.
    Keyring(ForeignTool, String),
    /// A source of this machine, named by `credential_source`.
    Machine(IdentityKind),
    /// Another program's `credential_process`.
    Process(Vec<String>),
    /// A token file.
    WebIdentity {
        /// The file with the token.
        token_file: String,
        /// The role that it is traded for.
        role_arn: String,
        /// How sessions are called.
        role_session_name: Option<String>,
        /// How long they last.
        duration: Option<Duration>,
    },
}

impl Origin {
    /// Returns the kind of the new identity.
    pub const fn kind(&self) -> IdentityKind {
        match self {
            Self::Key(_) | Self::Keyring(..) => IdentityKind::IamUser,
            Self::Machine(kind) => *kind,
            Self::Process(_) => IdentityKind::Process,
            Self::WebIdentity { .. } => IdentityKind::WebIdentity,
        }
    }
}

/// An identity that a profile means.
#[derive(Clone, Debug)]
pub struct NewIdentity {
    /// What it is called.
    pub name: Name,
    /// The profile that it was found in.
    pub profile: String,
    /// Where its credentials come from.
    pub origin: Origin,
    /// Its region.
    pub region: Option<String>,
    /// Its MFA device.
    pub mfa_serial: Option<String>,
    /// Whether the configuration has it already, by this name and with this key.
    pub is_there: bool,
}

/// A role that a profile means.
#[derive(Clone, Debug)]
pub struct NewRole {
    /// What it is called.
    pub name: Name,
    /// The profile that it was found in.
    pub profile: String,
    /// The identity or role that assumes it.
    pub source: Name,
    /// How long a session lasts.
    pub duration: Option<Duration>,
    /// Everything else that config.toml is to say of it.
    pub section: RoleSection,
    /// Whether the configuration has it already, as it is here.
    pub is_there: bool,
}

/// A profile that rolecall is to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedProfile {
    /// The profile.
    pub profile: String,
    /// The identity or role that it gets.
    pub name: Name,
}

/// A profile that stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The profile.
    pub profile: String,
    /// The file and the line of its header; `None` for an entry of a keyring.
    pub at: Option<(FileKind, usize)>,
    /// Why.
    pub reason: String,
}

/// What becomes of the files.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Identities, in the order in which they were found.
    pub identities: Vec<NewIdentity>,
    /// Roles, in the order of the files.
    pub roles: Vec<NewRole>,
    /// Profiles that rolecall is to serve and does not yet.
    pub served: Vec<ServedProfile>,
    /// Profiles that rolecall serves already.
    pub done: usize,
    /// Profiles that stay as they are.
    pub left: Vec<Skipped>,
    /// What a person should know of profiles that are taken over: the profile, the remark.
    pub notes: Vec<(String, String)>,
    /// The change of the config file.
    pub config: Vec<Change>,
    /// The change of the credentials file.
    pub credentials: Vec<Change>,
}

impl Plan {
    /// Tells whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let new = |there: bool| !there;
        self.config.is_empty()
            && self.credentials.is_empty()
            && !self.identities.iter().any(|identity| new(identity.is_there))
            && !self.roles.iter().any(|role| new(role.is_there))
    }
}

#[cfg(test)]
mod tests;
