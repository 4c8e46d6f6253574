//! `setup destroy`: what would go and what would stay is shown, then this machine's part is removed, then both accounts'.
//!
//! What is looked up and removed in the accounts is the one-shot's. Whatever is broken off, the same command goes on: the state
//! file is the last to go.

use super::request;
use super::runner::{SetupRunner, account, odd};
use crate::args::SetupChangeArgs;
use crate::config_file::Edited;
use crate::output::{self, Failure, Screen, Style, count, remark};
use crate::spinner::tell;
use crate::{confirm, profiles, unlock};
use rolecall_core::config;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::names::Name;
use rolecall_ipc::client::{self, Autostart};
use rolecall_ipc::protocol::message::{Answer, Context, Request};
use rolecall_ipc::protocol::setup::{
    Destroyed, Local, Outcome, PlannedRemoval, ProfilesResolved, Retained, WorkerRequest,
};
use rolecall_ipc::protocol::status::KeyStatus;
use rolecall_platform::paths::Paths;
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt::Write;

/// What `--json` prints.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DestroyedView {
    /// The setup's name.
    setup: String,
    /// What was removed in the accounts, newest first.
    removed: Vec<ShownRemoval>,
    /// What stays, and why.
    stays: Vec<ShownStays>,
    /// What was removed on this machine.
    local: Vec<String>,
    /// How many commands a person typed.
    commands: u32,
    /// How many calls to IAM and STS it took.
    calls: u32,
}

/// What was removed.
#[derive(Serialize, JsonSchema)]
struct ShownRemoval {
    /// The account.
    account: String,
    /// What was done.
    what: String,
}

/// What stays.
#[derive(Serialize, JsonSchema)]
struct ShownStays {
    /// The account.
    account: String,
    /// The thing.
    thing: String,
    /// Why.
    why: String,
}

/// Does what was typed.
pub(super) fn run(paths: &Paths, args: &SetupChangeArgs) -> Result<(), Failure> {
    if !args.yes {
        let hint = "if that is meant, add `--yes`";
        confirm::ensure_possible(args.json, "this removes things from two AWS accounts", hint)?;
    }
    let name = name(args)?;
    let mut carrier = SetupRunner::start(paths, args.json)?;
    go(paths, args, &name, &mut carrier).map_err(|failure| carrier.failure(failure))
}

fn go(paths: &Paths, args: &SetupChangeArgs, name: &Name, carrier: &mut SetupRunner) -> Result<(), Failure> {
    let looked = carrier.look(name.as_str(), &args.profiles.auth_profile, &args.profiles.workload_profile)?;
    let (mut steps, mut identity) = (Vec::new(), None);
    if looked.state.is_none() {
        // The flags of `apply` say what there may be.
        let wish = request::from_args(&args.wish)?;
        let setup = super::apply::between(&wish, &looked)?;
        steps = setup.steps();
        identity = Some(setup.who.identity().to_string());
    }
    let has_key =
        looked.state.as_ref().is_some_and(|state| !state.local.identity.is_empty() && state.local.role.is_some());
    if has_key {
        // Which key is the setup's is the vault's to say: a rotation may have replaced it.
        unlock::ready_vault(paths)?;
    }
    let Outcome::Doomed(doomed) = carrier.ask(&WorkerRequest::Doom { steps, identity })? else {
        return Err(odd().into());
    };
    let Some(local) = doomed.local.clone() else {
        return Err(UserError::new(
            Kind::Failed,
            format!("there is no setup {name}: no state of it here, and nothing with its tag"),
        )
        .hint("name it as `apply` did: `--name`, `--user`, `--role`, or the flags of the application")
        .into());
    };
    if !args.json {
        output::print(&proposed(&looked, &doomed))?;
    }
    if !args.yes && !carrier.consent("Remove this?")? {
        return output::print("nothing was changed\n");
    }
    let here = here(paths, &local, &doomed, carrier)?;
    let Outcome::Destroyed(destroyed) = carrier.ask(&WorkerRequest::Destroy)? else { return Err(odd().into()) };
    if args.json {
        output::print_json(&DestroyedView::new(name, &looked, &doomed, &destroyed, here))?;
    } else {
        let calls = destroyed.calls;
        output::print(&format!(
            "\n{name}: {} removed\n1 command typed, {calls} calls to IAM and STS\n",
            count(destroyed.removed, "thing")
        ))?;
    }
    if destroyed.left.is_empty() {
        return Ok(());
    }
    let each: Vec<String> = destroyed.left.iter().map(|stays| format!("{}: {}", stays.thing, stays.why)).collect();
    Err(UserError::new(
        Kind::Failed,
        format!("not everything of setup {name} could go: {}", printable(&each.join("; "), 1024)),
    )
    .hint("remove what somebody else has put there, then run it again; the state is kept until then")
    .into())
}

