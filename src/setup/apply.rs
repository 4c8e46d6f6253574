//! The steps of a setup. Each one is written down before and after its call.
//!
//! A resource of this setup is used as it is, and a role with another trust policy or session duration is changed.
//! Everything else that differs is reported. If the answer to a call is lost, the resource is looked up by its name and tag.

use super::agent::Agent;
use super::device::{NewSecret, enable, make_device};
use super::discovery::{Difference, Discovered, refuse_changed, refuse_taken};
use super::iam::{Iam, TRIES};
use super::journal::{Journal, is_of_step};
use super::key::{check_key, make_key};
use super::ownership::{has_tag, used};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::call::{Call, Side, Step};
use rolecall_ipc::protocol::setup::{Applied, Apply, Found, Local, Made, ResourceState};
use rolecall_ports::{Changed, Resource};

/// Creates everything that is missing.
pub(super) async fn apply(
    (iam, journal, agent): (&mut Iam, &mut Journal, &Agent),
    new: &mut NewSecret,
    external_id: &str,
    seen: &[Discovered],
    apply: &Apply,
) -> Result<Applied, UserError> {
    let resumed = journal.state.is_some();
    refuse_taken(&journal.setup, seen, &apply.steps)?;
    refuse_changed(agent, seen, apply).await?;
    check_key(iam, journal, agent, apply).await?;
    let earlier = attached_before(iam, journal, &apply.steps).await?;
    begin(iam, journal, external_id, apply);
    journal.record("nothing was made")?;
    new.keep = apply.keep_totp;
    let mut remarks = Vec::new();
    for (at, step) in apply.steps.iter().enumerate() {
        iam.talk.check_interrupted()?;
        let seen = seen.iter().find(|seen| seen.at == at);
        match (&step.call, seen) {
            (Call::CreateAccessKey { user }, _) => {
                make_key(iam, journal, agent, (step, user), &apply.local).await?;
            }
            (Call::EnableMFADevice { user, serial }, _) => enable(iam, journal, new, step, (user, serial)).await?,
            (Call::CreateVirtualMFADevice { .. }, Some(seen)) => make_device(iam, journal, new, step, seen).await?,
            (_, Some(seen)) => make(iam, journal, step, seen, &mut remarks).await?,
            (_, None) => join(iam, journal, step, &earlier).await?,
        }
    }
    remarks.extend(left_over(journal, &apply.steps));
    let last = |fits: fn(&Call) -> bool| journal.made().iter().rev().find(|made| fits(&made.step.call));
    let key = last(|call| matches!(call, Call::CreateAccessKey { .. }));
    let device = last(|call| matches!(call, Call::CreateVirtualMFADevice { .. }));
    Ok(Applied {
        access_key_id: key.and_then(|made| made.keys.last().cloned()),
        mfa_serial: device.and_then(|made| made.arn.clone()),
        calls: iam.calls,
        resumed,
        remarks,
    })
}

/// Begins the state, or changes that of an earlier run to what is wanted now.
fn begin(iam: &Iam, journal: &mut Journal, external_id: &str, apply: &Apply) {
    let empty = journal.empty_state(iam.auth.id.to_string(), iam.workload.id.to_string());
    let state = journal.state.get_or_insert(empty);
    let uses: Vec<String> = used(&apply.steps).into_iter().filter(|user| !state.uses.contains(user)).collect();
    state.uses.extend(uses);
    external_id.clone_into(&mut state.external_id);
    state.rebuilt = false;
    state.proven = false;
    // The setup still owns what an earlier run has written into the configuration.
    let (old, new) = (&state.local, &apply.local);
    let makes_identity = new.makes_identity || old.makes_identity && old.identity == new.identity;
    state.local = Local { makes_identity, ..new.clone() };
}

/// Creates a resource, or uses the one of an earlier run.
async fn make(
    iam: &mut Iam,
    journal: &mut Journal,
    step: &Step,
    seen: &Discovered,
    remarks: &mut Vec<String>,
) -> Result<(), UserError> {
    let Some((resource, name)) = iam.resource(step) else { return Ok(()) };
    let Found::Ours { arn, .. } = &seen.finding.found else {
        journal.stand(step, ResourceState::Begun, None)?;
        let arn = create(iam, journal, step, &resource).await?;
        journal.stand(step, ResourceState::Done, arn)?;
        return iam.talk.say("create", &name).await;
    };
    journal.stand(step, ResourceState::Done, Some(arn.clone()))?;
    iam.talk.say("there", &name).await?;
    for difference in &seen.differs {
        let change = match (difference, &step.call) {
            (Difference::Trust, Call::CreateRole { name: role, trust, .. }) => {
                Call::UpdateAssumeRolePolicy { role: role.clone(), trust: trust.clone() }
            }
            (Difference::MaxSession(_, wanted), Call::CreateRole { name: role, .. }) => {
                Call::UpdateRole { role: role.clone(), max_session_seconds: *wanted }
            }
            _ => {
                let what = difference.text();
                remarks.push(format!(
                    "{name} differs and is left as it is: {what}; `rolecall setup destroy`, then `apply`, makes it anew"
                ));
                continue;
            }
        };
        iam.say_done(&change).await?;
        let changed = iam.change(journal, step.side, &change).await;
        changed.map_err(|error| iam.explain(step.side, Some(&change), error))?;
    }
    Ok(())
}

