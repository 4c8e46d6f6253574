//! A status as lines: what is wanted of the person, what is wrong, the tree, the agent.
//!
//! One pure function of what was seen and of the screen, for `status` and for its live form. What a person has to do
//! stands first and what they seldom need last.

use super::tree::{self, base_name};
use super::{StatusInput, StatusSource, WithoutAgent};
use crate::config_file::Problems;
use crate::line::Line;
use crate::output::{Screen, Style, labelled, remark_lines, span};
use chrono::{DateTime, Local, Utc};
use rolecall_core::domain::error::{UserError, printable};
use rolecall_core::domain::question::{UNNAMED, allow_for_good};
use rolecall_ipc::protocol::message::EndpointForm;
use rolecall_ipc::protocol::status::{Counts, GrantStatus, QuestionStatus, SocketStatus, Status, VaultStatus};
use rolecall_platform::reach;
use std::fmt::Write;
use std::path::Path;

/// The column of what stands behind `agent`, `vault` and `config`.
const FACTS_AT: usize = 8;

/// Draws everything.
pub(super) fn lines(seen: &StatusInput, screen: Screen) -> Vec<Line> {
    let mut page = Page { screen, lines: Vec::new() };
    match &seen.state {
        StatusSource::Agent(status) => {
            page.questions(&status.questions, status.agent.now);
            page.problems(&seen.problems);
            page.warnings(&status.warnings, &seen.problems);
            page.block(tree::lines(
                &status.identities,
                &status.roles,
                Some(status.agent.now),
                &status.warnings,
                screen,
            ));
            page.given(&status.endpoint.grants, status.agent.now);
            page.sockets(&status.sockets, status.agent.now);
            page.agent(status);
        }
        StatusSource::NoAgent(WithoutAgent { config, world, warnings, identities, roles, .. }) => {
            page.problems(&seen.problems);
            page.warnings(warnings, &seen.problems);
            page.block(tree::lines(identities, roles, None, warnings, screen));
            page.fact("agent", Style::Plain, "no agent is running; `rolecall get NAME` starts it");
            page.world(world.as_deref());
            page.fact("config", Style::Plain, &shown(Path::new(config)));
        }
    }
    page.lines
}

fn shown(config: &Path) -> String {
    let missing = if reach::is_missing(config) { " (does not exist yet)" } else { "" };
    format!("{}{missing}", config.display())
}

struct Page {
    screen: Screen,
    lines: Vec<Line>,
}

impl Page {
    /// Adds what belongs together, with an empty line behind it.
    fn block(&mut self, lines: Vec<Line>) {
        if !lines.is_empty() {
            self.lines.extend(lines);
            self.lines.push(Line::default());
        }
    }

    /// Says what is wanted of the person: the one thing here that only a person can do.
    fn questions(&mut self, questions: &[QuestionStatus], now: DateTime<Utc>) {
        let lines = questions.iter().flat_map(|question| {
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
            remark_lines(self.screen, (Style::Warning, "wanted:"), &what, Some(&hint))
        });
        let lines = lines.collect();
        self.block(lines);
    }

    /// Lists everything that is wrong with the configuration on disk.
    fn problems(&mut self, problems: &Problems) {
        let hint = "correct the file and save it; until then the agent goes on with the configuration it has";
        let all = problems.lines();
        let lines = all.iter().enumerate().flat_map(|(at, problem)| {
            let hint = (at + 1 == all.len()).then_some(hint);
            remark_lines(self.screen, (Style::Bad, "error:"), problem, hint)
        });
        let lines = lines.collect();
        self.block(lines);
    }

    /// Lists the warnings, without the one about the problems that are listed already.
    fn warnings(&mut self, warnings: &[UserError], problems: &Problems) {
        let listed = problems.report();
        let is_listed = |report: &&UserError| listed.as_ref().is_some_and(|listed| listed.message == report.message);
        let lines = warnings.iter().filter(|report| !is_listed(report)).flat_map(|report| {
            remark_lines(self.screen, (Style::Warning, "warning:"), &report.message, report.hint.as_deref())
        });
        let lines = lines.collect();
        self.block(lines);
    }

