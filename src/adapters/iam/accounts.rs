//! The `Accounts` port: what the administrator of an account reads and changes in IAM, one call at a time.

use super::changes::{change, enable};
use super::{Request, list_keys, send, time};
use crate::aws::clients::in_time;
use crate::aws::errors::Call as Asking;
use crate::profiles;
use crate::sts::Sts;
use async_trait::async_trait;
use aws_sdk_iam::types::Tag;
use rolecall_core::domain::arn::IamUser;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::Signer;
use rolecall_core::domain::diagnosis::key::is_unknown_key;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::regions;
use rolecall_core::domain::secret::{MfaCode, SecretKey};
use rolecall_core::setup::call::{Call, Tags};
use rolecall_ports::{
    AccountSession, Accounts, CallerIdentity, Changed, Dependents, Listing, Resource, ResourceDetails, TokenError,
};
use std::sync::Arc;

/// A longer list is not one that contains a device of a setup.
const PAGES: usize = 20;

/// Prepares a call as the administrator of an account.
async fn admin<'a>(
    sts: &'a Sts,
    aws: &Arc<AwsSettings>,
    session: &'a AccountSession,
    call: Asking<'a>,
) -> Result<Request<'a>, TokenError> {
    let to = sts.iam.request(aws, session.partition, &session.signer, call).await?;
    Ok(Request { is_whole: true, ..to })
}

async fn details(to: &Request<'_>, resource: &Resource) -> Result<ResourceDetails, TokenError> {
    let missing = || missing(&format!("read {resource}"));
    Ok(match resource {
        Resource::User(name) => {
            let user = send!(to, |c| c.get_user().user_name(name)).user.ok_or_else(missing)?;
            ResourceDetails {
                arn: user.arn,
                tags: tags(user.tags.unwrap_or_default()),
                created: time(user.create_date),
                ..ResourceDetails::default()
            }
        }
        Resource::Role(name) => {
            let role = send!(to, |c| c.get_role().role_name(name)).role.ok_or_else(missing)?;
            ResourceDetails {
                arn: role.arn,
                tags: tags(role.tags.unwrap_or_default()),
                created: time(role.create_date),
                trust: role.assume_role_policy_document.as_deref().map(unescape),
                max_session_seconds: role.max_session_duration.and_then(|seconds| seconds.try_into().ok()),
                ..ResourceDetails::default()
            }
        }
        Resource::Policy(arn) => {
            let policy = send!(to, |c| c.get_policy().policy_arn(arn)).policy.ok_or_else(missing)?;
            ResourceDetails {
                arn: policy.arn.unwrap_or_else(|| arn.clone()),
                tags: tags(policy.tags.unwrap_or_default()),
                created: policy.create_date.and_then(time),
                version: policy.default_version_id,
                attachments: policy.attachment_count.and_then(|count| count.try_into().ok()),
                ..ResourceDetails::default()
            }
        }
        Resource::InstanceProfile(name) => {
            let got = send!(to, |c| c.get_instance_profile().instance_profile_name(name));
            let profile = got.instance_profile.ok_or_else(missing)?;
            ResourceDetails {
                arn: profile.arn,
                tags: tags(profile.tags.unwrap_or_default()),
                created: time(profile.create_date),
                roles: profile.roles.into_iter().map(|role| role.role_name).collect(),
                ..ResourceDetails::default()
            }
        }
        Resource::MfaDevice(serial) => {
            // IAM has no call that returns one device, so it is searched in the list.
            let mut marker = None;
            for _ in 0..PAGES {
                let page = send!(to, |c| c.list_virtual_mfa_devices().max_items(1000).set_marker(marker.take()));
                if page.virtual_mfa_devices.iter().any(|device| device.serial_number == *serial) {
                    let tags = tags(send!(to, |c| c.list_mfa_device_tags().serial_number(serial)).tags);
                    return Ok(ResourceDetails { arn: serial.clone(), tags, ..ResourceDetails::default() });
                }
                if !page.is_truncated {
                    break;
                }
                marker = page.marker;
            }
            return Err(missing());
        }
    })
}

async fn dependents(to: &Request<'_>, resource: &Resource) -> Result<(Dependents, u32), TokenError> {
    let mut found = Dependents::default();
    let arns = |list: Option<Vec<aws_sdk_iam::types::AttachedPolicy>>| -> Vec<String> {
        list.unwrap_or_default().into_iter().filter_map(|policy| policy.policy_arn).collect()
    };
    let calls = match resource {
        Resource::User(name) => {
            found.attached = arns(send!(to, |c| c.list_attached_user_policies().user_name(name)).attached_policies);
            found.inline = send!(to, |c| c.list_user_policies().user_name(name)).policy_names;
            let list = send!(to, |c| c.list_mfa_devices().user_name(name)).mfa_devices;
            found.devices = list.into_iter().map(|device| device.serial_number).collect();
            let list = send!(to, |c| c.list_access_keys().user_name(name)).access_key_metadata;
            found.keys = list.into_iter().filter_map(|key| key.access_key_id).collect();
            4
        }
        Resource::Role(name) => {
            found.attached = arns(send!(to, |c| c.list_attached_role_policies().role_name(name)).attached_policies);
            found.inline = send!(to, |c| c.list_role_policies().role_name(name)).policy_names;
            let list = send!(to, |c| c.list_instance_profiles_for_role().role_name(name)).instance_profiles;
            found.profiles = list.into_iter().map(|profile| profile.instance_profile_name).collect();
            3
        }
        Resource::Policy(_) | Resource::InstanceProfile(_) | Resource::MfaDevice(_) => 0,
    };
    Ok((found, calls))
}

