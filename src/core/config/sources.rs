//! The keys that say where an identity without a stored key gets its credentials, and which of them go with which type.

use super::lists;
use super::reader::Position;
use super::validators::ROLE_DURATION;
use crate::domain::arn::{Partition, RoleArn};
use crate::domain::catalogue::{HOUR, IdentityKind};
use crate::domain::names::check_session_word;
use crate::domain::source::{ContainerUri, METADATA_ENDPOINT, Source, WebIdentity};
use crate::domain::urls;
use std::path::PathBuf;
use std::time::Duration;

/// These keys as they fill up.
#[derive(Default)]
pub(super) struct SourceDraft {
    pub(super) metadata_endpoint: Option<String>,
    pub(super) relative_uri: Option<String>,
    pub(super) full_uri: Option<String>,
    pub(super) authorization_token_file: Option<PathBuf>,
    pub(super) web_identity_token_file: Option<PathBuf>,
    pub(super) role_arn: Option<RoleArn>,
    pub(super) role_session_name: Option<String>,
    pub(super) duration: Option<Duration>,
    pub(super) process: Option<Vec<String>>,
}

/// Of each of these keys: the type of identity that has it.
const KEYS: [(&str, IdentityKind); 9] = [
    ("ec2_metadata_service_endpoint", IdentityKind::Ec2),
    ("container_credentials_relative_uri", IdentityKind::Ecs),
    ("container_credentials_full_uri", IdentityKind::Ecs),
    ("container_authorization_token_file", IdentityKind::Ecs),
    ("web_identity_token_file", IdentityKind::WebIdentity),
    ("role_arn", IdentityKind::WebIdentity),
    ("role_session_name", IdentityKind::WebIdentity),
    ("duration", IdentityKind::WebIdentity),
    ("credential_process", IdentityKind::Process),
];

impl SourceDraft {
    /// Makes the source of an identity; what is missing or out of place is told.
    pub(super) fn finish(self, kind: IdentityKind, region: Option<&str>, spot: &mut Position<'_>) -> Option<Source> {
        let partition = region.map(Partition::of_region);
        if self.role_arn.as_ref().is_some_and(|role| partition.is_some_and(|partition| partition != role.partition())) {
            spot.about("role_arn", "the role is in another partition than the region");
        }
        for (key, owner) in KEYS {
            if owner != kind && has(spot, key) {
                let more = if key == "role_arn" { "; a role is a section of its own: [roles.NAME]" } else { "" };
                spot.about(key, &format!("goes with type {} only{more}", owner.as_str()));
            }
        }
        let mut wanted = |key: &str, why: &str| {
            if !has(spot, key) {
                spot.about(key, why);
            }
        };
        match kind {
            IdentityKind::IamUser => None,
            IdentityKind::Ec2 => {
                let endpoint = self.metadata_endpoint.unwrap_or_else(|| METADATA_ENDPOINT.to_owned());
                Some(Source::Ec2 { endpoint: endpoint.trim_end_matches('/').to_owned() })
            }
            IdentityKind::Ecs => {
                if self.relative_uri.is_some() && self.full_uri.is_some() {
                    spot.about(
                        "container_credentials_full_uri",
                        "and container_credentials_relative_uri exclude each other",
                    );
                }
                let relative = self.relative_uri.map(ContainerUri::Relative);
                let uri = relative.or(self.full_uri.map(ContainerUri::Full));
                Some(Source::Ecs { uri, token_file: self.authorization_token_file })
            }
            IdentityKind::Environment => Some(Source::Environment),
            IdentityKind::Process => {
                wanted("credential_process", "is missing; it looks like [\"/usr/local/bin/program\", \"argument\"]");
                Some(Source::Process { argv: self.process? })
            }
            IdentityKind::WebIdentity => {
                wanted("web_identity_token_file", "is missing; it is the absolute path of the file with the token");
                wanted("role_arn", "is missing; it looks like arn:aws:iam::222222222222:role/Name");
                Some(Source::WebIdentity(WebIdentity {
                    token_file: self.web_identity_token_file?,
                    role_arn: self.role_arn?,
                    session_name: self.role_session_name,
                    duration: self.duration.unwrap_or(HOUR),
                }))
            }
        }
    }

    pub(super) fn read_endpoint(&mut self, spot: &mut Position<'_>) {
        self.metadata_endpoint = spot.text(urls::check_metadata_endpoint);
    }

    pub(super) fn read_relative_uri(&mut self, spot: &mut Position<'_>) {
        self.relative_uri = spot.text(urls::check_container_path);
    }

    pub(super) fn read_full_uri(&mut self, spot: &mut Position<'_>) {
        self.full_uri = spot.text(urls::check_container_uri);
    }

    pub(super) fn read_session_name(&mut self, spot: &mut Position<'_>) {
        self.role_session_name = spot.text(check_session_word);
    }

    pub(super) fn read_duration(&mut self, spot: &mut Position<'_>) {
        self.duration = super::reader::duration(spot, &ROLE_DURATION);
    }

    pub(super) fn read_process(&mut self, spot: &mut Position<'_>) {
        self.process = lists::program(spot);
    }
}

fn has(spot: &Position<'_>, key: &str) -> bool {
    spot.value.get_ref().as_table().is_some_and(|table| table.contains_key(key))
}
