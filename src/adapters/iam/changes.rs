//! The calls to IAM that change something, each as the SDK has it.
//!
//! What makes a thing is sent once: a try whose answer is lost may have made it, and whoever asked looks before it asks again.

use super::{Iam, signed_by, time};
use crate::aws::clients::secrets;
use crate::aws::errors::{self, Call as Asking, MalformedResponse};
use aws_sdk_iam::config::Builder;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::operation::RequestId;
use aws_sdk_iam::types::Tag;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::secret::{MfaCode, SecretKey};
use rolecall_core::domain::totp::TotpSecret;
use rolecall_core::setup::call::{Call, Tags};
use rolecall_ports::{AccountSession, Changed, NewKey, Retryability, TokenError};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What a call gives that makes nothing of its own.
const DONE: Result<Changed, TokenError> = Ok(Changed::Done(None));

/// Sends one request and gives its whole answer.
macro_rules! send {
    ($iam:expr, $aws:expr, $office:expr, $what:expr, $config:expr, $request:expr) => {{
        let reached = $iam.clients.reach($aws, $office.partition.default_region()).await?;
        let secrets = $crate::aws::clients::secrets(&$office.signer, None);
        let asked = reached.asked($crate::aws::errors::Call::Admin($what), &$office.signer, &secrets);
        let probe = $iam.probe();
        let request = $request(&reached.client);
        let sent = request.customize().interceptor(probe.clone()).config_override($config).send();
        let output = $iam.clients.answer(&reached, &asked, sent).await?;
        if !probe.whole() {
            let id = aws_sdk_iam::operation::RequestId::request_id(&output).map(str::to_owned);
            let malformed =
                $crate::aws::errors::MalformedResponse("ends too early", rolecall_ports::Retryability::Transient);
            return Err($crate::aws::errors::malformed_response(malformed, id, &asked));
        }
        output
    }};
}
pub(super) use send;

impl Iam {
    /// Makes one change.
    pub(super) async fn change_one(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        what: &str,
        call: &Call,
    ) -> Result<Changed, TokenError> {
        use aws_sdk_iam::Client;
        let many = || signed_by(&office.signer);
        let once = || -> Builder { signed_by(&office.signer).retry_config(RetryConfig::disabled()) };
        match call {
            Call::CreatePolicy { name, path, description, document, tags } => {
                let tags = listed(tags);
                let made = send!(self, aws, office, what, once(), |c: &Client| {
                    let c = c.create_policy().policy_name(name).path(path).description(description);
                    c.policy_document(document).set_tags(tags)
                });
                Ok(Changed::Done(made.policy.and_then(|policy| policy.arn)))
            }
            Call::CreateUser { name, path, tags } => {
                let tags = listed(tags);
                let made = send!(self, aws, office, what, once(), |c: &Client| {
                    c.create_user().user_name(name).path(path).set_tags(tags)
                });
                Ok(Changed::Done(made.user.map(|user| user.arn)))
            }
            Call::CreateRole { name, path, description, trust, max_session_seconds, tags } => {
                let tags = listed(tags);
                let seconds = i32::try_from(*max_session_seconds).unwrap_or(i32::MAX);
                let made = send!(self, aws, office, what, once(), |c: &Client| {
                    let c = c.create_role().role_name(name).path(path).description(description);
                    c.assume_role_policy_document(trust).max_session_duration(seconds).set_tags(tags)
                });
                Ok(Changed::Done(made.role.map(|role| role.arn)))
            }
            Call::CreateInstanceProfile { name, path, tags } => {
                let tags = listed(tags);
                let made = send!(self, aws, office, what, once(), |c: &Client| {
                    c.create_instance_profile().instance_profile_name(name).path(path).set_tags(tags)
                });
                Ok(Changed::Done(made.instance_profile.map(|profile| profile.arn)))
            }
            Call::CreateAccessKey { user } => self.new_key(aws, office, what, user).await,
            Call::CreateVirtualMFADevice { .. } => self.new_device(aws, office, what, call).await,
            Call::AttachUserPolicy { user, arn } => {
                send!(self, aws, office, what, many(), |c: &Client| {
                    c.attach_user_policy().user_name(user).policy_arn(arn)
                });
                DONE
            }
            Call::AttachRolePolicy { role, arn } => {
                send!(self, aws, office, what, many(), |c: &Client| {
                    c.attach_role_policy().role_name(role).policy_arn(arn)
                });
                DONE
            }
            Call::PutRolePolicy { role, name, document } => {
                send!(self, aws, office, what, many(), |c: &Client| {
                    c.put_role_policy().role_name(role).policy_name(name).policy_document(document)
                });
                DONE
            }
            Call::UpdateAssumeRolePolicy { role, trust } => {
                send!(self, aws, office, what, many(), |c: &Client| {
                    c.update_assume_role_policy().role_name(role).policy_document(trust)
                });
                DONE
            }
            Call::UpdateRole { role, max_session_seconds } => {
                let seconds = i32::try_from(*max_session_seconds).unwrap_or(3600);
                send!(self, aws, office, what, many(), |c: &Client| {
                    c.update_role().role_name(role).max_session_duration(seconds)
                });
                DONE
            }
            Call::AddRoleToInstanceProfile { profile, role } => {
                send!(self, aws, office, what, once(), |c: &Client| {
                    c.add_role_to_instance_profile().instance_profile_name(profile).role_name(role)
                });
                DONE
            }
            // It takes codes, which are no part of a plan.
            Call::EnableMFADevice { .. } => DONE,
            _ => self.remove_one(aws, office, what, call).await,
        }
    }

