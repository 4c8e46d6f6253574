//! The removal of a setup. A plan lists the calls, newest resource first, and the resources that stay, with the reasons. The
//! user sees the plan before it is carried out.
//!
//! Only resources in the state are removed, and a resource with tags only if it still has the tag of this setup. If the state
//! was lost, the tags name the resources.

use super::agent::Agent;
use super::iam::{Iam, TRIES};
use super::journal::Journal;
use super::key::{iam_user, is_orphan, is_rotated};
use super::ownership::{Owner, Ownership, created, find_owner, foreign, has_tag, joined_to, refuse_strangers, used};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::call::{Call, Side, Step};
use rolecall_ipc::protocol::setup::{Destroyed, Local, Made, PlannedRemoval, Removal, ResourceState, Retained, State};
use rolecall_ports::{Resource, ResourceDetails};
use std::collections::BTreeSet;

/// What is removed, newest first, and what is left.
#[derive(Clone, Debug, Default)]
pub(super) struct TeardownPlan {
    /// Each call, and the index of the entry in the state that it undoes.
    calls: Vec<(Side, Call, usize)>,
    /// What is left, and whether it is of this setup. Anything else was there before.
    left: Vec<(Retained, bool)>,
}

impl TeardownPlan {
    fn leave(&mut self, side: Side, thing: &str, why: String) {
        self.left.push((retained(side, thing, why), true));
    }
}

/// Lists what would be removed. Returns `None` for the plan if there is no setup.
pub(super) async fn plan(
    (iam, journal, agent): (&mut Iam, &mut Journal, &Agent),
    steps: &[Step],
    identity: Option<&str>,
) -> Result<(Option<TeardownPlan>, PlannedRemoval), UserError> {
    if journal.state.is_none() {
        rebuild(iam, journal, agent, steps, identity).await?;
    }
    find_keys(iam, journal, agent).await?;
    let Some(state) = &journal.state else {
        return Ok((None, PlannedRemoval { calls: iam.calls, ..PlannedRemoval::default() }));
    };
    refuse_strangers(state)?;
    let mut owners = Ownership::default();
    for made in &state.made {
        find_owner(iam, journal, made, &mut owners).await?;
    }
    let mut plan = TeardownPlan::default();
    for (at, made) in state.made.iter().enumerate().rev() {
        plan_one(iam, (state, &owners), (at, made), &mut plan).await?;
    }
    let removes = plan.calls.iter().map(|(side, call, _)| Removal { side: *side, what: call.what() });
    let keys = plan.calls.iter().filter_map(|(_, call, _)| match call {
        Call::DeleteAccessKey { id, .. } => Some(id.clone()),
        _ => None,
    });
    let planned = PlannedRemoval {
        keys: keys.collect(),
        removes: removes.collect(),
        stays: plan.left.iter().map(|(left, _)| left.clone()).collect(),
        local: Some(state.local.clone()),
        calls: iam.calls,
    };
    Ok((Some(plan), planned))
}

/// Plans the removal of what one entry of the state names.
async fn plan_one(
    iam: &mut Iam,
    (state, owners): (&State, &Ownership),
    (at, made): (usize, &Made),
    plan: &mut TeardownPlan,
) -> Result<(), UserError> {
    let (side, call) = (made.step.side, &made.step.call);
    if made.stands == ResourceState::Found {
        plan.left.push((retained(side, &call.what(), "it was so before the setup".to_owned()), false));
        return Ok(());
    }
    let Some((resource, name)) = iam.resource(&made.step) else {
        let calls: Vec<Call> = match call {
            Call::CreateAccessKey { user } => {
                made.keys.iter().map(|id| Call::DeleteAccessKey { user: user.clone(), id: id.clone() }).collect()
            }
            _ => call.undo(None).into_iter().collect(),
        };
        match owners.theirs(side, call) {
            Some((owner, why)) => {
                let why = format!("it is left as it is, since {owner} is not this setup's any more: {why}");
                for call in &calls {
                    plan.leave(side, &call.what(), why.clone());
                }
            }
            None => plan.calls.extend(calls.into_iter().map(|call| (side, call, at))),
        }
        return Ok(());
    };
    let details = match owners.of(side, &resource) {
        // The resource is gone already, and the state is all that is left.
        None | Some(Owner::Gone) => return Ok(()),
        Some(Owner::Theirs(why)) => {
            plan.leave(side, &name, why.clone());
            return Ok(());
        }
        Some(Owner::Ours(details)) => details,
    };
    let foreign = foreign_of(iam, state, side, (&resource, details), plan).await?;
    if foreign.is_empty() {
        plan.calls.extend(call.undo(Some(details.arn.clone())).map(|call| (side, call, at)));
    } else {
        plan.leave(side, &name, format!("somebody else has changed it: {}", foreign.join(", ")));
    }
    Ok(())
}

