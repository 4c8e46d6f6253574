//! `[templates.NAME]` and `[accounts]`: a role for each of many accounts; `expand` creates the roles.

use super::defaults::Defaults;
use super::lists::{tags, unique_list};
use super::pattern::Pattern;
use super::reader::{Field, Position, SECRET_ADVICE, Section, has_key};
use super::roles::role_fields;
use crate::domain::arn::AccountId;
use crate::domain::catalogue::RoleSettings;
use crate::domain::names::{Name, check_external_id, check_region};
use crate::domain::palette;

/// A template: what its roles have in common, and what is made anew for each account.
#[derive(Default)]
pub(super) struct TemplateDraft {
    /// Without what the patterns give.
    pub(super) settings: RoleSettings,
    pub(super) name: Option<Pattern>,
    pub(super) role_arn: Option<Pattern>,
    pub(super) source: Option<Pattern>,
    pub(super) external_id: Option<Pattern>,
    pub(super) role_session_name: Option<Pattern>,
    pub(super) display_name: Option<Pattern>,
    /// Names of accounts, or patterns of them.
    pub(super) accounts: Option<Vec<String>>,
    pub(super) account_tags: Option<Vec<String>>,
    pub(super) file: usize,
    pub(super) offset: usize,
}

pub(super) static TEMPLATE: Section<TemplateDraft> = Section {
    fields: role_fields![
        Field { key: "role_arn", read: |d, s| d.role_arn = s.checked(Pattern::with_account) },
        Field { key: "name", read: |d, s| d.name = s.checked(Pattern::with_account) },
        Field { key: "accounts", read: |d, s| d.accounts = unique_list(s, |s| s.text(check_account)) },
        Field { key: "account_tags", read: |d, s| d.account_tags = Some(tags(s)) },
        Field { key: "source", read: |d, s| d.source = s.checked(Pattern::new) },
        Field { key: "external_id", read: |d, s| d.external_id = s.checked(Pattern::new) },
        Field { key: "role_session_name", read: |d, s| d.role_session_name = s.checked(Pattern::new) },
        Field { key: "display_name", read: |d, s| d.display_name = s.checked(Pattern::new) },
    ],
    advice: &[
        ("role", "here it is `name`, what the roles are called, as \"{account_name}-{name}\""),
        ("source_profile", "here it is `source`, the name of an identity or role"),
        ("duration_seconds", "here it is `duration`, as \"1h\""),
        ("aws_access_key_id", SECRET_ADVICE),
        ("aws_secret_access_key", SECRET_ADVICE),
    ],
};

/// An account's name, or a pattern of names.
fn check_account(text: &str) -> Result<(), &'static str> {
    let name = text.replace(super::glob::STAR, "x");
    Name::new(&name).map(drop)
}

pub(super) fn read_template(defaults: &Defaults, spot: &mut Position<'_>) -> TemplateDraft {
    let mut draft = TemplateDraft { file: spot.sink.file, offset: spot.at.offset, ..TemplateDraft::default() };
    TEMPLATE.read(&mut draft, spot);
    if !has_key(spot, "source") && defaults.source.is_none() {
        spot.about("source", "is missing; it names the identity or role that assumes its roles");
    }
    if !has_key(spot, "role_arn") {
        spot.about("role_arn", "is missing; it looks like arn:aws:iam::{account}:role/Name");
    }
    for key in ["accounts", "account_tags"] {
        let table = spot.value.get_ref();
        if table.get(key).is_some_and(|list| list.get_ref().as_array().is_some_and(|list| list.is_empty())) {
            spot.about(key, "names no account; leave it out for all of them");
        }
    }
    draft
}

/// An account, and what the roles that templates make in it get.
#[derive(Clone, Default)]
pub(super) struct AccountDraft {
    pub(super) id: Option<AccountId>,
    pub(super) region: Option<String>,
    pub(super) color: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) file: usize,
    pub(super) offset: usize,
}

pub(super) static ACCOUNT: Section<AccountDraft> = Section {
    fields: &[
        Field { key: "id", read: |d, s| d.id = s.checked(AccountId::new) },
        Field { key: "region", read: |d, s| d.region = s.text(check_region) },
        Field { key: "color", read: |d, s| d.color = s.text(palette::check) },
        Field { key: "external_id", read: |d, s| d.external_id = s.text(check_external_id) },
        Field { key: "tags", read: |d, s| d.tags = tags(s) },
    ],
    advice: &[
        ("account", "here it is `id`, the number"),
        ("role_arn", "it belongs to a role or a template"),
        ("source", "it belongs to a role or a template"),
    ],
};

pub(super) fn read_account(spot: &mut Position<'_>) -> AccountDraft {
    let mut draft = AccountDraft { file: spot.sink.file, offset: spot.at.offset, ..AccountDraft::default() };
    ACCOUNT.read(&mut draft, spot);
    if !has_key(spot, "id") {
        spot.about("id", "is missing; it is the account's number, 12 digits in quotes");
    }
    draft
}
