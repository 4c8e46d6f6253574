//! The links that are on this machine: the configuration, what keeps tools from asking rolecall, the agent.

use crate::config_file::{self, Problems};
use crate::environment::{SHADOWING, var, variables};
use crate::output::count;
use crate::status;
use rolecall_awsfiles::default_profile::{DefaultProfile, standing};
use rolecall_awsfiles::file_io;
use rolecall_awsfiles::precedence_warnings::{self, ProfileFiles, Severity};
use rolecall_core::config::Located;
use rolecall_core::domain::catalogue::Config;
use rolecall_core::domain::diagnosis::{Cause, Certainty, Edit, Finding, Link, LinkKind, LinkState};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::names::Name;
use rolecall_ipc::client::{self, Autostart};
use rolecall_ipc::protocol::diagnosis::Diagnosis;
use rolecall_ipc::protocol::is_of_another_version;
use rolecall_platform::paths::Paths;

/// Set in what `rolecall exec` and `rolecall shell` start: what is there then is rolecall's own.
const IN_A_ROLE: &str = "ROLECALL_ROLE";

/// Reads the configuration and looks the name up. Returns the catalogue if both are valid.
pub(super) fn config(paths: &Paths, name: Option<&str>) -> (Option<Config>, Diagnosis) {
    let (catalogue, state, text, findings) = match checked(paths, name) {
        Ok((catalogue, text)) => (Some(catalogue), LinkState::Holds, text, Vec::new()),
        Err((text, findings)) => (None, LinkState::Broken, text, findings),
    };
    let links = vec![Link::new(LinkKind::Config, state, text)];
    (catalogue, Diagnosis { links, findings, ..Diagnosis::default() })
}

fn checked(paths: &Paths, name: Option<&str>) -> Result<(Config, String), (String, Vec<Finding>)> {
    let file = config_file::shown(&paths.config);
    let broken = |report: UserError| {
        let finding = Finding::of_error(Cause::Config, LinkKind::Config, &report);
        (report.message, vec![finding])
    };
    let catalogue = config_file::load(paths).map_err(|report| {
        let Problems { conflict, error } = Problems::find(paths);
        let conflict = conflict.map(|two| correct(Finding::of_error(Cause::Config, LinkKind::Config, &two), &file));
        let located = error.iter().flat_map(|error| &error.problems).map(|located| problem(located, &file));
        let findings: Vec<Finding> = conflict.into_iter().chain(located).collect();
        if findings.is_empty() { broken(report) } else { (report.message, findings) }
    })?;
    if let Some(name) = name.filter(|name| !catalogue.names().any(|known| known == *name)) {
        let report = rolecall_core::domain::plan::Plan::of(&catalogue, name).err();
        return Err(broken(report.unwrap_or_else(|| config_file::unknown("role", name, catalogue.names()))));
    }
    if catalogue.is_empty() {
        let report = UserError::new(Kind::Config, format!("{file} names no identity and no role"))
            .hint("rolecall init leads through the first steps: an import of ~/.aws, a setup, or a key of yours");
        return Err(broken(report));
    }
    let (identities, roles) = (catalogue.identities.len(), catalogue.roles.len());
    let text = format!("{file}: {}, {}", count(identities, "identity"), count(roles, "role"));
    Ok((catalogue, text))
}

/// Makes the finding of one problem of the file. A limit of AWS is a cause of its own.
fn problem(problem: &Located, file: &str) -> Finding {
    let finding = Finding::new(problem.cause, LinkKind::Config, Certainty::Certain, problem.to_string());
    match (problem.cause, problem.keys.as_slice()) {
        (Cause::ChainedOverOneHour, [table, name, ..]) => finding
            .kind(Kind::Config)
            .of(name)
            .change(format!("[{table}.{name}] in config.toml"), Edit::Replace, "duration = \"1h\"")
            .fix("edit the section and save it"),
        _ => correct(finding.kind(Kind::Config), file),
    }
}

fn correct(finding: Finding, file: &str) -> Finding {
    finding.fix(format!("correct {file}; until then the last good configuration stays in use"))
}