    /// Says to which processes a name is served over HTTP.
    fn given(&mut self, grants: &[GrantStatus], now: DateTime<Utc>) {
        for grant in grants {
            let program = grant.program.as_deref().map_or(UNNAMED, base_name);
            let how = match (grant.form, grant.port) {
                (EndpointForm::Container, _) => String::new(),
                (EndpointForm::Imds, None) => ", by IMDS".to_owned(),
                (EndpointForm::Imds, Some(port)) => format!(", by IMDS at port {port}"),
            };
            let since = clock(grant.since, now);
            self.fact(
                "given",
                Style::Plain,
                &format!("{} to {program} ({}) since {since}{how}", grant.name, grant.pid),
            );
        }
    }

    fn sockets(&mut self, sockets: &[SocketStatus], now: DateTime<Utc>) {
        for socket in sockets {
            let asks = if socket.ask { ", asks" } else { "" };
            let used = match socket.last_used {
                Some(at) => format!("used {} ago", span((now - at).num_seconds().max(0).unsigned_abs())),
                None => "not used yet".to_owned(),
            };
            // Why one is not open is a warning, which stands above.
            let (style, state) =
                if socket.error.is_some() { (Style::Bad, "not open".to_owned()) } else { (Style::Plain, used) };
            self.fact("socket", style, &format!("{}: {}{asks}, {state}", socket.name, socket.roles.join(", ")));
        }
    }

    fn agent(&mut self, status: &Status) {
        let agent = &status.agent;
        let up = span((agent.now - agent.started).num_seconds().unsigned_abs());
        let mut running = format!("running, pid {}, up {up}, version {}", agent.pid, agent.version);
        let own = env!("CARGO_PKG_VERSION");
        let style = if agent.version == own { Style::Plain } else { Style::Warning };
        if agent.version != own {
            let _ = write!(running, "; this is {own}: `rolecall agent restart`");
        }
        self.fact("agent", style, &running);
        let (style, vault) = vault(&status.vault);
        self.fact("vault", style, &vault);
        self.world(agent.world.as_deref());
        self.fact("config", Style::Plain, &agent.config);
        self.fact("served", Style::Plain, &counts(&status.counts));
    }

    /// Names a separate world: what is shown is not what other shells use.
    fn world(&mut self, world: Option<&str>) {
        if let Some(world) = world {
            self.fact("world", Style::Plain, &format!("separate, in {world}"));
        }
    }

    fn fact(&mut self, label: &str, style: Style, text: &str) {
        let text = (style, &*printable(text, 2048));
        self.lines.extend(labelled(self.screen, 0, (Style::Dim, label), FACTS_AT, text));
    }
}

fn vault(vault: &VaultStatus) -> (Style, String) {
    let facts = vault.facts();
    let kind = facts.map_or(vault.kind.as_str(), |facts| facts.label);
    let (style, remark) = match vault.state.as_str() {
        "ready" => (Style::Plain, ""),
        "locked" if facts.is_some_and(|facts| facts.takes_passphrase) => {
            (Style::Warning, "open it with `rolecall unlock --vault`")
        }
        "locked" => (Style::Warning, "it opens when you log in, or with `rolecall unlock --vault`"),
        _ => (Style::Bad, vault.reason.as_deref().unwrap_or_default()),
    };
    let separator = if remark.is_empty() { "" } else { ", " };
    (style, format!("{kind} {}{separator}{remark}", vault.state))
}

fn counts(counts: &Counts) -> String {
    let calls = if counts.sts_calls == 1 { "call" } else { "calls" };
    let mut text = format!("{} of {} requests, {} STS {calls}", counts.handed_out, counts.gets, counts.sts_calls);
    for (count, what) in [
        (counts.sts_failures, "of them failed"),
        (counts.turned_away, "connections turned away"),
        (counts.audit_lost, "audit lines lost"),
        (counts.log_lost, "log lines lost"),
        (counts.internal_errors, "internal errors"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}

/// Writes when something began, as a clock here shows it; with the day where that was another one.
fn clock(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let (at, now) = (at.with_timezone(&Local), now.with_timezone(&Local));
    let format = if at.date_naive() == now.date_naive() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    at.format(format).to_string()
}

#[cfg(test)]
#[path = "picture_tests.rs"]
pub(crate) mod tests;
