//! Requests and answers, one JSON object each.

mod context;
pub(crate) mod secrets;

pub use context::{Context, SeenFile, View};

use super::diagnosis::Diagnosis;
use super::status::{KeyStatus, Rotated, Status};
use rolecall_core::domain::secret::{EndpointToken, MfaCode, Passphrase, SecretKey, SigninUrl};
use rolecall_core::domain::source::ForeignTool;
use rolecall_core::domain::totp::TotpSecret;
use schemars::JsonSchema;
use secrets::{endpoint_token, expose, expose_option, mfa_code, passphrase, secret_key, signin_url, totp_secret};
use serde::{Deserialize, Serialize};

/// The container credential endpoint serves a role below this path. Ruby rejects an empty path, and the name shows in an SDK's error.
pub const ROLE_PATH: &str = "/role/";

/// Its metadata service is served below this path and the token.
pub const METADATA_PATH: &str = "/metadata/";

/// What a client sends.
#[derive(Debug, Serialize, Deserialize)]
pub struct Call {
    /// The protocol version of the client.
    pub version: u32,
    /// What it wants.
    pub request: Request,
    /// Where the person may be found, if one must be asked.
    #[serde(default)]
    pub context: Context,
}

/// What a client wants.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Request {
    /// Credentials of a role or identity; answered by a session frame.
    Get {
        /// Its name.
        name: String,
    },
    /// A session of the web console for a role; answered by [`Answer::Console`].
    Console {
        /// The role.
        name: String,
        /// The page to land on: an absolute https URL of the console.
        #[serde(default)]
        destination: Option<String>,
        /// How long the console's session shall last, where AWS lets one say so.
        #[serde(default)]
        duration_seconds: Option<u32>,
        /// Whether a browser is to be sent there, by an address that is no secret; else the URL itself is wanted.
        #[serde(default)]
        by_browser: bool,
    },
    /// Whose device [`Request::Unlock`] would take a code of, before anybody types one; answered by [`Answer::Device`].
    Device {
        /// An identity or a role; the only device where nothing is said.
        name: Option<String>,
    },
    /// What is wrong on the way from a name to AWS; told of by [`Progress`], answered by [`Answer::Diagnosis`]. No session
    /// that is made for it is kept or handed out.
    Doctor {
        /// A role or an identity.
        name: String,
    },
    /// A place on this machine that serves a name's sessions to one process for as long as it lives; answered by
    /// [`Answer::Endpoint`]. The session is fetched first, so that what is wrong is said to the person who starts it.
    Endpoint {
        /// A role or an identity.
        name: String,
        /// The protocol that it speaks.
        form: EndpointForm,
        /// With whose end it ends.
        #[serde(default)]
        owner: EndpointOwner,
        /// Where it listens, for one of its own; any port that is free where nothing is said.
        #[serde(default)]
        port: Option<u16>,
    },
    /// The entries of other tools in the keyring, by name; answered by [`Answer::ForeignEntries`].
    ForeignEntries,
    /// Forgets the sessions that start from the identity of a name, so that the next one is made anew; answered by
    /// [`Answer::Done`].
    Forget {
        /// A role or an identity.
        name: String,
    },
    /// What a prompt shows of a name, without fetching anything; answered by [`Answer::Glance`].
    Glance {
        /// A role or an identity.
        name: String,
    },
    /// Tries a key with GetCallerIdentity and stores it; answered by [`Answer::Key`].
    IdentityAdd {
        /// What the identity is called.
        name: String,
        /// The public half.
        access_key_id: String,
        /// The secret half.
        #[serde(serialize_with = "expose", deserialize_with = "secret_key")]
        secret_access_key: SecretKey,
        /// Whose STS is asked.
        region: Option<String>,
        /// ARNs that tell the key's partition, where no Region does: its MFA device, its roles.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        arns: Vec<String>,
        /// Whether a key that is there already is replaced.
        replace: bool,
        /// Whether it comes out of a file by an import, which may be undone; the same key may then be there already.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        imported: bool,
    },
    /// Takes the key of another tool's entry in the keyring, tries and stores it; answered by [`Answer::Key`].
    IdentityAdopt {
        /// What the identity is called.
        name: String,
        /// Whose entry it is.
        tool: ForeignTool,
        /// What the tool calls it.
        entry: String,
        /// Whose STS is asked.
        region: Option<String>,
        /// ARNs that tell the key's partition, where no Region does: its MFA device, its roles.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        arns: Vec<String>,
    },
    /// Deletes a key from the vault and its sessions; answered by [`Answer::Done`].
    IdentityRemove {
        /// Its name.
        name: String,
    },
    /// Puts a new key in the place of an identity's; told of by [`Progress`], answered by [`Answer::Rotated`].
    IdentityRotate {
        /// Its name.
        name: String,
        /// A second key of the user that may be deleted to make room.
        #[serde(default)]
        delete: Option<String>,
    },
    /// Gives a key that an import took out of a file back to the file, as long as the import may be undone; answered by
    /// [`Answer::AccessKey`].
    IdentityTakeBack {
        /// The identity.
        name: String,
        /// Which key it was.
        access_key_id: String,
    },
    /// Keeps the secret of an identity's MFA device beside its key, once AWS has taken a code of it, or removes it; answered
    /// by [`Answer::Done`].
    IdentityTotp {
        /// The identity.
        name: String,
        /// The secret; none is kept any more where nothing is said.
        #[serde(default, serialize_with = "expose_option", deserialize_with = "totp_secret")]
        secret: Option<TotpSecret>,
    },
    /// What the vault holds of the identities in the configuration; answered by [`Answer::Keys`].
    Keys,
    /// Forgets every session and passphrase; answered by [`Answer::Done`].
    Lock,
    /// Every name that there is, for completions; answered by [`Answer::Names`].
    Names,
    /// Reads the configuration again now; answered by [`Answer::Done`] or why it is not taken over.
    Reload,
    /// What there is to say; answered by [`Answer::Status`].
    Status,
    /// Ends the agent once the answers under way are given; answered by [`Answer::Done`].
    Stop,
    /// Takes the code of an MFA device ahead of time, or for a question that is open; answered by [`Answer::Done`].
    Unlock {
        /// An identity or a role; the only device where nothing is said.
        name: Option<String>,
        /// The code.
        #[serde(serialize_with = "expose", deserialize_with = "mfa_code")]
        code: MfaCode,
    },
    /// Stores the password of the proxy in the vault; answered by [`Answer::Done`].
    ProxyPassword {
        /// The password of the user that the configuration names.
        #[serde(serialize_with = "expose", deserialize_with = "secret_key")]
        password: SecretKey,
    },
    /// Opens the vault; answered by [`Answer::Done`].
    UnlockVault {
        /// What opens the encrypted file; the keyring asks by its own dialog.
        #[serde(default, serialize_with = "expose_option", deserialize_with = "passphrase")]
        passphrase: Option<Passphrase>,
        /// Whether an older vault file than the last one is meant to be there: a backup was restored.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        accept_restored: bool,
    },
}