/// Looks for what tools take before they ask rolecall. Names of variables only; no value is read.
pub(super) fn shadowing(paths: &Paths, catalogue: &Config, name: Option<&str>, found: &mut Diagnosis) {
    let read = |file| file_io::read(file);
    let (config, credentials) = match (read(&paths.aws_config), read(&paths.aws_credentials)) {
        (Ok(config), Ok(credentials)) => (config, credentials),
        (Err(report), _) | (_, Err(report)) => {
            found.links.push(Link::new(LinkKind::Shadowing, LinkState::Broken, &report.message));
            found.findings.push(Finding::of_error(Cause::Shadowed, LinkKind::Shadowing, &report));
            return;
        }
    };
    let is_role = |name: &str| catalogue.roles.keys().find(|role| role.as_str() == name).cloned();
    let names: Vec<Name> = match name {
        Some(name) => is_role(name).into_iter().collect(),
        None => catalogue.roles.keys().cloned().collect(),
    };
    let set = if var(IN_A_ROLE).is_some() { Vec::new() } else { variables() };
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    let scene = ProfileFiles {
        config: (&paths.aws_config, &config),
        credentials: (&paths.aws_credentials, &credentials),
        names: &names,
        variables: &set,
    };
    let (mut findings, mut notes) = (Vec::new(), Vec::new());
    for warning in precedence_warnings::warnings(&scene) {
        match warning.severity {
            Severity::Note => notes.push(warning.message),
            Severity::Breaks | Severity::Shadows => findings.push(
                Finding::new(Cause::Shadowed, LinkKind::Shadowing, Certainty::Certain, warning.message)
                    .kind(Kind::Config)
                    .fix(warning.hint),
            ),
        }
    }
    if let Some(name) = name.and_then(is_role)
        && let DefaultProfile::InTheWay(at) = standing(scene.config, scene.credentials, &name)
    {
        findings.push(
            Finding::new(
                Cause::Shadowed,
                LinkKind::Shadowing,
                Certainty::Certain,
                format!("{at}: [default] gives credentials, which every SDK takes before those of {name}, which has no profile"),
            )
            .kind(Kind::Config)
            .fix("rolecall profiles sync"),
        );
    }
    // Those that the warnings have words for are told there.
    let told =
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"];
    let others: Vec<&str> = SHADOWING.into_iter().filter(|name| set.contains(name) && !told.contains(name)).collect();
    if !others.is_empty() {
        notes.push(format!("set, and read by some tools before a profile: {}", others.join(", ")));
    }
    let (state, text) = match findings.as_slice() {
        [] if notes.is_empty() => (LinkState::Holds, "nothing is in the way".to_owned()),
        [] => (LinkState::Holds, notes.join("; ")),
        [first, ..] => (LinkState::Broken, first.what.clone()),
    };
    found.links.push(Link::new(LinkKind::Shadowing, state, text));
    found.findings.extend(findings);
}

/// Looks at the agent, and starts one where there is none; tells whether it answers.
pub(super) fn agent(paths: &Paths, found: &mut Diagnosis) -> bool {
    let was_running = matches!(client::connect_running(paths), Ok(Some(_)));
    let breaks = |found: &mut Diagnosis, text: String, finding: Finding| {
        found.links.push(Link::new(LinkKind::Agent, LinkState::Broken, text));
        found.findings.push(finding);
    };
    let status = match status::fetch(paths, Autostart::Yes) {
        Ok(status) => status,
        Err(report) => {
            let cause = match report.kind {
                _ if is_of_another_version(&report) => Cause::AgentOfAnotherVersion,
                // An agent that answers, but not to this: the far end of a socket of its own.
                Kind::Config => Cause::Config,
                _ => Cause::AgentNotRunning,
            };
            let finding = Finding::of_error(cause, LinkKind::Agent, &report);
            breaks(found, report.message, finding);
            return false;
        }
    };
    let (own, theirs) = (env!("CARGO_PKG_VERSION"), printable(&status.agent.version, 64));
    if theirs != own {
        let text = format!("the running agent is version {theirs}, this command {own}");
        let finding = Finding::new(Cause::AgentOfAnotherVersion, LinkKind::Agent, Certainty::Certain, &text);
        breaks(found, text, finding.kind(Kind::Agent).fix("rolecall agent restart"));
        return true;
    }
    let (here, there) = (paths.config.display().to_string(), &status.agent.config);
    if here != *there {
        let text = format!("the running agent reads {}, and not {}", printable(there, 512), printable(&here, 512));
        let finding = Finding::new(Cause::Config, LinkKind::Agent, Certainty::Certain, &text).kind(Kind::Config);
        breaks(
            found,
            text,
            finding.fix("rolecall agent restart, where ROLECALL_CONFIG and HOME are as they should be"),
        );
        return true;
    }
    let how = if was_running { "running" } else { "was not running, and one starts" };
    let text = format!("{how}, version {theirs}, process {}", status.agent.pid);
    found.links.push(Link::new(LinkKind::Agent, LinkState::Holds, text));
    true
}
