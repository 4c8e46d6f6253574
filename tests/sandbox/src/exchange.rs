//! One request being answered: what the services work on.

use chrono::{DateTime, Utc};

use crate::authenticate::{Stranger, authenticate};
use crate::caller::Caller;
use crate::request::{Operation, Request};
use crate::signature::Presented;
use crate::state::State;
use crate::world::{LastUse, World};

/// A request together with the world it is judged in.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) state: &'a mut State,
    /// The world as deciders and as reads see it, where that is not as it is.
    pub(crate) known: Option<World>,
    pub(crate) listed: Option<World>,
    pub(crate) request: &'a Request,
    pub(crate) operation: &'a Operation,
    pub(crate) presented: &'a Result<Option<Presented>, String>,
    pub(crate) now: DateTime<Utc>,
    pub(crate) request_id: &'a str,
    /// Who was found to have asked, for the log.
    pub(crate) caller_arn: Option<String>,
}

impl Exchange<'_> {
    /// Returns the world as those see it who decide who a caller is and what it may.
    pub(crate) fn known(&self) -> &World {
        self.known.as_ref().unwrap_or(&self.state.world)
    }

    /// Returns the world as IAM's reads show it.
    pub(crate) fn listed(&self) -> &World {
        self.listed.as_ref().unwrap_or(&self.state.world)
    }

    /// Finds out who asked.
    pub(crate) fn authenticate(&mut self) -> Result<Caller, Stranger> {
        let presented = self.presented.as_ref().map(Option::as_ref);
        let caller = authenticate(
            self.known(),
            &self.state.sessions,
            self.request,
            presented,
            self.operation.service,
            self.now,
        )?;
        self.caller_arn = Some(caller.arn());
        if let Some(id) = presented.ok().flatten().map(|presented| presented.access_key_id.clone())
            && let (date, region, service) = (self.now, self.region().to_owned(), self.operation.service_name.clone())
            && let Some(key) = self.state.world.key_mut(&id)
        {
            key.last_used = Some(LastUse { date, region, service });
        }
        Ok(caller)
    }

    /// Returns the region the request was signed for.
    pub(crate) fn region(&self) -> &str {
        self.presented.as_ref().ok().and_then(Option::as_ref).map_or("us-east-1", |presented| &presented.scope.region)
    }
}
