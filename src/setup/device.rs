//! The virtual MFA device: its secret to the phone of the user or into the vault, and its first two codes to AWS.
//!
//! AWS returns the secret once. A device whose secret was lost is useless: it is deleted, and another one is created. The
//! secret is in this process only, until it is shown or stored.

use super::agent::Agent;
use super::conversation::Conversation;
use super::discovery::Discovered;
use super::iam::{CallError, Iam, TRIES};
use super::journal::Journal;
use super::ownership::has_tag;
use chrono::TimeDelta;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::secret::{MfaCode, is_mfa_code};
use rolecall_core::domain::totp::TotpSecret;
use rolecall_core::setup::call::{Call, Step};
use rolecall_ipc::protocol::setup::{Code, Found, Made, NewDevice, ResourceState};
use rolecall_ports::Changed;

/// The secret of a new device until it is shown or stored, and whether the vault is to store it.
#[derive(Default)]
pub(super) struct NewSecret {
    pub(super) secret: Option<TotpSecret>,
    pub(super) keep: bool,
}

/// Creates the device, or uses the one that an earlier run has given to the user.
pub(super) async fn make_device(
    iam: &mut Iam,
    journal: &mut Journal,
    new: &mut NewSecret,
    step: &Step,
    seen: &Discovered,
) -> Result<(), UserError> {
    let name = &seen.finding.thing;
    if let Found::Ours { arn: serial, .. } = &seen.finding.found {
        let is_enabling = |made: &Made| matches!(made.step.call, Call::EnableMFADevice { .. });
        if journal.made().iter().any(|made| is_enabling(made) && made.stands == ResourceState::Done) {
            journal.stand(step, ResourceState::Done, Some(serial.clone()))?;
            return iam.talk.say("there", name).await;
        }
        let what = format!("{name}, whose secret was lost when an earlier run was broken off");
        iam.talk.say("clear", &what).await?;
        delete(iam, journal, serial).await?;
    }
    let mut tried = 0;
    loop {
        tried += 1;
        journal.stand(step, ResourceState::Begun, None)?;
        let error = match iam.change(journal, step.side, &step.call).await {
            Ok(Changed::Device(serial, secret)) => {
                new.secret = Some(secret);
                journal.stand(step, ResourceState::Done, Some(serial))?;
                let what = if new.keep { "its secret goes into the vault" } else { "its secret goes to your phone" };
                return iam.talk.say("create", &format!("{name}; {what}")).await;
            }
            Ok(_) => return Err(UserError::new(Kind::Failed, "IAM's answer does not fit its question")),
            Err(error) => error,
        };
        let is_lost = error.may_have_acted() || (tried > 1 && error.code() == "EntityAlreadyExists");
        let Some((device, _)) = iam.resource(step).filter(|_| is_lost && tried < TRIES) else {
            return Err(iam.explain(step.side, Some(&step.call), error));
        };
        // If the device is there, it is one of ours whose secret was lost.
        if let Some(held) = iam.read(step.side, &device).await? {
            if !has_tag(&held, &journal.setup) {
                return Err(iam.explain(step.side, Some(&step.call), error));
            }
            delete(iam, journal, &held.arn).await?;
        }
    }
}

/// Takes a device from its user and deletes it. Succeeds if it is gone already.
async fn delete(iam: &mut Iam, journal: &Journal, serial: &str) -> Result<(), UserError> {
    if let Some(Call::EnableMFADevice { user, .. }) = enabling(journal).map(|made| &made.step.call) {
        let call = Call::DeactivateMFADevice { user: user.clone(), serial: serial.to_owned() };
        iam.remove(journal, &call).await?;
    }
    iam.remove(journal, &Call::DeleteVirtualMFADevice { serial: serial.to_owned() }).await
}

/// Returns the entry of the step that gives the device to the user.
fn enabling(journal: &Journal) -> Option<&Made> {
    journal.made().iter().find(|made| matches!(made.step.call, Call::EnableMFADevice { .. }))
}

