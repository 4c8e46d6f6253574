//! `doctor`: which link of a chain is broken, and what exactly to change.
//!
//! What is on this machine is looked at here; what needs the key, a session or AWS is the agent's to prove. What a
//! refusal means is for `domain/diagnosis` to say.
//!
//! | file | owns |
//! |---|---|
//! | `local` | the configuration, what shadows profiles, the agent |
//! | `picture` | the whole as lines |
//! | `bundle` | the report that is sent to somebody |

mod bundle;
mod local;
mod picture;

use super::args::DoctorArgs;
use super::line;
use super::output::{self, Failure, Screen, complain_over};
use rolecall_core::domain::catalogue::Config;
use rolecall_core::domain::diagnosis::{Cause, Finding, Link, LinkKind, LinkState, verdict};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_ipc::client;
use rolecall_ipc::protocol::diagnosis::Diagnosis;
use rolecall_ipc::protocol::message::{Answer, Context, Progress, Request};
use rolecall_platform::paths::Paths;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::{IsTerminal, stderr};

/// How many names are examined where none was given: each costs calls to AWS.
const NAMES_MAX: usize = 16;

/// What `--json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DoctorView {
    /// Whether every link holds.
    pub(super) holds: bool,
    /// The exit code.
    pub(super) exit_code: u8,
    /// What concerns every name: the configuration, what is in the way of profiles, the agent.
    pub(super) general: Diagnosis,
    /// One for each name that was examined.
    pub(super) names: Vec<Diagnosis>,
    /// How many names were not examined, as there are too many for one run.
    pub(super) left_out: usize,
}

/// Examines a name, or every one.
pub(super) fn run(paths: &Paths, args: &DoctorArgs) -> Result<(), Failure> {
    let shown = examine(paths, args.name.as_deref());
    let class = shown.class();
    if let Some(file) = &args.bundle {
        bundle::write(paths, &shown, file, args.yes)?;
    } else if args.json {
        output::print_json(&shown.without_private())?;
    } else {
        let screen = Screen::stdout();
        output::print(&line::paint(&picture::lines(&shown, screen), screen))?;
    }
    match class {
        None => Ok(()),
        Some(kind) => Err(Failure::Told(kind)),
    }
}

/// Proposes the proxy of this shell, if AWS was not reached without one.
fn propose_proxy(names: &mut [Diagnosis]) {
    let Some(proxy) = client::CallersProxy::from_env() else { return };
    for finding in names.iter_mut().flat_map(|name| &mut name.findings) {
        if finding.cause == Cause::EndpointUnreachable {
            finding.fix = Some(proxy.hint());
        }
    }
}

fn examine(paths: &Paths, name: Option<&str>) -> DoctorView {
    let (catalogue, config) = local::config(paths, name);
    let mut general = Diagnosis { name: name.map(ToOwned::to_owned), ..config };
    let is_known = catalogue.is_some();
    let catalogue = catalogue.unwrap_or_default();
    let (wanted, left_out) = match name {
        Some(name) => (vec![name.to_owned()], 0),
        None => every_name(&catalogue),
    };
    local::shadowing(paths, &catalogue, name, &mut general);
    let has_agent = local::agent(paths, &mut general);
    let mut names = Vec::new();
    if is_known && has_agent {
        names.extend(wanted.into_iter().map(|name| ask(paths, &name)));
        if catalogue.aws.https_proxy.is_none() {
            propose_proxy(&mut names);
        }
    }
    let mut shown = DoctorView { holds: false, exit_code: 0, general, names, left_out };
    let class = shown.class();
    shown.holds = class.is_none();
    shown.exit_code = class.map_or(0, Kind::exit_code);
    shown
}

/// Gives the ends of all chains, sorted, and how many there are beyond the limit.
fn every_name(catalogue: &Config) -> (Vec<String>, usize) {
    let sources: BTreeSet<&str> = catalogue.roles.values().map(|role| role.source.as_str()).collect();
    let mut names: Vec<String> =
        catalogue.names().filter(|name| !sources.contains(name)).map(ToOwned::to_owned).collect();
    names.sort_unstable();
    let left_out = names.len().saturating_sub(NAMES_MAX);
    names.truncate(NAMES_MAX);
    (names, left_out)
}

/// Has the agent examine one name.
fn ask(paths: &Paths, name: &str) -> Diagnosis {
    let is_terminal = stderr().is_terminal();
    let screen = Screen::stderr();
    let mark = if screen.unicode { "…" } else { "..." };
    let show = |progress: &Progress| {
        if is_terminal {
            let text = printable(&progress.text, 60);
            let text = if text.is_empty() { text } else { format!("{text}{mark}") };
            complain_over(&text);
        }
    };
    let request = Request::Doctor { name: name.to_owned() };
    let answer = client::ask_showing(paths, request, Context::from_env(), show);
    if is_terminal {
        complain_over("");
    }
    match answer {
        Ok(Answer::Diagnosis(diagnosis)) => *diagnosis,
        Ok(_) => failed(name, &client::odd_answer()),
        Err(report) => failed(name, &report),
    }
}

fn failed(name: &str, report: &UserError) -> Diagnosis {
    let (link, cause) = match report.kind {
        Kind::Config => (LinkKind::Config, Cause::Config),
        Kind::Locked => (LinkKind::Vault, Cause::VaultLocked),
        _ => (LinkKind::Agent, Cause::Other),
    };
    let finding = Finding::of_error(cause, link, report);
    Diagnosis {
        name: Some(name.to_owned()),
        links: vec![Link::new(link, LinkState::Broken, &report.message)],
        findings: vec![finding],
        ..Diagnosis::default()
    }
}

impl DoctorView {
    /// Gives the class of the whole: that of the first link that does not hold.
    fn class(&self) -> Option<Kind> {
        std::iter::once(&self.general).chain(&self.names).find_map(|d| verdict(&d.links, &d.findings))
    }

    fn without_private(&self) -> Self {
        let public = |d: &Diagnosis| Diagnosis { private: Vec::new(), ..d.clone() };
        Self { general: public(&self.general), names: self.names.iter().map(public).collect(), ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;
    use std::path::Path;

    #[test]
    fn without_a_name_the_ends_of_all_chains_are_examined() {
        let text = r#"
            [identities.auth]
            type = "iam-user"
            [identities.lone]
            type = "iam-user"
            [roles.prod]
            source = "auth"
            role_arn = "arn:aws:iam::222222222222:role/AssumedRole"
            [roles.data]
            source = "prod"
            role_arn = "arn:aws:iam::333333333333:role/DataReader"
        "#;
        let catalogue = rolecall_core::config::parse(text, Path::new("config.toml")).expect("valid");
        assert_eq!(every_name(&catalogue), (vec!["data".to_owned(), "lone".to_owned()], 0));
        let mut many = String::from("[identities.auth]\ntype = \"iam-user\"\n");
        for n in 0..20 {
            let _ =
                write!(many, "[roles.r{n}]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/R{n}\"\n");
        }
        let catalogue = rolecall_core::config::parse(&many, Path::new("c")).expect("valid");
        let (names, left_out) = every_name(&catalogue);
        assert_eq!((names.len(), left_out), (NAMES_MAX, 4));
    }
}