#[async_trait]
impl Accounts for Sts {
    fn use_proxy_password(&self, password: SecretKey) {
        self.passwords.take(password);
    }

    async fn profile(&self, aws: &Arc<AwsSettings>, profile: &str) -> Result<(Signer, String), UserError> {
        let password = self.passwords.of(aws).await.map_err(|error| error.report)?;
        profiles::resolve(aws, profile, password).await
    }

    async fn caller(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        region: &str,
    ) -> Result<CallerIdentity, TokenError> {
        let ask = |region: String| async move {
            in_time(Asking::CallerIdentity, "", self.identify(aws, signer, &region)).await
        };
        let mut answer = ask(region.to_owned()).await;
        // The Region of the profile may be one that the account has not enabled for STS.
        if answer.as_ref().is_err_and(|error| is_unknown_key(error.aws_code())) {
            for other in regions::besides(region, []) {
                if let Ok(who) = ask(other).await {
                    answer = Ok(who);
                }
            }
        }
        answer
    }

    async fn change(
        &self,
        aws: &Arc<AwsSettings>,
        session: &AccountSession,
        call: &Call,
    ) -> Result<Changed, TokenError> {
        let what = call.what();
        let asking = Asking::Admin(&what);
        in_time(asking, "", async { change(admin(self, aws, session, asking).await?, call).await }).await
    }

    async fn enable(
        &self,
        aws: &Arc<AwsSettings>,
        session: &AccountSession,
        device: (&str, &str),
        codes: (&MfaCode, &MfaCode),
    ) -> Result<(), TokenError> {
        let what = format!("give MFA device {} to user {}", device.1, device.0);
        let asking = Asking::Admin(&what);
        in_time(asking, "", async { enable(admin(self, aws, session, asking).await?, device, codes).await }).await
    }

    async fn read(
        &self,
        aws: &Arc<AwsSettings>,
        session: &AccountSession,
        resource: &Resource,
    ) -> Result<Option<ResourceDetails>, TokenError> {
        let what = format!("read {resource}");
        let asking = Asking::Admin(&what);
        let read = async { details(&admin(self, aws, session, asking).await?, resource).await };
        match in_time(asking, "", read).await {
            Ok(details) => Ok(Some(details)),
            Err(error) if error.code.as_deref().is_some_and(|code| code.starts_with("NoSuchEntity")) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn document(
        &self,
        aws: &Arc<AwsSettings>,
        session: &AccountSession,
        (arn, version): (&str, &str),
    ) -> Result<String, TokenError> {
        let what = format!("read version {version} of policy {arn}");
        let asking = Asking::Admin(&what);
        let read = async {
            let to = admin(self, aws, session, asking).await?;
            let got = send!(to, |c| c.get_policy_version().policy_arn(arn).version_id(version));
            let document = got.policy_version.and_then(|version| version.document);
            document.as_deref().map(unescape).ok_or_else(|| missing(&what))
        };
        in_time(asking, "", read).await
    }

    async fn hanging(
        &self,
        aws: &Arc<AwsSettings>,
        session: &AccountSession,
        resource: &Resource,
    ) -> Result<(Dependents, u32), TokenError> {
        let what = format!("list what hangs on {resource}");
        let asking = Asking::Admin(&what);
        in_time(asking, "", async { dependents(&admin(self, aws, session, asking).await?, resource).await }).await
    }

    async fn keys(
        &self,
        aws: &Arc<AwsSettings>,
        session: &AccountSession,
        user: &IamUser,
    ) -> Result<Listing, TokenError> {
        let asking = Asking::ListAccessKeys(user.name());
        let listed = async { list_keys(admin(self, aws, session, asking).await?, user.name()).await };
        in_time(asking, "", listed).await
    }
}

/// Returns the error of IAM for a missing resource, if IAM returned none.
fn missing(what: &str) -> TokenError {
    let report = UserError::new(Kind::Refused, format!("cannot {what}: there is none"));
    TokenError { code: Some("NoSuchEntity".to_owned()), ..TokenError::permanent(report) }
}

fn tags(list: Vec<Tag>) -> Tags {
    list.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

/// Decodes a document, which IAM encodes for URLs (RFC 3986).
fn unescape(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        match (bytes[at], hex.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_decoded_and_plain_text_stays() {
        assert_eq!(unescape("%7B%22a%22%3A%20%22%C3%A9%22%7D"), r#"{"a": "é"}"#);
        assert_eq!(unescape(r#"{"a":"100%"}"#), r#"{"a":"100%"}"#);
        assert_eq!(unescape("%zz%2"), "%zz%2");
    }
}
