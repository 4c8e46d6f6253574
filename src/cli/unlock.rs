//! `unlock` and `lock`: a person's consent given ahead of time, and taken back.
//!
//! It takes a code or a passphrase from the terminal or from stdin and hands it on; whether it is right is for AWS and the
//! vault to say. Before a person types anything it makes sure that the answer has a use.

use super::args::UnlockArgs;
use super::output::{self, Failure};
use super::{ask, status, tell};
use crate::client::Autostart;
use crate::domain::names::{Name, nearest};
use crate::domain::report::{Kind, Report};
use crate::domain::secret::{MfaCode, Passphrase, is_mfa_code};
use crate::paths::Paths;
use crate::protocol::message::Request;
use crate::protocol::status::{IdentityStatus, Status};
use zeroize::Zeroizing;

/// Gives a code or a passphrase ahead of time.
pub(super) fn unlock(paths: &Paths, args: &UnlockArgs) -> Result<(), Failure> {
    let note = if args.vault { vault(paths)? } else { identity(paths, args.identity.as_ref().map(Name::as_str))? };
    output::print(&format!("{note}\n"))
}

/// Forgets every session and passphrase.
pub(super) fn lock(paths: &Paths) -> Result<(), Failure> {
    if crate::client::connect_running(paths)?.is_none() {
        return output::print("no agent is running: there is nothing to forget\n");
    }
    let note = tell(paths, Request::Lock, Autostart::No)?;
    output::print(&format!("{}\n", note.as_deref().unwrap_or("locked: every session is forgotten")))
}

fn identity(paths: &Paths, asked: Option<&str>) -> Result<String, Report> {
    let (name, code) = if ask::is_possible() {
        let status = status::fetch(paths, Autostart::Yes)?;
        let (name, device) = whose_code(&status, asked)?;
        let code = ask::hidden(&format!("MFA code for {name}{device}: "))?;
        (Some(name), code)
    } else {
        (asked.map(str::to_owned), ask::line_of_stdin()?)
    };
    let shown = name.clone();
    let request = Request::Unlock { identity: name, code: MfaCode::new(six_digits(&code)?.to_owned()) };
    let note = tell(paths, request, Autostart::Yes)?;
    Ok(note.unwrap_or_else(|| format!("{} is unlocked", shown.as_deref().unwrap_or("the identity"))))
}

fn six_digits(code: &Zeroizing<String>) -> Result<&str, Report> {
    match code.trim() {
        code if is_mfa_code(code) => Ok(code),
        "" => Err(Report::new(Kind::Locked, "no MFA code was given")
            .hint("run `rolecall unlock` on a terminal, or give the code on stdin: `… | rolecall unlock`")),
        _ => Err(Report::new(Kind::Usage, "an MFA code has six digits")
            .hint("read it off the device and run `rolecall unlock` again")),
    }
}

/// Gives whom a code is for and, in brackets, the device that shows it.
///
/// A role with `mfa = "direct"` takes a code of its own; whether it does, and of which device, is the agent's to say.
fn whose_code(status: &Status, asked: Option<&str>) -> Result<(String, String), Report> {
    if let Some(role) = status.roles.iter().find(|role| Some(role.name.as_str()) == asked) {
        return Ok((role.name.clone(), String::new()));
    }
    let identity = whose_device(status, asked)?;
    Ok((identity.name.clone(), format!(" ({})", identity.mfa_serial.as_deref().unwrap_or_default())))
}

/// Finds the identity whose code is to be asked for: the one that was named, or the only one with a device.
fn whose_device<'a>(status: &'a Status, asked: Option<&str>) -> Result<&'a IdentityStatus, Report> {
    let with_device: Vec<&IdentityStatus> = status.identities.iter().filter(|i| i.mfa_serial.is_some()).collect();
    let refuse = |message: String, hint: String| Err(Report::new(Kind::Config, message).hint(hint));
    match (asked, with_device.as_slice()) {
        (Some(asked), _) => match status.identities.iter().find(|i| i.name == asked) {
            Some(identity) if identity.mfa_serial.is_some() => Ok(identity),
            Some(_) => refuse(
                "this identity has no mfa_serial, so there is no code to give".into(),
                format!("run `rolecall get {asked}` as it is"),
            ),
            None => {
                let near = nearest(asked, status.identities.iter().map(|i| i.name.as_str()));
                let hint = match near.first() {
                    Some(name) => format!("did you mean `rolecall unlock {name}`?"),
                    None => "see `rolecall identity list`".to_owned(),
                };
                refuse(format!("there is no identity called `{asked}`"), hint)
            }
        },
        (None, [only]) => Ok(only),
        (None, []) => refuse(
            "no identity has an mfa_serial, so there is no code to give".into(),
            "set `mfa_serial` in its section of config.toml".into(),
        ),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|i| i.name.as_str()).collect();
            refuse(format!("several identities have a device: {}", names.join(", ")), {
                format!("say which one: `rolecall unlock {}`", names[0])
            })
        }
    }
}