/// Lists what is on a resource and is not removed by the plan so far.
async fn foreign_of(
    iam: &mut Iam,
    state: &State,
    side: Side,
    (resource, details): (&Resource, &ResourceDetails),
    plan: &TeardownPlan,
) -> Result<Vec<String>, UserError> {
    let planned = plan.calls.iter().filter(|(of, ..)| *of == side);
    let ours: Vec<&Call> = planned.map(|(.., at)| &state.made[*at].step.call).collect();
    if let (Resource::Policy(policy), Some(attached)) = (resource, details.attachments) {
        let is_attachment = |call: &&&Call| match call {
            Call::AttachUserPolicy { arn, .. } | Call::AttachRolePolicy { arn, .. } => arn == policy,
            _ => false,
        };
        let more = attached.saturating_sub(ours.iter().filter(is_attachment).count());
        return Ok((more > 0).then(|| format!("it is attached to {more} more")).into_iter().collect());
    }
    let found = iam.dependents(side, resource).await?;
    let mut foreign = foreign(resource, &found, &ours);
    let others = found.keys.iter().filter(|id| !state.made.iter().any(|made| made.keys.contains(id)));
    foreign.extend(others.map(|id| format!("it has the access key {id}, which this setup did not make")));
    Ok(foreign.iter().map(|text| printable(text, 256)).collect())
}

/// Adds to the state the key that a rotation made of ours, and a key that was created by a call without an answer.
async fn find_keys(iam: &mut Iam, journal: &mut Journal, agent: &Agent) -> Result<(), UserError> {
    let Some(state) = &journal.state else { return Ok(()) };
    let entry = state.made.iter().enumerate().find_map(|(at, made)| match &made.step.call {
        Call::CreateAccessKey { user } => Some((at, made, user)),
        _ => None,
    });
    let Some((at, made, user)) = entry.filter(|(_, made, _)| made.stands != ResourceState::Found) else {
        return Ok(());
    };
    let user = iam_user(iam, journal, user)?;
    let mut keys = made.keys.clone();
    if let Some(stored) = agent.stored_key(&state.local.identity).await?
        && stored.arn.as_deref() == Some(user.as_str())
        && let Some(id) = &stored.access_key_id
        && !keys.contains(id)
        // If the state was lost, only the vault knows the key. The tag of the user is checked.
        && (is_rotated(&stored, &keys) || state.rebuilt && keys.is_empty())
    {
        keys.push(id.clone());
    }
    if let Some(window) = &made.window
        && made.stands != ResourceState::Done
        && iam.read(Side::Auth, &Resource::User(user.name().to_owned())).await?.is_some()
    {
        for key in iam.keys(journal, &user).await?.keys {
            if is_orphan(window, &key) && !keys.contains(&key.id) {
                keys.push(key.id);
            }
        }
    }
    if let Some(state) = &mut journal.state {
        state.made[at].keys = keys;
    }
    journal.record("")
}

