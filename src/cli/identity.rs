//! `identity list`, `show` and `remove`: long-term keys and the sections that name them.
//!
//! What the vault holds is for the agent to say; a secret never comes this way. A key is deleted before its section: a
//! section without a key is seen and mended, a key without a section is forgotten.

mod add;
mod rotate;
mod totp;

use super::args::{IdentityCommand, IdentityRemoveArgs, ShowArgs};
use super::config_file::Edited;
use super::output::{self, Cell, Failure, Screen, Style, headings, remark, span, table};
use super::spinner::{self, tell};
use super::{config_file, confirm};
use chrono::{DateTime, Utc};
use rolecall_core::config;
use rolecall_core::domain::catalogue::Config;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::source::Source;
use rolecall_ipc::client::{self, Autostart};
use rolecall_ipc::protocol::message::{Answer, Request};
use rolecall_ipc::protocol::status::KeyStatus;
use rolecall_platform::paths::Paths;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Does what was typed.
pub(super) fn run(paths: &Paths, command: &IdentityCommand) -> Result<(), Failure> {
    match command {
        IdentityCommand::Add(args) => add::run(paths, args),
        IdentityCommand::List(args) => list(paths, args.json),
        IdentityCommand::Show(args) => show(paths, args),
        IdentityCommand::Remove(args) => remove(paths, args),
        IdentityCommand::Rotate(args) => rotate::run(paths, args),
    }
}

/// Returns the keys in the vault, one for each identity of the configuration that has one there.
pub(super) fn keys(paths: &Paths) -> Result<Vec<KeyStatus>, UserError> {
    match spinner::ask(paths, Request::Keys, Autostart::Yes)? {
        Answer::Keys { keys } => Ok(keys),
        _ => Err(client::odd_answer()),
    }
}

fn list(paths: &Paths, json: bool) -> Result<(), Failure> {
    let keys = keys(paths)?;
    if json { output::print_json(&keys) } else { output::print(&render_list(&keys, now(), Screen::stdout())) }
}

fn render_list(keys: &[KeyStatus], now: DateTime<Utc>, screen: Screen) -> String {
    if keys.is_empty() {
        return "no identities yet; start with `rolecall identity add NAME`\n".to_owned();
    }
    let mut rows = vec![headings(&["NAME", "TYPE", "ACCESS KEY", "ACCOUNT", "USER", "AGE", "MFA"])];
    for key in keys {
        let text = |value: &Option<String>| Cell::plain(value.as_deref().unwrap_or("-"));
        rows.push(vec![
            Cell::new(Style::Heading, &key.identity),
            Cell::plain(&key.kind),
            text(&key.access_key_id),
            text(&key.account),
            Cell::plain(key.arn.as_deref().map_or("-", user)),
            Cell::plain(&key.created.or(key.stored).map_or_else(|| "-".to_owned(), |since| age(since, now))),
            Cell::plain(match (&key.mfa_serial, key.totp) {
                (_, true) => "yes, TOTP secret kept",
                (Some(_), false) => "yes",
                (None, false) => "no",
            }),
        ]);
    }
    let mut out = table(screen, &rows);
    for key in keys {
        if let Some(error) = &key.error {
            let message = format!("{}: {}", key.identity, error.message);
            out.push_str(&remark(screen, (Style::Warning, "!"), &message, error.hint.as_deref()));
        }
        for warning in &key.warnings {
            out.push_str(&remark(screen, (Style::Warning, "!"), &warning.message, warning.hint.as_deref()));
        }
    }
    out
}

/// Gives what stands after `user/` in an ARN.
fn user(arn: &str) -> &str {
    arn.splitn(6, ':').nth(5).map_or(arn, |resource| resource.strip_prefix("user/").unwrap_or(resource))
}

fn age(since: DateTime<Utc>, now: DateTime<Utc>) -> String {
    span((now - since).num_seconds().max(0).unsigned_abs())
}

