//! What an operation is about: found, and the caller asked whether it may, in that order as AWS does.

use super::access::Resource;
use super::names;
use super::refusals::no_such_entity;
use crate::caller::{Caller, Principal};
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::world::{InstanceProfile, MfaDevice, Permissions, Role, Tags, User, World};

/// What can be named, tagged and deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Role,
    Policy,
    InstanceProfile,
    Device,
}

/// One that exists, as reads see it.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) kind: Kind,
    pub(super) account: String,
    /// Its name; the ARN of a policy, the serial number of a device.
    pub(super) name: String,
    pub(super) tags: Tags,
}

impl Subject {
    /// Finds what a request names, if the caller may do with it what it asks.
    ///
    /// What a caller may do with something that does not exist is asked by the ARN that it would have.
    pub(super) fn asked(
        exchange: &Exchange<'_>,
        caller: &Caller,
        kind: Kind,
        with: impl FnOnce(Resource) -> Resource,
    ) -> Result<Self, ApiError> {
        let operation = exchange.operation;
        let name = match kind {
            Kind::User => match operation.parameter("UserName") {
                Some(_) => names::name(operation, "UserName", names::OTHER)?.to_owned(),
                None => own_name(caller)?,
            },
            Kind::Role => names::name(operation, "RoleName", names::USER)?.to_owned(),
            Kind::InstanceProfile => names::name(operation, "InstanceProfileName", names::OTHER)?.to_owned(),
            Kind::Policy => names::policy_arn(operation)?.to_owned(),
            Kind::Device => names::serial(operation)?.to_owned(),
        };
        let mut subject = Self { kind, account: caller.account.clone(), name, tags: Tags::new() };
        let found = subject.find(exchange.listed());
        let resource = match &found {
            Some((arn, tags)) => Resource::named(kind.word(), &subject.name, arn.clone()).tagged(tags),
            None => Resource::named(kind.word(), &subject.name, subject.would_be()),
        };
        with(resource).allow(exchange, caller)?;
        let (_, tags) = found.ok_or_else(|| subject.missing())?;
        subject.tags = tags;
        Ok(subject)
    }

    /// Finds its ARN and its tags.
    fn find(&self, world: &World) -> Option<(String, Tags)> {
        let account = world.accounts.get(&self.account)?;
        match self.kind {
            Kind::User => account.users.get(&self.name).map(|user| (user.arn(), user.tags.clone())),
            Kind::Role => account.roles.get(&self.name).map(|role| (role.arn(), role.tags.clone())),
            Kind::InstanceProfile => {
                account.instance_profiles.get(&self.name).map(|profile| (profile.arn(), profile.tags.clone()))
            }
            Kind::Policy => {
                let policy = world.managed_policies.get(&self.name).filter(|_| self.is_own_or_aws());
                policy.map(|policy| (self.name.clone(), policy.tags.clone()))
            }
            Kind::Device => account.device(&self.name).map(|device| (self.name.clone(), device.tags.clone())),
        }
    }

    /// Says whether a policy is of the account, or one of AWS's.
    fn is_own_or_aws(&self) -> bool {
        self.name.split(':').nth(4).is_some_and(|account| account == "aws" || account == self.account)
    }

    fn would_be(&self) -> String {
        match self.kind {
            Kind::Policy | Kind::Device => self.name.clone(),
            Kind::User | Kind::Role | Kind::InstanceProfile => {
                format!("arn:aws:iam::{}:{}/{}", self.account, self.kind.in_arn(), self.name)
            }
        }
    }

    /// Words that it is not there.
    pub(super) fn missing(&self) -> ApiError {
        let name = &self.name;
        no_such_entity(match self.kind {
            Kind::User => format!("The user with name {name} cannot be found."),
            Kind::Role => format!("The role with name {name} cannot be found."),
            Kind::InstanceProfile => format!("Instance Profile {name} cannot be found."),
            Kind::Policy => format!("Policy {name} was not found."),
            Kind::Device => format!("MFA Device with serial number {name} does not exist."),
        })
    }

