//! What a caller may do: its identity-based policies, limited by its session's.
//!
//! Rules: IAM User Guide, "Policy evaluation logic", "Session policies" and "Cross-account policy evaluation logic".

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::caller::{Caller, Principal};
use crate::policy::context::Context;
use crate::policy::{Policy, Question, Verdict, judge};
use crate::world::World;

/// The policies that bear on one caller at one moment.
#[derive(Debug)]
pub(crate) struct Authority {
    identity: Vec<Policy>,
    session: Option<Vec<Policy>>,
    /// The tags of the principal: the user's, or the role's with the session's over them.
    pub(crate) tags: BTreeMap<String, String>,
    /// Whether the caller may call IAM at all.
    barred_from_iam: bool,
    root: bool,
}

/// Which kind of policy stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Barrier {
    DeniedByIdentity,
    DeniedBySession,
    NotAllowedByIdentity,
    NotAllowedBySession,
}

impl Barrier {
    /// Returns how AWS ends the message (IAM User Guide, "Troubleshoot access denied error messages").
    pub(crate) fn reason(self, action: &str) -> String {
        match self {
            Self::DeniedByIdentity => " with an explicit deny in an identity-based policy".to_owned(),
            Self::DeniedBySession => " with an explicit deny in a session policy".to_owned(),
            Self::NotAllowedByIdentity => format!(" because no identity-based policy allows the {action} action"),
            Self::NotAllowedBySession => format!(" because no session policy allows the {action} action"),
        }
    }

    /// Says whether a Deny stands in the way, which nothing can outweigh.
    pub(crate) fn is_explicit(self) -> bool {
        matches!(self, Self::DeniedByIdentity | Self::DeniedBySession)
    }
}

impl Authority {
    /// Gathers what bears on a caller, from the world as it is now.
    pub(crate) fn of(caller: &Caller, world: &World) -> Self {
        let mut authority =
            Self { identity: Vec::new(), session: None, tags: BTreeMap::new(), barred_from_iam: false, root: false };
        match &caller.principal {
            Principal::Root => authority.root = true,
            Principal::User(user) => {
                authority.identity = world.policies(&user.permissions);
                authority.tags.clone_from(&user.tags);
                // GetSessionToken: "You cannot call any IAM API operations unless MFA authentication information is
                // included in the request."
                authority.barred_from_iam = caller.session.is_some_and(|facts| facts.mfa.is_none());
            }
            Principal::Role(session) => {
                authority.session.clone_from(&session.policies);
                if let Some(role) = world.find_role(&session.role_arn) {
                    authority.identity = world.policies(&role.permissions);
                    // A session tag replaces the role's tag of the same key, whatever its case ("Passing session tags").
                    let overridden = |key: &str| session.tags.keys().any(|tag| tag.eq_ignore_ascii_case(key));
                    authority.tags = role
                        .tags
                        .iter()
                        .filter(|(key, _)| !overridden(key))
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect();
                }
                authority.tags.extend(session.tags.clone());
            }
        }
        authority
    }

    /// Returns the context of a request of this caller.
    pub(crate) fn context(&self, caller: &Caller, now: DateTime<Utc>) -> Context {
        caller.context(&self.tags, now)
    }

    /// Says what stands in the way of an action, if anything does.
    pub(crate) fn barrier(&self, question: &Question<'_>) -> Option<Barrier> {
        if self.root {
            return None;
        }
        if self.barred_from_iam && question.action.starts_with("iam:") {
            return Some(Barrier::NotAllowedByIdentity);
        }
        let identity = judge(&self.identity, question);
        let session = self.session.as_ref().map(|policies| judge(policies, question));
        match (identity, session) {
            (Verdict::Deny, _) => Some(Barrier::DeniedByIdentity),
            (_, Some(Verdict::Deny)) => Some(Barrier::DeniedBySession),
            (Verdict::Silent, _) => Some(Barrier::NotAllowedByIdentity),
            (_, Some(Verdict::Silent)) => Some(Barrier::NotAllowedBySession),
            (Verdict::Allow, None | Some(Verdict::Allow)) => None,
        }
    }

    /// Says whether the session policies, if there are any, leave an action open.
    pub(crate) fn session_allows(&self, question: &Question<'_>) -> bool {
        self.session.as_ref().is_none_or(|policies| judge(policies, question) == Verdict::Allow)
    }
}
