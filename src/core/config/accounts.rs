//! `[accounts]`: the accounts that templates are for, by name.

use super::lists::tags;
use super::reader::{Field, Position, Section};
use super::sections::{Draft, has_key};
use crate::domain::arn::AccountId;
use crate::domain::catalogue::Account;
use crate::domain::names::{Name, check_external_id, check_region};
use crate::domain::palette;

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

pub(super) fn read_account(all: &mut Draft, name: Name, spot: &mut Position<'_>) {
    let mut draft = AccountDraft { file: spot.sink.file, offset: spot.at.offset, ..AccountDraft::default() };
    ACCOUNT.read(&mut draft, spot);
    if !has_key(spot, "id") {
        spot.about("id", "is missing; it is the account's number, 12 digits in quotes");
    }
    if let Some(id) = draft.id.clone() {
        all.catalogue.accounts.insert(name.clone(), Account { id, tags: draft.tags.clone() });
    }
    all.accounts.insert(name, draft);
}
