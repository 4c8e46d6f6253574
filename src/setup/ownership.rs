//! The owners of the resources that a setup names, and the additions of others. A name is free again when its resource is
//! deleted, and a state file can be edited.

use super::iam::Iam;
use super::journal::Journal;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::call::{Call, Side, Step};
use rolecall_core::setup::plan::TAG;
use rolecall_ipc::protocol::setup::{Made, State};
use rolecall_ports::{Dependents, Resource, ResourceDetails};

/// The owner of each resource of a setup.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    all: Vec<(Side, Resource, Owner)>,
}

#[derive(Debug)]
pub(super) enum Owner {
    Gone,
    Ours(ResourceDetails),
    /// Somebody else, and the evidence.
    Theirs(String),
}

impl Ownership {
    pub(super) fn of(&self, side: Side, resource: &Resource) -> Option<&Owner> {
        self.all.iter().find(|(of, held, _)| (*of, held) == (side, resource)).map(|(.., owner)| owner)
    }

    /// Returns the resource of a joining call that somebody else owns, and the evidence.
    pub(super) fn theirs(&self, side: Side, call: &Call) -> Option<(String, &str)> {
        joined_to(call).into_iter().find_map(|resource| match self.of(side, &resource) {
            Some(Owner::Theirs(why)) => Some((resource.to_string(), why.as_str())),
            _ => None,
        })
    }
}

/// Returns whether a resource has the tag of a setup.
pub(super) fn has_tag(details: &ResourceDetails, setup: &str) -> bool {
    details.tags.get(TAG).is_some_and(|tag| tag == setup)
}

/// Finds the owner of the resource of an entry, if the entry is about one.
pub(super) async fn find_owner(
    iam: &mut Iam,
    journal: &Journal,
    made: &Made,
    owners: &mut Ownership,
) -> Result<(), UserError> {
    let (side, Some((resource, name))) = (made.step.side, iam.resource(&made.step)) else { return Ok(()) };
    iam.talk.say("look", &name).await?;
    let owner = match iam.read(side, &resource).await? {
        None => Owner::Gone,
        Some(details) if has_tag(&details, &journal.setup) => Owner::Ours(details),
        Some(details) if made.arn.as_deref() == Some(details.arn.as_str()) => {
            Owner::Theirs(format!("its tag {TAG} was changed or removed by somebody else"))
        }
        Some(_) => Owner::Theirs("something else has its name now: it has no tag of this setup".to_owned()),
    };
    owners.all.push((side, resource, owner));
    Ok(())
}

/// Refuses a state that would remove something from a user or role that the setup did not create or use.
pub(super) fn refuse_strangers(state: &State) -> Result<(), UserError> {
    let creates = |side: Side, resource: &Resource| {
        state.made.iter().any(|made| made.step.side == side && created(&made.step.call).as_ref() == Some(resource))
    };
    for made in &state.made {
        let side = made.step.side;
        let Some(resource) = joined_to(&made.step.call).into_iter().next() else { continue };
        let is_used = matches!(&resource, Resource::User(name) if side == Side::Auth && state.uses.contains(name));
        if !is_used && !creates(side, &resource) {
            return Err(UserError::new(
                Kind::Failed,
                format!(
                    "the state of setup {} has `{}`, and not that the setup made or used {}",
                    printable(&state.setup, 128),
                    printable(&made.step.call.what(), 256),
                    printable(&resource.to_string(), 128)
                ),
            )
            .hint("nothing was removed; somebody has changed its file in the state directory: look at it"));
        }
    }
    Ok(())
}

/// Lists the users that get something from the steps and are not created by them.
pub(super) fn used(steps: &[Step]) -> Vec<String> {
    let mut users: Vec<String> = Vec::new();
    for resource in steps.iter().flat_map(|step| joined_to(&step.call)) {
        let is_created = steps.iter().any(|step| created(&step.call).as_ref() == Some(&resource));
        if let Resource::User(name) = resource
            && !is_created
            && !users.contains(&name)
        {
            users.push(name);
        }
    }
    users
}

/// Returns the user, role or instance profile that a call creates.
pub(super) fn created(call: &Call) -> Option<Resource> {
    match call {
        Call::CreateUser { name, .. } => Some(Resource::User(name.clone())),
        Call::CreateRole { name, .. } => Some(Resource::Role(name.clone())),
        Call::CreateInstanceProfile { name, .. } => Some(Resource::InstanceProfile(name.clone())),
        _ => None,
    }
}

/// Returns the resources that a call joins: the one that gets something first, then the role or device that it gets.
pub(super) fn joined_to(call: &Call) -> Vec<Resource> {
    match call {
        Call::AttachUserPolicy { user, .. } | Call::CreateAccessKey { user } => vec![Resource::User(user.clone())],
        Call::AttachRolePolicy { role, .. } | Call::PutRolePolicy { role, .. } => vec![Resource::Role(role.clone())],
        Call::AddRoleToInstanceProfile { profile, role } => {
            vec![Resource::InstanceProfile(profile.clone()), Resource::Role(role.clone())]
        }
        Call::EnableMFADevice { user, serial } => {
            vec![Resource::User(user.clone()), Resource::MfaDevice(serial.clone())]
        }
        _ => Vec::new(),
    }
}

/// Lists the additions of others to a user or role: everything, except access keys, that no call of the setup puts there.
pub(super) fn foreign(resource: &Resource, found: &Dependents, ours: &[&Call]) -> Vec<String> {
    let is_ours = |fits: &dyn Fn(&Call) -> bool| ours.iter().any(|call| fits(call));
    let mut foreign = Vec::new();
    for arn in &found.attached {
        let is_attached = is_ours(&|call| match (call, resource) {
            (Call::AttachUserPolicy { user, arn: a }, Resource::User(name)) => user == name && a == arn,
            (Call::AttachRolePolicy { role, arn: a }, Resource::Role(name)) => role == name && a == arn,
            _ => false,
        });
        if !is_attached {
            foreign.push(format!("{arn} is attached"));
        }
    }
    for policy in &found.inline {
        let is_put = is_ours(&|call| match (call, resource) {
            (Call::PutRolePolicy { role, name: p, .. }, Resource::Role(name)) => role == name && p == policy,
            _ => false,
        });
        if !is_put {
            foreign.push(format!("it has the inline policy {policy}"));
        }
    }
    for serial in &found.devices {
        if !is_ours(&|call| matches!(call, Call::EnableMFADevice { serial: s, .. } if s == serial)) {
            foreign.push(format!("it has the MFA device {serial}"));
        }
    }
    for profile in &found.profiles {
        let is_added = is_ours(&|call| match (call, resource) {
            (Call::AddRoleToInstanceProfile { profile: p, role }, Resource::Role(name)) => p == profile && role == name,
            _ => false,
        });
        if !is_added {
            foreign.push(format!("the instance profile {profile} has it"));
        }
    }
    foreign
}
