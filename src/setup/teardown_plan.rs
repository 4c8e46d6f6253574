//! What `destroy` would remove, and what it would leave, with the reason: looked up, and shown before anything happens.
//!
//! Only what the state names goes, and of the things with tags only those that still have this setup's. Where the state was lost,
//! the tags name them.

use super::Work;
use super::discovery::side_word;
use super::ownership::{Owner, Ownership, refuse_strangers, used};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::call::{Call, Side, Step};
use rolecall_core::setup::plan::TAG;
use rolecall_ipc::protocol::setup::{
    Local, Made, PlannedRemoval, Removal, ResourceState, Retained, STATE_VERSION, State,
};
use rolecall_ports::{Resource, ResourceDetails};

/// What goes, newest first, and what stays.
#[derive(Clone, Debug, Default)]
pub(super) struct TeardownPlan {
    /// Each call, and the place of what it undoes in the state.
    pub(super) calls: Vec<(Side, Call, usize)>,
    /// What of ours cannot go.
    pub(super) stays: Vec<Retained>,
}

impl Work<'_> {
    /// Lists what would be removed.
    pub(super) async fn doom(&mut self, steps: &[Step], identity: Option<&str>) -> Result<PlannedRemoval, UserError> {
        if self.desk.state.is_none() {
            self.rebuild(steps, identity).await?;
        }
        let Some(state) = self.desk.state.clone() else {
            return Ok(PlannedRemoval { calls: self.desk.calls, ..PlannedRemoval::default() });
        };
        self.learn_key(&state).await?;
        let state = self.desk.state.clone().unwrap_or(state);
        refuse_strangers(&state)?;
        let mut owners = Ownership::default();
        for made in &state.made {
            self.judge_owner(made, &mut owners).await?;
        }
        let mut doom = TeardownPlan::default();
        for (at, made) in state.made.iter().enumerate().rev() {
            self.doom_one((&state, &owners), at, made, &mut doom).await?;
        }
        let removes = doom.calls.iter().map(|(side, call, _)| Removal { side: *side, what: call.what() }).collect();
        let keys = doom.calls.iter().filter_map(|(_, call, _)| match call {
            Call::DeleteAccessKey { id, .. } => Some(id.clone()),
            _ => None,
        });
        let doomed = PlannedRemoval {
            keys: keys.collect(),
            removes,
            stays: doom.stays.clone(),
            local: Some(state.local.clone()),
            calls: self.desk.calls,
        };
        self.desk.doom = Some(doom);
        Ok(doomed)
    }

    async fn doom_one(
        &mut self,
        (state, owners): (&State, &Ownership),
        at: usize,
        made: &Made,
        doom: &mut TeardownPlan,
    ) -> Result<(), UserError> {
        let side = made.step.side;
        if made.stands == ResourceState::Found {
            doom.stays.push(stays(side, &made.step.call.what(), "it was so before the setup"));
            return Ok(());
        }
        let Some((thing, name)) = self.thing(&made.step) else {
            let mut calls: Vec<Call> = parted(&made.step.call).into_iter().collect();
            if let Call::CreateAccessKey { user } = &made.step.call {
                calls.extend(made.keys.iter().map(|id| Call::DeleteAccessKey { user: user.clone(), id: id.clone() }));
            }
            match owners.theirs(side, &made.step.call) {
                Some((owner, why)) => doom.stays.extend(calls.iter().map(|call| {
                    let why = format!("it is left as it is, since {owner} is not this setup's any more: {why}");
                    stays(side, &call.what(), &why)
                })),
                None => doom.calls.extend(calls.into_iter().map(|call| (side, call, at))),
            }
            return Ok(());
        };
        let held = match owners.of(side, &thing) {
            // Gone already; what is left is to write that down.
            None | Some(Owner::Gone) => return Ok(()),
            Some(Owner::Theirs(why)) => {
                doom.stays.push(stays(side, &name, why));
                return Ok(());
            }
            Some(Owner::Ours(held)) => held,
        };
        let hanging = self.foreign(state, side, (&thing, held), doom).await?;
        if hanging.is_empty() {
            doom.calls.push((side, deletion(&thing), at));
        } else {
            doom.stays.push(stays(side, &name, &format!("somebody else has changed it: {}", hanging.join(", "))));
        }
        Ok(())
    }

    /// Lists what hangs on a thing and is not this setup's to take off.
    async fn foreign(
        &mut self,
        state: &State,
        side: Side,
        (thing, held): (&Resource, &ResourceDetails),
        doom: &TeardownPlan,
    ) -> Result<Vec<String>, UserError> {
        if let (Resource::Policy(policy), Some(attached)) = (thing, held.attachments) {
            let parts = |call: &Call| match call {
                Call::DetachUserPolicy { arn, .. } | Call::DetachRolePolicy { arn, .. } => arn == policy,
                _ => false,
            };
            let ours = doom.calls.iter().filter(|(of, call, _)| *of == side && parts(call)).count();
            let more = attached.saturating_sub(ours);
            return Ok((more > 0).then(|| format!("it is attached to {more} more")).into_iter().collect());
        }
        let found = self.hanging(side, thing).await?;
        let goes = |fits: &dyn Fn(&Call) -> bool| doom.calls.iter().any(|(of, call, _)| *of == side && fits(call));
        let mut foreign = Vec::new();
        for arn in &found.attached {
            let ours = match thing {
                Resource::User(name) => {
                    goes(&|c| matches!(c, Call::DetachUserPolicy { user, arn: a } if user == name && a == arn))
                }
                Resource::Role(name) => {
                    goes(&|c| matches!(c, Call::DetachRolePolicy { role, arn: a } if role == name && a == arn))
                }
                Resource::Policy(_) | Resource::InstanceProfile(_) | Resource::MfaDevice(_) => true,
            };
            if !ours {
                foreign.push(format!("{arn} is attached"));
            }
        }
        let (Resource::User(name) | Resource::Role(name)) = thing else { return Ok(shown(foreign)) };
        for policy in &found.inline {
            if !goes(&|c| matches!(c, Call::DeleteRolePolicy { role, name: p } if role == name && p == policy)) {
                foreign.push(format!("it has the inline policy {policy}"));
            }
        }
        for serial in &found.devices {
            if !goes(&|c| matches!(c, Call::DeactivateMFADevice { serial: s, .. } if s == serial)) {
                foreign.push(format!("it has the MFA device {serial}"));
            }
        }
        for id in &found.keys {
            let orphan = state.made.iter().any(|made| made.keys.contains(id));
            if !orphan && !goes(&|c| matches!(c, Call::DeleteAccessKey { id: i, .. } if i == id)) {
                foreign.push(format!("it has the access key {id}, which this setup did not make"));
            }
        }
        for profile in &found.profiles {
            let ours = |c: &Call| matches!(c, Call::RemoveRoleFromInstanceProfile { profile: p, role } if p == profile && role == name);
            if !goes(&ours) {
                foreign.push(format!("the instance profile {profile} has it"));
            }
        }
        Ok(shown(foreign))
    }

    /// Takes note of the key that a rotation has put in the place of ours, and of one whose making nobody heard the end of.
    async fn learn_key(&mut self, state: &State) -> Result<(), UserError> {
        let made = state.made.iter().position(|made| matches!(made.step.call, Call::CreateAccessKey { .. }));
        let Some(at) = made.filter(|at| state.made[*at].stands != ResourceState::Found) else { return Ok(()) };
        let Call::CreateAccessKey { user } = &state.made[at].step.call else { return Ok(()) };
        let user = self.iam_user(user)?;
        let mut keys = state.made[at].keys.clone();
        let window = state.made[at].window.clone();
        let stored = self.stored(&state.local.identity).await?;
        if let Some(stored) = stored
            && stored.arn.as_deref() == Some(user.as_str())
            && let Some(id) = &stored.access_key_id
            && !keys.contains(id)
            // Of a setup whose state was lost the vault alone knows; the user has its tag, and that is looked at.
            && (super::key::is_rotated(&stored, &keys) || state.rebuilt && keys.is_empty())
        {
            keys.push(id.clone());
        }
        if let (Some(window), true) = (&window, state.made[at].stands != ResourceState::Done)
            && self.read(Side::Auth, &Resource::User(user.name().to_owned())).await?.is_some()
        {
            let listing = self.keys(&user).await?;
            let lost = listing.keys.iter().filter(|key| super::key::is_orphan(window, key));
            for key in lost {
                if !keys.contains(&key.id) {
                    keys.push(key.id.clone());
                }
            }
        }
        if let Some(state) = &mut self.desk.state {
            state.made[at].keys = keys;
        }
        self.record()
    }

    /// Finds by their tags what a setup has made whose state was lost.
    async fn rebuild(&mut self, steps: &[Step], identity: Option<&str>) -> Result<(), UserError> {
        let mut made: Vec<Made> = Vec::new();
        let mut role_arn = String::new();
        for step in steps {
            let (stands, arn) = match self.thing(step) {
                Some((thing, name)) => {
                    self.line.say("look", &name).await?;
                    match self.read(step.side, &thing).await? {
                        Some(held) if held.tags.get(TAG) == Some(&self.desk.setup) => {
                            if step.side == Side::Workload && matches!(thing, Resource::Role(_)) {
                                role_arn.clone_from(&held.arn);
                            }
                            (ResourceState::Done, Some(held.arn))
                        }
                        _ => continue,
                    }
                }
                None => (ResourceState::Done, None),
            };
            made.push(Made { step: step.clone(), stands, arn, keys: Vec::new(), window: None });
        }
        // What joins two things goes where one of them is ours.
        let ours: Vec<String> = made.iter().filter_map(|made| owner(&made.step.call)).collect();
        let policies: Vec<String> = made.iter().filter_map(|made| made.arn.clone()).collect();
        made.retain(|made| {
            made.arn.is_some()
                || joined(&made.step.call)
                    .is_some_and(|(owner, arn)| ours.contains(&owner) || arn.is_some_and(|arn| policies.contains(&arn)))
        });
        if made.is_empty() {
            return Ok(());
        }
        // Somebody else's key in the vault is a sign that the section is not the setup's.
        let user = made
            .iter()
            .find(|made| matches!(made.step.call, Call::CreateUser { .. }))
            .and_then(|made| made.arn.clone());
        let stored = match identity {
            Some(identity) if user.is_some() => self.stored(identity).await?.and_then(|stored| stored.arn),
            _ => None,
        };
        let makes_identity = user.is_some() && user == stored;
        self.desk.state = Some(State {
            v: STATE_VERSION,
            setup: self.desk.setup.clone(),
            auth: self.desk.auth.account.to_string(),
            workload: self.desk.workload.account.to_string(),
            external_id: String::new(),
            local: Local {
                identity: identity.unwrap_or_default().to_owned(),
                makes_identity,
                role: Some(self.desk.setup.clone()),
                role_arn,
                region: None,
            },
            made,
            proven: false,
            rebuilt: true,
            uses: used(steps),
        });
        self.record().map_err(|report| UserError::new(Kind::Failed, report.message).hint("nothing was removed"))
    }
}