    /// Returns the user as it is seen by reads.
    pub(super) fn user(&self, world: &World) -> Result<User, ApiError> {
        let account = world.accounts.get(&self.account);
        account.and_then(|account| account.users.get(&self.name)).cloned().ok_or_else(|| self.missing())
    }

    /// Returns the role as it is seen by reads.
    pub(super) fn role(&self, world: &World) -> Result<Role, ApiError> {
        let account = world.accounts.get(&self.account);
        account.and_then(|account| account.roles.get(&self.name)).cloned().ok_or_else(|| self.missing())
    }

    pub(super) fn user_mut<'e>(&self, exchange: &'e mut Exchange<'_>) -> Result<&'e mut User, ApiError> {
        let account = exchange.state.world.accounts.get_mut(&self.account);
        account.and_then(|account| account.users.get_mut(&self.name)).ok_or_else(|| self.missing())
    }

    pub(super) fn role_mut<'e>(&self, exchange: &'e mut Exchange<'_>) -> Result<&'e mut Role, ApiError> {
        let account = exchange.state.world.accounts.get_mut(&self.account);
        account.and_then(|account| account.roles.get_mut(&self.name)).ok_or_else(|| self.missing())
    }

    pub(super) fn profile_mut<'e>(&self, exchange: &'e mut Exchange<'_>) -> Result<&'e mut InstanceProfile, ApiError> {
        let account = exchange.state.world.accounts.get_mut(&self.account);
        account.and_then(|account| account.instance_profiles.get_mut(&self.name)).ok_or_else(|| self.missing())
    }

    fn device_mut<'e>(&self, exchange: &'e mut Exchange<'_>) -> Result<&'e mut MfaDevice, ApiError> {
        let account = exchange.state.world.accounts.get_mut(&self.account);
        account.and_then(|account| account.device_mut(&self.name)).ok_or_else(|| self.missing())
    }

    /// Returns the policies of a user or role.
    pub(super) fn permissions(&self, world: &World) -> Result<Permissions, ApiError> {
        match self.kind {
            Kind::User => Ok(self.user(world)?.permissions),
            _ => Ok(self.role(world)?.permissions),
        }
    }

    /// Returns the policies of a user or role, to change them.
    pub(super) fn permissions_mut<'e>(&self, exchange: &'e mut Exchange<'_>) -> Result<&'e mut Permissions, ApiError> {
        match self.kind {
            Kind::User => Ok(&mut self.user_mut(exchange)?.permissions),
            _ => Ok(&mut self.role_mut(exchange)?.permissions),
        }
    }

    /// Returns the tags, to change them.
    pub(super) fn tags_mut<'e>(&self, exchange: &'e mut Exchange<'_>) -> Result<&'e mut Tags, ApiError> {
        Ok(match self.kind {
            Kind::User => &mut self.user_mut(exchange)?.tags,
            Kind::Role => &mut self.role_mut(exchange)?.tags,
            Kind::InstanceProfile => &mut self.profile_mut(exchange)?.tags,
            Kind::Device => &mut self.device_mut(exchange)?.tags,
            Kind::Policy => &mut super::policies::own_mut(exchange, &self.account, &self.name)?.tags,
        })
    }
}

/// Returns the caller's name, for the operations that are about the caller where they name nobody.
fn own_name(caller: &Caller) -> Result<String, ApiError> {
    match &caller.principal {
        Principal::User(user) => Ok(user.name.clone()),
        _ => {
            let message = "Must specify userName when calling with non-User credentials";
            Err(ApiError::new(400, "ValidationError", message))
        }
    }
}

impl Kind {
    /// How messages call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Role => "role",
            Self::Policy => "policy",
            Self::InstanceProfile => "instance profile",
            Self::Device => "mfa",
        }
    }

    /// How ARNs call it.
    fn in_arn(self) -> &'static str {
        if self == Self::InstanceProfile { "instance-profile" } else { self.word() }
    }
}
