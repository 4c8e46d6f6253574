//! The sessions that AWS gives to where an application runs: issued by its service, renewed ahead of their end.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::caller::{Holder, RoleSession, SessionCredentials, SessionFacts};
use crate::policy::context::Context;
use crate::policy::principal::Names;
use crate::policy::{Question, Trust};
use crate::state::State;

/// "We make new credentials available at least five minutes before the expiration of the old credentials" ("IAM roles
/// for Amazon EC2").
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// What was issued to the place, and the tokens of its metadata service.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// The session that is given now, by service.
    given: BTreeMap<&'static str, (String, SessionCredentials)>,
    /// The metadata service's tokens and their ends.
    pub(crate) tokens: BTreeMap<String, DateTime<Utc>>,
    /// The tokens that identity providers have signed.
    pub(crate) signed: Vec<String>,
}

impl State {
    /// Issues a role session to an AWS service; none if the role does not trust it.
    pub(crate) fn issue_to_service(
        &mut self,
        service: &str,
        role_arn: &str,
        session_name: &str,
        seconds: i64,
        now: DateTime<Utc>,
    ) -> Option<SessionCredentials> {
        let known = self.unsettled.known(&self.world, now);
        let role = known.as_ref().unwrap_or(&self.world).find_role(role_arn)?.clone();
        let names = Names { service: Some(service.to_owned()), ..Names::default() };
        let question = Question { action: "sts:AssumeRole", resource: role_arn, context: &Context::default() };
        if !matches!(role.trust.trust(&question, &names), Trust::Allow(_)) {
            return None;
        }
        let session = RoleSession::plain(&role, session_name);
        let facts = SessionFacts { issued: now, mfa: None, is_chained: false };
        Some(self.sessions.issue(Holder::Role(session), facts, TimeDelta::seconds(seconds)))
    }

    /// Gives the session of the place: the one that is there until shortly before its end, or beyond it in an outage.
    pub(crate) fn session_of_place(
        &mut self,
        service: &'static str,
        role_arn: &str,
        session_name: &str,
        seconds: i64,
        now: DateTime<Utc>,
        is_stale: bool,
    ) -> Option<SessionCredentials> {
        if let Some((of, session)) = self.place.given.get(service)
            && of == role_arn
            && (is_stale || session.expiration - now > AHEAD)
        {
            return Some(session.clone());
        }
        let issued = self.issue_to_service(service, role_arn, session_name, seconds, now)?;
        self.place.given.insert(service, (role_arn.to_owned(), issued.clone()));
        Some(issued)
    }

    /// Forgets the sessions of the place, so that the next ones are new.
    pub(crate) fn rotate_place(&mut self) {
        self.place.given.clear();
    }
}
