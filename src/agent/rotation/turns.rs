//! Which identities have a change of their key under way, and which rotations were interrupted.

use super::journal::{Entry, Journal};
use rolecall_core::domain::catalogue::Config;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_platform::panics::Guard;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;

/// The rotations of this agent.
pub(crate) struct Rotations {
    pub(super) journal: Journal,
    running: Mutex<HashSet<Name>>,
}

/// The one change of an identity's key that is under way; dropping it lets the next one begin.
pub(crate) struct KeyTurn<'a> {
    rotations: &'a Rotations,
    name: Name,
}

impl Drop for KeyTurn<'_> {
    fn drop(&mut self) {
        self.rotations.running.guard().remove(&self.name);
    }
}

impl Rotations {
    pub(crate) fn new(state: &Path) -> Self {
        Self { journal: Journal::new(state), running: Mutex::default() }
    }

    /// Begins to change an identity's key, by a rotation or by hand; fails while somebody else does. A change reads the
    /// vault, asks AWS and writes the vault again: two at once would undo each other, and a secret with them.
    pub(crate) fn begin(&self, name: &Name) -> Result<KeyTurn<'_>, UserError> {
        if !self.running.guard().insert(name.clone()) {
            return Err(UserError::new(
                Kind::Failed,
                format!("the access key of {name} is being changed or rotated right now"),
            )
            .hint("wait for its end: `rolecall log --follow` shows the steps of a rotation"));
        }
        Ok(KeyTurn { rotations: self, name: name.clone() })
    }

    /// Returns the interrupted rotations and the command that finishes each; by name.
    pub(crate) async fn unfinished(&self, config: &Config) -> Vec<(String, UserError)> {
        let entries = match self.journal.all().await {
            Ok(entries) => entries,
            Err(report) => return vec![(String::new(), report)],
        };
        let running = self.running.guard().clone();
        let is_interrupted = |name: &str| config.identities.contains_key(name) && !running.contains(name);
        let entries = entries.into_iter().filter(|(name, _)| is_interrupted(name));
        entries.map(|(name, entry)| (name.clone(), unfinished(&name, &entry))).collect()
    }
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
