//! `[roles.NAME]`: the keys of a role, and the role that they make with what `[defaults]` says.

use super::defaults::Defaults;
use super::reader::{Field, Position, SECRET_ADVICE, Section, has_key};
use crate::domain::arn::RoleArn;
use crate::domain::catalogue::{Role, RoleSettings};
use crate::domain::names::{Name, check_external_id, check_session_word};

#[derive(Default)]
pub(super) struct RoleDraft {
    source: Option<Name>,
    role_arn: Option<RoleArn>,
    settings: RoleSettings,
}

/// The keys that roles and templates share, after the keys of one of them. Both drafts have `settings`.
macro_rules! role_fields {
    ($($own:expr),* $(,)?) => {
        {
            use $crate::config::{lists, reader, validators};
            use $crate::domain::{arn::MfaSerial, names::check_region, palette};
            &[
                $($own,)*
                Field {
                    key: "duration",
                    read: |d, s| d.settings.duration = reader::duration(s, &validators::ROLE_DURATION),
                },
                Field {
                    key: "source_identity",
                    read: |d, s| d.settings.source_identity = s.text(validators::check_source_identity),
                },
                Field { key: "session_tags", read: |d, s| d.settings.session_tags = lists::session_tags(s) },
                Field {
                    key: "transitive_tag_keys",
                    read: |d, s| d.settings.transitive_tag_keys = lists::transitive_tag_keys(s),
                },
                Field { key: "policy", read: |d, s| d.settings.policy = s.text(validators::check_policy) },
                Field { key: "policy_arns", read: |d, s| d.settings.policy_arns = lists::policy_arns(s) },
                Field { key: "region", read: |d, s| d.settings.region = s.text(check_region) },
                Field { key: "mfa", read: |d, s| d.settings.mfa = s.word(&validators::MFA_MODES) },
                Field { key: "mfa_serial", read: |d, s| d.settings.mfa_serial = s.checked(MfaSerial::new) },
                Field { key: "access", read: |d, s| d.settings.access = s.word(&validators::ACCESS) },
                Field {
                    key: "access_by_program",
                    read: |d, s| d.settings.access_by_program = lists::access_by_program(s),
                },
                Field { key: "color", read: |d, s| d.settings.color = s.text(palette::check) },
                Field { key: "tags", read: |d, s| d.settings.tags = lists::tags(s) },
            ]
        }
    };
}
pub(super) use role_fields;

pub(super) static ROLE: Section<RoleDraft> = Section {
    fields: role_fields![
        Field { key: "source", read: |d, s| d.source = s.checked(Name::new) },
        Field { key: "role_arn", read: |d, s| d.role_arn = s.checked(RoleArn::new) },
        Field { key: "external_id", read: |d, s| d.settings.external_id = s.text(check_external_id) },
        Field { key: "role_session_name", read: |d, s| d.settings.role_session_name = s.text(check_session_word) },
        Field { key: "display_name", read: |d, s| d.settings.display_name = s.text(validators::check_display_name) },
    ],
    advice: &[
        ("source_profile", "here it is `source`, the name of an identity or role"),
        ("credential_source", "here it is an identity of type ec2, ecs or environment, named by `source`"),
        ("duration_seconds", "here it is `duration`, as \"1h\""),
        ("mfa_session", "it belongs to the identity that the chain starts from"),
        ("type", "only identities have a type; every role is assumed from its `source`"),
        ("aws_access_key_id", SECRET_ADVICE),
        ("aws_secret_access_key", SECRET_ADVICE),
        ("aws_session_token", SECRET_ADVICE),
    ],
};

pub(super) fn read_role(name: Name, defaults: &Defaults, spot: &mut Position<'_>) -> Option<(Name, Role)> {
    let mut draft = RoleDraft::default();
    let before = spot.sink.total();
    ROLE.read(&mut draft, spot);
    if !is_misplaced_table(spot) {
        if !has_key(spot, "source") && defaults.source.is_none() {
            spot.about("source", "is missing; it names the identity or role that assumes this one");
        }
        if !has_key(spot, "role_arn") {
            spot.about("role_arn", "is missing; it looks like arn:aws:iam::222222222222:role/Name");
        }
    }
    // Nor can limits along a chain be told from half a role.
    if spot.sink.total() > before {
        return None;
    }
    let (role_arn, source) = (draft.role_arn?, draft.source.or_else(|| defaults.source.clone())?);
    Some((name.clone(), Role { name, source, role_arn, settings: defaults.complete(draft.settings) }))
}

/// Tells a role that holds nothing but unknown tables: `[roles.team.prod]`, whose name lacks its quotes.
fn is_misplaced_table(spot: &Position<'_>) -> bool {
    let Some(table) = spot.value.get_ref().as_table() else { return true };
    let foreign = |key: &str| ROLE.fields.iter().all(|field| field.key != key);
    !table.is_empty() && table.iter().all(|(key, value)| value.get_ref().is_table() && foreign(key.get_ref()))
}
