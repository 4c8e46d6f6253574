//! Which roles are looked for: by words, tags and accounts.

use crate::args::RolesArgs;
use rolecall_core::domain::arn::AccountId;
use rolecall_core::domain::catalogue::{Config, Role};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::names::{Name, nearest};
use std::collections::HashMap;

/// The names of accounts by their number.
pub(crate) struct AccountNames<'a>(HashMap<&'a AccountId, &'a str>);

impl<'a> AccountNames<'a> {
    /// Returns the names in a configuration: for an account with two names, the first.
    pub(crate) fn of_all(catalogue: &'a Config) -> Self {
        let accounts = catalogue.accounts.iter().rev();
        Self(accounts.map(|(name, account)| (&account.id, name.as_str())).collect())
    }

    /// Returns the name of an account.
    pub(crate) fn of(&self, id: &AccountId) -> Option<&'a str> {
        self.0.get(id).copied()
    }
}

/// What is looked for: all of it has to fit.
pub(super) struct Search<'a> {
    /// In lower case.
    words: Vec<String>,
    tags: &'a [String],
    /// Names or numbers, of which one has to fit.
    accounts: &'a [String],
}

impl<'a> Search<'a> {
    pub(super) fn new(args: &'a RolesArgs) -> Self {
        let words = args.search.iter().flat_map(|text| text.split_whitespace()).map(str::to_lowercase).collect();
        Self { words, tags: &args.tag, accounts: &args.account }
    }

    /// Tells whether every role is looked for.
    pub(super) fn is_all(&self) -> bool {
        self.words.is_empty() && self.tags.is_empty() && self.accounts.is_empty()
    }

    pub(super) fn finds(&self, role: &Role, accounts: &AccountNames<'_>) -> bool {
        let id = role.role_arn.account();
        let account = accounts.of(id);
        if !self.accounts.is_empty() {
            let fits = |wanted: &String| wanted == id.as_str() || account.is_some_and(|name| name == wanted);
            if !self.accounts.iter().any(fits) {
                return false;
            }
        }
        if !self.tags.iter().all(|tag| role.settings.tags.contains(tag)) {
            return false;
        }
        if self.words.is_empty() {
            return true;
        }
        // A line break is in none of them, and in no word.
        let mut text = String::with_capacity(256);
        // Not the whole ARN: `aws`, `iam` and `role` are in each.
        let arn = role.role_arn.as_str();
        let path_and_name = arn.split_once(":role/").map(|(_, rest)| rest);
        let parts = [
            Some(role.name.as_str()),
            Some(id.as_str()),
            path_and_name,
            account,
            role.settings.display_name.as_deref(),
        ];
        for part in parts.into_iter().flatten().chain(role.settings.tags.iter().map(String::as_str)) {
            text.push_str(part);
            text.push('\n');
        }
        let text = text.to_lowercase();
        let arn = arn.to_lowercase();
        self.words.iter().all(|word| text.contains(word) || word.starts_with("arn:") && arn.contains(word))
    }

    /// Says that nothing was found, and what may have been meant.
    pub(super) fn nothing(&self, catalogue: &Config) -> UserError {
        let mut parts: Vec<String> = self.words.iter().map(|word| format!("`{}`", printable(word, 64))).collect();
        parts.extend(self.tags.iter().map(|tag| format!("the tag `{}`", printable(tag, 64))));
        let accounts: Vec<String> = self.accounts.iter().map(|a| format!("`{}`", printable(a, 64))).collect();
        if !accounts.is_empty() {
            parts.push(format!("the account {}", accounts.join(" or ")));
        }
        let near = match (self.words.as_slice(), self.tags, self.accounts) {
            ([word], [], []) => nearest(word, catalogue.names()).first().map(|n| (*n).to_owned()),
            ([], [tag], []) => {
                let mut known: Vec<&str> =
                    catalogue.roles.values().flat_map(|r| &r.settings.tags).map(String::as_str).collect();
                known.sort_unstable();
                known.dedup();
                nearest(tag, known.into_iter()).first().map(|n| (*n).to_owned())
            }
            ([], [], [account]) => {
                nearest(account, catalogue.accounts.keys().map(Name::as_str)).first().map(|n| (*n).to_owned())
            }
            _ => None,
        };
        let hint = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        UserError::new(Kind::Failed, format!("no role fits {}", parts.join(" and ")))
            .hint(format!("{hint}`rolecall roles` shows all of them"))
    }
}