/// An entry of another tool: its name, never what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignEntry {
    /// Whose it is.
    pub tool: ForeignTool,
    /// What the tool calls it.
    pub name: String,
}

/// Which of the protocols of AWS's own machines an endpoint speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointForm {
    /// The container credential endpoint: one URL and a token that goes with it.
    Container,
    /// The instance metadata service, version 2: whoever reaches the port is served.
    Imds,
}

/// The process with whose end an endpoint ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointOwner {
    /// The client, which is about to become the command that it was asked to run.
    #[default]
    Caller,
    /// What started the client: a shell that switches itself.
    Parent,
}

/// What the agent answers, where it is not a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum Answer {
    /// A key that goes back into a file.
    AccessKey {
        /// The public half.
        access_key_id: String,
        /// The secret half.
        #[serde(serialize_with = "expose", deserialize_with = "secret_key")]
        secret_access_key: SecretKey,
    },
    /// Where a browser signs in.
    Console {
        /// The address: of the console itself, with what signs in, or one of this machine that leads there once.
        #[serde(serialize_with = "expose", deserialize_with = "signin_url")]
        url: SigninUrl,
        /// How many seconds are left to open it.
        valid_seconds: u64,
    },
    /// Whose device is meant.
    Device {
        /// What a code of it would open, by the name that [`Request::Unlock`] takes.
        name: String,
        /// The device.
        serial: String,
    },
    /// What was found out.
    Diagnosis(Box<Diagnosis>),
    /// It is done; what there is to add.
    Done {
        /// One line, or nothing.
        note: Option<String>,
    },
    /// Where the sessions of a name are served.
    Endpoint {
        /// Its address; without a trailing slash.
        url: String,
        /// What the container endpoint wants in `Authorization`; nothing for the metadata service.
        #[serde(serialize_with = "expose_option", deserialize_with = "endpoint_token")]
        token: Option<EndpointToken>,
        /// The region of the name, if it has one.
        region: Option<String>,
    },
    /// What other tools have in the keyring.
    ForeignEntries {
        /// The entries.
        entries: Vec<ForeignEntry>,
    },
    /// What a prompt shows.
    Glance {
        /// How many seconds the session has left; nothing where there is none.
        left_seconds: Option<u64>,
        /// Whether the configuration has the name.
        known: bool,
        /// What a person has to open before there can be one, as `rolecall unlock` takes it: a name or `--vault`; nothing
        /// where nothing is known to be locked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unlock: Option<String>,
    },
    /// Whose key was stored.
    Key(Box<KeyStatus>),
    /// What the vault holds.
    Keys {
        /// One for each identity of the configuration.
        keys: Vec<KeyStatus>,
    },
    /// Every name of the configuration.
    Names {
        /// Identities and roles, sorted.
        names: Vec<String>,
    },
    /// Which key took the place of which.
    Rotated(Rotated),
    /// The state of everything.
    Status(Box<Status>),
}

