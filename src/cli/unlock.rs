//! `unlock` and `lock`: a person's consent given ahead of time, and taken back.
//!
//! It takes a code or a passphrase from the terminal or from stdin and hands it on; whether it is right is for AWS and the
//! vault to say, and whose code is meant for the agent. Before a person types anything it makes sure that it has a use.

use super::args::UnlockArgs;
use super::output::{self, Failure};
use super::spinner::{self, tell};
use super::{confirm, status};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::secret::{MfaCode, Passphrase, SecretKey};
use rolecall_ipc::client::{self, Autostart};
use rolecall_ipc::protocol::message::{Answer, Request};
use rolecall_platform::paths::Paths;
use rolecall_platform::reach;

/// Gives a code or a passphrase ahead of time.
pub(super) fn unlock(paths: &Paths, args: &UnlockArgs) -> Result<(), Failure> {
    let note = match () {
        () if args.vault => vault(paths, args.accept_restored)?,
        () if args.proxy => proxy(paths)?,
        () => code(paths, args.name.as_ref().map(Name::as_str))?,
    };
    output::print(&format!("{note}\n"))
}

/// Forgets every session and passphrase.
pub(super) fn lock(paths: &Paths) -> Result<(), Failure> {
    if client::connect_running(paths)?.is_none() {
        return output::print("no agent is running: there is nothing to forget\n");
    }
    let note = tell(paths, Request::Lock, Autostart::No)?;
    output::print(&format!("{}\n", note.as_deref().unwrap_or("locked: every session is forgotten")))
}

fn code(paths: &Paths, name: Option<&str>) -> Result<String, UserError> {
    let (name, code) = if confirm::is_possible() {
        let (name, serial) = device(paths, name)?;
        let code = confirm::hidden(&format!("MFA code for {name} ({serial}): "))?;
        (Some(name), code)
    } else {
        (name.map(str::to_owned), confirm::line_of_stdin()?)
    };
    let code = code.trim();
    if code.is_empty() {
        let whose = name.map(|name| format!(" {name}")).unwrap_or_default();
        return Err(UserError::new(Kind::Locked, "no MFA code was given").hint(format!(
            "run `rolecall unlock{whose}` on a terminal, or give the code on stdin: `echo 123456 | rolecall unlock{whose}`"
        )));
    }
    let note = tell(paths, Request::Unlock { name, code: MfaCode::typed(code) }, Autostart::Yes)?;
    Ok(note.unwrap_or_else(|| "unlocked".to_owned()))
}

/// Has the agent say whose device is meant, and which: who is asked for a code must know which one.
fn device(paths: &Paths, name: Option<&str>) -> Result<(String, String), UserError> {
    let request = Request::Device { name: name.map(str::to_owned) };
    match spinner::ask(paths, request, Autostart::Yes)? {
        Answer::Device { name, serial } => Ok((name, serial)),
        _ => Err(client::odd_answer()),
    }
}

/// Makes sure that the vault can take a key, before a person types one: asks for the passphrase of a file that is not open,
/// lets a locked keyring ask by its own dialog, and says where there is none.
pub(super) fn ready_vault(paths: &Paths) -> Result<(), UserError> {
    let vault = status::fetch(paths, Autostart::Yes)?.vault;
    if vault.state == "ready" {
        return Ok(());
    }
    // Without a passphrase, the agent opens the dialog of a locked keyring, or explains why there is none.
    let passphrase = vault.facts().filter(|facts| facts.takes_passphrase).map(|_| passphrase(paths)).transpose()?;
    tell(paths, Request::UnlockVault { passphrase, accept_restored: false }, Autostart::Yes).map(drop)
}

fn vault(paths: &Paths, accept_restored: bool) -> Result<String, UserError> {
    let vault = status::fetch(paths, Autostart::Yes)?.vault;
    // The keyring has a dialog of its own.
    let passphrase = vault.facts().filter(|facts| facts.takes_passphrase).map(|_| passphrase(paths)).transpose()?;
    let note = tell(paths, Request::UnlockVault { passphrase, accept_restored }, Autostart::Yes)?;
    Ok(note.unwrap_or_else(|| "the vault is open".to_owned()))
}

/// Takes the password of the proxy, hidden or from stdin.
fn proxy(paths: &Paths) -> Result<String, UserError> {
    let password = if confirm::is_possible() {
        ready_vault(paths)?;
        confirm::hidden("Password at the proxy (not shown): ")?
    } else {
        confirm::line_of_stdin()?
    };
    if password.is_empty() {
        return Err(UserError::new(Kind::Locked, "no password was given")
            .hint("run `rolecall unlock --proxy` and type it, or give it on stdin"));
    }
    let request = Request::ProxyPassword { password: SecretKey::new(password.to_string()) };
    let note = tell(paths, request, Autostart::Yes)?;
    Ok(note.unwrap_or_else(|| "the password is in the vault".to_owned()))
}

fn passphrase(paths: &Paths) -> Result<Passphrase, UserError> {
    let refuse = |what: &str| {
        Err(UserError::new(Kind::Locked, what).hint("run `rolecall unlock --vault` and type it, or give it on stdin"))
    };
    let typed = match (confirm::is_possible(), !reach::is_missing(&paths.vault_file)) {
        (false, _) => confirm::line_of_stdin()?,
        (true, true) => confirm::hidden("Passphrase of the vault (not shown): ")?,
        // The first time makes the vault: what was mistyped once would be lost for ever.
        (true, false) => {
            let typed = confirm::hidden("Passphrase for the new vault (not shown): ")?;
            if *typed != *confirm::hidden("Once more: ")? {
                return refuse("the two passphrases differ");
            }
            typed
        }
    };
    if typed.is_empty() {
        return refuse("no passphrase was given");
    }
    Ok(typed.into())
}
