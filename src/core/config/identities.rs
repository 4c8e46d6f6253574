//! `[identities.NAME]`: the keys of an identity, and which of them its type has.

use super::reader::{Field, Position, SECRET_ADVICE, Section, duration, has_key};
use super::{lists, validators};
use crate::domain::arn::{MfaSerial, Partition, RoleArn};
use crate::domain::catalogue::{HOUR, Identity};
use crate::domain::names::{Name, check_region, check_session_word};
use crate::domain::source::{
    ContainerUri, Ec2, Ecs, Environment, IdentityKind, METADATA_ENDPOINT, Process, Source, WebIdentity,
};
use crate::domain::urls;
use std::path::PathBuf;
use std::time::Duration;

/// How long one MFA code lasts by default.
const MFA_SESSION_DEFAULT: Duration = Duration::from_hours(12);

#[derive(Default)]
pub(super) struct IdentityDraft {
    kind: Option<IdentityKind>,
    mfa_serial: Option<MfaSerial>,
    mfa_session: Option<Duration>,
    mfa_process: Option<Vec<String>>,
    region: Option<String>,
    rotate_after: Option<Duration>,
    metadata_endpoint: Option<String>,
    relative_uri: Option<String>,
    full_uri: Option<String>,
    authorization_token_file: Option<PathBuf>,
    web_identity_token_file: Option<PathBuf>,
    role_arn: Option<RoleArn>,
    role_session_name: Option<String>,
    duration: Option<Duration>,
    process: Option<Vec<String>>,
}

/// The keys of all types. [`IdentityKind::facts`] lists those that only one type has.
pub(super) static IDENTITY: Section<IdentityDraft> = Section {
    fields: &[
        Field { key: "type", read: |d, s| d.kind = s.word(&IdentityKind::ALL.map(|kind| (kind.as_str(), kind))) },
        Field { key: "mfa_serial", read: |d, s| d.mfa_serial = s.checked(MfaSerial::new) },
        Field { key: "mfa_session", read: |d, s| d.mfa_session = duration(s, &validators::MFA_SESSION) },
        Field { key: "mfa_process", read: |d, s| d.mfa_process = lists::program(s) },
        Field { key: "region", read: |d, s| d.region = s.text(check_region) },
        Field { key: "rotate_after", read: |d, s| d.rotate_after = duration(s, &validators::ROTATE_AFTER) },
        Field {
            key: "ec2_metadata_service_endpoint",
            read: |d, s| d.metadata_endpoint = s.text(urls::check_metadata_endpoint),
        },
        Field {
            key: "container_credentials_relative_uri",
            read: |d, s| d.relative_uri = s.text(urls::check_container_path),
        },
        Field { key: "container_credentials_full_uri", read: |d, s| d.full_uri = s.text(urls::check_container_uri) },
        Field {
            key: "container_authorization_token_file",
            read: |d, s| d.authorization_token_file = s.checked(validators::absolute_path),
        },
        Field {
            key: "web_identity_token_file",
            read: |d, s| d.web_identity_token_file = s.checked(validators::absolute_path),
        },
        Field { key: "role_arn", read: |d, s| d.role_arn = s.checked(RoleArn::new) },
        Field { key: "role_session_name", read: |d, s| d.role_session_name = s.text(check_session_word) },
        Field { key: "duration", read: |d, s| d.duration = duration(s, &validators::ROLE_DURATION) },
        Field { key: "credential_process", read: |d, s| d.process = lists::program(s) },
    ],
    advice: &[
        ("aws_access_key_id", SECRET_ADVICE),
        ("aws_secret_access_key", SECRET_ADVICE),
        ("aws_session_token", SECRET_ADVICE),
        ("access_key_id", SECRET_ADVICE),
        ("secret_access_key", SECRET_ADVICE),
        ("credential_source", "say it by `type`: ec2, ecs or environment"),
    ],
};

