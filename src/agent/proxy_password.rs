//! The password of the proxy: it rests in the vault, under a name that no identity can have.

use super::audit::Event;
use super::caller::Caller;
use super::failure::Failure;
use super::identities::KeyStore;
use super::lock_watch::LockWatch;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::secret::SecretKey;
use rolecall_ports::StoredKey;

/// The vault's texts have room for two kilobytes.
const PASSWORD_MAX: usize = 1024;

/// Stores the password of the user that the configuration names, and has the next call to AWS read it.
pub(super) async fn keep(
    keys: &KeyStore,
    password: SecretKey,
    caller: &Caller,
    watch: &LockWatch,
) -> Result<String, UserError> {
    let aws = keys.config.catalogue().aws.clone();
    let Some(user) = aws.https_proxy_user.clone().filter(|_| aws.https_proxy.is_some()) else {
        return Err(UserError::new(Kind::Config, "the configuration names no user of a proxy")
            .hint("set `https_proxy` and `https_proxy_user` under `[aws]`, then run it again"));
    };
    let length = password.expose().len();
    if !(1..=PASSWORD_MAX).contains(&length) {
        return Err(UserError::new(Kind::Usage, format!("a proxy password has 1 to {PASSWORD_MAX} bytes")));
    }
    let now = keys.ports.clock.now().wall;
    // In letters that JSON writes as they are: the vault's texts hold no others in a secret.
    let secret = SecretKey::new(STANDARD.encode(password.expose()));
    let item = StoredKey {
        key: AccessKey { id: user.clone(), secret },
        arn: String::new(),
        stored: now,
        totp: None,
        created: None,
        next: None,
        imported: false,
        first: None,
    };
    let locked = |failure: Failure| failure.report.with_note("nothing was stored");
    watch.check().map_err(locked)?;
    // A write is not ended: a lock waits for it.
    keys.ports.vault.write(&Name::https_proxy(), &item).await?;
    keys.ports.tokens.close();
    let line = keys.audit.line(Event::Unlock).message("proxy password stored").caller(caller);
    keys.audit.write(line);
    Ok(format!("the password of {user} at the proxy is in the vault"))
}
