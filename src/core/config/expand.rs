//! From templates and accounts to roles.
//!
//! What is wrong is told once for each key of a template, with the first account and the number of the others: a slip in
//! one line is not five hundred. A role that has an entry of its own is that one, the exception among many; two templates
//! that make one name are an error.

use super::glob;
use super::includes::Document;
use super::pattern::{Pattern, Values};
use super::problem::{QUOTE_MAX, Sink};
use super::provenance::{Made, SourceLine};
use super::sections::Draft;
use super::templates::{AccountDraft, TemplateDraft};
use super::validators;
use crate::domain::arn::RoleArn;
use crate::domain::catalogue::{Account, Role};
use crate::domain::config_rules::ConfigProblem;
use crate::domain::diagnosis::Cause;
use crate::domain::error::printable;
use crate::domain::names::{Name, check_external_id, check_session_word, did_you_mean};
use std::collections::BTreeMap;

/// The most roles that templates make. Ten times what anybody has; what is more is a mistake that would fill the memory.
pub(super) const MADE_MAX: usize = 100_000;

/// What roles are called where their template does not say it.
const NAME: &str = "{account_name}-{name}";

/// What is wrong with the roles of templates, by template and key.
#[derive(Default)]
pub(super) struct Complaints(BTreeMap<(usize, String), Complaint>);

/// One of them.
struct Complaint {
    /// The first account for which it was found; `None` if it is the template itself.
    account: Option<usize>,
    message: String,
    cause: Cause,
    /// For how many more accounts it was found.
    more: usize,
}

impl Complaints {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a problem of one role.
    pub(super) fn add(&mut self, made: Made, key: &str, message: String, cause: Cause) {
        self.put(made.template, Some(made.account), key, message, cause);
    }

    fn put(&mut self, template: usize, account: Option<usize>, key: &str, message: String, cause: Cause) {
        let first = || Complaint { account, message, cause, more: 0 };
        let known = self.0.entry((template, key.to_owned())).or_insert_with(first);
        if known.account != account {
            known.more += 1;
        }
    }