    async fn remove_one(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        what: &str,
        call: &Call,
    ) -> Result<Changed, TokenError> {
        use aws_sdk_iam::Client;
        let many = || signed_by(&office.signer);
        match call {
            Call::DeletePolicy { arn } => {
                drop(send!(self, aws, office, what, many(), |c: &Client| c.delete_policy().policy_arn(arn)));
            }
            Call::DeleteUser { name } => {
                drop(send!(self, aws, office, what, many(), |c: &Client| c.delete_user().user_name(name)));
            }
            Call::DetachUserPolicy { user, arn } => drop(send!(self, aws, office, what, many(), |c: &Client| {
                c.detach_user_policy().user_name(user).policy_arn(arn)
            })),
            Call::DeleteAccessKey { user, id } => drop(send!(self, aws, office, what, many(), |c: &Client| {
                c.delete_access_key().user_name(user).access_key_id(id)
            })),
            Call::DeactivateMFADevice { user, serial } => {
                drop(send!(self, aws, office, what, many(), |c: &Client| {
                    c.deactivate_mfa_device().user_name(user).serial_number(serial)
                }));
            }
            Call::DeleteVirtualMFADevice { serial } => drop(send!(self, aws, office, what, many(), |c: &Client| {
                c.delete_virtual_mfa_device().serial_number(serial)
            })),
            Call::DeleteRole { name } => {
                drop(send!(self, aws, office, what, many(), |c: &Client| c.delete_role().role_name(name)));
            }
            Call::DetachRolePolicy { role, arn } => drop(send!(self, aws, office, what, many(), |c: &Client| {
                c.detach_role_policy().role_name(role).policy_arn(arn)
            })),
            Call::DeleteRolePolicy { role, name } => drop(send!(self, aws, office, what, many(), |c: &Client| {
                c.delete_role_policy().role_name(role).policy_name(name)
            })),
            Call::DeleteInstanceProfile { name } => drop(send!(self, aws, office, what, many(), |c: &Client| {
                c.delete_instance_profile().instance_profile_name(name)
            })),
            Call::RemoveRoleFromInstanceProfile { profile, role } => {
                drop(send!(self, aws, office, what, many(), |c: &Client| {
                    c.remove_role_from_instance_profile().instance_profile_name(profile).role_name(role)
                }));
            }
            _ => {}
        }
        Ok(Changed::Done(None))
    }