/// How far a request is that takes long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The step, as a word.
    pub step: String,
    /// What has been done, or is waited for.
    pub text: String,
}

/// What the person said.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reply")]
pub enum Reply {
    /// Yes.
    Allowed,
    /// Nothing, and does not want to; or no.
    Cancelled,
    /// A code.
    Code {
        /// The code.
        #[serde(serialize_with = "expose", deserialize_with = "mfa_code")]
        code: MfaCode,
    },
    /// There is no terminal to ask on.
    NoTerminal,
}

/// What an agent that is being started tells the one who starts it: one line of JSON on its standard output.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "start")]
pub enum Startup {
    /// Another agent serves this socket.
    AlreadyRunning,
    /// It will not run, and why.
    Failed {
        /// The cause.
        report: rolecall_core::domain::error::UserError,
    },
    /// It answers on the socket.
    Ready,
}

impl Request {
    /// Tells whether it is served whatever version the client speaks: these never change their form.
    ///
    /// An update changes the programs under an agent that runs. Until its user restarts it, tools still get their
    /// sessions, and it can always be locked and ended.
    pub fn is_of_every_version(&self) -> bool {
        matches!(self, Self::Get { .. } | Self::Lock | Self::Stop)
    }

    /// Tells whether the answer depends on which configuration the agent uses. The rest reaches the agent of the user
    /// whatever the caller sees: it shows, locks or ends it.
    pub fn uses_configuration(&self) -> bool {
        !matches!(self, Self::Status | Self::Lock | Self::Stop | Self::Glance { .. } | Self::Names)
    }

    /// Tells whether the vault file may be created or written.
    pub fn writes_vault(&self) -> bool {
        matches!(
            self,
            Self::IdentityAdd { .. }
                | Self::IdentityAdopt { .. }
                | Self::IdentityRemove { .. }
                | Self::IdentityRotate { .. }
                | Self::IdentityTotp { .. }
                | Self::UnlockVault { .. }
        )
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
