//! One AssumeRole that was refused, with all that is known around it.

use super::document::{Document, Facts};
use super::refusal::Refusal;
use crate::domain::arn::{RoleArn, account_of};
use std::collections::BTreeMap;
use std::time::Duration;

/// Who wanted to become the role.
#[derive(Clone, Debug)]
pub struct Party {
    /// Its name in the configuration.
    pub name: String,
    /// Its ARN, as a policy names it: a user's or a role's.
    pub arn: String,
    /// The ARN of its session, where it has one.
    pub session_arn: Option<String>,
}

impl Party {
    /// Gives its account.
    pub fn account(&self) -> String {
        account_of(&self.arn).map(|account| account.to_string()).unwrap_or_default()
    }

    /// Tells whether it is a user, and gives the user's or role's name.
    pub fn principal(&self) -> Option<(bool, &str)> {
        let resource = self.arn.splitn(6, ':').nth(5)?;
        let (kind, path) = resource.split_once('/')?;
        let name = path.rsplit('/').next()?;
        match kind {
            "user" => Some((true, name)),
            "role" => Some((false, name)),
            _ => None,
        }
    }

    /// Gives every name by which a trust policy may mean it.
    pub fn names(&self) -> Vec<String> {
        let account = self.account();
        let partition = self.arn.split(':').nth(1).unwrap_or("aws");
        let mut names = vec![self.arn.clone(), format!("arn:{partition}:iam::{account}:root"), account];
        names.extend(self.session_arn.clone());
        names
    }
}

/// What the caller's own policies say of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Own {
    /// Nobody could look.
    #[default]
    Unread,
    /// They allow it.
    Allowed,
    /// None allows it.
    NotAllowed,
    /// One denies it: which, and its statement, where they could be read.
    Denied {
        /// The policy.
        policy: Option<String>,
        /// The statement.
        statement: Option<String>,
    },
}

/// What could be read of the role.
#[derive(Clone, Debug, Default)]
pub enum Target {
    /// Nobody could look.
    #[default]
    Unread,
    /// There is none of this ARN; one of this name has another path, and this one.
    Elsewhere(String),
    /// There is none.
    Missing,
    /// It is there.
    Read {
        /// Its trust policy, if it could be understood.
        trust: Option<Document>,
        /// How long its sessions may last.
        max_session: Option<Duration>,
    },
}

/// How a call differs from the one that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestVariation {
    /// The caller's own session is one without its session policy.
    CallerUnlimited,
    /// A session with an MFA code signs.
    WithMfa,
    /// Without the external id.
    WithoutExternalId,
    /// Without the session policy.
    WithoutPolicy,
    /// Without the source identity.
    WithoutSourceIdentity,
    /// Without session tags.
    WithoutTags,
    /// For 15 minutes only.
    Short,
}

impl RequestVariation {
    /// Says it in a few words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallerUnlimited => "as a session without a session policy",
            Self::WithMfa => "with MFA",
            Self::WithoutExternalId => "without external_id",
            Self::WithoutPolicy => "without the session policy",
            Self::WithoutSourceIdentity => "without source_identity",
            Self::WithoutTags => "without session_tags",
            Self::Short => "for 15 minutes",
        }
    }
}

/// The call, how it was refused, and what was seen around it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The role's name in the configuration.
    pub name: String,
    /// The role.
    pub role: RoleArn,
    /// Who wanted to become it.
    pub caller: Party,
    /// The external id that was sent.
    pub external_id: Option<String>,
    /// Whether the caller has given a code.
    pub with_mfa: bool,
    /// The device that the configuration has for it.
    pub device: Option<String>,
    /// Whether a code could go with it at all: for the keys of a user, and a chain's first role.
    pub takes_mfa: bool,
    /// How long the session should have lasted.
    pub duration: Duration,
    /// The source identity that was sent.
    pub source_identity: Option<String>,
    /// The tags that were sent.
    pub tags: BTreeMap<String, String>,
    /// What AWS gives away.
    pub refusal: Refusal,
    /// AWS's words, fit to be shown.
    pub words: String,
    /// Variations of the call that AWS granted. One that is not here was refused, or not tried.
    pub granted: Vec<RequestVariation>,
    /// What the caller's policies say.
    pub own: Own,
    /// What could be read of the role.
    pub target: Target,
}

impl Attempt {
    /// Tells whether the role's trust policy was read and allows the caller this action, too.
    pub(super) fn is_trusted_with(&self, action: &str) -> bool {
        let Target::Read { trust: Some(trust), .. } = &self.target else { return false };
        let (caller, facts) = (self.caller.names(), self.facts());
        trust.statements.iter().any(|statement| {
            let fits = statement.actions.covers_action(action) && statement.names(&caller);
            !statement.denies && fits && statement.unmet(&facts).is_empty()
        })
    }

    /// Gives what a trust policy's conditions may ask of the call.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::default();
        facts.put("sts:ExternalId", self.external_id.clone());
        facts.put("sts:SourceIdentity", self.source_identity.clone());
        // A long-term key's call has no such key at all; that is what `…IfExists` asks.
        facts.put("aws:MultiFactorAuthPresent", self.with_mfa.then(|| "true".to_owned()));
        if !self.with_mfa {
            facts.put("aws:MultiFactorAuthAge", None);
        }
        facts.put("aws:PrincipalArn", [self.caller.arn.clone()]);
        facts.put("aws:PrincipalAccount", [self.caller.account()]);
        for (key, value) in &self.tags {
            facts.put(&format!("aws:RequestTag/{key}"), [value.clone()]);
        }
        facts.put("aws:TagKeys", self.tags.keys().cloned());
        facts
    }
}
