//! The calls of a setup that change something, each as the SDK has it.
//!
//! A call that creates something is sent once: if the answer is lost, the resource may be there, and the caller looks for it
//! first.

use super::{Request, create_key, send};
use aws_sdk_iam::operation::RequestId;
use aws_sdk_iam::types::Tag;
use rolecall_core::domain::secret::MfaCode;
use rolecall_core::domain::totp::TotpSecret;
use rolecall_core::setup::call::{Call, Tags};
use rolecall_ports::{Changed, TokenError};
use zeroize::Zeroizing;

/// Makes one change.
pub(super) async fn change(mut to: Request<'_>, call: &Call) -> Result<Changed, TokenError> {
    (to.is_whole, to.is_once) = (true, call.creates());
    let mut made = None;
    match call {
        Call::CreatePolicy { name, path, description, document, tags } => {
            let output = send!(to, |c| {
                let c = c.create_policy().policy_name(name).path(path).description(description);
                c.policy_document(document).set_tags(listed(tags))
            });
            made = output.policy.and_then(|policy| policy.arn);
        }
        Call::CreateUser { name, path, tags } => {
            let output = send!(to, |c| c.create_user().user_name(name).path(path).set_tags(listed(tags)));
            made = output.user.map(|user| user.arn);
        }
        Call::CreateRole { name, path, description, trust, max_session_seconds, tags } => {
            let seconds = i32::try_from(*max_session_seconds).unwrap_or(i32::MAX);
            let output = send!(to, |c| {
                let c = c.create_role().role_name(name).path(path).description(description);
                c.assume_role_policy_document(trust).max_session_duration(seconds).set_tags(listed(tags))
            });
            made = output.role.map(|role| role.arn);
        }
        Call::CreateInstanceProfile { name, path, tags } => {
            let output = send!(to, |c| {
                c.create_instance_profile().instance_profile_name(name).path(path).set_tags(listed(tags))
            });
            made = output.instance_profile.map(|profile| profile.arn);
        }
        Call::CreateAccessKey { user } => {
            return create_key(to, user, "is not a key of this user").await.map(Changed::Key);
        }
        Call::CreateVirtualMFADevice { name, path, tags } => return create_device(&to, name, path, tags).await,
        // It takes codes, which are not part of a plan.
        Call::EnableMFADevice { .. } => {}
        Call::AttachUserPolicy { user, arn } => {
            drop(send!(to, |c| c.attach_user_policy().user_name(user).policy_arn(arn)));
        }
        Call::AttachRolePolicy { role, arn } => {
            drop(send!(to, |c| c.attach_role_policy().role_name(role).policy_arn(arn)));
        }
        Call::PutRolePolicy { role, name, document } => {
            drop(send!(to, |c| c.put_role_policy().role_name(role).policy_name(name).policy_document(document)));
        }
        Call::UpdateAssumeRolePolicy { role, trust } => {
            drop(send!(to, |c| c.update_assume_role_policy().role_name(role).policy_document(trust)));
        }
        Call::UpdateRole { role, max_session_seconds } => {
            let seconds = i32::try_from(*max_session_seconds).unwrap_or(3600);
            drop(send!(to, |c| c.update_role().role_name(role).max_session_duration(seconds)));
        }
        Call::AddRoleToInstanceProfile { profile, role } => {
            drop(send!(to, |c| c.add_role_to_instance_profile().instance_profile_name(profile).role_name(role)));
        }
        _ => remove(&to, call).await?,
    }
    Ok(Changed::Done(made))
}

async fn remove(to: &Request<'_>, call: &Call) -> Result<(), TokenError> {
    match call {
        Call::DeletePolicy { arn } => drop(send!(to, |c| c.delete_policy().policy_arn(arn))),
        Call::DeleteUser { name } => drop(send!(to, |c| c.delete_user().user_name(name))),
        Call::DetachUserPolicy { user, arn } => {
            drop(send!(to, |c| c.detach_user_policy().user_name(user).policy_arn(arn)));
        }
        Call::DeleteAccessKey { user, id } => {
            drop(send!(to, |c| c.delete_access_key().user_name(user).access_key_id(id)));
        }
        Call::DeactivateMFADevice { user, serial } => {
            drop(send!(to, |c| c.deactivate_mfa_device().user_name(user).serial_number(serial)));
        }
        Call::DeleteVirtualMFADevice { serial } => {
            drop(send!(to, |c| c.delete_virtual_mfa_device().serial_number(serial)));
        }
        Call::DeleteRole { name } => drop(send!(to, |c| c.delete_role().role_name(name))),
        Call::DetachRolePolicy { role, arn } => {
            drop(send!(to, |c| c.detach_role_policy().role_name(role).policy_arn(arn)));
        }
        Call::DeleteRolePolicy { role, name } => {
            drop(send!(to, |c| c.delete_role_policy().role_name(role).policy_name(name)));
        }
        Call::DeleteInstanceProfile { name } => {
            drop(send!(to, |c| c.delete_instance_profile().instance_profile_name(name)));
        }
        Call::RemoveRoleFromInstanceProfile { profile, role } => {
            drop(send!(to, |c| c.remove_role_from_instance_profile().instance_profile_name(profile).role_name(role)));
        }
        _ => {}
    }
    Ok(())
}

async fn create_device(to: &Request<'_>, name: &str, path: &str, tags: &Tags) -> Result<Changed, TokenError> {
    let output = send!(to, |c| {
        c.create_virtual_mfa_device().virtual_mfa_device_name(name).path(path).set_tags(listed(tags))
    });
    let request_id = output.request_id().map(str::to_owned);
    let malformed = |what| to.malformed(what, request_id.as_deref());
    let device = output.virtual_mfa_device.ok_or_else(|| malformed("ends too early"))?;
    // The SDK returns its own copy. The allocator wipes it when it is freed.
    let seed = device.base32_string_seed().map(|seed| Zeroizing::new(seed.as_ref().to_vec()));
    let secret = seed.as_deref().and_then(|seed| std::str::from_utf8(seed).ok()).map(TotpSecret::parse);
    match secret {
        Some(Ok(secret)) => Ok(Changed::Device(device.serial_number, secret)),
        _ => Err(malformed("has no secret of a device")),
    }
}

/// Gives a device to its user. AWS accepts codes once, so a second try of the SDK would be refused.
pub(super) async fn enable<'a>(
    mut to: Request<'a>,
    (user, serial): (&str, &str),
    (first, second): (&'a MfaCode, &'a MfaCode),
) -> Result<(), TokenError> {
    (to.is_whole, to.is_once) = (false, true);
    to.secrets.extend([first.expose(), second.expose()]);
    send!(to, |c| {
        let c = c.enable_mfa_device().user_name(user).serial_number(serial);
        c.authentication_code1(first.expose()).authentication_code2(second.expose())
    });
    Ok(())
}

fn listed(tags: &Tags) -> Option<Vec<Tag>> {
    let tags = tags.iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok());
    Some(tags.collect::<Vec<_>>()).filter(|tags| !tags.is_empty())
}