/// What `show --json` prints.
#[derive(Serialize, JsonSchema)]
pub(super) struct IdentityView<'a> {
    #[serde(flatten)]
    key: &'a KeyStatus,
    /// The region whose STS is asked, and that tools get.
    region: Option<&'a str>,
    /// The program that gives MFA codes, with its arguments.
    mfa_process: Option<&'a [String]>,
    /// What its source is told, by the configuration's keys.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    settings: BTreeMap<&'static str, String>,
    /// The roles that start from it, by way of others too.
    roles: Vec<&'a str>,
}

fn show(paths: &Paths, args: &ShowArgs) -> Result<(), Failure> {
    let catalogue = config_file::load(paths)?;
    let name = args.name.as_str();
    let Some(identity) = catalogue.identities.get(name) else { return Err(unknown(&catalogue, name).into()) };
    let keys = keys(paths)?;
    let Some(key) = keys.iter().find(|key| key.identity == name) else {
        return Err(UserError::new(Kind::Config, "the agent does not know this identity yet")
            .hint("see `rolecall status` for what is wrong with the configuration")
            .into());
    };
    let settings = identity.source.iter().flat_map(Source::settings).collect();
    let shown = IdentityView {
        key,
        region: identity.region.as_deref(),
        mfa_process: identity.mfa_process.as_deref(),
        settings,
        roles: roles_of(&catalogue, name),
    };
    if args.json {
        return output::print_json(&shown);
    }
    output::print(&render_show(&shown, now(), Screen::stdout()))
}

fn render_show(shown: &IdentityView<'_>, now: DateTime<Utc>, screen: Screen) -> String {
    let key = shown.key;
    let dated = |at: DateTime<Utc>| format!("{}, {} ago", at.format("%Y-%m-%d"), age(at, now));
    let (stored, created) = (key.stored.map(dated), key.created.map(dated));
    let roles = shown.roles.join(", ");
    let program = shown.mfa_process.and_then(|argv| argv.first());
    let codes = match (key.totp, program) {
        (true, _) => Some("from the TOTP secret beside the key".to_owned()),
        (false, Some(program)) => Some(format!("from {program}")),
        (false, None) => None,
    };
    let rows: Vec<Vec<Cell>> = [
        ("name", Some(key.identity.as_str())),
        ("type", Some(&key.kind)),
        ("arn", key.arn.as_deref()),
        ("account", key.account.as_deref()),
        ("access key", key.access_key_id.as_deref()),
        ("created", created.as_deref()),
        ("stored", stored.as_deref()),
        ("mfa_serial", key.mfa_serial.as_deref()),
        ("mfa codes", codes.as_deref()),
        ("region", shown.region),
    ]
    .into_iter()
    .chain(shown.settings.iter().map(|(key, value)| (*key, Some(value.as_str()))))
    .chain([
        ("roles", Some(if roles.is_empty() { "none" } else { &roles })),
        ("problem", key.error.as_ref().map(|error| error.message.as_str())),
        ("hint", key.error.as_ref().and_then(|error| error.hint.as_deref())),
    ])
    .filter_map(|(label, value)| Some(vec![Cell::new(Style::Dim, label), Cell::plain(value?)]))
    .collect();
    // Facts to copy are not cut.
    table(Screen { width: None, ..screen }, &rows)
}

/// Names the roles that start from an identity, by way of others too.
fn roles_of<'a>(catalogue: &'a Config, identity: &str) -> Vec<&'a str> {
    let starts_here =
        |name: &str| config_file::chain(catalogue, name).is_some_and(|(i, _)| i.name.as_str() == identity);
    let mut roles: Vec<&str> = catalogue.roles.keys().map(Name::as_str).filter(|n| starts_here(n)).collect();
    roles.sort_unstable();
    roles
}

fn unknown(catalogue: &Config, name: &str) -> UserError {
    config_file::unknown("identity", name, catalogue.identities.keys().map(Name::as_str))
}

