//! What a shell prompt shows of a name. Nothing is requested, nothing counts as a use, and no file is opened.

use super::identities::KeyStore;
use rolecall_core::domain::error::Kind;
use rolecall_core::domain::plan::{Plan, SessionKey};
use rolecall_ipc::protocol::message::Answer;

/// Returns what a shell prompt shows of a name.
pub(super) fn glance(keys: &KeyStore, name: &str) -> Answer {
    let Ok(plan) = keys.config.plan(name) else {
        return Answer::Glance { left_seconds: None, known: false, unlock: None };
    };
    let left_seconds = left(keys, plan.key()).filter(|left| *left > 0);
    let unlock = if left_seconds.is_none() { wants(keys, &plan) } else { None };
    Answer::Glance { left_seconds, known: true, unlock }
}

fn left(keys: &KeyStore, key: &SessionKey) -> Option<u64> {
    let held = keys.cache.glance(key)?.held?;
    Some(held.lifetime.left(keys.ports.clock.now()).as_secs())
}

/// Returns what a person has to open before there can be a session, as the argument of `rolecall unlock`. It uses only what
/// is in memory, because a shell prompt waits for it.
fn wants(keys: &KeyStore, plan: &Plan) -> Option<String> {
    // With the session of a code or of a source the rest needs no person.
    if plan.keys.iter().any(|key| left(keys, key).is_some_and(|left| left > 0)) {
        return None;
    }
    let has_key = plan.identity.has_stored_key();
    if has_key && keys.facts.vault_is_locked() {
        return Some("--vault".to_owned());
    }
    plan.mfa_serial()?;
    let nobody_came = plan.keys.iter().filter_map(|key| keys.cache.glance(key)?.failure);
    let is_asked = nobody_came.into_iter().any(|failure| failure.kind == Kind::Locked)
        || (has_key && keys.facts.has_no_totp(&plan.identity.name));
    is_asked.then(|| plan.unlock_name().to_string())
}
