//! launchd: an agent of the login session, from login on.

use super::service::{InstallPlan, MARK, ManagerCommand, ServiceFile, UninstallPlan, is_ours};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_platform::paths::Paths;
use std::path::{Path, PathBuf};

/// What packages install, and what is written here with another program.
const PLIST: &str = include_str!("../../../packaging/launchd/rolecall.agent.plist");
const PACKAGED_PROGRAM: &str = "/usr/local/bin/rolecalld";
const LABEL: &str = "rolecall.agent";

/// Gives what an installation takes.
pub(super) fn plan(paths: &Paths, program: &Path) -> Result<InstallPlan, UserError> {
    let path = path(paths);
    let active = ManagerCommand::new("launchctl", &["print", &service()]).run().is_ok();
    let mut commands = Vec::new();
    let file = ServiceFile { path: path.clone(), content: plist(program)? };
    if active {
        commands.push(ManagerCommand::new("launchctl", &["bootout", &service()]));
    }
    commands.push(ManagerCommand::new("launchctl", &["bootstrap", &domain(), &path.display().to_string()]));
    Ok(InstallPlan {
        files: vec![file],
        stale: Vec::new(),
        commands,
        active,
        done: "launchd runs the agent from login on".to_owned(),
        look: format!("look at `launchctl print {}`", service()),
    })
}

/// Gives what there is to undo.
pub(super) fn undo(paths: &Paths) -> UninstallPlan {
    let path = path(paths);
    let enabled = is_ours(&path);
    let bootout = ManagerCommand::new("launchctl", &["bootout", &service()]);
    UninstallPlan {
        before: if enabled { vec![bootout] } else { Vec::new() },
        files: vec![path],
        links: Vec::new(),
        directories: Vec::new(),
        after: Vec::new(),
        enabled,
    }
}

fn path(paths: &Paths) -> PathBuf {
    paths.home.join(format!("Library/LaunchAgents/{LABEL}.plist"))
}

fn domain() -> String {
    format!("gui/{}", rustix::process::geteuid().as_raw())
}

fn service() -> String {
    format!("{}/{LABEL}", domain())
}

fn plist(program: &Path) -> Result<String, UserError> {
    let program = program.to_str().filter(|path| !path.chars().any(char::is_control)).ok_or_else(|| {
        UserError::new(Kind::Failed, format!("a property list cannot name {}", program.display()))
            .hint("install rolecall into a directory with a plain name")
    })?;
    let program = program.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let (head, rest) = PLIST.split_once("<plist").expect("a property list");
    Ok(format!("{head}<!-- {MARK} -->\n<plist{}", rest.replace(PACKAGED_PROGRAM, &program)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_property_list_runs_the_program_beside_us_whatever_its_path_holds() {
        let text = plist(Path::new("/Users/a&b/<bin>/rolecalld")).expect("a plain path");
        assert!(text.contains("<string>/Users/a&amp;b/&lt;bin&gt;/rolecalld</string>"), "{text}");
        assert!(text.contains(MARK) && !text.contains(PACKAGED_PROGRAM));
        assert!(plist(Path::new("/a\nb/rolecalld")).is_err());
    }
}