fn name(args: &SetupChangeArgs) -> Result<Name, UserError> {
    if let Some(name) = &args.wish.name {
        return Ok(name.clone());
    }
    let role = args.wish.role.as_deref().unwrap_or("AssumedRole");
    Name::new(role).map_err(|why| {
        UserError::new(Kind::Usage, format!("{}: {why}", printable(role, 128))).hint("name the setup with `--name`")
    })
}

fn proposed(looked: &ProfilesResolved, doomed: &PlannedRemoval) -> String {
    let mut out = String::new();
    for removal in &doomed.removes {
        let _ = writeln!(out, "  {}  {}", account(looked, removal.side), printable(&removal.what, 300));
    }
    if let Some(local) = &doomed.local
        && let Some(role) = &local.role
    {
        let identity = if local.makes_identity {
            format!(", [identities.{}] and its key in the vault", local.identity)
        } else {
            String::new()
        };
        let _ = writeln!(out, "  here          [roles.{role}]{identity}, profile {role}");
    }
    for Retained { side, thing, why } in &doomed.stays {
        let text = format!("stays: {} in {}: {}", printable(thing, 300), account(looked, *side), printable(why, 300));
        out.push_str(&remark(Screen::stdout(), (Style::Warning, "!"), &text, None));
    }
    out.push('\n');
    out
}

/// Removes what is on this machine; what is gone already is no failure.
fn here(
    paths: &Paths,
    local: &Local,
    doomed: &PlannedRemoval,
    carrier: &mut SetupRunner,
) -> Result<Vec<String>, UserError> {
    let mut done = Vec::new();
    let Some(role) = &local.role else { return Ok(done) };
    let identity = local.identity.as_str();
    let file = Edited::first(paths)?;
    let catalogue = &file.catalogue;
    let mut edited = file.text.clone();
    match catalogue.roles.get(role.as_str()) {
        Some(known) if local.role_arn.is_empty() || known.role_arn.as_str() == local.role_arn => {
            edited = config::remove(config::EntryKind::Roles, &edited, &file.part(), role)?;
            done.push(format!("[roles.{role}]"));
        }
        Some(_) => carrier.say("keep", &format!("[roles.{role}] is another role now")),
        None => {}
    }
    let used = catalogue.roles.values().any(|known| known.source.as_str() == identity && known.name.as_str() != role);
    let stored = match client::ask(paths, Request::Keys, Context::from_env(), Autostart::Yes)? {
        Answer::Keys { keys } => keys.into_iter().find(|key| key.identity == identity),
        _ => return Err(client::odd_answer()),
    };
    let id = stored.as_ref().map(KeyStatus::stored_id).transpose();
    let id = id.map_err(|report| report.with_note("nothing was removed"))?.flatten();
    // A key that goes at AWS is of no use in the vault.
    if doomed.keys.iter().any(|key| Some(key.as_str()) == id) {
        tell(paths, Request::IdentityRemove { name: identity.to_owned() }, Autostart::Yes)?;
        done.push(format!("the key of {identity} in the vault"));
        carrier.say("delete", &format!("the key of {identity} in the vault"));
    }
    if local.makes_identity && catalogue.identities.contains_key(identity) {
        if used {
            carrier.say("keep", &format!("[identities.{identity}]: other roles start from it"));
        } else {
            edited = config::remove(config::EntryKind::Identities, &edited, &file.part(), identity)?;
            done.push(format!("[identities.{identity}]"));
        }
    }
    file.apply(paths, &edited)?;
    if edited != file.text {
        profiles::write(paths)?;
        done.push(format!("profile {role}"));
        carrier.say("delete", &format!("role {role} in config.toml, profile {role} in ~/.aws/config"));
    }
    Ok(done)
}

impl DestroyedView {
    fn new(
        name: &Name,
        looked: &ProfilesResolved,
        doomed: &PlannedRemoval,
        destroyed: &Destroyed,
        local: Vec<String>,
    ) -> Self {
        let all = doomed.stays.iter().chain(destroyed.left.iter().filter(|left| !doomed.stays.contains(left)));
        Self {
            setup: name.to_string(),
            removed: doomed
                .removes
                .iter()
                .map(|removal| ShownRemoval {
                    account: account(looked, removal.side).to_owned(),
                    what: removal.what.clone(),
                })
                .collect(),
            stays: all
                .map(|stays| ShownStays {
                    account: account(looked, stays.side).to_owned(),
                    thing: stays.thing.clone(),
                    why: stays.why.clone(),
                })
                .collect(),
            local,
            commands: 1,
            calls: destroyed.calls,
        }
    }
}
