//! Keeping the secret of an MFA device beside the key: tried out before it is kept, and removed again.

use super::broker::Broker;
use super::caller::Caller;
use super::failure::Failure;
use super::identities::KeyStore;
use super::lock_watch::LockWatch;
use rolecall_core::domain::arn::MfaSerial;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::plan::Step;
use rolecall_core::domain::totp::TotpSecret;
use rolecall_ports::{Retryability, StoredKey};

/// Keeps a secret, or removes it; gives what there is to say.
pub(super) async fn keep(
    broker: &Broker,
    keys: &KeyStore,
    name: &str,
    secret: Option<TotpSecret>,
    caller: &Caller,
    watch: &LockWatch,
) -> Result<String, UserError> {
    let name = Name::new(name).map_err(|why| UserError::new(Kind::Usage, why))?;
    let _turn = keys.rotations.begin(&name)?;
    let stored = watch.run(keys.ports.vault.read(&name)).await??;
    let Some(secret) = secret else {
        if stored.totp.is_none() {
            return Ok(format!("the vault had no TOTP secret of identity `{name}`"));
        }
        watch.check()?;
        // A write is not ended: a lock waits for it.
        keys.ports.vault.write(&name, &StoredKey { totp: None, ..stored }).await?;
        keys.audit.write(keys.line(&name, "TOTP secret removed", caller));
        return Ok(format!("the TOTP secret of `{name}` is removed; its key stays"));
    };
    drop(stored);
    broker.lock.touch();
    let plan = broker.config.find_plan(name.as_str()).await?;
    let first = &plan.keys[0];
    let serial = match first.step() {
        Step::SessionToken(call) if plan.name == plan.identity.name => call.mfa_serial.as_ref(),
        _ => {
            return Err(UserError::new(Kind::Usage, format!("`{name}` is a role; an MFA device is an identity's")));
        }
    };
    let serial = serial.ok_or_else(|| {
        UserError::new(Kind::Usage, format!("identity `{name}` has no MFA device whose codes could be made"))
            .hint(format!("name it: `rolecall identity add {name} --totp --mfa-serial ARN`"))
    })?;
    // A secret with a typing error is found now, and not at the first `get`. What is proven is of use at once: the
    // session that the code opened.
    let codes = &broker.prompts.codes;
    let trying = async {
        // It may wait for the next code, for half a minute.
        let code = codes.of_secret(serial, &secret).await;
        broker.refresher.unlock(&plan, 0, code).await
    };
    let tried = watch.run(trying).await.and_then(|tried| tried);
    tried.and_then(|_| watch.check()).map_err(|failure| not_this_secret(failure, serial))?;
    // Read again, as it was not kept in memory meanwhile.
    let not_stored = |failure: Failure| failure.report.with_note("the TOTP secret is not stored");
    let stored = watch.run(keys.ports.vault.read(&name)).await.map_err(not_stored)??;
    watch.check().map_err(not_stored)?;
    keys.ports.vault.write(&name, &StoredKey { totp: Some(secret), ..stored }).await?;
    codes.wake(serial);
    keys.audit.write(keys.line(&name, "TOTP secret stored", caller));
    Ok(format!("AWS took a code of the TOTP secret; it is in the vault, and `{name}` is unlocked"))
}

/// Makes the failure of a code that AWS refused while a secret was tried out.
fn not_this_secret(failure: Failure, serial: &MfaSerial) -> UserError {
    if failure.outlook != Retryability::WrongCode {
        return failure.report.with_note("the TOTP secret is not stored");
    }
    UserError::new(
        Kind::Refused,
        format!("AWS did not accept the code of this TOTP secret for MFA device {}; it is not stored", serial.as_str()),
    )
    .hint(
        "if the device's code was used within the last half minute, run it again; else compare the secret, `mfa_serial` \
         and this machine's clock",
    )
}