/// Creates a resource and returns its ARN. If the answer is lost, looks whether the resource is there.
async fn create(
    iam: &mut Iam,
    journal: &Journal,
    step: &Step,
    resource: &Resource,
) -> Result<Option<String>, UserError> {
    let mut tried = 0;
    loop {
        tried += 1;
        let error = match iam.change(journal, step.side, &step.call).await {
            Ok(Changed::Done(arn)) => return Ok(arn),
            Ok(_) => return Err(UserError::new(Kind::Failed, "IAM's answer does not fit its question")),
            Err(error) => error,
        };
        let is_lost = error.may_have_acted() || (tried > 1 && error.code() == "EntityAlreadyExists");
        if !is_lost || tried == TRIES {
            return Err(iam.explain(step.side, Some(&step.call), error));
        }
        iam.talk.say("look", &format!("{}; looking whether it was done", error.message())).await?;
        match iam.read(step.side, resource).await? {
            Some(held) if has_tag(&held, &journal.setup) => return Ok(Some(held.arn)),
            Some(_) => return Err(iam.explain(step.side, Some(&step.call), error)),
            None => {}
        }
    }
}

/// Joins two resources. The call can be repeated, so a policy that was detached is attached again.
async fn join(iam: &mut Iam, journal: &mut Journal, step: &Step, earlier: &[String]) -> Result<(), UserError> {
    if matches!(&step.call, Call::AttachUserPolicy { arn, .. } if earlier.contains(arn)) {
        journal.stand(step, ResourceState::Found, None)?;
        return iam.talk.say("there", &step.call.what()).await;
    }
    if journal.entry(step).stands != ResourceState::Done {
        journal.stand(step, ResourceState::Begun, None)?;
    }
    if let Call::AddRoleToInstanceProfile { profile, role } = &step.call {
        // An instance profile has one role: IAM would refuse to add the same role again.
        let held = iam.read(step.side, &Resource::InstanceProfile(profile.clone())).await?;
        if held.is_some_and(|held| held.roles.contains(role)) {
            journal.stand(step, ResourceState::Done, None)?;
            return iam.talk.say("there", &step.call.what()).await;
        }
    }
    let mut tried = 0;
    while let Err(error) = iam.change(journal, step.side, &step.call).await {
        tried += 1;
        if !error.may_have_acted() || tried == TRIES {
            return Err(iam.explain(step.side, Some(&step.call), error));
        }
    }
    journal.stand(step, ResourceState::Done, None)?;
    iam.say_done(&step.call).await
}

/// Lists the policies that an existing user had before the setup: they are not removed with it.
async fn attached_before(iam: &mut Iam, journal: &Journal, steps: &[Step]) -> Result<Vec<String>, UserError> {
    if steps.iter().any(|step| matches!(step.call, Call::CreateUser { .. })) {
        return Ok(Vec::new());
    }
    let mut users = steps.iter().filter_map(|step| match &step.call {
        Call::AttachUserPolicy { user, .. } => Some(user),
        _ => None,
    });
    let Some(user) = users.next() else { return Ok(Vec::new()) };
    let resource = Resource::User(user.clone());
    if iam.read(Side::Auth, &resource).await?.is_none() {
        let cause = format!("there is no user {} in account {}", printable(user, 128), iam.auth.id);
        return Err(UserError::new(Kind::Refused, cause).hint("leave out `--existing-user` to have it made"));
    }
    // Nobody else can have attached the first policy: the setup creates it.
    if users.next().is_none() {
        return Ok(Vec::new());
    }
    let is_ours = |arn: &String| {
        journal.made().iter().any(|made| {
            made.stands != ResourceState::Found
                && matches!(&made.step.call, Call::AttachUserPolicy { arn: own, .. } if own == arn)
        })
    };
    let attached = iam.dependents(Side::Auth, &resource).await?.attached;
    Ok(attached.into_iter().filter(|arn| !is_ours(arn)).collect())
}

/// Describes the steps of earlier runs that are not wanted any more.
fn left_over(journal: &Journal, steps: &[Step]) -> Vec<String> {
    let is_wanted = |made: &Made| steps.iter().any(|step| is_of_step(made, step));
    let made = journal.made().iter();
    made.filter(|made| made.stands != ResourceState::Found && !is_wanted(made))
        .map(|made| {
            let what = made.step.call.what();
            format!("an earlier run did this too, and it stays until `rolecall setup destroy`: {what}")
        })
        .collect()
}
