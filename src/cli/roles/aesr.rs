//! The roles for the browser extension AWS Extend Switch Roles.

use crate::config_file;
use rolecall_core::domain::arn;
use rolecall_core::domain::catalogue::{Config, Identity, Role};
use rolecall_core::domain::palette;
use rolecall_core::domain::switch_role::{path_and_name, refusal, shown_name};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Writes the configuration of AWS Extend Switch Roles (its README, "Configuration"): base accounts, where they are known,
/// then a section per role that the console can switch to. The others are named with the reason, in comments.
pub(super) fn aesr(catalogue: &Config, roles: &[&Role]) -> String {
    let mut identities: Vec<&Identity> = catalogue.identities.values().collect();
    identities.sort_by(|a, b| a.name.cmp(&b.name));
    let mut out =
        String::from("; AWS Extend Switch Roles, from rolecall: paste it into the extension's Configure page\n");
    let mut taken = BTreeSet::new();
    for identity in identities {
        // The extension refuses all of it for one base account that leads nowhere.
        let leads_on = |role: &&Role| role.source == identity.name && left_out(catalogue, role).is_none();
        if let Some(account) = account(identity).filter(|_| roles.iter().any(leads_on)) {
            taken.insert(identity.name.to_string());
            let _ = write!(out, "\n[{}]\naws_account_id = {account}\n", identity.name);
        }
    }
    for role in roles {
        if let Some(why) = left_out(catalogue, role) {
            let _ = write!(out, "\n; left out: {why}\n");
            continue;
        }
        let title = title(role, &mut taken);
        let _ = write!(out, "\n[profile {title}]\nrole_arn = {}\n", role.role_arn);
        if let Some(color) = role.settings.color.as_deref().and_then(palette::hex) {
            let _ = writeln!(out, "color = {color}");
        }
        if let Some(region) = config_file::region_in(catalogue, role.name.as_str()) {
            let _ = writeln!(out, "region = {region}");
        }
        if catalogue.identities.get(&role.source).is_some_and(|identity| account(identity).is_some()) {
            let _ = writeln!(out, "source_profile = {}", role.source);
        }
    }
    out
}

/// Tells why a role is not in it, if it is not.
fn left_out(catalogue: &Config, role: &Role) -> Option<String> {
    if let Some(report) = refusal(catalogue, role) {
        return Some(report.message);
    }
    // It cuts a value at the first of these.
    let is_cut = path_and_name(&role.role_arn).contains(['=', ';', '#']);
    is_cut.then(|| format!("the extension cannot read the ARN of `{}`: it cuts it at = ; and #", role.name))
}

/// Gives the account of an identity, as far as the configuration tells.
fn account(identity: &Identity) -> Option<arn::AccountId> {
    identity.mfa_serial.as_ref().and_then(|serial| arn::account_of(serial.as_str()))
}

/// Gives a section's title: what the console shows, where it can stand there and is nobody else's, else the name.
fn title(role: &Role, taken: &mut BTreeSet<String>) -> String {
    let shown = shown_name(role);
    let is_plain = shown.chars().all(|c| c.is_alphanumeric() || " _.@-".contains(c)) && shown.trim() == shown;
    let title = if is_plain && !taken.contains(shown) { shown } else { role.name.as_str() };
    taken.insert(title.to_owned());
    title.to_owned()
}