/// Gives the device to its user with two codes, which the user types or the secret yields.
pub(super) async fn enable(
    iam: &mut Iam,
    journal: &mut Journal,
    new: &mut NewSecret,
    step: &Step,
    (user, serial): (&str, &str),
) -> Result<(), UserError> {
    if journal.entry(step).stands == ResourceState::Done {
        return iam.talk.say("there", &step.call.what()).await;
    }
    let Some(secret) = new.secret.clone() else {
        let cause = format!("nobody knows the secret of MFA device {}", printable(serial, 256));
        return Err(UserError::new(Kind::Failed, cause).hint("run it again: another device is made"));
    };
    journal.stand(step, ResourceState::Begun, None)?;
    let mut again = None;
    let mut retries = iam.talk.retries();
    for tried in 1.. {
        let codes = if new.keep {
            Some(computed_codes(&iam.talk, &secret))
        } else {
            typed_codes(iam, serial, &secret, again.take()).await?
        };
        let Some(codes) = codes else {
            let cause = format!("MFA device {} has no codes yet", printable(serial, 256));
            return Err(UserError::new(Kind::Locked, cause)
                .hint("nothing is lost: the same command again makes another device and asks again"));
        };
        let Err(error) = iam.enable(step.side, (user, serial), &codes).await.map_err(CallError::from) else { break };
        if error.code() == "EntityAlreadyExists" {
            break;
        }
        let is_wrong = error.code() == "InvalidAuthenticationCode";
        if is_wrong && !new.keep && tried < TRIES {
            again = Some(
                "AWS did not take these two codes: type two that follow each other, the second one half a minute later"
                    .to_owned(),
            );
            continue;
        }
        let may_pass = error.may_have_acted() || error.is_missing() || (is_wrong && new.keep);
        if !may_pass || !iam.talk.pause(&format!("{}; trying again", error.message()), &mut retries).await? {
            return Err(iam.explain(step.side, Some(&step.call), error));
        }
    }
    // A secret that is to be stored is safe only when the vault has it.
    if !new.keep {
        journal.stand(step, ResourceState::Done, None)?;
        new.secret = None;
    }
    iam.say_done(&step.call).await
}

/// Returns the codes of half a minute ago and of now, as a user would type them.
fn computed_codes(talk: &Conversation, secret: &TotpSecret) -> (MfaCode, MfaCode) {
    let now = talk.wall();
    (secret.code_at(now - TimeDelta::seconds(30)), secret.code_at(now))
}

async fn typed_codes(
    iam: &mut Iam,
    serial: &str,
    secret: &TotpSecret,
    again: Option<String>,
) -> Result<Option<(MfaCode, MfaCode)>, UserError> {
    let qr = drawn(&iam.auth.id.to_string(), serial, secret)?;
    let device = NewDevice { serial: serial.to_owned(), secret: secret.clone(), qr, again };
    let typed = iam.talk.ask(&device).await?.codes;
    Ok(typed.and_then(|[Code(first), Code(second)]| {
        (is_mfa_code(first.expose()) && is_mfa_code(second.expose())).then_some((first, second))
    }))
}

/// Stores the secret in the vault, if there is one. Returns the note of the agent.
pub(super) async fn store_secret(
    iam: &mut Iam,
    journal: &mut Journal,
    agent: &Agent,
    new: &mut NewSecret,
) -> Result<Option<String>, UserError> {
    let Some(secret) = new.secret.take() else { return Ok(None) };
    let Some(identity) = journal.state.as_ref().map(|state| state.local.identity.clone()) else { return Ok(None) };
    let note = agent.store_totp(&mut iam.talk, &mut iam.calls, &identity, &secret).await?;
    if let Some(step) = enabling(journal).map(|made| made.step.clone()) {
        journal.stand(&step, ResourceState::Done, None)?;
    }
    Ok(note)
}

/// Draws the QR code that a phone scans: a URI in the Key Uri Format of Google, with the label and issuer of the console.
fn drawn(account: &str, serial: &str, secret: &TotpSecret) -> Result<String, UserError> {
    let name = serial.rsplit('/').next().unwrap_or(serial);
    let label: String = format!("{name}@{account}")
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    let uri = zeroize::Zeroizing::new(format!(
        "otpauth://totp/Amazon%20Web%20Services:{label}?secret={}&issuer=Amazon%20Web%20Services",
        secret.expose()
    ));
    let code = QrCode::with_error_correction_level(uri.as_bytes(), EcLevel::L);
    let code = code.map_err(|_| UserError::new(Kind::Failed, "the device's secret does not fit into a QR code"))?;
    // Most terminals are light on dark. Scanners accept both only if the quiet zone is light.
    Ok(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_code_is_drawn_of_half_blocks_and_fits_a_terminal() {
        let secret =
            TotpSecret::parse("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP").expect("valid");
        let drawn = drawn("111111111111", "arn:aws:iam::111111111111:mfa/richard", &secret).expect("drawn");
        assert!(drawn.lines().count() <= 40 && drawn.lines().all(|line| line.chars().count() <= 78), "{drawn}");
        assert!(drawn.chars().all(|c| " \n\u{2580}\u{2584}\u{2588}".contains(c)), "{drawn}");
    }
}
