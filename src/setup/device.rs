//! The virtual MFA device: its secret to the person's phone or into the vault, and its first two codes to AWS.
//!
//! AWS tells the secret once. A device whose secret was lost on the way is of no use to anybody: it is deleted, and another is
//! made. The secret is in this process until it is shown or kept, and nowhere else.

use super::Work;
use super::calls::{Pauses, may_have_acted};
use super::discovery::Discovered;
use chrono::TimeDelta;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::secret::{MfaCode, is_mfa_code};
use rolecall_core::domain::totp::TotpSecret;
use rolecall_core::setup::call::{Call, Side, Step};
use rolecall_ipc::protocol::message::{Answer, Request};
use rolecall_ipc::protocol::setup::{Code, Found, NewDevice, ResourceState};
use rolecall_ports::{Changed, TokenError};

/// How often two codes are taken.
const TRIES: u32 = 3;

impl Work<'_> {
    /// Makes the device, or takes the one of an earlier run that its user has already.
    pub(super) async fn device(&mut self, step: &Step, seen: Option<&Discovered>, keep: bool) -> Result<(), UserError> {
        let Some(seen) = seen else { return Ok(()) };
        let finished = {
            let made = self.desk.state.iter().flat_map(|state| &state.made);
            made.clone().any(|made| {
                matches!(made.step.call, Call::EnableMFADevice { .. }) && made.stands == ResourceState::Done
            })
        };
        if let Found::Ours { arn, .. } = &seen.finding.found {
            let serial = arn.clone();
            if finished {
                self.stand(step, ResourceState::Done, Some(serial))?;
                return self.line.say("there", &seen.finding.thing).await;
            }
            self.line
                .say(
                    "clear",
                    &format!("{}, whose secret was lost when an earlier run was broken off", seen.finding.thing),
                )
                .await?;
            self.drop_device(&serial).await?;
        }
        let mut tried = 0;
        loop {
            tried += 1;
            self.stand(step, ResourceState::Begun, None)?;
            let error = match self.change(step.side, &step.call).await {
                Ok(Changed::Device(serial, secret)) => {
                    self.desk.totp = Some(secret);
                    self.stand(step, ResourceState::Done, Some(serial))?;
                    let what = if keep { "its secret goes into the vault" } else { "its secret goes to your phone" };
                    return self.line.say("create", &format!("{}; {what}", seen.finding.thing)).await;
                }
                Ok(_) => return Err(UserError::new(Kind::Failed, "IAM's answer does not fit its question")),
                Err(error) => error,
            };
            let lost = may_have_acted(&error) || (tried > 1 && error.aws_code() == "EntityAlreadyExists");
            let Some((thing, _)) = self.thing(step).filter(|_| lost && tried < TRIES) else {
                return Err(self.explained(step.side, Some(&step.call), error));
            };
            // One of ours, made without anybody hearing its secret.
            if let Some(held) = self.read(step.side, &thing).await? {
                if !self.is_ours(&held) {
                    return Err(self.explained(step.side, Some(&step.call), error));
                }
                self.drop_device(&held.arn).await?;
            }
        }
    }

    /// Takes a device from its user and deletes it; one that is gone already is no failure.
    async fn drop_device(&mut self, serial: &str) -> Result<(), UserError> {
        let made = self.desk.state.iter().flat_map(|state| &state.made);
        let user = made.clone().find_map(|made| match &made.step.call {
            Call::EnableMFADevice { user, .. } => Some(user.clone()),
            _ => None,
        });
        let mut calls = Vec::new();
        if let Some(user) = user {
            calls.push(Call::DeactivateMFADevice { user, serial: serial.to_owned() });
        }
        calls.push(Call::DeleteVirtualMFADevice { serial: serial.to_owned() });
        for call in calls {
            match self.change(Side::Auth, &call).await {
                Ok(_) => {}
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(self.explained(Side::Auth, Some(&call), error)),
            }
        }
        Ok(())
    }

    /// Gives the device to its user, by two codes that a person types, or that are made of the secret.
    pub(super) async fn enable(
        &mut self,
        step: &Step,
        (user, serial): (&str, &str),
        keep: bool,
    ) -> Result<(), UserError> {
        if self.entry(step).stands == ResourceState::Done {
            return self.line.say("there", &step.call.what()).await;
        }
        let Some(secret) = self.desk.totp.clone() else {
            return Err(UserError::new(
                Kind::Failed,
                format!("nobody knows the secret of MFA device {}", printable(serial, 256)),
            )
            .hint("run it again: another device is made"));
        };
        self.stand(step, ResourceState::Begun, None)?;
        let mut again = None;
        let mut pauses = Pauses::new(self.now());
        for tried in 1.. {
            let codes = if keep {
                Some(self.made_codes(&secret))
            } else {
                self.asked_codes(serial, &secret, again.take()).await?
            };
            let Some(codes) = codes else {
                return Err(UserError::new(
                    Kind::Locked,
                    format!("MFA device {} has no codes yet", printable(serial, 256)),
                )
                .hint("nothing is lost: the same command again makes another device and asks again"));
            };
            let office = &self.desk.place(step.side).office;
            let given = self.world.accounts.enable(&self.world.aws, office, (user, serial), (&codes.0, &codes.1)).await;
            self.desk.calls += 1;
            let error = match given {
                Ok(()) => break,
                Err(error) => error,
            };
            if error.aws_code() == "EntityAlreadyExists" {
                break;
            }
            let wrong = is_wrong_code(&error);
            if wrong && !keep && tried < TRIES {
                again = Some("AWS did not take these two codes: type two that follow each other, the second one half a minute later".to_owned());
                continue;
            }
            let again_later = may_have_acted(&error) || error.is_missing() || (wrong && keep);
            if !again_later || !self.pause(&format!("{}; trying again", error.report.message), &mut pauses).await? {
                return Err(self.explained(step.side, Some(&step.call), error));
            }
        }
        // A secret that is to be kept is not safe before the vault has it.
        if !keep {
            self.stand(step, ResourceState::Done, None)?;
            self.desk.totp = None;
        }
        self.did(&step.call).await
    }

    /// Makes the code of half a minute ago and that of now, as a patient person would type them.
    fn made_codes(&self, secret: &TotpSecret) -> (MfaCode, MfaCode) {
        let now = self.world.clock.now().wall;
        (secret.code_at(now - TimeDelta::seconds(30)), secret.code_at(now))
    }

    async fn asked_codes(
        &mut self,
        serial: &str,
        secret: &TotpSecret,
        again: Option<String>,
    ) -> Result<Option<(MfaCode, MfaCode)>, UserError> {
        let qr = drawn(&self.desk.auth.account.to_string(), serial, secret)?;
        let device = NewDevice { serial: serial.to_owned(), secret: secret.clone(), qr, again };
        let typed = self.line.ask(&device).await?.codes;
        Ok(typed.and_then(|[Code(first), Code(second)]| {
            (is_mfa_code(first.expose()) && is_mfa_code(second.expose())).then_some((first, second))
        }))
    }

    /// Has the agent keep the secret, which tries a code of it first.
    pub(super) async fn keep_totp(&mut self) -> Result<Option<String>, UserError> {
        let Some(secret) = self.desk.totp.take() else { return Ok(None) };
        let Some(state) = &self.desk.state else { return Ok(None) };
        let name = state.local.identity.clone();
        let enabled = state.made.iter().find(|made| matches!(made.step.call, Call::EnableMFADevice { .. }));
        let step = enabled.map(|made| made.step.clone());
        let mut pauses = Pauses::new(self.now());
        let note = loop {
            let request = Request::IdentityTotp { name: name.clone(), secret: Some(secret.clone()) };
            self.desk.calls += 1;
            match self.ask_agent(request).await {
                Ok(Answer::Done { note }) => break note,
                Ok(_) => return Err(UserError::new(Kind::Agent, "the agent gave an answer that does not fit")),
                // The codes of this half minute are used, and AWS may not know the device everywhere yet.
                Err(report) if matches!(report.kind, Kind::Refused | Kind::Unreachable) => {
                    if !self.pause("waiting for AWS to take the device's next code", &mut pauses).await? {
                        return Err(report);
                    }
                }
                Err(report) => return Err(report),
            }
        };
        if let Some(step) = step {
            self.stand(&step, ResourceState::Done, None)?;
        }
        Ok(note)
    }
}

fn is_wrong_code(error: &TokenError) -> bool {
    error.aws_code() == "InvalidAuthenticationCode"
}

/// Draws what a phone scans: the URI of Google's Key Uri Format, with the label and issuer that the console uses.
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
    // Light on dark is what most terminals are; scanners take it either way round only if the quiet zone is light.
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
