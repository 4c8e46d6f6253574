//! `agent socket`: the further sockets of config.toml, listed and edited. Opening them is the agent's.

use super::args::{SocketAddArgs, SocketCommand};
use super::config_file::Edited;
use super::output::{self, Cell, Failure, Screen, Style, headings, table};
use super::{config_file, status};
use rolecall_core::config::schema_types::SocketSection;
use rolecall_core::config::{self, IfPresent};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::restricted_socket::RestrictedSocket;
use rolecall_ipc::client::{self, Autostart};
use rolecall_ipc::protocol::process_output::timestamp;
use rolecall_ipc::protocol::status::SocketStatus;
use rolecall_platform::paths::Paths;

/// Does what was typed.
pub(super) fn run(paths: &Paths, command: &SocketCommand) -> Result<(), Failure> {
    match command {
        SocketCommand::Add(args) => add(paths, args),
        SocketCommand::List(args) => list(paths, args.json),
        SocketCommand::Remove(args) => remove(paths, args.name.as_str()),
    }
}

fn add(paths: &Paths, args: &SocketAddArgs) -> Result<(), Failure> {
    let name = args.name.as_str();
    let file = Edited::open(paths, "sockets", name)?;
    let known = file.catalogue.sockets.contains_key(name);
    if known && !args.replace {
        return Err(UserError::new(
            Kind::Config,
            format!("there is a socket of this name in {} already", file.shown()),
        )
        .hint("choose another name, or add `--replace` to write it anew; `rolecall agent socket list` shows it")
        .into());
    }
    let present = if args.replace { IfPresent::Replace } else { IfPresent::Refuse };
    let section = SocketSection { roles: args.roles.clone(), ask: args.ask.then_some(true) };
    let edited = config::add(config::EntryKind::Sockets, &file.text, &file.part(), name, &section, present)
        .map_err(|error| error.report)?;
    file.apply(paths, &edited)?;
    let (all, is_running) = sockets(paths)?;
    let Some(socket) = all.into_iter().find(|socket| socket.name == name) else {
        return Err(client::odd_answer().into());
    };
    if let Some(report) = socket.error {
        return Err(report.with_note(&format!("{} is written", file.shown())).into());
    }
    let what = if known { "changed" } else { "added" };
    let asks = if socket.ask { ", and a person here is asked before a use" } else { "" };
    let opens = if is_running { "" } else { "it opens with the agent: `rolecall agent start`\n" };
    let (roles, path, first) = (socket.roles.join(", "), printable(&socket.path, 512), &socket.roles[0]);
    let far = format!("/run/user/UID/rolecall-{name}.sock");
    output::print(&format!(
        "socket {what} in {}: it serves only sessions of {roles}{asks}\n{opens}{path}\n\
         next: `ssh -R {far}:{path} HOST`, where UID is what `id -u` says on HOST\n\
         there: `export ROLECALL_SOCKET={far} ROLECALL_AUTOSTART=no`, then `rolecall get {first}`\n",
        file.shown()
    ))
}

fn remove(paths: &Paths, name: &str) -> Result<(), Failure> {
    let file = Edited::open(paths, "sockets", name)?;
    let edited = config::remove(config::EntryKind::Sockets, &file.text, &file.part(), name)?;
    file.apply(paths, &edited)?;
    output::print(&format!(
        "socket removed from {}\nsessions that were handed out through it live until they end\n",
        file.shown()
    ))
}

/// Gives the sockets as a running agent has them, else as the configuration has; and whether one runs.
fn sockets(paths: &Paths) -> Result<(Vec<SocketStatus>, bool), UserError> {
    if client::connect_running(paths)?.is_some() {
        return Ok((status::fetch(paths, Autostart::No)?.sockets, true));
    }
    let shown = |socket: &RestrictedSocket| SocketStatus {
        name: socket.name.to_string(),
        path: paths.extra_socket(socket.name.as_str()).display().to_string(),
        roles: socket.roles.iter().map(Name::to_string).collect(),
        ask: socket.ask,
        last_used: None,
        error: None,
    };
    Ok((config_file::load(paths)?.sockets.values().map(shown).collect(), false))
}

fn list(paths: &Paths, json: bool) -> Result<(), Failure> {
    let (sockets, _) = sockets(paths)?;
    if json {
        return output::print_json(&sockets);
    }
    if sockets.is_empty() {
        return output::print("no further sockets; start with `rolecall agent socket add NAME --roles ROLE,ROLE`\n");
    }
    let mut rows = vec![headings(&["NAME", "ROLES", "ASK", "LAST USED", "PATH"])];
    for socket in &sockets {
        let used = socket.last_used.map_or_else(|| "-".to_owned(), timestamp);
        let path = match &socket.error {
            None => Cell::plain(&socket.path),
            Some(report) => Cell::new(Style::Bad, &report.message),
        };
        rows.push(vec![
            Cell::new(Style::Heading, &socket.name),
            Cell::plain(&socket.roles.join(", ")),
            Cell::plain(if socket.ask { "yes" } else { "no" }),
            Cell::plain(&used),
            path,
        ]);
    }
    // A path to copy is not cut.
    output::print(&table(Screen { width: None, ..Screen::stdout() }, &rows))
}
