//! Sessions for who cannot wait: an HTTP client of an SDK gives up after a second and knows nobody to ask.

use super::{Decision, ServedSession, Sessions};
use crate::failure::{Failure, being_asked, being_fetched};
use crate::renewal::Urgency;
use rolecall_core::domain::credential::Freshness;
use rolecall_core::domain::plan::Plan;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long such a caller waits for a flight. AWS's SDKs give a container endpoint one to two seconds and the metadata
/// service as little as half of one (Go); an answer that asks to come again is better than none.
const PATIENCE: Duration = Duration::from_millis(350);

impl Sessions {
    /// Gives the session of a plan with this much left if that can be, or the one that there is; or says that it is being
    /// fetched, which goes on.
    pub(crate) async fn quickly(self: &Arc<Self>, plan: &Arc<Plan>, floor: Duration) -> Result<ServedSession, Failure> {
        let (flight, fallback, locks) = match self.decide(plan, plan.keys.len() - 1, Urgency::Foreground, floor) {
            Decision::Serve { held, locks } => return Ok(ServedSession { held, cached: true, locks }),
            Decision::Fail(failure) => return Err(failure),
            Decision::Wait { flight, fallback, locks } => (flight, fallback, locks),
        };
        let outcome = timeout(PATIENCE, flight.outcome()).await;
        self.called_off_since(locks)?;
        match (outcome, fallback) {
            (Ok(Ok(held)), _) if held.freshness(self.ports.clock.now()) == Freshness::Expired => {
                Err(Failure::called_off())
            }
            (Ok(Ok(held)), _) => Ok(ServedSession { held, cached: false, locks }),
            (_, Some(held)) => Ok(ServedSession { held, cached: true, locks }),
            (Ok(Err(failure)), None) => Err(failure),
            (Err(_), None) => match plan.mfa_serial() {
                Some(serial) if self.questions.is_open(serial) => Err(being_asked(plan)),
                _ => Err(being_fetched(plan)),
            },
        }
    }
}
