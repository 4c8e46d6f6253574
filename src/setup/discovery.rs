//! What is there of a setup already, and whose it is: looked at before anything is made, since a name that somebody else has
//! must be found out then and not half way.

use super::Work;
use super::apply::is_same;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::call::{Call, Side, Step};
use rolecall_core::setup::plan::TAG;
use rolecall_ipc::protocol::setup::{Apply, Finding, Found, ResourceState};
use rolecall_ports::{Dependents, Resource, ResourceDetails};
use serde_json::Value;

/// What was found of one step that makes a thing of its own.
#[derive(Clone, Debug)]
pub(super) struct Discovered {
    /// Which step.
    pub(super) at: usize,
    /// What a person reads.
    pub(super) finding: Finding,
    /// Whether a role's trust policy has to be changed.
    pub(super) trust_differs: bool,
    /// Whether a role's MaxSessionDuration has to be changed.
    pub(super) duration_differs: bool,
    /// Whether a policy's document is another than the one that is wanted.
    pub(super) document_differs: bool,
    /// What somebody has put on a thing that is ours by its tag alone.
    pub(super) foreign: Vec<String>,
    /// The access keys of a user who is ours by the tag alone.
    pub(super) keys: Vec<String>,
}

impl Work<'_> {
    /// Looks for everything that the steps would make.
    pub(super) async fn survey(&mut self, steps: &[Step], adopt: bool) -> Result<Vec<Discovered>, UserError> {
        let mut all = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            let Some((thing, name)) = self.thing(step) else { continue };
            self.line.say("look", &name).await?;
            let finding = Finding { side: step.side, thing: name, found: Found::Missing };
            let mut seen = Discovered {
                at,
                finding,
                trust_differs: false,
                duration_differs: false,
                document_differs: false,
                foreign: Vec::new(),
                keys: Vec::new(),
            };
            if let Some(held) = self.read(step.side, &thing).await? {
                self.judge(steps, (step, &thing), held, adopt, &mut seen).await?;
            }
            all.push(seen);
        }
        Ok(all)
    }

    /// Says whose a thing is, and what of it is not as it is wanted.
    async fn judge(
        &mut self,
        steps: &[Step],
        (step, thing): (&Step, &Resource),
        held: ResourceDetails,
        adopt: bool,
        seen: &mut Discovered,
    ) -> Result<(), UserError> {
        let is_known = self.is_known(step, &held);
        if !self.is_ours(&held) || !(is_known || adopt) {
            seen.finding.found = Found::Taken { by: held.tags.get(TAG).cloned(), arn: held.arn };
            return Ok(());
        }
        let mut differs = self.differs(step, &held, seen).await?;
        if !is_known {
            // A tag says who made it, not what was put on it since, or before.
            let hanging = self.hanging(step.side, thing).await?;
            seen.foreign = foreign(steps, (step, thing), &held, &hanging);
            differs.extend(seen.foreign.iter().cloned());
            seen.keys = hanging.keys;
        }
        seen.finding.found = Found::Ours { arn: held.arn, adopted: !is_known, differs };
        Ok(())
    }

    /// Tells whether a thing has this setup's tag.
    pub(super) fn is_ours(&self, held: &ResourceDetails) -> bool {
        held.tags.get(TAG) == Some(&self.desk.setup)
    }

    /// Tells whether the state says that this setup made a thing, or was about to. The tag alone is nobody's word: whoever may
    /// make things in the account can write it.
    fn is_known(&self, step: &Step, held: &ResourceDetails) -> bool {
        let states = self.desk.state.iter().filter(|state| !state.rebuilt);
        states.flat_map(|state| &state.made).any(|made| {
            made.step.side == step.side
                && made.stands != ResourceState::Found
                && is_same(&made.step.call, &step.call)
                && made.arn.as_ref().is_none_or(|arn| *arn == held.arn)
        })
    }

    /// Names the thing that a step makes.
    pub(super) fn thing(&self, step: &Step) -> Option<(Resource, String)> {
        let arn = |kind: &str, path: &str, name: &str| {
            let place = self.desk.place(step.side);
            format!("arn:{}:iam::{}:{kind}{path}{name}", place.office.partition.id(), place.account)
        };
        Some(match &step.call {
            Call::CreatePolicy { name, path, .. } => {
                (Resource::Policy(arn("policy", path, name)), format!("policy {name}"))
            }
            Call::CreateUser { name, .. } => (Resource::User(name.clone()), format!("user {name}")),
            Call::CreateRole { name, .. } => (Resource::Role(name.clone()), format!("role {name}")),
            Call::CreateInstanceProfile { name, .. } => {
                (Resource::InstanceProfile(name.clone()), format!("instance profile {name}"))
            }
            Call::CreateVirtualMFADevice { name, path, .. } => {
                (Resource::MfaDevice(arn("mfa", path, name)), format!("MFA device {name}"))
            }
            _ => return None,
        })
    }

    /// Says in what a thing of ours differs from what is wanted.
    async fn differs(
        &mut self,
        step: &Step,
        held: &ResourceDetails,
        seen: &mut Discovered,
    ) -> Result<Vec<String>, UserError> {
        let mut differs = Vec::new();
        match &step.call {
            Call::CreateRole { trust, max_session_seconds, path, name, .. } => {
                seen.trust_differs = held.trust.as_deref().is_none_or(|held| !same(held, trust));
                if seen.trust_differs {
                    differs.push("its trust policy".to_owned());
                }
                seen.duration_differs = held.max_session_seconds.is_some_and(|held| held != *max_session_seconds);
                if seen.duration_differs {
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
                    seen.document_differs = !same(&held, document);
                    if seen.document_differs {
                        differs.push("its document".to_owned());
                    }
                }
            }
            Call::CreateUser { path, name, .. } if !held.arn.ends_with(&format!(":user{path}{name}")) => {
                differs.push(format!("its path is not {path}: {}", printable(&held.arn, 256)));
            }
            _ => {}
        }
        Ok(differs)
    }

    /// Refuses to give anything to, or by, what somebody else has changed: a policy that says something else, a user or role that
    /// was taken over with more on it than this setup puts there.
    pub(super) async fn refuse_changed(&mut self, seen: &[Discovered], asked: &Apply) -> Result<(), UserError> {
        let mut stored = None;
        if seen.iter().any(|seen| !seen.keys.is_empty()) {
            stored = self.stored(&asked.local.identity).await?.and_then(|stored| stored.access_key_id);
        }
        let mut each = Vec::new();
        for seen in seen {
            let mut why = seen.foreign.clone();
            if seen.document_differs {
                why.push("its document is not the one that this setup writes".to_owned());
            }
            let keys = seen.keys.iter().filter(|id| stored.as_ref() != Some(id));
            why.extend(keys.map(|id| format!("it has the access key {}, which the vault has not", printable(id, 128))));
            if !why.is_empty() {
                each.push(format!("{}: {}", printable(&seen.finding.thing, 128), why.join(", ")));
            }
        }
        if each.is_empty() {
            return Ok(());
        }
        let cause =
            format!("somebody has changed what bears this setup's tag, and nothing was made: {}", each.join("; "));
        Err(UserError::new(Kind::Refused, cause).hint(
            "look at each; take off what does not belong there, or remove it all: `rolecall setup destroy`, then `apply` makes it              anew",
        ))
    }
}

