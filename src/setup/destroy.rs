//! Removing what was listed, newest first, each written down before it is done. What is gone already is no failure.

use super::Work;
use super::calls::may_have_acted;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_ipc::protocol::setup::{Destroyed, ResourceState, Retained};
use std::collections::BTreeSet;

impl Work<'_> {
    /// Removes what the last look has listed.
    pub(super) async fn destroy(&mut self) -> Result<Destroyed, UserError> {
        let Some(doom) = self.desk.doom.take() else {
            return Err(UserError::new(Kind::Failed, "nothing was listed to be removed"));
        };
        let mut done = Destroyed { left: doom.stays.clone(), ..Destroyed::default() };
        // Things that were there before are none of ours.
        let before = |stays: &Retained| stays.why.contains("before the setup");
        done.left.retain(|stays| !before(stays));
        let mut gone = BTreeSet::new();
        for (side, call, at) in &doom.calls {
            self.go_on()?;
            if let Some(state) = &mut self.desk.state {
                state.made[*at].stands = ResourceState::Leaving;
            }
            self.record().map_err(|report| report.with_note("the same command again goes on"))?;
            let mut tried = 0;
            loop {
                tried += 1;
                match self.change(*side, call).await {
                    Ok(_) => {
                        gone.insert(*at);
                        break;
                    }
                    Err(error) if error.is_missing() => {
                        gone.insert(*at);
                        break;
                    }
                    Err(error) if may_have_acted(&error) && tried < 3 => {}
                    Err(error) if error.aws_code() == "DeleteConflict" => {
                        let why = error.report.message.clone();
                        done.left.push(Retained { side: *side, thing: call.what(), why });
                        break;
                    }
                    Err(error) => return Err(self.explained(*side, Some(call), error)),
                }
            }
            if !gone.contains(at) {
                continue;
            }
            done.removed += 1;
            self.did(call).await?;
        }
        done.calls = self.desk.calls;
        if done.left.is_empty() {
            self.desk.journal.remove()?;
            self.desk.state = None;
        } else if let Some(state) = &mut self.desk.state {
            let mut at = 0..;
            state.made.retain(|_| at.next().is_some_and(|at| !gone.contains(&at)));
            self.record()?;
        }
        Ok(done)
    }
}
