//! Whose the things are that a state names, before anything is taken off them: names are free again once somebody has deleted
//! what had them, and a file can be edited.

use super::Work;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::call::{Call, Side, Step};
use rolecall_core::setup::plan::TAG;
use rolecall_ipc::protocol::setup::{Made, State};
use rolecall_ports::{Resource, ResourceDetails};

/// Whose each thing of the setup is now.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    all: Vec<(Side, Resource, Owner)>,
}

#[derive(Debug)]
pub(super) enum Owner {
    Gone,
    Ours(ResourceDetails),
    /// Somebody else's, and how that shows.
    Theirs(String),
}

impl Ownership {
    pub(super) fn of(&self, side: Side, thing: &Resource) -> Option<&Owner> {
        self.all.iter().find(|(of, held, _)| (*of, held) == (side, thing)).map(|(.., owner)| owner)
    }

    /// Names what of a joining call is somebody else's, and why.
    pub(super) fn theirs(&self, side: Side, call: &Call) -> Option<(String, &str)> {
        let mut joined = joined_to(call).into_iter();
        joined.find_map(|thing| match self.of(side, &thing) {
            Some(Owner::Theirs(why)) => Some((named(&thing), why.as_str())),
            _ => None,
        })
    }
}

impl Work<'_> {
    /// Looks whose a thing is now: what is joined to it goes only where it is still this setup's.
    pub(super) async fn judge_owner(&mut self, made: &Made, owners: &mut Ownership) -> Result<(), UserError> {
        let (side, Some((thing, name))) = (made.step.side, self.thing(&made.step)) else { return Ok(()) };
        self.line.say("look", &name).await?;
        let owner = match self.read(side, &thing).await? {
            None => Owner::Gone,
            Some(held) if self.is_ours(&held) => Owner::Ours(held),
            Some(held) if made.arn.as_deref() == Some(held.arn.as_str()) => {
                Owner::Theirs(format!("its tag {TAG} was changed or removed by somebody else"))
            }
            Some(_) => Owner::Theirs("something else has its name now: it has no tag of this setup".to_owned()),
        };
        owners.all.push((side, thing, owner));
        Ok(())
    }
}

/// Refuses a state that would take something off a user or role that it does not say it made, or used.
pub(super) fn refuse_strangers(state: &State) -> Result<(), UserError> {
    let makes = |side: Side, thing: &Resource| {
        let mut made = state.made.iter().filter(|made| made.step.side == side);
        made.any(|made| match (&made.step.call, thing) {
            (Call::CreateUser { name, .. }, Resource::User(wanted))
            | (Call::CreateRole { name, .. }, Resource::Role(wanted))
            | (Call::CreateInstanceProfile { name, .. }, Resource::InstanceProfile(wanted)) => name == wanted,
            _ => false,
        })
    };
    for made in &state.made {
        let Some(thing) = joined_to(&made.step.call).into_iter().next() else { continue };
        let is_used =
            matches!(&thing, Resource::User(name) if made.step.side == Side::Auth && state.uses.contains(name));
        if !is_used && !makes(made.step.side, &thing) {
            return Err(UserError::new(
                Kind::Failed,
                format!(
                    "the state of setup {} has `{}`, and not that the setup made or used {}",
                    printable(&state.setup, 128),
                    printable(&made.step.call.what(), 256),
                    printable(&named(&thing), 128)
                ),
            )
            .hint("nothing was removed; somebody has changed its file in the state directory: look at it"));
        }
    }
    Ok(())
}

/// Lists the users whom steps give something to and who were there before.
pub(super) fn used(steps: &[Step]) -> Vec<String> {
    let makes =
        |user: &String| steps.iter().any(|step| matches!(&step.call, Call::CreateUser { name, .. } if name == user));
    let mut users: Vec<String> = Vec::new();
    for thing in steps.iter().flat_map(|step| joined_to(&step.call)) {
        if let Resource::User(name) = thing
            && !makes(&name)
            && !users.contains(&name)
        {
            users.push(name);
        }
    }
    users
}

/// Names the things that a call joins: whom it gives something to, then a device that it gives.
fn joined_to(call: &Call) -> Vec<Resource> {
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

fn named(thing: &Resource) -> String {
    match thing {
        Resource::InstanceProfile(name) => format!("instance profile {name}"),
        Resource::MfaDevice(serial) => format!("MFA device {serial}"),
        Resource::Policy(arn) => format!("policy {arn}"),
        Resource::Role(name) => format!("role {name}"),
        Resource::User(name) => format!("user {name}"),
    }
}