/// Lists what is on a thing that the steps do not put there; access keys aside, which the vault knows.
fn foreign(
    steps: &[Step],
    (step, thing): (&Step, &Resource),
    held: &ResourceDetails,
    hanging: &Dependents,
) -> Vec<String> {
    let wanted = |fits: &dyn Fn(&Call) -> bool| steps.iter().any(|of| of.side == step.side && fits(&of.call));
    let mut foreign = Vec::new();
    match thing {
        Resource::User(name) | Resource::Role(name) => {
            for arn in &hanging.attached {
                let is_wanted = wanted(&|call| match (call, thing) {
                    (Call::AttachUserPolicy { user, arn: a }, Resource::User(_)) => user == name && a == arn,
                    (Call::AttachRolePolicy { role, arn: a }, Resource::Role(_)) => role == name && a == arn,
                    _ => false,
                });
                if !is_wanted {
                    foreign.push(format!("{arn} is attached"));
                }
            }
            for policy in &hanging.inline {
                // One of the steps' own name is written over.
                let is_role = matches!(thing, Resource::Role(_));
                let fits = |call: &Call| matches!(call, Call::PutRolePolicy { role, name: p, .. } if role == name && p == policy);
                if !(is_role && wanted(&fits)) {
                    foreign.push(format!("it has the inline policy {policy}"));
                }
            }
            for serial in &hanging.devices {
                if !wanted(&|call| matches!(call, Call::EnableMFADevice { serial: s, .. } if s == serial)) {
                    foreign.push(format!("it has the MFA device {serial}"));
                }
            }
            for profile in &hanging.profiles {
                if !wanted(
                    &|call| matches!(call, Call::AddRoleToInstanceProfile { profile: p, role } if p == profile && role == name),
                ) {
                    foreign.push(format!("the instance profile {profile} has it"));
                }
            }
        }
        Resource::InstanceProfile(name) => {
            for role in &held.roles {
                if !wanted(
                    &|call| matches!(call, Call::AddRoleToInstanceProfile { profile, role: r } if profile == name && r == role),
                ) {
                    foreign.push(format!("it has the role {role}"));
                }
            }
        }
        Resource::Policy(_) | Resource::MfaDevice(_) => {}
    }
    foreign.iter().map(|text| printable(text, 256)).collect()
}

/// Refuses to begin where a name is somebody else's, naming each.
pub(super) fn refuse_taken(setup: &str, seen: &[Discovered], steps: &[Step]) -> Result<(), UserError> {
    let taken: Vec<(&Discovered, &str, Option<&str>)> = seen
        .iter()
        .filter_map(|seen| match &seen.finding.found {
            Found::Taken { arn, by } => Some((seen, arn.as_str(), by.as_deref())),
            _ => None,
        })
        .collect();
    if taken.is_empty() {
        return Ok(());
    }
    let by_tag_alone = taken.iter().all(|(.., by)| *by == Some(setup));
    let each: Vec<String> = taken
        .iter()
        .map(|(seen, arn, by)| {
            let by = match by {
                Some(by) if *by == setup => {
                    " (its tag says that this setup made it, and no state here does)".to_owned()
                }
                Some(by) => format!(" (made by setup {})", printable(by, 128)),
                None => String::new(),
            };
            format!("{} is there already, {}{by}", printable(&seen.finding.thing, 128), printable(arn, 256))
        })
        .collect();
    if by_tag_alone {
        return Err(UserError::new(Kind::Refused, format!("{}; nothing was made", each.join("; "))).hint(
            "if you made it and the state was lost, or is on another machine: `--adopt` takes it over once it has looked what hangs \
             on it; else choose another `--name`",
        ));
    }
    let user = taken.iter().any(|(seen, ..)| matches!(steps[seen.at].call, Call::CreateUser { .. }));
    let report =
        UserError::new(Kind::Refused, format!("{}; this setup did not make it, and nothing was made", each.join("; ")));
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
