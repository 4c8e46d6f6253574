//! What IAM has changed and not everybody sees yet: each change is remembered by what was there before it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::request::{Operation, Service};
use crate::world::{Account, Delay, InstanceProfile, ManagedPolicy, MfaDevice, Propagation, Role, User, World};

/// The changes under way, in the order they were made.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    writes: Vec<Write>,
    tries: Tries,
}

/// How often something was tried that a change may have been in the way of.
#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    decisions: usize,
    reads: usize,
}

#[derive(Debug)]
struct Write {
    at: DateTime<Utc>,
    tries: Tries,
    propagation: Propagation,
    undo: Vec<Undo>,
}

/// What was there before.
#[derive(Debug)]
enum Undo {
    User(String, String, Option<Box<User>>),
    Role(String, String, Option<Box<Role>>),
    InstanceProfile(String, String, Option<Box<InstanceProfile>>),
    Policy(String, Option<Box<ManagedPolicy>>),
    UnassignedDevices(String, Vec<MfaDevice>),
}

/// The IAM of an account at one moment.
#[derive(Debug)]
pub(crate) struct Before {
    account: Account,
    policies: BTreeMap<String, ManagedPolicy>,
}

impl Before {
    /// Remembers an account, where changes to it will be late.
    pub(crate) fn of(world: &World, account: &str) -> Option<Self> {
        let is_late = world.propagation != Propagation::default();
        let account = world.accounts.get(account).filter(|_| is_late)?;
        Some(Self { account: account.clone(), policies: world.managed_policies.clone() })
    }

    /// Finds what has changed since.
    fn changes(self, world: &World) -> Vec<Undo> {
        let Some(now) = world.accounts.get(&self.account.id) else { return Vec::new() };
        let id = self.account.id;
        let mut undo = Vec::new();
        for (name, user) in differences(self.account.users, &now.users) {
            undo.push(Undo::User(id.clone(), name, user.map(Box::new)));
        }
        for (name, role) in differences(self.account.roles, &now.roles) {
            undo.push(Undo::Role(id.clone(), name, role.map(Box::new)));
        }
        for (name, profile) in differences(self.account.instance_profiles, &now.instance_profiles) {
            undo.push(Undo::InstanceProfile(id.clone(), name, profile.map(Box::new)));
        }
        for (arn, policy) in differences(self.policies, &world.managed_policies) {
            undo.push(Undo::Policy(arn, policy.map(Box::new)));
        }
        if self.account.unassigned_devices != now.unassigned_devices {
            undo.push(Undo::UnassignedDevices(id, self.account.unassigned_devices));
        }
        undo
    }
}

/// Returns what was under each name whose content is another one now.
fn differences<T: PartialEq>(mut before: BTreeMap<String, T>, now: &BTreeMap<String, T>) -> Vec<(String, Option<T>)> {
    let names: BTreeSet<String> = before.keys().chain(now.keys()).cloned().collect();
    let changed = names.into_iter().filter(|name| before.get(name) != now.get(name)).collect::<Vec<_>>();
    changed.into_iter().map(|name| (name.clone(), before.remove(&name))).collect()
}

impl Undo {
    fn apply(&self, world: &mut World) {
        match self {
            Self::User(account, name, before) => put(&mut world.account(account).users, name, before.as_deref()),
            Self::Role(account, name, before) => put(&mut world.account(account).roles, name, before.as_deref()),
            Self::InstanceProfile(account, name, before) => {
                put(&mut world.account(account).instance_profiles, name, before.as_deref());
            }
            Self::Policy(arn, before) => put(&mut world.managed_policies, arn, before.as_deref()),
            Self::UnassignedDevices(account, before) => {
                world.account(account).unassigned_devices.clone_from(before);
            }
        }
    }
}

fn put<T: Clone>(map: &mut BTreeMap<String, T>, name: &str, content: Option<&T>) {
    match content {
        Some(content) => map.insert(name.to_owned(), content.clone()),
        None => map.remove(name),
    };
}

impl Unsettled {
    /// Notes what a call has changed.
    pub(crate) fn note(&mut self, before: Option<Before>, world: &World, at: DateTime<Utc>) {
        let Some(before) = before else { return };
        let undo = before.changes(world);
        if !undo.is_empty() {
            self.writes.push(Write { at, tries: self.tries, propagation: world.propagation, undo });
        }
    }

    /// Counts a call.
    pub(crate) fn count(&mut self, operation: &Operation, is_refused: bool) {
        let is_read = ["Get", "List"].iter().any(|prefix| operation.action.starts_with(prefix));
        match operation.service {
            Service::Iam => {
                self.tries.decisions += usize::from(is_refused);
                self.tries.reads += usize::from(is_refused || is_read);
            }
            Service::Sts | Service::S3 | Service::Kms => self.tries.decisions += 1,
            // Nobody's key is asked for.
            Service::Imds | Service::Container | Service::Signin => {}
        }
    }

    /// Has everybody see everything.
    pub(crate) fn settle(&mut self) {
        self.writes.clear();
    }

    /// Returns the world as those see it who decide; none if it is as it is.
    pub(crate) fn known(&self, world: &World, now: DateTime<Utc>) -> Option<World> {
        self.without(world, |write| {
            let tries = self.tries.decisions - write.tries.decisions;
            is_late(write.propagation.decisions, write.at, tries, now)
        })
    }

    /// Returns the world as reads show it; none if it is as it is.
    pub(crate) fn listed(&self, world: &World, now: DateTime<Utc>) -> Option<World> {
        self.without(world, |write| {
            let tries = self.tries.reads - write.tries.reads;
            is_late(write.propagation.reads, write.at, tries, now)
        })
    }

    fn without(&self, world: &World, is_late: impl Fn(&Write) -> bool) -> Option<World> {
        let late: Vec<&Write> = self.writes.iter().filter(|write| is_late(write)).collect();
        (!late.is_empty()).then(|| {
            let mut seen = world.clone();
            late.iter().rev().flat_map(|write| &write.undo).for_each(|undo| undo.apply(&mut seen));
            seen
        })
    }
}

fn is_late(delay: Delay, at: DateTime<Utc>, tries: usize, now: DateTime<Utc>) -> bool {
    match delay {
        Delay::None => false,
        Delay::Time(time) => now < at + time,
        Delay::Calls(calls) => tries < calls,
    }
}
