//! What a call does, in the words of messages: what is said of a refused call and shown as progress.

use super::call::Call;

impl Call {
    /// Says what it does, as `create role AssumedRole`.
    pub fn what(&self) -> String {
        match self {
            Self::CreatePolicy { name, .. } => format!("create policy {name}"),
            Self::DeletePolicy { arn } => format!("delete policy {arn}"),
            Self::CreateUser { name, .. } => format!("create user {name}"),
            Self::DeleteUser { name } => format!("delete user {name}"),
            Self::AttachUserPolicy { user, arn } => format!("attach {arn} to user {user}"),
            Self::DetachUserPolicy { user, arn } => format!("detach {arn} from user {user}"),
            Self::CreateAccessKey { user } => format!("make an access key for user {user}"),
            Self::DeleteAccessKey { user, id } => format!("delete access key {id} of user {user}"),
            Self::CreateVirtualMFADevice { name, .. } => format!("create MFA device {name}"),
            Self::EnableMFADevice { user, serial } => format!("give MFA device {serial} to user {user}"),
            Self::DeactivateMFADevice { user, serial } => format!("take MFA device {serial} from user {user}"),
            Self::DeleteVirtualMFADevice { serial } => format!("delete MFA device {serial}"),
            Self::CreateRole { name, .. } => format!("create role {name}"),
            Self::DeleteRole { name } => format!("delete role {name}"),
            Self::UpdateAssumeRolePolicy { role, .. } => format!("change the trust policy of role {role}"),
            Self::UpdateRole { role, max_session_seconds } => {
                format!("change MaxSessionDuration of role {role} to {max_session_seconds}")
            }
            Self::AttachRolePolicy { role, arn } => format!("attach {arn} to role {role}"),
            Self::DetachRolePolicy { role, arn } => format!("detach {arn} from role {role}"),
            Self::PutRolePolicy { role, name, .. } => format!("put policy {name} into role {role}"),
            Self::DeleteRolePolicy { role, name } => format!("delete policy {name} of role {role}"),
            Self::CreateInstanceProfile { name, .. } => format!("create instance profile {name}"),
            Self::DeleteInstanceProfile { name } => format!("delete instance profile {name}"),
            Self::AddRoleToInstanceProfile { profile, role } => {
                format!("add role {role} to instance profile {profile}")
            }
            Self::RemoveRoleFromInstanceProfile { profile, role } => {
                format!("remove role {role} from instance profile {profile}")
            }
        }
    }

    /// Gives the name of the call at IAM, which is the permission that it takes.
    pub fn action(&self) -> &'static str {
        match self {
            Self::CreatePolicy { .. } => "CreatePolicy",
            Self::DeletePolicy { .. } => "DeletePolicy",
            Self::CreateUser { .. } => "CreateUser",
            Self::DeleteUser { .. } => "DeleteUser",
            Self::AttachUserPolicy { .. } => "AttachUserPolicy",
            Self::DetachUserPolicy { .. } => "DetachUserPolicy",
            Self::CreateAccessKey { .. } => "CreateAccessKey",
            Self::DeleteAccessKey { .. } => "DeleteAccessKey",
            Self::CreateVirtualMFADevice { .. } => "CreateVirtualMFADevice",
            Self::EnableMFADevice { .. } => "EnableMFADevice",
            Self::DeactivateMFADevice { .. } => "DeactivateMFADevice",
            Self::DeleteVirtualMFADevice { .. } => "DeleteVirtualMFADevice",
            Self::CreateRole { .. } => "CreateRole",
            Self::DeleteRole { .. } => "DeleteRole",
            Self::UpdateAssumeRolePolicy { .. } => "UpdateAssumeRolePolicy",
            Self::UpdateRole { .. } => "UpdateRole",
            Self::AttachRolePolicy { .. } => "AttachRolePolicy",
            Self::DetachRolePolicy { .. } => "DetachRolePolicy",
            Self::PutRolePolicy { .. } => "PutRolePolicy",
            Self::DeleteRolePolicy { .. } => "DeleteRolePolicy",
            Self::CreateInstanceProfile { .. } => "CreateInstanceProfile",
            Self::DeleteInstanceProfile { .. } => "DeleteInstanceProfile",
            Self::AddRoleToInstanceProfile { .. } => "AddRoleToInstanceProfile",
            Self::RemoveRoleFromInstanceProfile { .. } => "RemoveRoleFromInstanceProfile",
        }
    }
}