fn remove(paths: &Paths, args: &IdentityRemoveArgs) -> Result<(), Failure> {
    let name = args.name.as_str();
    let file = Edited::open(paths, "identities", name)?;
    let catalogue = &file.catalogue;
    let Some(identity) = catalogue.identities.get(name) else { return Err(unknown(catalogue, name).into()) };
    // Refused here while roles start from it, whatever was consented to: the configuration would be broken.
    let edited = config::remove(config::EntryKind::Identities, &file.text, &file.part(), name)?;
    let has_key = identity.has_stored_key();
    if !args.yes {
        let what = if has_key { "its key in the vault, its sessions and its section" } else { "its section" };
        let hint = format!("if that is meant: `rolecall identity remove {name} --yes`");
        confirm::ensure_possible(false, &format!("removing it deletes {what}"), &hint)?;
        if !confirm::consent(&format!("Delete {name}: {what}?"))? {
            return output::print("nothing was changed\n");
        }
    }
    if has_key {
        tell(paths, Request::IdentityRemove { name: name.to_owned() }, Autostart::Yes)?;
    }
    file.write(&edited).map_err(|report| {
        let gone = if has_key { "the key is deleted from the vault, but " } else { "" };
        UserError::new(report.kind, format!("{gone}its section is still there: {}", report.message))
            .hint(format!("delete `[identities.{name}]` from {} by hand", file.shown()))
    })?;
    config_file::reload(paths)?;
    let reminder =
        if has_key { "; at AWS the key is still valid: delete it there with `aws iam delete-access-key`" } else { "" };
    output::print(&format!("{name} is removed{reminder}\n"))
}

#[expect(clippy::disallowed_methods, reason = "the age of a key in days, for a person to read; nothing depends on it")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn key() -> KeyStatus {
        KeyStatus {
            identity: "auth".into(),
            kind: "iam-user".into(),
            access_key_id: Some("AKIAIOSFODNN7EXAMPLE".into()),
            arn: Some("arn:aws:iam::111111111111:user/staff/richard".into()),
            account: Some("111111111111".into()),
            stored: DateTime::from_timestamp(1_795_305_600, 0),
            mfa_serial: Some("arn:aws:iam::111111111111:mfa/richard".into()),
            ..KeyStatus::default()
        }
    }

    #[test]
    fn the_list_shows_whose_keys_and_how_old() {
        let now = DateTime::from_timestamp(1_795_305_600 + 90 * 86_400, 0).expect("in range");
        let mut broken = key();
        (broken.identity, broken.access_key_id, broken.arn, broken.account, broken.stored, broken.mfa_serial) =
            ("old".into(), None, None, None, None, None);
        broken.error = Some(UserError::new(Kind::Locked, "the vault is locked").hint("`rolecall unlock --vault`"));
        assert_eq!(
            render_list(&[key(), broken], now, Screen::default()),
            "\
NAME  TYPE      ACCESS KEY            ACCOUNT       USER           AGE  MFA
auth  iam-user  AKIAIOSFODNN7EXAMPLE  111111111111  staff/richard  90d  yes
old   iam-user  -                     -             -              -    no
! old: the vault is locked
  hint: `rolecall unlock --vault`
"
        );
        assert!(render_list(&[], now, Screen::default()).contains("identity add"));
    }

    #[test]
    fn one_identity_is_shown_with_the_roles_it_reaches() {
        let text = r#"
            identities.auth.type = "iam-user"
            identities.other.type = "ec2"
            roles.b = { source = "a", role_arn = "arn:aws:iam::222222222222:role/B" }
            roles.a = { source = "auth", role_arn = "arn:aws:iam::222222222222:role/A" }
        "#;
        let catalogue = config::parse(text, Path::new("c")).expect("valid");
        let key = key();
        let shown = IdentityView {
            key: &key,
            region: None,
            mfa_process: None,
            settings: BTreeMap::new(),
            roles: roles_of(&catalogue, "auth"),
        };
        let now = DateTime::from_timestamp(1_795_305_600, 0).expect("in range");
        let text = render_show(&shown, now, Screen { width: Some(20), ..Screen::default() });
        assert!(text.contains("roles       a, b\n"), "{text}");
        assert!(text.contains("arn:aws:iam::111111111111:user/staff/richard\n"), "{text}");
        assert!(roles_of(&catalogue, "other").is_empty());
        let json = serde_json::to_value(&shown).expect("JSON");
        assert_eq!((&json["identity"], &json["roles"][1]), (&"auth".into(), &"b".into()));
    }
}
