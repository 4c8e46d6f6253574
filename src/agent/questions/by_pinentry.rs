//! Asking by a pinentry: in a window where a caller has a display, else on the terminal of a caller.
//!
//! A window outlives the caller for whom it came up, since the next one may be served by its answer. What is drawn on a
//! caller's terminal does not: the terminal is a shell's again by then.

use super::{NoAnswer, Place, Questions, Said, State, Subject};
use crate::domain::question::{Question, Surroundings};
use crate::ports::Prompted;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex as Turn;
use tokio::time::timeout;

/// A terminal is given back sooner than this; what a caller has to say then appears on it.
const GIVEN_BACK: Duration = Duration::from_secs(3);

impl Questions {
    /// Asks; `None` when there is neither display nor terminal, or the pinentry could not use it.
    pub(super) async fn ask_by_pinentry(
        &self,
        subject: &Subject,
        question: &Question,
    ) -> Result<Option<Said>, NoAnswer> {
        'seats: loop {
            let found = {
                let state = self.state();
                let place = state.seats.iter().find(|place| place.subject == *subject && place.can_be_shown());
                place.map(|place| (place.surroundings.clone(), place.asks.clone(), state.pinentry.clone()))
            };
            let Some((surroundings, seat, program)) = found else { return Ok(None) };
            for way in surroundings.ways() {
                let asked = async {
                    let turn = self.turn_at(&way);
                    let _turn = match &turn {
                        Some(turn) => Some(turn.lock().await),
                        None => None,
                    };
                    self.prompter.settled().await;
                    self.prompter.ask(program.as_deref(), question, &way).await
                };
                let prompted = if way.has_display() {
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
                    Prompted::Allowed => return Ok(Some(Said::Allowed)),
                    Prompted::Code(code) => return Ok(Some(Said::Code(code))),
                    Prompted::Cancelled => return Err(NoAnswer::Cancelled),
                    Prompted::Nobody => {}
                }
            }
            // A pinentry that failed here fails for the next seat too.
            return Ok(None);
        }
    }

    /// Gives the turn at a terminal: two questions at once would draw over each other.
    fn turn_at(&self, way: &Surroundings) -> Option<Arc<Turn<()>>> {
        let path = &way.terminal.as_ref()?.path;
        let State { terminals, .. } = &mut *self.state();
        terminals.retain(|known, turn| known == path || Arc::strong_count(turn) > 1);
        Some(Arc::clone(terminals.entry(path.clone()).or_default()))
    }

    /// Returns when nothing is drawn on a terminal any more that was drawn for somebody who has left.
    pub(in crate::agent) async fn terminal_given_back(&self, path: Option<&str>) {
        let turn = path.and_then(|path| self.state().terminals.get(path).map(Arc::clone));
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

impl Place {
    fn can_be_shown(&self) -> bool {
        self.surroundings.has_display() || self.surroundings.terminal.is_some()
    }
}
