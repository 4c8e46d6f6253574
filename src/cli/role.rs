//! `role`: the roles of config.toml, shown and edited; `roles` lists them. The agent is only told that the file changed.
//!
//! A value is judged by `config` alone, after the edit and as a whole, so that a flag cannot write what the agent refuses.

use super::args::{RoleCommand, RoleFlags, ShowArgs};
use super::config_file::{self, Edited};
use super::named_file;
use super::output::{self, Cell, Failure, Screen, Style, table};
use super::plan::ShownPlan;
use super::roles::search::AccountNames;
use rolecall_core::config::schema_types::RoleSection;
use rolecall_core::config::{self, IfPresent, Loaded, Origin};
use rolecall_core::domain::catalogue::{Config, Role, RoleSettings};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::plan::Plan;
use rolecall_platform::paths::Paths;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Does what was typed.
pub(super) fn run(paths: &Paths, command: &RoleCommand) -> Result<(), Failure> {
    match command {
        RoleCommand::Add(args) => add(paths, args.name.as_str(), &args.flags, args.replace),
        RoleCommand::List(args) => super::roles::run(paths, args),
        RoleCommand::Show(args) => show(paths, args),
        RoleCommand::Remove(args) => remove(paths, args.name.as_str()),
    }
}

fn add(paths: &Paths, name: &str, flags: &RoleFlags, replace: bool) -> Result<(), Failure> {
    let file = Edited::open(paths, "roles", name)?;
    let known = file.catalogue.roles.contains_key(name);
    let made = file.origin.as_ref().and_then(|origin| origin.made.as_ref());
    if known && !replace {
        let (message, hint) = match made {
            None => (
                format!("there is a role of this name in {} already", file.shown()),
                "choose another name, or add `--replace` to write it anew",
            ),
            Some(made) => (
                format!(
                    "the template `{}` makes a role of this name for the account `{}`",
                    made.template, made.account
                ),
                "choose another name, or add `--replace` to write one that goes before it",
            ),
        };
        return Err(UserError::new(Kind::Config, message)
            .hint(format!("{hint}; `rolecall role show {name}` shows it"))
            .into());
    }
    let present = if replace { IfPresent::Replace } else { IfPresent::Refuse };
    let edited = config::add(config::EntryKind::Roles, &file.text, &file.part(), name, &section(flags)?, present)
        .map_err(|error| error.report)?;
    file.apply(paths, &edited)?;
    let catalogue = config_file::load(paths)?;
    let chain = config_file::chain(&catalogue, name).map(|(_, names)| names.join(" -> ")).unwrap_or_default();
    let what = if known && made.is_none() { "changed" } else { "added" };
    let before = made.map(|made| format!("\nit goes before the one that the template `{}` makes", made.template));
    output::print(&format!(
        "role {what} in {}: {chain}{}\nnext: `rolecall profiles sync`, then any tool with `--profile {name}`\n",
        file.shown(),
        before.unwrap_or_default()
    ))
}

fn section(flags: &RoleFlags) -> Result<RoleSection, UserError> {
    let mut session_tags = BTreeMap::new();
    for (key, value) in &flags.session_tags {
        if session_tags.insert(key.clone(), value.clone()).is_some() {
            return Err(UserError::new(Kind::Usage, format!("the session tag `{key}` is given twice"))
                .hint("give each `--session-tag` once"));
        }
    }
    Ok(RoleSection {
        source: flags.source.clone(),
        role_arn: flags.role_arn.clone(),
        external_id: flags.external_id.clone(),
        duration: flags.duration.clone(),
        role_session_name: flags.role_session_name.clone(),
        source_identity: flags.source_identity.clone(),
        session_tags,
        transitive_tag_keys: flags.transitive_tag_keys.clone(),
        policy: flags.policy.as_deref().map(named_file::session_policy).transpose()?,
        policy_arns: flags.policy_arns.clone(),
        region: flags.region.clone(),
        mfa: flags.mfa.clone(),
        mfa_serial: flags.mfa_serial.clone(),
        access: flags.access.clone(),
        access_by_program: flags.access_by_program.iter().cloned().collect(),
        display_name: flags.display_name.clone(),
        color: flags.color.clone(),
        tags: flags.tags.clone(),
    })
}

fn remove(paths: &Paths, name: &str) -> Result<(), Failure> {
    let file = Edited::open(paths, "roles", name)?;
    let edited = config::remove(config::EntryKind::Roles, &file.text, &file.part(), name)?;
    file.apply(paths, &edited)?;
    let loaded = config_file::load_whole(paths)?;
    let made = loaded.origins.of("roles", name).and_then(|origin| origin.made);
    let next = match made {
        Some(made) => {
            format!("the template `{}` makes a role of this name again; `rolecall role show {name}`", made.template)
        }
        None => "next: `rolecall profiles sync` takes its profile away".to_owned(),
    };
    output::print(&format!("role removed from {}\n{next}\n", file.shown()))
}

