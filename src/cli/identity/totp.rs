//! `identity add --totp` and `--no-totp`: the secret of a virtual MFA device beside the key, by its owner's consent.
//!
//! What it costs is said before anything is typed. Whether the secret is right is for the agent to find out, by using it.

use crate::args::IdentityAddArgs;
use crate::output::{self, Failure};
use crate::spinner::tell;
use crate::{confirm, key_input, unlock};
use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::totp::TotpSecret;
use rolecall_ipc::client::Autostart;
use rolecall_ipc::protocol::message::Request;
use rolecall_ipc::protocol::status::KeyStatus;
use rolecall_platform::paths::Paths;

const RISK: &str = "with the TOTP secret beside the access key both factors lie in one place: \
                    whoever can read the vault needs no device any more";

/// What was given: a key where the vault has none or it is to be replaced, and the secret.
pub(super) struct Given {
    pub(super) key: Option<AccessKey>,
    pub(super) secret: TotpSecret,
}

/// Asks for consent and for what is missing; `None` where the person thought better of it.
pub(super) fn given(
    paths: &Paths,
    args: &IdentityAddArgs,
    mfa_serial: Option<&str>,
) -> Result<Option<Given>, UserError> {
    let name = &args.name;
    if mfa_serial.is_none() {
        return Err(UserError::new(Kind::Usage, format!("`{name}` has no MFA device whose codes could be made"))
            .hint(format!("name it: `rolecall identity add {name} --totp --mfa-serial ARN`")));
    }
    let is_person = confirm::is_possible();
    if args.yes {
        output::print(&format!("note: {RISK}\n"))
            .map_err(|_| UserError::new(Kind::Failed, "cannot write to stdout"))?;
    } else if !is_person {
        return Err(UserError::new(Kind::Usage, format!("{RISK}; and there is nobody to ask whether that is meant"))
            .hint(format!("if it is: `rolecall identity add {name} --totp --yes`")));
    } else if !confirm::consent(&format!("Note: {RISK}. Keep it there?"))? {
        return Ok(None);
    }
    if is_person {
        // Before anything is typed: with a vault that cannot take it, the typing would be lost.
        unlock::ready_vault(paths)?;
    }
    let wants_key = args.replace || args.csv.is_some() || !holds_key(paths, name.as_str())?;
    let from_file = args.csv.as_deref().map(key_input::from_file).transpose()?;
    if is_person {
        let key = match from_file {
            None if wants_key => Some(key_input::from_terminal()?),
            key => key,
        };
        let typed = confirm::hidden("TOTP secret, or its otpauth:// URI (not shown): ")?;
        let secret = TotpSecret::parse(&typed).map_err(|why| {
            UserError::new(Kind::Failed, format!("what was typed is no TOTP secret: {why}"))
                .hint("the console shows it under `Show secret key` where it shows the QR code")
        })?;
        return Ok(Some(Given { key, secret }));
    }
    let (piped, secret) = key_input::totp_from_stdin()?;
    let key = match (from_file, piped) {
        (None, None) if wants_key => {
            return Err(UserError::new(
                Kind::Failed,
                format!("stdin holds no access key, and the vault has none of {name}"),
            )
            .hint("give `AccessKeyId` and `SecretAccessKey` beside `TotpSecret`"));
        }
        (None, Some(_)) if !wants_key => {
            return Err(UserError::new(Kind::Usage, format!("the vault has a key of identity `{name}` already"))
                .hint("give `TotpSecret` alone, or add `--replace`"));
        }
        (file, piped) => file.or(piped),
    };
    Ok(Some(Given { key, secret }))
}

/// Has the agent try the secret and keep it; gives what there is to say.
pub(super) fn keep(paths: &Paths, name: &str, secret: TotpSecret) -> Result<String, UserError> {
    let request = Request::IdentityTotp { name: name.to_owned(), secret: Some(secret) };
    Ok(tell(paths, request, Autostart::Yes)?.unwrap_or_else(|| "the TOTP secret is in the vault".to_owned()))
}

/// Removes the secret from the vault; the key stays.
pub(super) fn remove(paths: &Paths, name: &str) -> Result<(), Failure> {
    let note = tell(paths, Request::IdentityTotp { name: name.to_owned(), secret: None }, Autostart::Yes)?;
    output::print(&format!("{}\n", note.as_deref().unwrap_or("the TOTP secret is removed")))
}

fn holds_key(paths: &Paths, name: &str) -> Result<bool, UserError> {
    let keys = super::keys(paths)?;
    let key = keys.iter().find(|key| key.identity == name);
    Ok(key.map(KeyStatus::stored_id).transpose()?.flatten().is_some())
}
