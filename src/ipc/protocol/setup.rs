//! What the face and the one-shot that carries a setup out say to each other.
//!
//! One conversation per command: first [`WorkerRequest::Look`], which opens the two profiles, then what is to be done with them. The
//! frames are those of every request. No secret of AWS's administrators crosses. A new device's does, on its way to the
//! screen, and the password of a proxy, on its way to the one-shot.

use super::message::secrets::{expose, expose_option, optional_secret_key, totp};
use chrono::{DateTime, Utc};
use rolecall_core::domain::secret::{MfaCode, SecretKey};
use rolecall_core::domain::totp::TotpSecret;
use rolecall_core::setup::call::{Side, Step};
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroize;

/// The form of the state's file.
pub const STATE_VERSION: u32 = 1;

/// What the face asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum WorkerRequest {
    /// Makes both accounts, carried on from wherever an earlier run stands; told of by [`super::message::Progress`],
    /// answered by [`Outcome::Applied`].
    Apply(Box<Apply>),
    /// Removes what [`WorkerRequest::Doom`] listed; answered by [`Outcome::Destroyed`].
    Destroy,
    /// Lists what would be removed; answered by [`Outcome::Doomed`].
    Doom {
        /// The calls that would make the setup, for when its state was lost; nothing where that is not known either.
        steps: Vec<Step>,
        /// The identity, for when the state was lost.
        identity: Option<String>,
    },
    /// Stores the device's secret beside the key, once the configuration names the device; answered by [`Outcome::Done`].
    KeepTotp,
    /// Opens the two profiles and says whose they are; answered by [`Outcome::Looked`].
    Look {
        /// The setup's name.
        setup: String,
        /// The profile for the authentication account.
        auth_profile: String,
        /// The profile for the workload account.
        workload_profile: String,
        /// The password of the configuration's proxy user, if a person was asked for it.
        #[serde(default, serialize_with = "expose_option", deserialize_with = "optional_secret_key")]
        proxy_password: Option<SecretKey>,
    },
    /// Looks for what the steps would make; answered by [`Outcome::Surveyed`].
    Survey {
        /// The calls that would make the setup.
        steps: Vec<Step>,
        /// Whether what only its tag says is this setup's is taken over.
        adopt: bool,
    },
    /// Writes down that everything is done on this machine too; answered by [`Outcome::Done`].
    Proven,
}

/// What is to be made.
#[derive(Debug, Serialize, Deserialize)]
pub struct Apply {
    /// The calls, in their order.
    pub steps: Vec<Step>,
    /// What is written on this machine.
    pub local: Local,
    /// Whether the new device's secret will be kept in the vault, so that nobody is asked for codes.
    pub keep_totp: bool,
    /// Whether what only its tag says is this setup's is taken over.
    pub adopt: bool,
}

/// What a setup writes on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    /// The identity, in config.toml and in the vault.
    pub identity: String,
    /// Whether its section is the setup's own: it was not there before.
    pub makes_identity: bool,
    /// The role in config.toml; `None` where another machine's configuration has it.
    pub role: Option<String>,
    /// The role's ARN.
    pub role_arn: String,
    /// The region whose STS tries the key.
    pub region: Option<String>,
}

/// What the one-shot answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// Everything is there.
    Applied(Box<Applied>),
    /// What was removed.
    Destroyed(Destroyed),
    /// It is done.
    Done {
        /// One line, or nothing.
        note: Option<String>,
    },
    /// What would be removed.
    Doomed(Box<PlannedRemoval>),
    /// Whose the profiles are.
    Looked(Box<ProfilesResolved>),
    /// What is there, for each step that makes a thing of its own.
    Surveyed {
        /// In the order of the steps.
        findings: Vec<Finding>,
    },
}

/// Whose the profiles are, and what is known of the setup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfilesResolved {
    /// The authentication account's.
    pub auth: Admin,
    /// The workload account's.
    pub workload: Admin,
    /// The ExternalId of an earlier run, or a new one of 128 random bits.
    pub external_id: String,
    /// What an earlier run has left.
    pub state: Option<State>,
}

/// Whose a profile is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admin {
    /// The profile's name.
    pub profile: String,
    /// Who it is.
    pub arn: String,
    /// Its account.
    pub account: String,
}