/// A role as `--json` prints it: the configuration's keys and values.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Shown")]
pub(super) struct RoleView<'a> {
    /// Its name.
    name: &'a str,
    /// What assumes it.
    source: &'a str,
    /// Its ARN.
    role_arn: &'a str,
    /// What the configuration calls its account.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_name: Option<&'a str>,
    /// What it is found by.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [String],
    /// From the identity to the role itself.
    chain: Vec<&'a str>,
    #[serde(flatten)]
    settings: RoleSettings,
}

/// The same with what `get` will do.
#[derive(Serialize, JsonSchema)]
pub(super) struct RoleDetails<'a> {
    #[serde(flatten)]
    role: RoleView<'a>,
    /// Where it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<ShownOrigin>,
    /// What `get` does where nothing is cached.
    plan: ShownPlan,
}

/// Where a role comes from.
#[derive(Serialize, JsonSchema)]
struct ShownOrigin {
    /// The file of its entry, or of the template that makes it.
    file: String,
    /// The line there.
    line: usize,
    /// The template that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    /// The account that it is made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
}

impl ShownOrigin {
    fn new(origin: Origin) -> Self {
        let (template, account) = match origin.made {
            None => (None, None),
            Some(made) => (Some(made.template.to_string()), Some(made.account.to_string())),
        };
        Self { file: origin.file.display().to_string(), line: origin.line, template, account }
    }

    fn text(&self) -> String {
        let place = format!("{}:{}", config_file::shown(Path::new(&self.file)), self.line);
        match (&self.template, &self.account) {
            (Some(template), Some(account)) => {
                format!("\nfrom the template {template} ({place}) for the account {account}\n")
            }
            _ => format!("\nfrom {place}\n"),
        }
    }
}

impl<'a> RoleView<'a> {
    pub(super) fn new(catalogue: &'a Config, accounts: &AccountNames<'a>, role: &'a Role) -> Self {
        let name = role.name.as_str();
        Self {
            name,
            source: role.source.as_str(),
            role_arn: role.role_arn.as_str(),
            account_name: accounts.of(role.role_arn.account()),
            tags: &role.settings.tags,
            chain: config_file::chain(catalogue, name).map(|(_, names)| names).unwrap_or_default(),
            settings: RoleSettings { region: config_file::region_in(catalogue, name), ..role.settings.clone() },
        }
    }
}

fn show(paths: &Paths, args: &ShowArgs) -> Result<(), Failure> {
    let Loaded { catalogue, origins } = config_file::load_whole(paths)?;
    let name = args.name.as_str();
    let Some(role) = catalogue.roles.get(name) else {
        let known = catalogue.roles.keys().map(Name::as_str);
        return Err(config_file::unknown("role", name, known).into());
    };
    let shown = RoleView::new(&catalogue, &AccountNames::of_all(&catalogue), role);
    let plan = ShownPlan::new(&catalogue, &Plan::of(&catalogue, name)?);
    let origin = origins.of("roles", name).map(ShownOrigin::new);
    if args.json {
        return output::print_json(&RoleDetails { role: shown, origin, plan });
    }
    let from = origin.as_ref().map(ShownOrigin::text).unwrap_or_default();
    output::print(&(render_show(&shown, Screen::stdout()) + &from + &plan.text()))
}

/// Writes the same keys as the JSON, a line each: one list of them cannot forget what the other has.
fn render_show(shown: &RoleView<'_>, screen: Screen) -> String {
    let serde_json::Value::Object(fields) = serde_json::to_value(shown).expect("keys are strings") else {
        return String::new();
    };
    let order = ["name", "chain", "role_arn", "source"];
    let first = order.iter().filter_map(|key| fields.get_key_value(*key));
    let rest = fields.iter().filter(|(key, _)| !order.contains(&key.as_str()));
    let rows: Vec<Vec<Cell>> = first
        .chain(rest)
        .map(|(key, value)| vec![Cell::new(Style::Dim, key), Cell::plain(&text_of(key, value))])
        .collect();
    // Facts to copy are not cut.
    table(Screen { width: None, ..screen }, &rows)
}

fn text_of(key: &str, value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => {
            let items: Vec<&str> = items.iter().filter_map(serde_json::Value::as_str).collect();
            items.join(if key == "chain" { " -> " } else { ", " })
        }
        serde_json::Value::Object(pairs) => {
            let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={}", text_of(k, v))).collect();
            pairs.join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "role_tests.rs"]
mod tests;
