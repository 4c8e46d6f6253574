//! IAM behind the `Accounts` port: what an administrator reads and changes, one call at a time.

use super::changes::send;
use super::{Iam, signed_by, time};
use crate::aws::clients::in_time;
use crate::aws::errors::Call as Asking;
use crate::profiles;
use crate::sts::Sts;
use async_trait::async_trait;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::Tag;
use rolecall_core::domain::arn::{IamUser, Partition};
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::diagnosis::key::is_unknown_key;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::regions;
use rolecall_core::domain::secret::{MfaCode, SecretKey};
use rolecall_core::setup::call::{Call, Tags};
use rolecall_ports::{
    AccessKeys, AccountSession, Accounts, CallerIdentity, Changed, Dependents, Listing, Resource, ResourceDetails,
    TokenError,
};
use std::sync::Arc;

/// A list that goes on for more pages is none of a thing that a setup made.
const PAGES: usize = 20;

impl Iam {
    async fn held(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        thing: &Resource,
    ) -> Result<ResourceDetails, TokenError> {
        let what = format!("read {}", named(thing));
        let config = || signed_by(&office.signer);
        let missing = || gone(&what);
        Ok(match thing {
            Resource::User(name) => {
                let got = send!(self, aws, office, &what, config(), |c: &Client| c.get_user().user_name(name));
                let user = got.user.ok_or_else(missing)?;
                let created = time(user.create_date);
                ResourceDetails {
                    arn: user.arn,
                    tags: tags(user.tags.unwrap_or_default()),
                    created,
                    ..ResourceDetails::default()
                }
            }
            Resource::Role(name) => {
                let got = send!(self, aws, office, &what, config(), |c: &Client| c.get_role().role_name(name));
                let role = got.role.ok_or_else(missing)?;
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
                let got = send!(self, aws, office, &what, config(), |c: &Client| c.get_policy().policy_arn(arn));
                let policy = got.policy.ok_or_else(missing)?;
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
                let got = send!(self, aws, office, &what, config(), |c: &Client| {
                    c.get_instance_profile().instance_profile_name(name)
                });
                let profile = got.instance_profile.ok_or_else(missing)?;
                ResourceDetails {
                    arn: profile.arn,
                    tags: tags(profile.tags.unwrap_or_default()),
                    created: time(profile.create_date),
                    roles: profile.roles.into_iter().map(|role| role.role_name).collect(),
                    ..ResourceDetails::default()
                }
            }
            Resource::MfaDevice(serial) => self.device(aws, office, &what, serial).await?,
        })
    }

    /// Looks a virtual device up in the list of them, as its serial number alone is no page of IAM's.
    async fn device(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        what: &str,
        serial: &str,
    ) -> Result<ResourceDetails, TokenError> {
        let config = || signed_by(&office.signer);
        let mut marker = None;
        for _ in 0..PAGES {
            let page = send!(self, aws, office, what, config(), |c: &Client| {
                c.list_virtual_mfa_devices().max_items(1000).set_marker(marker.take())
            });
            if page.virtual_mfa_devices.iter().any(|device| device.serial_number == serial) {
                let got = send!(self, aws, office, what, config(), |c: &Client| {
                    c.list_mfa_device_tags().serial_number(serial)
                });
                return Ok(ResourceDetails {
                    arn: serial.to_owned(),
                    tags: tags(got.tags),
                    ..ResourceDetails::default()
                });
            }
            if !page.is_truncated {
                break;
            }
            marker = page.marker;
        }
        Err(gone(what))
    }

    async fn what_hangs(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        thing: &Resource,
    ) -> Result<(Dependents, u32), TokenError> {
        let what = format!("list what hangs on {}", named(thing));
        let config = || signed_by(&office.signer);
        let mut found = Dependents::default();
        let arns = |list: Vec<aws_sdk_iam::types::AttachedPolicy>| -> Vec<String> {
            list.into_iter().filter_map(|policy| policy.policy_arn).collect()
        };
        let calls = match thing {
            Resource::User(name) => {
                let list = send!(self, aws, office, &what, config(), |c: &Client| {
                    c.list_attached_user_policies().user_name(name)
                });
                found.attached = arns(list.attached_policies.unwrap_or_default());
                let list =
                    send!(self, aws, office, &what, config(), |c: &Client| c.list_user_policies().user_name(name));
                found.inline = list.policy_names;
                let list = send!(self, aws, office, &what, config(), |c: &Client| c.list_mfa_devices().user_name(name));
                found.devices = list.mfa_devices.into_iter().map(|device| device.serial_number).collect();
                let list = send!(self, aws, office, &what, config(), |c: &Client| c.list_access_keys().user_name(name));
                found.keys = list.access_key_metadata.into_iter().filter_map(|key| key.access_key_id).collect();
                4
            }
            Resource::Role(name) => {
                let list = send!(self, aws, office, &what, config(), |c: &Client| {
                    c.list_attached_role_policies().role_name(name)
                });
                found.attached = arns(list.attached_policies.unwrap_or_default());
                let list =
                    send!(self, aws, office, &what, config(), |c: &Client| c.list_role_policies().role_name(name));
                found.inline = list.policy_names;
                let list = send!(self, aws, office, &what, config(), |c: &Client| {
                    c.list_instance_profiles_for_role().role_name(name)
                });
                found.profiles = list.instance_profiles.into_iter().map(|p| p.instance_profile_name).collect();
                3
            }
            Resource::Policy(_) | Resource::InstanceProfile(_) | Resource::MfaDevice(_) => 0,
        };
        Ok((found, calls))
    }
}

