//! Rotation of a long-term key: who may begin one, what is told of it, and what is left of one that was broken off.
//!
//! The order of the steps is in [`steps`] and [`making`], the calls to IAM in [`calls`], the memory across restarts in
//! [`journal`]. A rotation goes on when its caller is gone: what it leaves half done costs more than what it finishes unseen.

mod calls;
mod journal;
mod making;
mod steps;
mod turns;

use super::audit::Event;
use super::broker::Broker;
use super::connection::Response;
use super::failure::class;
use super::identities::KeyStore;
use super::requester::Requester;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_ipc::protocol::message::Answer;
use steps::Rotation;
pub(super) use turns::Rotations;

/// Replaces the access key of an identity, or finishes an interrupted rotation.
pub(super) async fn rotate(
    broker: &Broker,
    keys: &KeyStore,
    name: &str,
    delete: Option<&str>,
    requester: &mut Requester<'_>,
) -> Result<Response, UserError> {
    let name = Name::new(name).map_err(|why| UserError::new(Kind::Usage, why))?;
    let plan = broker.config.find_plan(name.as_str()).await?;
    if plan.identity.name != name {
        return Err(UserError::new(Kind::Usage, format!("`{name}` is a role, and roles have no key"))
            .hint(format!("rotate the key that it starts from: `rolecall identity rotate {}`", plan.identity.name)));
    }
    if !plan.identity.has_stored_key() {
        let kind = plan.identity.kind().as_str();
        return Err(UserError::new(Kind::Usage, format!("an identity of type {kind} has no key in the vault"))
            .hint("only identities of type iam-user have one: `rolecall identity list`"));
    }
    broker.lock.touch();
    let _turn = keys.rotations.begin(&name)?;
    let caller = requester.caller;
    // It has two long-term keys in memory, and may wait for AWS for a minute and a half.
    let watch = broker.lock.watch();
    let mut rotation = Rotation::new(broker, keys, plan, requester);
    let result = watch.run(rotation.run(delete)).await.unwrap_or_else(|_| Err(broken_off(&name)));
    // The rotation holds the keys, so it goes before the watch. A lock does not wait for the audit lines.
    drop(rotation);
    drop(watch);
    let line = keys.audit.line(Event::Rotate).name(&name).caller(caller);
    keys.audit.write(match &result {
        Ok(done) => line.message("done").access_key_id(&done.access_key_id),
        Err(report) => line.failure(&class(report.kind), report),
    });
    let answer = result.map(|done| Response::answer(Answer::Rotated(done)));
    answer.map_err(|report| broker.config.with_remark(report))
}

fn broken_off(name: &Name) -> UserError {
    UserError::new(Kind::Locked, format!("rolecall was locked while the access key of {name} was being rotated"))
        .hint(format!("nothing is lost: `rolecall identity rotate {name}` goes on where it stands"))
}
