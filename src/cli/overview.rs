//! `rolecall` alone: where one stands, and the one command that comes next.
//!
//! Read off what is there: no agent is started, nobody is asked, nothing is changed. Ten lines at most, so that what comes
//! next is seen.

use super::config_file;
use super::line;
use super::output::{self, Failure, Screen, Style, count, labelled};
use rolecall_awsfiles::file_io;
use rolecall_awsfiles::inventory::{Inventory, census};
use rolecall_core::domain::catalogue::Config;
use rolecall_core::domain::error::UserError;
use rolecall_core::domain::names::Name;
use rolecall_ipc::client::{QuickReply, ask_briefly};
use rolecall_ipc::protocol::message::Request;
use rolecall_platform::paths::{Paths, file_id};
use std::time::Duration;

/// How long the agent may take to say that it is there.
const DEADLINE: Duration = Duration::from_millis(200);

/// Where the texts stand.
const COLUMN: usize = 11;

/// Where one stands.
pub(super) struct Standing {
    /// Whether there is a configuration file.
    pub(super) has_file: bool,
    /// What it says, or what is wrong with it.
    pub(super) catalogue: Result<Config, UserError>,
    /// What the agent says.
    agent: Agent,
    /// What both AWS files have, or why they cannot be read.
    pub(super) found: Result<Inventory, UserError>,
}

enum Agent {
    Running,
    Silent,
    Stopped,
}

/// Tells where one stands.
pub(super) fn run(paths: &Paths) -> Result<(), Failure> {
    let standing = Standing::new(paths);
    let screen = Screen::stdout();
    let mut out = String::new();
    if standing.is_new() {
        out.push_str("One key in the keyring, one MFA prompt a day, every AWS role in every tool.\n\n");
    }
    out.push_str(&standing.text(paths, screen));
    out.push('\n');
    let (next, also) = standing.next();
    let rows = [("next", next), ("also", also)];
    let lines =
        rows.iter().flat_map(|(label, text)| labelled(screen, 0, (Style::Dim, label), COLUMN, (Style::Plain, text)));
    out.push_str(&line::paint(&lines.collect::<Vec<_>>(), screen));
    output::print(&out)
}

impl Standing {
    pub(super) fn new(paths: &Paths) -> Self {
        let texts = file_io::read(&paths.aws_config).and_then(|c| Ok((c, file_io::read(&paths.aws_credentials)?)));
        let agent = match ask_briefly(paths, Request::Names, DEADLINE) {
            QuickReply::Answer(_) => Agent::Running,
            QuickReply::Nothing => Agent::Silent,
            QuickReply::NoAgent => Agent::Stopped,
        };
        Self {
            has_file: file_id(&paths.config) != Ok(None),
            catalogue: config_file::load(paths),
            agent,
            found: texts.map(|(config, credentials)| census(&paths.aws_config, &config, &credentials)),
        }
    }

    /// Tells whether nothing has been set up yet.
    pub(super) fn is_new(&self) -> bool {
        self.catalogue.as_ref().is_ok_and(Config::is_empty)
    }

    /// Gives how many role profiles and keys of other tools' there are.
    pub(super) fn foreign(&self) -> (usize, usize) {
        self.found.as_ref().map_or((0, 0), |found| (found.roles, found.keys))
    }

    /// Says what is there, a line each.
    pub(super) fn text(&self, paths: &Paths, screen: Screen) -> String {
        let mut rows: Vec<(&str, Style, String)> = Vec::new();
        let file = config_file::shown(&paths.config);
        rows.push(match &self.catalogue {
            Err(report) => ("config", Style::Bad, report.message.clone()),
            Ok(_) if !self.has_file => ("config", Style::Plain, format!("none yet; it will be {file}")),
            Ok(catalogue) => {
                let (identities, roles) = (catalogue.identities.len(), catalogue.roles.len());
                let text = format!("{}, {} in {file}", count(identities, "identity"), count(roles, "role"));
                ("config", Style::Plain, text)
            }
        });
        rows.push(match self.agent {
            Agent::Running => ("agent", Style::Plain, "running".to_owned()),
            Agent::Stopped => ("agent", Style::Plain, "not running; what needs it starts it".to_owned()),
            Agent::Silent => ("agent", Style::Bad, "does not answer; see `rolecall status`".to_owned()),
        });
        match &self.found {
            Err(report) => rows.push(("AWS files", Style::Bad, report.message.clone())),
            Ok(found) => {
                let file = config_file::shown(&paths.aws_config);
                let of = self.catalogue.as_ref().map_or(0, |catalogue| catalogue.roles.len());
                if of > 0 || found.managed > 0 {
                    rows.push((
                        "profiles",
                        Style::Plain,
                        format!("{} of {} in {file}", found.managed, count(of, "role")),
                    ));
                }
                if found.roles + found.keys > 0 {
                    let (roles, keys) = (count(found.roles, "role profile"), count(found.keys, "access key"));
                    rows.push(("AWS files", Style::Plain, format!("{roles} of other tools, {keys} in plaintext")));
                }
            }
        }
        let lines = rows
            .iter()
            .flat_map(|(label, style, text)| labelled(screen, 0, (Style::Dim, label), COLUMN, (*style, text)));
        line::paint(&lines.collect::<Vec<_>>(), screen)
    }

    /// Gives what to run next, and what else is worth knowing.
    fn next(&self) -> (String, String) {
        let help = "`rolecall --help` lists every command".to_owned();
        let Ok(catalogue) = &self.catalogue else {
            return ("`rolecall status` lists what is wrong with the configuration".to_owned(), help);
        };
        let mut roles: Vec<&str> = catalogue.roles.keys().map(Name::as_str).collect();
        roles.sort_unstable();
        let managed = self.found.as_ref().map_or(0, |found| found.managed);
        let next = match roles.first() {
            _ if catalogue.is_empty() => "`rolecall init` leads through the first steps".to_owned(),
            None => {
                let mut identities: Vec<&str> = catalogue.identities.keys().map(Name::as_str).collect();
                identities.sort_unstable();
                let source = identities.first().copied().unwrap_or("IDENTITY");
                format!("`rolecall role add NAME --source {source} --role-arn ARN`")
            }
            // Also after an import that was broken off: a sync would only stumble over the profiles that it left.
            Some(_) if managed == 0 && self.foreign() > (0, 0) => {
                "`rolecall import` takes over what the AWS files have, or goes on where it was broken off".to_owned()
            }
            Some(_) if managed < roles.len() => "`rolecall profiles sync` makes them `aws … --profile NAME`".to_owned(),
            Some(role) => {
                let also = if self.foreign() > (0, 0) {
                    "`rolecall import` takes over what the AWS files still have; `rolecall status`, `rolecall roles`"
                } else {
                    "`rolecall status`, `rolecall roles`, `rolecall console NAME`, `rolecall --help`"
                };
                let next = format!("`aws sts get-caller-identity --profile {role}`, or `rolecall exec {role} -- CMD`");
                return (next, also.to_owned());
            }
        };
        (next, help)
    }
}