/// What is there of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The account.
    pub side: Side,
    /// The thing, as `role AssumedRole`.
    pub thing: String,
    /// What was found.
    pub found: Found,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Found {
    /// It is not there: it will be made.
    Missing,
    /// An earlier run of this setup made it.
    Ours {
        /// Its ARN.
        arn: String,
        /// Whether only its tag says so, which whoever may make things in the account can write.
        adopted: bool,
        /// In what it differs from what is wanted; nothing where it does not.
        differs: Vec<String>,
    },
    /// Something of that name is there that this setup did not make.
    Taken {
        /// Its ARN.
        arn: String,
        /// The setup that made it, if one did.
        by: Option<String>,
    },
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The key that is in the vault.
    pub access_key_id: Option<String>,
    /// The new device.
    pub mfa_serial: Option<String>,
    /// The calls to IAM and STS, those of the agent's that tried the key among them.
    pub calls: u32,
    /// Whether an earlier run had begun.
    pub resumed: bool,
    /// What there is to say.
    pub remarks: Vec<String>,
}

/// What would be removed, newest first, and what not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRemoval {
    /// What goes.
    pub removes: Vec<Removal>,
    /// What stays.
    pub stays: Vec<Retained>,
    /// The access keys that go.
    pub keys: Vec<String>,
    /// What is on this machine.
    pub local: Option<Local>,
    /// The calls so far.
    pub calls: u32,
}

/// One thing that goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The account.
    pub side: Side,
    /// What is done, as `delete role AssumedRole`.
    pub what: String,
}

/// One thing that stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retained {
    /// The account.
    pub side: Side,
    /// The thing.
    pub thing: String,
    /// Why.
    pub why: String,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destroyed {
    /// How many things.
    pub removed: usize,
    /// What of the setup's own could not be removed.
    pub left: Vec<Retained>,
    /// The calls to IAM and STS.
    pub calls: u32,
}

/// What a setup has made so far: its file in the state directory. No secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The form of the file.
    pub v: u32,
    /// The setup's name.
    pub setup: String,
    /// The authentication account.
    pub auth: String,
    /// The workload account.
    pub workload: String,
    /// The ExternalId that was made for it.
    pub external_id: String,
    /// What is on this machine.
    pub local: Local,
    /// What was made, or was being made, oldest first.
    pub made: Vec<Made>,
    /// Whether everything was there and worked.
    #[serde(default)]
    pub proven: bool,
    /// Whether it was rebuilt from tags alone, to remove what they name; nothing is gone on with by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rebuilt: bool,
    /// The users who were there before and to whom it gave something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<String>,
}

/// One step that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The step.
    pub step: Step,
    /// How far it is.
    pub stands: ResourceState,
    /// What AWS calls it: an ARN, a serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The access keys that were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// The user's keys before, none of which is ours; and when, by AWS's clock, one of ours may have been made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// When an access key may have been made whose id nobody has heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The keys that were there before.
    pub before: Vec<String>,
    /// From here.
    pub since: DateTime<Utc>,
    /// To here.
    pub until: DateTime<Utc>,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceState {
    /// Whether AWS has done it is not known.
    Begun,
    /// It is done.
    Done,
    /// It is being undone.
    Leaving,
    /// It was there before: it is used, and stays.
    Found,
}

/// What a person has to do with a new MFA device: scan it, then type two codes.
#[derive(Serialize, Deserialize)]
pub struct NewDevice {
    /// Its serial number.
    pub serial: String,
    /// Its secret, for those who cannot scan.
    #[serde(serialize_with = "expose", deserialize_with = "totp")]
    pub secret: TotpSecret,
    /// The same as a QR code, made of half blocks.
    pub qr: String,
    /// Why it is asked again.
    pub again: Option<String>,
}

impl Drop for NewDevice {
    fn drop(&mut self) {
        self.qr.zeroize();
    }
}

impl fmt::Debug for NewDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewDevice").field("serial", &self.serial).finish_non_exhaustive()
    }
}

/// What the person typed.
#[derive(Debug, Serialize, Deserialize)]
pub struct FirstCodes {
    /// Two codes that follow each other; nothing where the person gave up.
    pub codes: Option<[Code; 2]>,
}

/// One code.
#[derive(Debug, Serialize, Deserialize)]
pub struct Code(
    #[serde(serialize_with = "expose", deserialize_with = "super::message::secrets::mfa_code")] pub MfaCode,
);
