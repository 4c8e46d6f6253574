//! What is there of a setup already, and whose it is: looked at before anything is made, since a name that somebody else has
//! must be found out then and not half way.

use super::Work;
use crate::domain::report::{Kind, Report, printable};
use crate::ports::{Held, Thing};
use crate::protocol::setup::{Finding, Found, Made, Stands};
use crate::setup::call::{Call, Side, Step};
use crate::setup::steps::TAG;
use serde_json::Value;

/// What was found of one step that makes a thing of its own.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Which step.
    pub(super) at: usize,
    /// What a person reads.
    pub(super) finding: Finding,
    /// Whether a role's trust policy has to be changed.
    pub(super) trust_differs: bool,
}

impl Work<'_> {
    /// Looks for everything that the steps would make.
    pub(super) async fn survey(&mut self, steps: &[Step]) -> Result<Vec<Seen>, Report> {
        let mut all = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            let Some((thing, name)) = self.thing(step) else { continue };
            self.line.say("look", &name).await?;
            let held = self.read(step.side, &thing).await?;
            let (found, trust_differs) = match held {
                None => (Found::Missing, false),
                Some(held) if self.is_ours(&held) => {
                    let (differs, trust) = self.differs(step, &held).await?;
                    (Found::Ours { arn: held.arn, differs }, trust)
                }
                Some(held) => {
                    let by = held.tags.get(TAG).cloned();
                    (Found::Taken { arn: held.arn, by }, false)
                }
            };
            all.push(Seen { at, finding: Finding { side: step.side, thing: name, found }, trust_differs });
        }
        Ok(all)
    }

    /// Tells whether this setup has made a thing: its tag says so, or the state where the tag is gone.
    pub(super) fn is_ours(&self, held: &Held) -> bool {
        let by_tag = held.tags.get(TAG) == Some(&self.desk.setup);
        let by_state = || {
            let made = |made: &&Made| made.arn.as_deref() == Some(held.arn.as_str()) && made.stands != Stands::Found;
            !held.tags.contains_key(TAG) && self.desk.state.iter().flat_map(|state| &state.made).any(|m| made(&m))
        };
        by_tag || by_state()
    }

    /// Names the thing that a step makes.
    pub(super) fn thing(&self, step: &Step) -> Option<(Thing, String)> {
        let arn = |kind: &str, path: &str, name: &str| {
            let place = self.desk.place(step.side);
            format!("arn:{}:iam::{}:{kind}{path}{name}", place.office.partition.id(), place.account)
        };
        Some(match &step.call {
            Call::CreatePolicy { name, path, .. } => {
                (Thing::Policy(arn("policy", path, name)), format!("policy {name}"))
            }
            Call::CreateUser { name, .. } => (Thing::User(name.clone()), format!("user {name}")),
            Call::CreateRole { name, .. } => (Thing::Role(name.clone()), format!("role {name}")),
            Call::CreateInstanceProfile { name, .. } => {
                (Thing::InstanceProfile(name.clone()), format!("instance profile {name}"))
            }
            Call::CreateVirtualMFADevice { name, path, .. } => {
                (Thing::MfaDevice(arn("mfa", path, name)), format!("MFA device {name}"))
            }
            _ => return None,
        })
    }

    /// Says in what a thing of ours differs from what is wanted, and whether its trust policy does.
    async fn differs(&mut self, step: &Step, held: &Held) -> Result<(Vec<String>, bool), Report> {
        let mut differs = Vec::new();
        let mut trust_differs = false;
        match &step.call {
            Call::CreateRole { trust, max_session_seconds, path, name, .. } => {
                trust_differs = held.trust.as_deref().is_none_or(|held| !same(held, trust));
                if trust_differs {
                    differs.push("its trust policy".to_owned());
                }
                if held.max_session_seconds.is_some_and(|held| held != *max_session_seconds) {
                    let held = held.max_session_seconds.unwrap_or_default();
                    differs.push(format!("MaxSessionDuration is {held}, not {max_session_seconds}"));
                }
                if !held.arn.ends_with(&format!(":role{path}{name}")) {
                    differs.push(format!("its path is not {path}: {}", printable(&held.arn, 256)));
                }
            }
            Call::CreatePolicy { document, .. } => {
                if let Some(version) = &held.version {
                    let held = self.document(step.side, &held.arn, version).await?;
                    if !same(&held, document) {
                        differs.push("its document".to_owned());
                    }
                }
            }
            Call::CreateUser { path, name, .. } if !held.arn.ends_with(&format!(":user{path}{name}")) => {
                differs.push(format!("its path is not {path}: {}", printable(&held.arn, 256)));
            }
            _ => {}
        }
        Ok((differs, trust_differs))
    }
}

/// Refuses to begin where a name is somebody else's, naming each.
pub(super) fn refuse_taken(seen: &[Seen], steps: &[Step]) -> Result<(), Report> {
    let taken: Vec<(&Seen, &str, Option<&str>)> = seen
        .iter()
        .filter_map(|seen| match &seen.finding.found {
            Found::Taken { arn, by } => Some((seen, arn.as_str(), by.as_deref())),
            _ => None,
        })
        .collect();
    if taken.is_empty() {
        return Ok(());
    }
    let each: Vec<String> = taken
        .iter()
        .map(|(seen, arn, by)| {
            let by = by.map(|by| format!(" (made by setup {})", printable(by, 128))).unwrap_or_default();
            format!("{} is there already, {}{by}", printable(&seen.finding.thing, 128), printable(arn, 256))
        })
        .collect();
    let user = taken.iter().any(|(seen, ..)| matches!(steps[seen.at].call, Call::CreateUser { .. }));
    let report =
        Report::new(Kind::Refused, format!("{}; this setup did not make it, and nothing was made", each.join("; ")));
    let other =
        "choose another name (`rolecall setup plan --help` lists the flags), or remove it first if nobody needs it";
    Err(report.hint(if user {
        format!("to use the user as it is, and keep it when the setup goes: `--existing-user`; else {other}")
    } else {
        other.to_owned()
    }))
}

/// Tells whether two documents say the same; the order of keys and white space are nothing to AWS.
fn same(one: &str, other: &str) -> bool {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    match (parsed(one), parsed(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// Names the account of a side.
pub(super) fn side_word(side: Side) -> &'static str {
    match side {
        Side::Auth => "authentication",
        Side::Workload => "workload",
    }
}