fn stays(side: Side, thing: &str, why: &str) -> Retained {
    Retained { side, thing: format!("{} ({} account)", printable(thing, 256), side_word(side)), why: why.to_owned() }
}

fn shown(list: Vec<String>) -> Vec<String> {
    list.into_iter().map(|text| printable(&text, 256)).collect()
}

/// Gives the call that deletes a thing.
fn deletion(thing: &Resource) -> Call {
    match thing {
        Resource::InstanceProfile(name) => Call::DeleteInstanceProfile { name: name.clone() },
        Resource::MfaDevice(serial) => Call::DeleteVirtualMFADevice { serial: serial.clone() },
        Resource::Policy(arn) => Call::DeletePolicy { arn: arn.clone() },
        Resource::Role(name) => Call::DeleteRole { name: name.clone() },
        Resource::User(name) => Call::DeleteUser { name: name.clone() },
    }
}

/// Gives the call that parts what a call has joined.
fn parted(call: &Call) -> Option<Call> {
    Some(match call.clone() {
        Call::AttachUserPolicy { user, arn } => Call::DetachUserPolicy { user, arn },
        Call::AttachRolePolicy { role, arn } => Call::DetachRolePolicy { role, arn },
        Call::PutRolePolicy { role, name, .. } => Call::DeleteRolePolicy { role, name },
        Call::AddRoleToInstanceProfile { profile, role } => Call::RemoveRoleFromInstanceProfile { profile, role },
        Call::EnableMFADevice { user, serial } => Call::DeactivateMFADevice { user, serial },
        _ => return None,
    })
}

/// Names the user, role, profile or device that a call makes.
fn owner(call: &Call) -> Option<String> {
    match call {
        Call::CreateUser { name, .. } => Some(format!("user {name}")),
        Call::CreateRole { name, .. } => Some(format!("role {name}")),
        Call::CreateInstanceProfile { name, .. } => Some(format!("profile {name}")),
        _ => None,
    }
}

/// Names whom a joining call gives something to, and the policy that it gives.
fn joined(call: &Call) -> Option<(String, Option<String>)> {
    match call {
        Call::AttachUserPolicy { user, arn } => Some((format!("user {user}"), Some(arn.clone()))),
        Call::AttachRolePolicy { role, arn } => Some((format!("role {role}"), Some(arn.clone()))),
        Call::PutRolePolicy { role, .. } => Some((format!("role {role}"), None)),
        Call::AddRoleToInstanceProfile { profile, .. } => Some((format!("profile {profile}"), None)),
        Call::CreateAccessKey { user } => Some((format!("user {user}"), None)),
        Call::EnableMFADevice { serial, user } => Some((format!("user {user}"), Some(serial.clone()))),
        _ => None,
    }
}