pub(super) fn read_identity(name: Name, spot: &mut Position<'_>) -> Option<(Name, Identity)> {
    let mut draft = IdentityDraft::default();
    let before = spot.sink.total();
    IDENTITY.read(&mut draft, spot);
    if !has_key(spot, "type") {
        let [first @ .., last] = &IdentityKind::ALL.map(IdentityKind::as_str);
        spot.about("type", &format!("is missing; it is {} or {last}", first.join(", ")));
    }
    let kind = draft.kind?;
    let facts = kind.facts();
    if !facts.takes_codes && draft.mfa_serial.is_some() {
        spot.about("mfa_serial", "AWS takes MFA codes from the keys of an IAM user only");
    }
    if has_key(spot, "mfa_process") && !has_key(spot, "mfa_serial") {
        spot.about("mfa_process", "the device whose codes it prints is missing: `mfa_serial`");
    }
    if !facts.has_stored_key && draft.rotate_after.is_some() {
        spot.about("rotate_after", "only an identity of type iam-user has a key that is rotated");
    }
    let partition = draft.region.as_deref().map(Partition::of_region);
    if draft.role_arn.as_ref().is_some_and(|role| partition.is_some_and(|partition| partition != role.partition())) {
        spot.about("role_arn", "the role is in another partition than the region");
    }
    for other in IdentityKind::ALL.into_iter().filter(|other| *other != kind) {
        for &key in other.facts().keys {
            if has_key(spot, key) {
                let more = if key == "role_arn" { "; a role is a section of its own: [roles.NAME]" } else { "" };
                spot.about(key, &format!("goes with type {} only{more}", other.as_str()));
            }
        }
    }
    let source = source(&mut draft, kind, spot);
    // The problems of its roles depend on the whole identity.
    if spot.sink.total() > before {
        return None;
    }
    let identity = Identity {
        name: name.clone(),
        source,
        mfa_serial: draft.mfa_serial,
        mfa_session: draft.mfa_session.unwrap_or(MFA_SESSION_DEFAULT),
        mfa_process: draft.mfa_process,
        region: draft.region,
        rotate_after: draft.rotate_after,
    };
    Some((name, identity))
}

/// Makes the source of an identity, and reports the keys that it lacks.
fn source(draft: &mut IdentityDraft, kind: IdentityKind, spot: &mut Position<'_>) -> Option<Source> {
    let mut require = |key: &str, why: &str| {
        if !has_key(spot, key) {
            spot.about(key, why);
        }
    };
    Some(match kind {
        IdentityKind::IamUser => return None,
        IdentityKind::Ec2 => {
            let endpoint = draft.metadata_endpoint.as_deref().unwrap_or(METADATA_ENDPOINT);
            Source::Ec2(Ec2 { endpoint: endpoint.trim_end_matches('/').to_owned() })
        }
        IdentityKind::Ecs => {
            if draft.relative_uri.is_some() && draft.full_uri.is_some() {
                spot.about(
                    "container_credentials_full_uri",
                    "and container_credentials_relative_uri exclude each other",
                );
            }
            let relative = draft.relative_uri.take().map(ContainerUri::Relative);
            let uri = relative.or(draft.full_uri.take().map(ContainerUri::Full));
            Source::Ecs(Ecs { uri, token_file: draft.authorization_token_file.take() })
        }
        IdentityKind::Environment => Source::Environment(Environment),
        IdentityKind::Process => {
            require("credential_process", "is missing; it looks like [\"/usr/local/bin/program\", \"argument\"]");
            Source::Process(Process { argv: draft.process.take()? })
        }
        IdentityKind::WebIdentity => {
            require("web_identity_token_file", "is missing; it is the absolute path of the file with the token");
            require("role_arn", "is missing; it looks like arn:aws:iam::222222222222:role/Name");
            Source::WebIdentity(WebIdentity {
                token_file: draft.web_identity_token_file.take()?,
                role_arn: draft.role_arn.take()?,
                session_name: draft.role_session_name.take(),
                duration: draft.duration.unwrap_or(HOUR),
            })
        }
    })
}
