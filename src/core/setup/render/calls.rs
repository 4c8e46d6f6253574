//! The plan as a person reads it: each call with its account and reason, then each document, laid out.

use super::headline;
use crate::setup::call::{Call, Side, Step};
use crate::setup::{Setup, documents};
use std::fmt::Write;

/// Writes what is made and why, in the order of the calls.
pub fn render(setup: &Setup) -> String {
    let mut out = format!("setup {}: {}\n\nCalls to IAM, in this order:\n", setup.name, headline(setup));
    let steps = setup.steps();
    let digits = steps.len().to_string().len();
    for (at, step) in steps.iter().enumerate() {
        let _ = writeln!(out, "{:>digits$}. {}  {}", at + 1, setup.account(step.side), line(&step.call));
        let _ = writeln!(out, "{:>digits$}  {:12}  {}", "", "", step.why);
    }
    for step in &steps {
        if let Some((title, document)) = document(&step.call) {
            let title = format!("{title}, in account {}", setup.account(step.side));
            let _ = write!(out, "\n{title}:\n{}\n", documents::pretty(document));
        }
    }
    out
}

/// Writes a call and what tells it from others; documents are shown apart.
pub fn line(call: &Call) -> String {
    match call {
        Call::CreatePolicy { name, path, .. }
        | Call::CreateUser { name, path, .. }
        | Call::CreateVirtualMFADevice { name, path, .. }
        | Call::CreateInstanceProfile { name, path, .. } => format!("{} {}{name}", call.action(), shown_path(path)),
        Call::CreateRole { name, path, max_session_seconds, .. } => {
            let hours = if max_session_seconds % 3600 == 0 {
                format!("{}h", max_session_seconds / 3600)
            } else {
                format!("{}m", max_session_seconds / 60)
            };
            format!("{} {}{name}, sessions up to {hours}", call.action(), shown_path(path))
        }
        Call::AttachUserPolicy { user: name, arn }
        | Call::DetachUserPolicy { user: name, arn }
        | Call::AttachRolePolicy { role: name, arn }
        | Call::DetachRolePolicy { role: name, arn } => format!("{} {name}: {arn}", call.action()),
        Call::PutRolePolicy { role, name, .. } | Call::DeleteRolePolicy { role, name } => {
            format!("{} {role}: {name}", call.action())
        }
        Call::EnableMFADevice { user, serial } | Call::DeactivateMFADevice { user, serial } => {
            format!("{} {user}: {serial}", call.action())
        }
        Call::AddRoleToInstanceProfile { profile, role } | Call::RemoveRoleFromInstanceProfile { profile, role } => {
            format!("{} {profile}: {role}", call.action())
        }
        Call::CreateAccessKey { user: name }
        | Call::DeleteAccessKey { user: name, .. }
        | Call::DeleteUser { name }
        | Call::DeleteRole { name }
        | Call::DeleteInstanceProfile { name }
        | Call::UpdateAssumeRolePolicy { role: name, .. }
        | Call::UpdateRole { role: name, .. } => format!("{} {name}", call.action()),
        Call::DeletePolicy { arn: name } | Call::DeleteVirtualMFADevice { serial: name } => {
            format!("{} {name}", call.action())
        }
    }
}

fn shown_path(path: &str) -> &str {
    if path == "/" { "" } else { path }
}

fn document(call: &Call) -> Option<(String, &str)> {
    Some(match call {
        Call::CreatePolicy { name, document, .. } => (format!("Policy {name}"), document),
        Call::CreateRole { name, trust, .. } => (format!("Trust policy of role {name}"), trust),
        Call::PutRolePolicy { role, name, document } => (format!("Policy {name} of role {role}"), document),
        _ => return None,
    })
}

/// Writes what `setup destroy` removes, newest first.
pub fn removal(setup: &Setup) -> String {
    let mut out = String::new();
    for Step { side, call, .. } in setup.removal() {
        let _ = writeln!(out, "  {}  {}", account_of(setup, side), line(&call));
    }
    out
}

fn account_of(setup: &Setup, side: Side) -> &str {
    setup.account(side).as_str()
}
