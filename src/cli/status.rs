//! `status`: what the agent says of itself, drawn as a tree from identities to roles.
//!
//! It measures nothing: times come from the agent, which has the clocks. Where no agent runs that is an answer too, not
//! a failure, and the names in the configuration are shown.

use super::config_file;
use super::output::{self, Cell, Failure, Screen, Style, remark, span, table};
use crate::client::{self, Autostart};
use crate::domain::catalogue::Catalogue;
use crate::domain::question::{UNNAMED, allow_for_good};
use crate::domain::report::Report;
use crate::paths::Paths;
use crate::protocol::message::{Answer, Context, Request};
use crate::protocol::status::{IdentityStatus, KeyAge, QuestionStatus, RoleStatus, SessionStatus, Status};
use chrono::{DateTime, Local, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Shows the state of everything.
pub(super) fn run(paths: &Paths, json: bool) -> Result<(), Failure> {
    if client::connect_running(paths)?.is_none() {
        return without_agent(paths, json);
    }
    let mut status = fetch(paths, Autostart::No)?;
    if json {
        return output::print_json(&status);
    }
    let screen = Screen::stdout();
    let problems = render_problems(&config_file::problems(paths), &mut status.warnings, screen);
    output::print(&(problems + &render(&status, screen)))
}

/// Asks the agent for its state.
pub(super) fn fetch(paths: &Paths, autostart: Autostart) -> Result<Box<Status>, Report> {
    match client::ask(paths, Request::Status, Context::from_env(), autostart)? {
        Answer::Status(status) => Ok(status),
        _ => Err(client::odd_answer()),
    }
}

/// The same field names as [`Status`], without what only an agent knows.
#[derive(Serialize)]
struct WithoutAgent<'a> {
    agent: Option<()>,
    config: String,
    warnings: Vec<Report>,
    identities: Vec<IdentityStatus>,
    roles: Vec<&'a RoleStatus>,
}

fn without_agent(paths: &Paths, json: bool) -> Result<(), Failure> {
    let (catalogue, mut warnings) = match config_file::load(paths) {
        Ok(catalogue) => (catalogue, Vec::new()),
        Err(report) => (Catalogue::default(), vec![report]),
    };
    let (identities, roles) = (identities(&catalogue), roles(&catalogue));
    if json {
        let config = paths.config.display().to_string();
        let roles = roles.iter().collect();
        return output::print_json(&WithoutAgent { agent: None, config, warnings, identities, roles });
    }
    let screen = Screen::stdout();
    let mut out = render_problems(&config_file::problems(paths), &mut warnings, screen);
    out.push_str(&render_warnings(&warnings, screen));
    out.push_str(&table(
        screen,
        &[
            vec![Cell::new(Style::Dim, "agent"), Cell::plain("no agent is running; `rolecall get NAME` starts it")],
            vec![Cell::new(Style::Dim, "config"), Cell::plain(&shown(&paths.config))],
        ],
    ));
    out.push_str(&render_tree(&identities, &roles, None, screen));
    output::print(&out)
}

fn shown(config: &Path) -> String {
    let missing = if config.exists() { "" } else { " (does not exist yet)" };
    format!("{}{missing}", config.display())
}

