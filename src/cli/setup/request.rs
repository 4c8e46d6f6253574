//! The flags of `setup` as a request, with the policy files that they name.

use crate::args::{SetupService, SetupTrust, WishArgs};
use crate::named_file;
use rolecall_core::config::parse_duration;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::request::{SetupFlags, SetupRequest};
use rolecall_core::setup::{Device, Service, Trust};

/// Returns the request that the flags describe; reads the policy files.
pub(super) fn from_args(args: &WishArgs) -> Result<SetupRequest, UserError> {
    let max_session = args.max_session_duration.as_deref().map(|text| {
        parse_duration(text).map_err(|why| {
            UserError::new(Kind::Usage, format!("--max-session-duration {}: {why}", printable(text, 64)))
                .hint("give it as `--max-session-duration 4h`")
        })
    });
    let files =
        args.policy_files.iter().map(|path| Ok((path.to_string_lossy().into_owned(), named_file::iam_policy(path)?)));
    SetupRequest::new(SetupFlags {
        name: args.name.clone(),
        identity: args.identity.clone(),
        region: args.region.clone(),
        user: args.user.clone(),
        existing_user: args.existing_user,
        no_access_key: args.no_access_key,
        user_path: args.user_path.clone(),
        any_role: args.any_role,
        device: args.mfa_device.then_some(if args.keep_totp { Device::Kept } else { Device::Shown }),
        mfa_serial: args.mfa_serial.clone(),
        application: args.application.map(|service| match service {
            SetupService::Ec2 => Service::Ec2,
            SetupService::Lambda => Service::Lambda,
            SetupService::Ecs => Service::Ecs,
        }),
        assuming_role: args.assuming_role.clone(),
        assuming_role_path: args.assuming_role_path.clone(),
        role: args.role.clone(),
        role_path: args.role_path.clone(),
        policy_arns: args.policy_arns.clone(),
        policy_files: files.collect::<Result<_, UserError>>()?,
        trust: args.trust.map(|trust| match trust {
            SetupTrust::Account => Trust::Account,
            SetupTrust::User => Trust::User,
            SetupTrust::Role => Trust::Role,
        }),
        require_mfa: args.require_mfa,
        external_id: args.external_id.clone(),
        max_session: max_session.transpose()?,
        attach: args.attach_policies.clone(),
        path: args.path.clone(),
        tags: args.tags.clone(),
    })
}
