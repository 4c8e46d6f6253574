//! What a plan will do, told before it is done: which calls, who signs them, how long each session may last and why not
//! longer, and when a person is asked.

use super::catalogue::{HOUR, MfaMode};
use super::credential::LONGEST_SESSION;
use super::plan::{Plan, SessionTokenCall, Step};
use std::time::Duration;

/// What STS gives at most to a long-term key (AssumeRole, DurationSeconds).
const TWELVE_HOURS: Duration = Duration::from_hours(12);

/// What stands for a call where a session is taken from an identity's source.
pub const SOURCE: &str = "source";

/// One call of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedCall {
    /// AWS's name of it, or [`SOURCE`].
    pub action: &'static str,
    /// What signs it.
    pub signed_by: String,
    /// The role, where it becomes one.
    pub role_arn: Option<String>,
    /// Whose STS is asked.
    pub region: String,
    /// How long its session is asked for.
    pub lasts: Duration,
    /// The most that AWS gives here.
    pub cap: Duration,
    /// Why not more.
    pub cap_reason: &'static str,
    /// The device whose code goes with the call.
    pub mfa_serial: Option<String>,
}

/// When a person is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedPrompt {
    /// For a code of which device.
    pub serial: String,
    /// How long one code serves.
    pub every: Duration,
    /// Whether it serves every role of the identity that has this device, or this one alone.
    pub is_shared: bool,
}

impl Plan {
    /// Tells every call, first to last.
    pub fn calls(&self) -> Vec<PlannedCall> {
        let mut calls: Vec<PlannedCall> = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let step = key.step();
            let before = calls.last();
            let signed_by = match before {
                None => match &self.identity.source {
                    None => format!("the access key of {}", self.identity.name),
                    Some(source) => format!("the access key that {source} gives"),
                },
                Some(PlannedCall { action: SOURCE, signed_by: source, .. }) => {
                    format!("the session that {source} gives")
                }
                Some(before) => format!("the session of {}", before.role_arn.as_deref().unwrap_or(before.action)),
            };
            let planned = PlannedCall {
                action: "",
                signed_by,
                role_arn: None,
                region: step.region().to_owned(),
                lasts: HOUR,
                cap: HOUR,
                cap_reason: "",
                mfa_serial: step.mfa_serial().map(|serial| serial.as_str().to_owned()),
            };
            calls.push(match step {
                Step::SessionToken(call) => PlannedCall {
                    action: "GetSessionToken",
                    lasts: call.duration,
                    cap: LONGEST_SESSION,
                    cap_reason: "AWS's limit",
                    ..planned
                },
                Step::Source(call) => self.source_call(call, planned),
                Step::AssumeRole(call) => {
                    let (cap, cap_reason) = match before {
                        None => (TWELVE_HOURS, "AWS's limit, or less: the role's MaxSessionDuration"),
                        Some(before) if before.role_arn.is_some() => {
                            (HOUR, "AWS's limit for a role assumed by another role")
                        }
                        Some(_) => (HOUR, "AWS's limit behind temporary credentials"),
                    };
                    let role_arn = Some(call.role_arn.to_string());
                    PlannedCall { action: "AssumeRole", role_arn, lasts: call.duration, cap, cap_reason, ..planned }
                }
            });
        }
        calls
    }

    fn source_call(&self, call: &SessionTokenCall, planned: PlannedCall) -> PlannedCall {
        let signed_by = self.identity.source.as_ref().map(ToString::to_string).unwrap_or_default();
        let planned = PlannedCall { signed_by, ..planned };
        match self.identity.web_identity() {
            Some(web) => PlannedCall {
                action: "AssumeRoleWithWebIdentity",
                role_arn: Some(web.role_arn.to_string()),
                lasts: web.duration,
                cap: TWELVE_HOURS,
                cap_reason: "AWS's limit, or less: the role's MaxSessionDuration",
                ..planned
            },
            // The source decides how long its session lasts. A long-term key is exchanged for a session of this duration.
            None => PlannedCall {
                action: SOURCE,
                lasts: call.duration,
                cap: LONGEST_SESSION,
                cap_reason: "where the source gives no session of its own",
                ..planned
            },
        }
    }

    /// Tells when a person is asked, if ever.
    pub fn asked(&self) -> Option<ExpectedPrompt> {
        self.keys.iter().find_map(|key| {
            let serial = key.step().mfa_serial()?.as_str().to_owned();
            Some(match key.step() {
                Step::SessionToken(call) | Step::Source(call) => {
                    ExpectedPrompt { serial, every: call.duration, is_shared: true }
                }
                Step::AssumeRole(call) => ExpectedPrompt { serial, every: call.duration, is_shared: false },
            })
        })
    }
}

impl MfaMode {
    /// Gives the word that stands for it in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::None => "none",
            Self::Session => "session",
        }
    }
}