fn identities(catalogue: &Catalogue) -> Vec<IdentityStatus> {
    let mut all: Vec<IdentityStatus> = catalogue
        .identities
        .values()
        .map(|identity| IdentityStatus {
            name: identity.name.to_string(),
            kind: identity.kind.as_str().to_owned(),
            mfa_serial: identity.mfa_serial.as_ref().map(|serial| serial.as_str().to_owned()),
            key: None,
            session: None,
            error: None,
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn roles(catalogue: &Catalogue) -> Vec<RoleStatus> {
    let mut all: Vec<RoleStatus> = catalogue
        .roles
        .values()
        .map(|role| RoleStatus {
            name: role.name.to_string(),
            source: role.source.to_string(),
            role_arn: role.role_arn.as_str().to_owned(),
            session: None,
            error: None,
            last_used: None,
            last_caller: None,
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn render(status: &Status, screen: Screen) -> String {
    let mut out =
        render_questions(&status.questions, status.agent.now, screen) + &render_warnings(&status.warnings, screen);
    let agent = &status.agent;
    let up = span((agent.now - agent.started).num_seconds().unsigned_abs());
    let mut facts = vec![(Cell::plain("running"), format!("pid {}, up {up}, version {}", agent.pid, agent.version))];
    if agent.version != env!("CARGO_PKG_VERSION") {
        let own = env!("CARGO_PKG_VERSION");
        let _ = write!(facts[0].1, "; this is {own}: `rolecall agent restart`");
    }
    let vault = &status.vault;
    let (style, remark) = match (vault.state.as_str(), vault.kind.as_str()) {
        ("ready", _) => (Style::Plain, String::new()),
        ("locked", "file") => (Style::Warning, "open it with `rolecall unlock --vault`".to_owned()),
        ("locked", _) => (Style::Warning, "it opens when you log in, or with `rolecall unlock --vault`".to_owned()),
        (_, _) => (Style::Bad, vault.reason.clone().unwrap_or_default()),
    };
    let kind = match vault.kind.as_str() {
        "os" => "keyring",
        "file" => "encrypted file",
        other => other,
    };
    facts.push((Cell::new(style, &format!("{kind} {}", vault.state)), remark));
    facts.push((Cell::plain(&agent.config), String::new()));
    let rows: Vec<Vec<Cell>> = ["agent", "vault", "config"]
        .iter()
        .zip(facts)
        .map(|(name, (value, remark))| vec![Cell::new(Style::Dim, name), join(value, &remark)])
        .collect();
    out.push_str(&table(screen, &rows));
    out.push_str(&render_tree(&status.identities, &status.roles, Some(agent.now), screen));
    out.push_str(&render_counts(status, screen));
    out
}

fn join(value: Cell, remark: &str) -> Cell {
    if remark.is_empty() { value } else { value.and(", ", remark) }
}

/// Lists all that is wrong with the file, and takes the warning away that says the first of it.
fn render_problems(problems: &[String], warnings: &mut Vec<Report>, screen: Screen) -> String {
    let Some(first) = problems.first() else { return String::new() };
    warnings.retain(|warning| !warning.message.starts_with(first));
    let label = (Style::Bad, "error:");
    let hint = "correct the file and save it; until then the agent goes on with the configuration it has";
    let hint_at = problems.len() - 1;
    let lines = problems.iter().enumerate();
    lines.map(|(at, line)| remark(screen, label, line, (at == hint_at).then_some(hint))).collect::<String>() + "\n"
}

/// Says what is wanted of the person: the one thing here that only a person can do.
fn render_questions(questions: &[QuestionStatus], now: DateTime<Utc>, screen: Screen) -> String {
    let lines = questions.iter().map(|question| {
        let program = question.program.as_deref();
        let what = match (&question.identity, &question.serial) {
            (Some(identity), Some(serial)) => format!("MFA code of {identity} ({serial}) for {}", question.name),
            _ => format!("consent for {} to use {}", program.unwrap_or(UNNAMED), question.name),
        };
        let what = format!("{what}, wanted since {}", clock(question.since, now));
        let hint = match (question.open, &question.answer_with) {
            (true, Some(command)) => format!("answer it where it is asked, or `{command}`"),
            (true, None) => "answer it where it is asked".to_owned(),
            (false, Some(command)) => format!("nobody could be asked: run `{command}`"),
            (false, None) => format!("nobody could be asked; {}", allow_for_good(&question.name, program)),
        };
        remark(screen, (Style::Warning, "wanted:"), &what, Some(&hint))
    });
    let text: String = lines.collect();
    if text.is_empty() { text } else { text + "\n" }
}

/// Writes when something began, as a clock here shows it; with the day where that was another one.
fn clock(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let (at, now) = (at.with_timezone(&Local), now.with_timezone(&Local));
    let format = if at.date_naive() == now.date_naive() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    at.format(format).to_string()
}

fn render_warnings(warnings: &[Report], screen: Screen) -> String {
    let label = (Style::Warning, "warning:");
    let mut out: String =
        warnings.iter().map(|report| remark(screen, label, &report.message, report.hint.as_deref())).collect();
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// A line of the tree: its table row, and what failed, to be said below.
struct Line<'a> {
    row: Vec<Cell>,
    error: Option<&'a Report>,
}

/// What the walk over the tree carries along. Roles whose source is gone hang under no identity and come last.
struct Tree<'a> {
    by_source: BTreeMap<&'a str, Vec<&'a RoleStatus>>,
    now: Option<DateTime<Utc>>,
    unicode: bool,
    lines: Vec<Line<'a>>,
}

fn render_tree(
    identities: &[IdentityStatus],
    roles: &[RoleStatus],
    now: Option<DateTime<Utc>>,
    screen: Screen,
) -> String {
    if identities.is_empty() && roles.is_empty() {
        return "\nno identities or roles yet; start with `rolecall identity add NAME`\n".to_owned();
    }
    let mut by_source: BTreeMap<&str, Vec<&RoleStatus>> = BTreeMap::new();
    for role in roles {
        by_source.entry(&role.source).or_default().push(role);
    }
    let mut tree = Tree { by_source, now, unicode: screen.unicode, lines: Vec::new() };
    for identity in identities {
        tree.identity(identity);
        tree.children(&identity.name, "");
    }
    let orphans: Vec<&RoleStatus> =
        roles.iter().filter(|role| tree.by_source.contains_key(role.source.as_str())).collect();
    for role in orphans {
        tree.role(role, "");
    }
    let rows: Vec<Vec<Cell>> = tree.lines.iter().map(|line| line.row.clone()).collect();
    let mut out = "\n".to_owned();
    for (text, line) in table(screen, &rows).lines().zip(&tree.lines) {
        out.push_str(text);
        out.push('\n');
        if let Some(error) = line.error {
            out.push_str(&remark(screen, (Style::Bad, "     !"), &error.message, error.hint.as_deref()));
        }
    }
    out
}

impl<'a> Tree<'a> {
    fn identity(&mut self, identity: &'a IdentityStatus) {
        let mfa = if identity.mfa_serial.is_some() { ", MFA" } else { "" };
        // Silence where there is nothing to say: only an identity with MFA has a session worth waiting for.
        let state = match (&identity.session, mfa) {
            (None, _) if identity.error.is_some() => Cell::new(Style::Bad, "failed"),
            (None, "") => Cell::default(),
            (None, _) if self.now.is_some() => Cell::new(Style::Dim, "no MFA session"),
            (None, _) => Cell::default(),
            (Some(session), _) => time_left(session),
        };
        let row = vec![
            Cell::new(Style::Heading, &identity.name),
            Cell::new(Style::Dim, &format!("{}{mfa}", identity.kind)),
            state,
            identity.key.as_ref().map(key_age).unwrap_or_default(),
        ];
        self.lines.push(Line { row, error: identity.error.as_ref() });
    }

    /// Draws what a source reaches. Each list is taken out as it is drawn, so that even a loop would end.
    fn children(&mut self, source: &str, indent: &str) {
        let Some(children) = self.by_source.remove(source) else { return };
        let marks = if self.unicode { ["├─ ", "└─ ", "│  "] } else { ["|- ", "`- ", "|  "] };
        for (at, role) in children.iter().enumerate() {
            let last = at + 1 == children.len();
            self.role(role, &format!("{indent}{}", if last { marks[1] } else { marks[0] }));
            self.children(&role.name, &format!("{indent}{}", if last { "   " } else { marks[2] }));
        }
    }

    fn role(&mut self, role: &'a RoleStatus, indent: &str) {
        let state = match (&role.session, self.now) {
            (Some(session), _) => time_left(session),
            (None, Some(_)) if role.error.is_some() => Cell::new(Style::Bad, "failed"),
            (None, Some(_)) => Cell::new(Style::Dim, "no session"),
            (None, None) => Cell::default(),
        };
        let row = vec![
            Cell::plain(&format!("{indent}{}", role.name)),
            Cell::new(Style::Dim, &short_arn(&role.role_arn)),
            state,
            Cell::new(Style::Dim, &self.usage(role)),
        ];
        self.lines.push(Line { row, error: role.error.as_ref() });
    }

    fn usage(&self, role: &RoleStatus) -> String {
        let (Some(now), Some(used)) = (self.now, role.last_used) else { return String::new() };
        let ago = span((now - used).num_seconds().max(0).unsigned_abs());
        match role.last_caller.as_deref() {
            Some(caller) => format!("{} {ago} ago", base_name(caller)),
            None => format!("{ago} ago"),
        }
    }
}

/// Gives account and role name, which is what tells one role from another.
pub(super) fn short_arn(arn: &str) -> String {
    match arn.splitn(6, ':').collect::<Vec<_>>()[..] {
        [_, _, _, _, account, resource] => {
            format!("{account} {}", resource.rsplit('/').next().unwrap_or(resource))
        }
        _ => arn.to_owned(),
    }
}

/// Gives a program's name without its directory.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path)
}

fn key_age(key: &KeyAge) -> Cell {
    if key.missing {
        return Cell::new(Style::Warning, "no key");
    }
    let age = key.age_seconds.map_or_else(|| "of unknown age".to_owned(), |age| format!("{} old", span(age)));
    Cell::new(if key.overdue { Style::Warning } else { Style::Dim }, &format!("key {age}"))
}

fn time_left(session: &SessionStatus) -> Cell {
    let left = format!("{} left", span(session.left_seconds));
    match session.freshness.as_str() {
        "expired" => Cell::new(Style::Dim, "expired"),
        "low" => Cell::new(Style::Warning, &left),
        _ => Cell::new(Style::Good, &left),
    }
}

fn render_counts(status: &Status, screen: Screen) -> String {
    let counts = &status.counts;
    let calls = if counts.sts_calls == 1 { "call" } else { "calls" };
    let mut text =
        format!("{} of {} requests served, {} STS {calls}", counts.handed_out, counts.gets, counts.sts_calls);
    for (count, what) in [
        (counts.sts_failures, "of them failed"),
        (counts.turned_away, "connections turned away"),
        (counts.audit_lost, "audit lines lost"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    format!("\n{}\n", screen.paint(Style::Dim, &text))
}

#[cfg(test)]
#[path = "status_tests.rs"]
pub(super) mod tests;
