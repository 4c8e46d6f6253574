//! What a setup makes, by ARN, and the calls that remove it again.

use super::call::{Call, Side, Step};
use super::{Person, Setup, Who, iam_limits};
use crate::domain::arn::AccountId;

impl Setup {
    /// Gives the account of a side.
    pub fn account(&self, side: Side) -> &AccountId {
        match side {
            Side::Auth => &self.auth,
            Side::Workload => &self.workload,
        }
    }

    fn arn(&self, side: Side, kind: &str, path: &str, name: &str) -> String {
        format!("arn:{}:iam::{}:{kind}{path}{name}", self.partition.id(), self.account(side))
    }

    /// Gives the ARN of the role in the workload account.
    pub fn role_arn(&self) -> String {
        self.arn(Side::Workload, "role", &self.role.path, &self.role.name)
    }

    /// Gives the ARN of the user or of the assuming role.
    pub fn caller_arn(&self) -> String {
        match &self.who {
            Who::Person(person) => self.arn(Side::Auth, "user", &person.path, &person.user),
            Who::Application(application) => self.arn(Side::Auth, "role", &application.path, &application.role),
        }
    }

    /// Gives the name of the policy that allows to assume the role.
    ///
    /// A setup's name may have letters that IAM's may not.
    pub fn policy_name(&self) -> String {
        let name = self.name.as_str();
        let name: String =
            name.bytes().map(|b| if iam_limits::is_name_letter(b) { char::from(b) } else { '-' }).collect();
        let mut name = format!("rolecall-{name}");
        name.truncate(iam_limits::POLICY_NAME_MAX);
        name
    }

    /// Gives the ARN of that policy.
    pub fn policy_arn(&self) -> String {
        let path = match &self.who {
            Who::Person(person) => &person.path,
            Who::Application(application) => &application.path,
        };
        self.arn(Side::Auth, "policy", path, &self.policy_name())
    }

    /// Gives the serial number of the person's MFA device: the one that is made, or the one that is there.
    pub fn mfa_serial(&self) -> Option<String> {
        match &self.who {
            Who::Person(person) if person.device.is_some() => Some(self.device_serial(person)),
            Who::Person(person) => person.serial.clone(),
            Who::Application(_) => None,
        }
    }

    pub(super) fn device_serial(&self, person: &Person) -> String {
        self.arn(Side::Auth, "mfa", &person.path, &person.user)
    }

    /// Gives what a call makes, by ARN or in words; `None` for a call that makes nothing of its own.
    pub fn made_by(&self, step: &Step) -> Option<String> {
        Some(match &step.call {
            Call::CreatePolicy { name, path, .. } => self.arn(step.side, "policy", path, name),
            Call::CreateUser { name, path, .. } => self.arn(step.side, "user", path, name),
            Call::CreateRole { name, path, .. } => self.arn(step.side, "role", path, name),
            Call::CreateInstanceProfile { name, path, .. } => self.arn(step.side, "instance-profile", path, name),
            Call::CreateVirtualMFADevice { name, path, .. } => self.arn(step.side, "mfa", path, name),
            _ => return None,
        })
    }

    /// Gives the calls that undo the steps, newest first. The key's id is known only to whoever made it: it is empty here.
    pub fn removal(&self) -> Vec<Step> {
        self.steps().iter().rev().filter_map(|step| self.undo(step)).collect()
    }

    fn undo(&self, step: &Step) -> Option<Step> {
        let call = step.call.undo(self.made_by(step))?;
        Some(Step { side: step.side, call, why: String::new() })
    }
}

impl Call {
    /// Returns the call that undoes this one, if it creates, attaches or gives something. `arn` is that of a created policy or
    /// device. The ID of an access key is not part of the call: it is empty.
    pub fn undo(&self, arn: Option<String>) -> Option<Self> {
        Some(match self.clone() {
            Self::CreatePolicy { .. } => Self::DeletePolicy { arn: arn? },
            Self::CreateUser { name, .. } => Self::DeleteUser { name },
            Self::AttachUserPolicy { user, arn } => Self::DetachUserPolicy { user, arn },
            Self::CreateAccessKey { user } => Self::DeleteAccessKey { user, id: String::new() },
            Self::CreateVirtualMFADevice { .. } => Self::DeleteVirtualMFADevice { serial: arn? },
            Self::EnableMFADevice { user, serial } => Self::DeactivateMFADevice { user, serial },
            Self::CreateRole { name, .. } => Self::DeleteRole { name },
            Self::AttachRolePolicy { role, arn } => Self::DetachRolePolicy { role, arn },
            Self::PutRolePolicy { role, name, .. } => Self::DeleteRolePolicy { role, name },
            Self::CreateInstanceProfile { name, .. } => Self::DeleteInstanceProfile { name },
            Self::AddRoleToInstanceProfile { profile, role } => Self::RemoveRoleFromInstanceProfile { profile, role },
            _ => return None,
        })
    }
}