    async fn new_key(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        what: &str,
        user: &str,
    ) -> Result<Changed, TokenError> {
        let reached = self.clients.reach(aws, office.partition.default_region()).await?;
        let secrets = secrets(&office.signer, None);
        let asked = reached.asked(Asking::Admin(what), &office.signer, &secrets);
        let probe = self.probe();
        let request = reached.client.create_access_key().user_name(user).customize().interceptor(probe.clone());
        let config = signed_by(&office.signer).retry_config(RetryConfig::disabled());
        let output = self.clients.answer(&reached, &asked, request.config_override(config).send()).await?;
        let request_id = output.request_id().map(str::to_owned);
        let malformed = |what| {
            errors::malformed_response(MalformedResponse(what, Retryability::Transient), request_id.clone(), &asked)
        };
        let made = output.access_key.ok_or_else(|| malformed("has no access key"))?;
        let key = AccessKey { id: made.access_key_id, secret: SecretKey::new(made.secret_access_key) };
        if !probe.whole() || key.check().is_err() || made.user_name != user {
            return Err(malformed("is not a key of this user"));
        }
        Ok(Changed::Key(NewKey { key, created: made.create_date.and_then(time) }))
    }

    async fn new_device(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        what: &str,
        call: &Call,
    ) -> Result<Changed, TokenError> {
        let Call::CreateVirtualMFADevice { name, path, tags } = call else { return Ok(Changed::Done(None)) };
        let reached = self.clients.reach(aws, office.partition.default_region()).await?;
        let secrets = secrets(&office.signer, None);
        let asked = reached.asked(Asking::Admin(what), &office.signer, &secrets);
        let probe = self.probe();
        let request = reached.client.create_virtual_mfa_device().virtual_mfa_device_name(name).path(path);
        let request = request.set_tags(listed(tags)).customize().interceptor(probe.clone());
        let config = signed_by(&office.signer).retry_config(RetryConfig::disabled());
        let output = self.clients.answer(&reached, &asked, request.config_override(config).send()).await?;
        let request_id = output.request_id().map(str::to_owned);
        let malformed = |what| {
            errors::malformed_response(MalformedResponse(what, Retryability::Transient), request_id.clone(), &asked)
        };
        let device = output.virtual_mfa_device.filter(|_| probe.whole()).ok_or_else(|| malformed("ends too early"))?;
        // The SDK hands its own copy out; the heap wipes it when it goes.
        let seed = device.base32_string_seed().map(|seed| Zeroizing::new(seed.as_ref().to_vec()));
        let secret = seed.as_deref().and_then(|seed| std::str::from_utf8(seed).ok()).map(TotpSecret::parse);
        match secret {
            Some(Ok(secret)) => Ok(Changed::Device(device.serial_number, secret)),
            _ => Err(malformed("has no secret of a device")),
        }
    }

    /// Gives a device to its user.
    pub(super) async fn give_device(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        what: &str,
        (user, serial): (&str, &str),
        codes: (&MfaCode, &MfaCode),
    ) -> Result<(), TokenError> {
        let reached = self.clients.reach(aws, office.partition.default_region()).await?;
        let mut secrets = secrets(&office.signer, None);
        secrets.extend([codes.0.expose(), codes.1.expose()]);
        let asked = reached.asked(Asking::Admin(what), &office.signer, &secrets);
        let request = reached.client.enable_mfa_device().user_name(user).serial_number(serial);
        let request = request.authentication_code1(codes.0.expose()).authentication_code2(codes.1.expose()).customize();
        // Codes are taken once: a second try of the SDK's would have them refused.
        let config = signed_by(&office.signer).retry_config(RetryConfig::disabled());
        let sent = request.interceptor(self.probe()).config_override(config).send();
        self.clients.answer(&reached, &asked, sent).await.map(drop)
    }
}

fn listed(tags: &Tags) -> Option<Vec<Tag>> {
    let tags = tags.iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok());
    Some(tags.collect::<Vec<_>>()).filter(|tags| !tags.is_empty())
}
