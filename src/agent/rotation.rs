//! Rotation of a long-term key: who may begin one, what is told of it, and what is left of one that was broken off.
//!
//! The order of the steps is in [`steps`] and [`making`], the calls to IAM in [`calls`], the memory across restarts in
//! [`journal`]. A rotation goes on when its caller is gone: what it leaves half done costs more than what it finishes unseen.

mod calls;
mod journal;
mod making;
mod steps;

use super::Agent;
use super::audit::{AuditLine, Event};
use super::caller::Caller;
use super::requests::Response;
use super::server::Connection;
use journal::{Entry, Journal};
use rolecall_core::domain::catalogue::IdentityKind;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_ipc::protocol::message::{Answer, Context, Progress};
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use steps::Rotation;

/// The rotations of this agent.
pub(super) struct Rotations {
    journal: Journal,
    running: Mutex<HashSet<Name>>,
}

/// The one change of an identity's key that is under way; dropping it lets the next one begin.
pub(super) struct KeyTurn<'a> {
    rotations: &'a Rotations,
    name: Name,
}

impl Drop for KeyTurn<'_> {
    fn drop(&mut self) {
        self.rotations.running().remove(&self.name);
    }
}

impl Rotations {
    pub(super) fn new(state: &Path) -> Self {
        Self { journal: Journal::new(state), running: Mutex::default() }
    }

    fn running(&self) -> MutexGuard<'_, HashSet<Name>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to change an identity's key, by a rotation or by hand; fails while somebody else does. A change reads the
    /// vault, asks AWS and writes the vault again: two at once would undo each other, and a secret with them.
    pub(super) fn begin(&self, name: &Name) -> Result<KeyTurn<'_>, UserError> {
        if !self.running().insert(name.clone()) {
            return Err(UserError::new(
                Kind::Failed,
                format!("the access key of {name} is being changed or rotated right now"),
            )
            .hint("wait for its end: `rolecall log --follow` shows the steps of a rotation"));
        }
        Ok(KeyTurn { rotations: self, name: name.clone() })
    }
}

impl Agent {
    /// Puts a new access key in the place of an identity's, or finishes what an earlier try began.
    pub(super) async fn rotate_identity(
        &self,
        name: &str,
        delete: Option<&str>,
        caller: &Caller,
        context: &Context,
        connection: &mut Connection,
    ) -> Result<Response, UserError> {
        let name = Name::new(name).map_err(|why| UserError::new(Kind::Usage, why))?;
        let plan = self.plan(name.as_str()).await?;
        if plan.identity.name != name {
            return Err(UserError::new(Kind::Usage, format!("`{name}` is a role, and roles have no key")).hint(
                format!("rotate the key that it starts from: `rolecall identity rotate {}`", plan.identity.name),
            ));
        }
        if plan.identity.kind != IdentityKind::IamUser {
            let kind = plan.identity.kind.as_str();
            return Err(UserError::new(Kind::Usage, format!("an identity of type {kind} has no key in the vault"))
                .hint("only identities of type iam-user have one: `rolecall identity list`"));
        }
        self.touch();
        let _turn = self.rotations.begin(&name)?;
        let aws = self.configuration.catalogue().aws.clone();
        // It has two long-term keys in memory, and may wait for AWS for a minute and a half.
        let watch = self.locks.watch();
        let mut rotation = Rotation::new(self, plan, aws, caller, context, connection);
        let result = watch.run(rotation.run(delete)).await.unwrap_or_else(|_| Err(broken_off(&name)));
        // The rotation holds the keys, so it goes before the watch. A lock does not wait for the audit lines.
        drop(rotation);
        drop(watch);
        match &result {
            Ok(done) => self.audit_rotation(&name, "done", Some(&done.access_key_id), caller),
            Err(report) => {
                let mut line = self.rotation_line(&name, caller);
                line.result = super::failure::class(report.kind);
                line.message = Some(report.message.clone());
                self.audit.write(line);
            }
        }
        result.map(|done| Response::Answer(Box::new(Answer::Rotated(done)))).map_err(|report| self.with_remark(report))
    }

    fn audit_rotation(&self, name: &Name, what: &str, access_key_id: Option<&str>, caller: &Caller) {
        let mut line = self.rotation_line(name, caller);
        line.message = Some(what.to_owned());
        line.access_key_id = access_key_id.map(str::to_owned);
        self.audit.write(line);
    }

    fn rotation_line(&self, name: &Name, caller: &Caller) -> AuditLine {
        let mut line = AuditLine::new(self.ports.clock.now().wall, Event::Rotate, "ok");
        line.name = Some(name.to_string());
        line.caller = Some(caller.clone());
        line
    }

    /// Says which rotations were broken off and what finishes them; by name.
    pub(super) async fn unfinished_rotations(&self) -> Vec<(String, UserError)> {
        let catalogue = self.configuration.catalogue();
        let entries = match self.rotations.journal.all().await {
            Ok(entries) => entries,
            Err(report) => return vec![(String::new(), report)],
        };
        let running = self.rotations.running().clone();
        let broken_off = |name: &str| catalogue.identities.contains_key(name) && !running.contains(name);
        entries
            .into_iter()
            .filter(|(name, _)| broken_off(name))
            .map(|(name, entry)| {
                let report = unfinished(&name, &entry);
                (name, report)
            })
            .collect()
    }
}

fn broken_off(name: &Name) -> UserError {
    UserError::new(Kind::Locked, format!("rolecall was locked while the access key of {name} was being rotated"))
        .hint(format!("nothing is lost: `rolecall identity rotate {name}` goes on where it stands"))
}

fn unfinished(name: &str, entry: &Entry) -> UserError {
    let new = entry.new.as_deref().map(|new| format!(" by {new}")).unwrap_or_default();
    UserError::new(
        Kind::Failed,
        format!(
            "{name}: the rotation of access key {}{new} is not finished, it stands at `{}`",
            entry.old,
            entry.step.as_str()
        ),
    )
    .hint(format!("finish it: `rolecall identity rotate {name}`"))
}

/// Makes the word of a step for the one who waits.
fn progress(step: &str, text: impl Into<String>) -> Progress {
    Progress { step: step.to_owned(), text: text.into() }
}
