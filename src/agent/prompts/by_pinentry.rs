//! Asking by a pinentry: in a window where a caller has a display, else on the terminal of a caller.
//!
//! A window outlives the caller for whom it came up, since the next one may be served by its answer. What is drawn on a
//! caller's terminal does not: the terminal is a shell's again by then.

use super::{PromptPlace, PromptReply, Prompts, Showing, State, Subject, Unanswered};
use rolecall_core::domain::question::{Device, Surroundings};
use rolecall_platform::panics::Guard;
use rolecall_ports::PromptResult;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex as Turn;
use tokio::time::{Instant, timeout};

/// A terminal is given back sooner than this; what a caller has to say then appears on it.
const GIVEN_BACK: Duration = Duration::from_secs(3);

/// How long a pinentry may take until it asks, over all ways together: whom nobody can ask has an answer within 4 seconds,
/// of which ending one that hangs takes another.
const START: Duration = Duration::from_millis(1500);

impl Prompts {
    /// Asks; `None` when there is neither display nor terminal, or the pinentry could not use it.
    pub(super) async fn ask_by_pinentry(&self, subject: &Subject) -> Result<Option<PromptReply>, Unanswered> {
        'seats: loop {
            let Some(showing) = self.showing_at(subject, PromptPlace::can_be_shown) else { return Ok(None) };
            let Showing { asks: seat, surroundings, question, .. } = showing;
            let program = self.state.guard().pinentry.clone();
            let mut left = START;
            for way in surroundings.ways() {
                if left.is_zero() {
                    break;
                }
                let asked = async {
                    let turn = self.turn_at(&way);
                    let _turn = match &turn {
                        Some(turn) => Some(turn.lock().await),
                        None => None,
                    };
                    self.prompter.settled().await;
                    let began = Instant::now();
                    let prompted = self.prompter.ask(program.as_deref(), &question, &way, left).await;
                    (prompted, left.saturating_sub(began.elapsed()))
                };
                let (prompted, still_left) = if way.has_display() {
                    asked.await
                } else {
                    tokio::select! {
                        prompted = asked => prompted,
                        // Its place is given up by now: the next seat is asked.
                        () = seat.closed() => continue 'seats,
                    }
                };
                // Until the terminal is as it was, nothing else may be asked there.
                self.prompter.settled().await;
                match prompted {
                    PromptResult::Allowed => return Ok(Some(PromptReply::Allowed)),
                    PromptResult::Code(code) => return Ok(Some(PromptReply::Code(code))),
                    PromptResult::Cancelled => return Err(Unanswered::Cancelled),
                    PromptResult::Nobody => left = still_left,
                }
            }
            // A pinentry that failed here fails for the next seat too.
            return Ok(None);
        }
    }

    /// Gives the turn at a terminal: two questions at once would draw over each other.
    pub(super) fn turn_at(&self, way: &Surroundings) -> Option<Arc<Turn<()>>> {
        let path = &way.terminal.as_ref()?.device.path;
        let State { terminals, .. } = &mut *self.state.guard();
        terminals.retain(|known, turn| known == path || Arc::strong_count(turn) > 1);
        Some(Arc::clone(terminals.entry(path.clone()).or_default()))
    }

    /// Returns when nothing is drawn on a terminal any more that was drawn for somebody who has left.
    pub(crate) async fn terminal_given_back(&self, terminal: Option<&Device>) {
        let turn = terminal.and_then(|device| self.state.guard().terminals.get(&device.path).map(Arc::clone));
        if let Some(turn) = turn {
            let free = async {
                drop(turn.lock().await);
                self.prompter.settled().await;
            };
            // One that is being drawn on for another caller by now is theirs.
            let _ = timeout(GIVEN_BACK, free).await;
        }
    }
}

impl PromptPlace {
    fn can_be_shown(&self) -> bool {
        self.surroundings.has_display() || self.surroundings.terminal.is_some()
    }
}