/// Makes sure that the vault can take a key, before a person types one: asks for the passphrase of a file that is not open,
/// lets a locked keyring ask by its own dialog, and says where there is none.
pub(super) fn ready_vault(paths: &Paths) -> Result<(), Report> {
    let vault = status::fetch(paths, Autostart::Yes)?.vault;
    let passphrase = match (vault.state.as_str(), vault.kind.as_str()) {
        ("ready", _) => return Ok(()),
        (_, "file") => Some(passphrase(paths)?),
        // The agent knows why there is none, and what to do; for a locked one it opens the dialog.
        (_, _) => None,
    };
    tell(paths, Request::UnlockVault { passphrase }, Autostart::Yes).map(drop)
}

fn vault(paths: &Paths) -> Result<String, Report> {
    let status = status::fetch(paths, Autostart::Yes)?;
    // The keyring asks by its own dialog; only the encrypted file has a passphrase that we may hold.
    let passphrase = if status.vault.kind == "file" { Some(passphrase(paths)?) } else { None };
    let note = tell(paths, Request::UnlockVault { passphrase }, Autostart::Yes)?;
    Ok(note.unwrap_or_else(|| "the vault is open".to_owned()))
}

fn passphrase(paths: &Paths) -> Result<Passphrase, Report> {
    let refuse = |what: &str| {
        Err(Report::new(Kind::Locked, what).hint("run `rolecall unlock --vault` and type it, or give it on stdin"))
    };
    let typed = match (ask::is_possible(), paths.vault_file.exists()) {
        (false, _) => ask::line_of_stdin()?,
        (true, true) => ask::hidden("Passphrase of the vault (not shown): ")?,
        // The first time makes the vault: what was mistyped once would be lost for ever.
        (true, false) => {
            let typed = ask::hidden("Passphrase for the new vault (not shown): ")?;
            if *typed != *ask::hidden("Once more: ")? {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::status::tests::example;

    #[test]
    fn the_code_is_asked_for_the_right_device_or_not_at_all() {
        let mut status = example();
        assert_eq!(whose_device(&status, None).expect("the only one").name, "auth");
        assert_eq!(whose_device(&status, Some("auth")).expect("named").name, "auth");
        let report = whose_device(&status, Some("auht")).expect_err("unknown");
        assert_eq!(report.hint.as_deref(), Some("did you mean `rolecall unlock auth`?"));
        assert!(whose_device(&status, Some("instance")).expect_err("no device").message.contains("no mfa_serial"));
        let mut second = status.identities[0].clone();
        second.name = "other".into();
        status.identities.push(second);
        assert!(whose_device(&status, None).expect_err("two").message.contains("auth, other"));
        status.identities.clear();
        assert!(whose_device(&status, None).is_err());
    }

    #[test]
    fn a_role_may_take_a_code_of_its_own() {
        let status = example();
        let role = status.roles[0].name.clone();
        assert_eq!(whose_code(&status, Some(&role)), Ok((role, String::new())));
        let (name, device) = whose_code(&status, None).expect("the only device");
        assert_eq!(name, "auth");
        assert!(device.contains("mfa/"), "{device}");
    }

    #[test]
    fn a_code_has_six_digits() {
        let code = |text: &str| six_digits(&Zeroizing::new(text.to_owned())).map(str::to_owned).map_err(|r| r.kind);
        assert_eq!(code(" 123456 "), Ok("123456".into()));
        assert_eq!(code(""), Err(Kind::Locked));
        assert_eq!(code("12345a"), Err(Kind::Usage));
        assert_eq!(code("1234567"), Err(Kind::Usage));
    }
}