/// Finds by their tags the resources of a setup whose state was lost.
async fn rebuild(
    iam: &mut Iam,
    journal: &mut Journal,
    agent: &Agent,
    steps: &[Step],
    identity: Option<&str>,
) -> Result<(), UserError> {
    let mut made: Vec<Made> = Vec::new();
    let mut role_arn = String::new();
    for step in steps {
        let mut arn = None;
        if let Some((resource, name)) = iam.resource(step) {
            iam.talk.say("look", &name).await?;
            let found = iam.read(step.side, &resource).await?;
            let Some(found) = found.filter(|found| has_tag(found, &journal.setup)) else { continue };
            if step.side == Side::Workload && matches!(resource, Resource::Role(_)) {
                role_arn.clone_from(&found.arn);
            }
            arn = Some(found.arn);
        }
        made.push(Made { step: step.clone(), stands: ResourceState::Done, arn, keys: Vec::new(), window: None });
    }
    // A call that joins two resources is undone if one of them is ours.
    let owners: Vec<Resource> = made.iter().filter_map(|made| created(&made.step.call)).collect();
    let arns: Vec<String> = made.iter().filter_map(|made| made.arn.clone()).collect();
    made.retain(|made| {
        let gives = match &made.step.call {
            Call::AttachUserPolicy { arn, .. } | Call::AttachRolePolicy { arn, .. } => Some(arn),
            Call::EnableMFADevice { serial, .. } => Some(serial),
            _ => None,
        };
        made.arn.is_some()
            || joined_to(&made.step.call).first().is_some_and(|owner| owners.contains(owner))
            || gives.is_some_and(|arn| arns.contains(arn))
    });
    if made.is_empty() {
        return Ok(());
    }
    // A key of another user in the vault means that the identity is not of the setup.
    let user = made.iter().find(|made| matches!(made.step.call, Call::CreateUser { .. }));
    let user = user.and_then(|made| made.arn.clone());
    let stored = match identity {
        Some(identity) if user.is_some() => agent.stored_key(identity).await?.and_then(|stored| stored.arn),
        _ => None,
    };
    let local = Local {
        identity: identity.unwrap_or_default().to_owned(),
        makes_identity: user.is_some() && user == stored,
        role: Some(journal.setup.clone()),
        role_arn,
        region: None,
    };
    let empty = journal.empty_state(iam.auth.id.to_string(), iam.workload.id.to_string());
    journal.state = Some(State { local, made, rebuilt: true, uses: used(steps), ..empty });
    journal.save().map_err(|error| UserError::new(Kind::Failed, error.to_string()).hint("nothing was removed"))
}

/// Removes what the plan contains. A resource that is gone already is no failure.
pub(super) async fn destroy(iam: &mut Iam, journal: &mut Journal, plan: TeardownPlan) -> Result<Destroyed, UserError> {
    let left = plan.left.into_iter().filter_map(|(left, is_ours)| is_ours.then_some(left));
    let mut done = Destroyed { left: left.collect(), ..Destroyed::default() };
    let mut gone = BTreeSet::new();
    for (side, call, at) in plan.calls {
        iam.talk.check_interrupted()?;
        if let Some(state) = &mut journal.state {
            state.made[at].stands = ResourceState::Leaving;
        }
        journal.record("the same command again goes on")?;
        let mut tried = 0;
        loop {
            tried += 1;
            match iam.change(journal, side, &call).await {
                Err(error) if error.may_have_acted() && tried < TRIES => {}
                Err(error) if error.code() == "DeleteConflict" => {
                    done.left.push(Retained { side, thing: call.what(), why: error.message().to_owned() });
                    break;
                }
                Err(error) if !error.is_missing() => return Err(iam.explain(side, Some(&call), error)),
                _ => {
                    gone.insert(at);
                    break;
                }
            }
        }
        if gone.contains(&at) {
            done.removed += 1;
            iam.say_done(&call).await?;
        }
    }
    done.calls = iam.calls;
    if done.left.is_empty() {
        journal.remove()?;
    } else if let Some(state) = &mut journal.state {
        let mut at = 0..;
        state.made.retain(|_| at.next().is_some_and(|at| !gone.contains(&at)));
        journal.record("")?;
    }
    Ok(done)
}

fn retained(side: Side, thing: &str, why: String) -> Retained {
    let account = match side {
        Side::Auth => "authentication",
        Side::Workload => "workload",
    };
    Retained { side, thing: format!("{} ({account} account)", printable(thing, 256)), why }
}