    /// Reports each at its template.
    pub(super) fn tell(self, draft: &Draft, documents: &[Document<'_>], sink: &mut Sink) {
        for ((template, key), Complaint { account, message, cause, more }) in self.0 {
            let (name, file, _) = &draft.places.templates[template];
            let path = vec!["templates".to_owned(), name.to_string(), key];
            let place = account.map(|account| {
                let (name, file, offset) = &draft.places.accounts[account];
                format!("for the account `{name}` ({}): ", documents[*file].text.place(*offset))
            });
            let more = if more > 0 { format!(" (and for {more} more)") } else { String::new() };
            let message = format!("{}{message}{more}", place.unwrap_or_default());
            sink.file = *file;
            sink.add(&documents[*file].table, ConfigProblem { path, message, cause });
        }
    }
}

/// Makes the roles of all templates.
pub(super) fn expand(draft: &mut Draft, complaints: &mut Complaints) {
    if draft.templates.is_empty() && draft.accounts.is_empty() {
        return;
    }
    let templates: Vec<(Name, TemplateDraft)> = std::mem::take(&mut draft.templates).into_iter().collect();
    let accounts: Vec<(Name, AccountDraft)> = std::mem::take(&mut draft.accounts).into_iter().collect();
    draft.places.templates = templates.iter().map(|(name, t)| (name.clone(), t.file, t.offset)).collect();
    let known = |(name, account): &(Name, AccountDraft)| {
        Some((name.clone(), Account { id: account.id.clone()?, tags: account.tags.clone() }))
    };
    draft.catalogue.accounts = accounts.iter().filter_map(known).collect();
    draft.places.accounts = accounts.iter().map(|(name, a)| (name.clone(), a.file, a.offset)).collect();
    let name = Pattern::new(NAME).expect("its placeholders are known");
    let mut room = MADE_MAX;
    for (at, (template_name, template)) in templates.iter().enumerate() {
        let chosen = match chosen(template, &accounts) {
            Ok(chosen) => chosen,
            Err((key, why)) => {
                complaints.put(at, None, key, why, Cause::Config);
                continue;
            }
        };
        let Some(left) = room.checked_sub(chosen.len()) else {
            let message = format!("templates make at most {MADE_MAX} roles");
            return complaints.put(at, None, "accounts", message, Cause::Config);
        };
        room = left;
        draft.catalogue.roles.reserve(chosen.len());
        draft.places.reserve(chosen.len());
        for account in chosen {
            let made = Made { template: at, account };
            let (account_name, account) = &accounts[account];
            let Some(id) = &account.id else { continue };
            let values =
                Values { account: id.as_str(), account_name: account_name.as_str(), template: template_name.as_str() };
            let called = template.name.as_ref().unwrap_or(&name).fill(values);
            match role(draft, &called, template, account, values) {
                Ok(role) => put(draft, role, made, complaints),
                Err((key, why)) => complaints.add(made, key, why, Cause::Config),
            }
        }
    }
}

/// Gives the accounts that a template is for.
fn chosen(template: &TemplateDraft, accounts: &[(Name, AccountDraft)]) -> Result<Vec<usize>, (&'static str, String)> {
    if accounts.is_empty() {
        return Err(("role_arn", "there are no accounts to make roles for; they stand in [accounts]".to_owned()));
    }
    if template.accounts.is_none() && template.account_tags.is_none() {
        return Ok((0..accounts.len()).collect());
    }
    let mut is_chosen = vec![false; accounts.len()];
    for wanted in template.accounts.iter().flatten() {
        let mut any = false;
        if wanted.contains(glob::STAR) {
            for (at, _) in accounts.iter().enumerate().filter(|(_, (name, _))| glob::fits(wanted, name.as_str())) {
                (is_chosen[at], any) = (true, true);
            }
        } else if let Ok(at) = accounts.binary_search_by(|(name, _)| name.as_str().cmp(wanted)) {
            (is_chosen[at], any) = (true, true);
        }
        if !any {
            let near = did_you_mean(wanted, accounts.iter().map(|(name, _)| name.as_str()));
            return Err(("accounts", format!("no account is called `{}`{near}", printable(wanted, QUOTE_MAX))));
        }
    }
    for tag in template.account_tags.iter().flatten() {
        let mut any = false;
        for (at, _) in accounts.iter().enumerate().filter(|(_, (_, account))| account.tags.contains(tag)) {
            (is_chosen[at], any) = (true, true);
        }
        if !any {
            let known = accounts.iter().flat_map(|(_, account)| account.tags.iter().map(String::as_str));
            return Err(("account_tags", format!("no account has the tag `{tag}`{}", did_you_mean(tag, known))));
        }
    }
    Ok((0..accounts.len()).filter(|at| is_chosen[*at]).collect())
}

/// Makes one role; else gives the key that does not fit, and why.
fn role(
    draft: &Draft,
    called: &str,
    template: &TemplateDraft,
    account: &AccountDraft,
    values: Values<'_>,
) -> Result<Role, (&'static str, String)> {
    let wrong = |key, text: &str, why: &str| (key, format!("`{}`: {why}", printable(text, QUOTE_MAX)));
    let checked = |key: &'static str, pattern: &Option<Pattern>, check: fn(&str) -> Result<(), &'static str>| {
        let Some(pattern) = pattern else { return Ok(None) };
        let text = pattern.fill(values);
        // Without the text: these are nobody else's, and what is wrong is told to whoever asks for the status.
        check(&text).map_err(|why| (key, why.to_owned())).map(|()| Some(text))
    };
    let name = Name::new(called).map_err(|why| wrong("name", called, why))?;
    let arn = template.role_arn.as_ref().map(|pattern| pattern.fill(values)).unwrap_or_default();
    let role_arn = RoleArn::new(&arn).map_err(|why| wrong("role_arn", &arn, why))?;
    let source = match &template.source {
        Some(pattern) => {
            let text = pattern.fill(values);
            Some(Name::new(&text).map_err(|why| wrong("source", &text, why))?)
        }
        None => draft.defaults.source.clone(),
    };
    let Some(source) = source else { return Err(("source", "is missing".to_owned())) };
    let mut own = template.settings.clone();
    own.external_id =
        checked("external_id", &template.external_id, check_external_id)?.or_else(|| account.external_id.clone());
    own.role_session_name = checked("role_session_name", &template.role_session_name, check_session_word)?;
    own.display_name = checked("display_name", &template.display_name, validators::check_display_name)?;
    own.region = own.region.or_else(|| account.region.clone());
    own.color = own.color.or_else(|| account.color.clone());
    own.tags.extend(account.tags.iter().filter(|tag| !template.settings.tags.contains(tag)).cloned());
    Ok(Role { name, source, role_arn, settings: draft.defaults.complete(own) })
}

fn put(draft: &mut Draft, role: Role, made: Made, complaints: &mut Complaints) {
    let name = role.name.clone();
    let before = draft.places.of("roles", name.as_str()).and_then(|place| place.made);
    if let Some(before) = before {
        let (template, ..) = &draft.places.templates[before.template];
        let (account, ..) = &draft.places.accounts[before.account];
        let message = format!("`{name}` is made by the template `{template}` for the account `{account}` already");
        return complaints.add(made, "name", message, Cause::Config);
    }
    // An entry of its own goes before; one that is wrong has been complained about.
    if draft.catalogue.roles.contains_key(&name) || draft.is_broken(name.as_str()) {
        return;
    }
    let (_, file, offset) = draft.places.templates[made.template];
    draft.places.put("roles", &name, SourceLine { file, offset, made: Some(made) });
    draft.catalogue.roles.insert(name, role);
}
