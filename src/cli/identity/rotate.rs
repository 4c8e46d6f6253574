//! `identity rotate`: consent, then the agent's steps as it does them.
//!
//! It does nothing itself: the agent has the keys, and finishes what it has begun when this command is long gone.

use crate::args::IdentityRotateArgs;
use crate::output::{self, Cell, Failure, Screen, Style, table};
use crate::{config_file, confirm};
use rolecall_core::domain::error::{UserError, printable};
use rolecall_core::domain::names::Name;
use rolecall_ipc::client;
use rolecall_ipc::protocol::message::{Answer, Context, Progress, Request};
use rolecall_ipc::protocol::status::Rotated;
use rolecall_platform::paths::Paths;
use std::fmt::Write;

/// Rotates an identity's key.
pub(super) fn run(paths: &Paths, args: &IdentityRotateArgs) -> Result<(), Failure> {
    let name = args.name.as_str();
    let catalogue = config_file::load(paths)?;
    // Before anybody is asked, or told to say yes: to what cannot be done. The agent says why.
    let can_be = match catalogue.identities.get(name) {
        Some(identity) => identity.has_stored_key(),
        None if catalogue.roles.contains_key(name) => false,
        None => {
            return Err(config_file::unknown("identity", name, catalogue.identities.keys().map(Name::as_str)).into());
        }
    };
    if can_be && !args.yes && !consent(args)? {
        return output::print("nothing was changed\n");
    }
    let request = Request::IdentityRotate { name: name.to_owned(), delete: args.delete.clone() };
    let mut printed = Ok(());
    let screen = Screen::stdout();
    let answer = client::ask_showing(paths, request, Context::from_env(), |progress| {
        // Who no longer reads is not asked again; the rotation goes on.
        if printed.is_ok() && !args.json {
            printed = output::print(&line(progress, screen));
        }
    });
    let Answer::Rotated(rotated) = answer? else { return Err(client::odd_answer().into()) };
    printed?;
    if args.json { output::print_json(&rotated) } else { output::print(&said(&rotated)) }
}

fn consent(args: &IdentityRotateArgs) -> Result<bool, UserError> {
    let name = args.name.as_str();
    let also =
        args.delete.as_deref().map(|id| format!(", and its key {} first", printable(id, 128))).unwrap_or_default();
    let flag = args.delete.as_deref().map(|id| format!(" --delete {}", printable(id, 128))).unwrap_or_default();
    let hint = format!("if that is meant: `rolecall identity rotate {name}{flag} --yes`");
    confirm::ensure_possible(false, "a rotation deletes the old key at AWS", &hint)?;
    confirm::consent(&format!("Make a new access key for {name} and delete the old one at AWS{also}?"))
}

fn line(progress: &Progress, screen: Screen) -> String {
    let row =
        vec![Cell::new(Style::Dim, &format!("{:<10}", printable(&progress.step, 16))), Cell::plain(&progress.text)];
    table(Screen { width: None, ..screen }, &[row])
}

fn said(rotated: &Rotated) -> String {
    let shown = |text: &str| printable(text, 128);
    let mut out = format!("{}: {} is in use", shown(&rotated.identity), shown(&rotated.access_key_id));
    let _ = writeln!(out, ", {} is deleted", shown(&rotated.old_access_key_id));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_a_line_and_the_end_names_both_keys() {
        let progress = Progress { step: "verify".into(), text: "trying AKIANEW out\u{1b}[2J".into() };
        assert_eq!(line(&progress, Screen::default()), "verify      trying AKIANEW out\\u{1b}[2J\n");
        let rotated = Rotated {
            identity: "auth".into(),
            arn: "arn:aws:iam::111111111111:user/richard".into(),
            old_access_key_id: "AKIAOLD".into(),
            access_key_id: "AKIANEW".into(),
            deleted: Vec::new(),
            resumed: false,
        };
        assert_eq!(said(&rotated), "auth: AKIANEW is in use, AKIAOLD is deleted\n");
    }
}