/// Says what may be wrong with the credentials of a profile that no Region accepts.
fn of_profile(mut error: TokenError, profile: &str, region: &str) -> TokenError {
    let partition = Partition::of_region(region).id();
    error.refusal = None;
    error.report.hint = Some(format!(
        "possible causes: the credentials of profile {profile} are over, deleted or inactive, or of another partition than \
         {partition} (set `region` in the profile): `aws sts get-caller-identity --profile {profile}`"
    ));
    error
}

#[async_trait]
impl Accounts for Sts {
    fn use_proxy_password(&self, password: SecretKey) {
        self.passwords.take(password);
    }

    async fn profile(
        &self,
        aws: &Arc<AwsSettings>,
        profile: &str,
    ) -> Result<(AccountSession, CallerIdentity), TokenError> {
        let password = self.passwords.of(aws).await?;
        let (signer, region) = profiles::resolve(aws, profile, password).await.map_err(TokenError::permanent)?;
        let ask = |region: String| {
            let signer = &signer;
            async move { in_time(Asking::CallerIdentity, "", self.identify(aws, signer, &region)).await }
        };
        let who = match ask(region.clone()).await {
            // The profile's Region may be one for other services, which the account has not enabled for STS.
            Err(error) if is_unknown_key(error.aws_code()) => {
                let mut answer = Err(error);
                for other in regions::besides(&region, []) {
                    if let Ok(who) = ask(other).await {
                        answer = Ok(who);
                    }
                }
                answer.map_err(|error| of_profile(error, profile, &region))?
            }
            answer => answer?,
        };
        let partition = Partition::of_arn(&who.arn).unwrap_or_else(|| Partition::of_region(&region));
        Ok((AccountSession { signer, partition }, who))
    }

    async fn change(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        call: &Call,
    ) -> Result<Changed, TokenError> {
        let what = call.what();
        in_time(Asking::Admin(&what), "", self.iam.change_one(aws, office, &what, call)).await
    }

    async fn enable(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        (user, serial): (&str, &str),
        codes: (&MfaCode, &MfaCode),
    ) -> Result<(), TokenError> {
        let what = format!("give MFA device {serial} to user {user}");
        in_time(Asking::Admin(&what), "", self.iam.give_device(aws, office, &what, (user, serial), codes)).await
    }

    async fn read(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        thing: &Resource,
    ) -> Result<Option<ResourceDetails>, TokenError> {
        let what = format!("read {}", named(thing));
        match in_time(Asking::Admin(&what), "", self.iam.held(aws, office, thing)).await {
            Ok(held) => Ok(Some(held)),
            Err(error) if error.code.as_deref().is_some_and(|code| code.starts_with("NoSuchEntity")) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn document(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        (arn, version): (&str, &str),
    ) -> Result<String, TokenError> {
        let what = format!("read version {version} of policy {arn}");
        let iam = &self.iam;
        let read = async {
            let got = send!(iam, aws, office, &what, signed_by(&office.signer), |c: &Client| {
                c.get_policy_version().policy_arn(arn).version_id(version)
            });
            let document = got.policy_version.and_then(|version| version.document);
            document.as_deref().map(unescape).ok_or_else(|| gone(&what))
        };
        in_time(Asking::Admin(&what), "", read).await
    }

    async fn hanging(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        thing: &Resource,
    ) -> Result<(Dependents, u32), TokenError> {
        let what = format!("list what hangs on {}", named(thing));
        in_time(Asking::Admin(&what), "", self.iam.what_hangs(aws, office, thing)).await
    }

    async fn keys(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        user: &IamUser,
    ) -> Result<Listing, TokenError> {
        self.iam.list(aws, &office.signer, user).await
    }
}

/// Names a thing as people do.
fn named(thing: &Resource) -> String {
    match thing {
        Resource::InstanceProfile(name) => format!("instance profile {name}"),
        Resource::MfaDevice(serial) => format!("MFA device {serial}"),
        Resource::Policy(arn) => format!("policy {arn}"),
        Resource::Role(name) => format!("role {name}"),
        Resource::User(name) => format!("user {name}"),
    }
}

/// IAM's word for a thing that is not there, where it says so without a word.
fn gone(what: &str) -> TokenError {
    let report = UserError::new(Kind::Refused, format!("cannot {what}: there is none"));
    TokenError { code: Some("NoSuchEntity".to_owned()), ..TokenError::permanent(report) }
}

fn tags(list: Vec<Tag>) -> Tags {
    list.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

/// Takes a document out of IAM's answers, which have it URL-encoded by RFC 3986.
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
    fn a_document_comes_out_of_its_encoding_and_one_that_is_not_encoded_stays() {
        assert_eq!(unescape("%7B%22a%22%3A%20%22%C3%A9%22%7D"), r#"{"a": "é"}"#);
        assert_eq!(unescape(r#"{"a":"100%"}"#), r#"{"a":"100%"}"#);
        assert_eq!(unescape("%zz%2"), "%zz%2");
    }
}
