//! Who a request comes from, and the sessions that have been issued.
//!
//! A session remembers what was fixed when it was issued (its name, tags, session policies, whether a code was given);
//! the permissions of its user or role are read anew at each request, as AWS does.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::mint;
use crate::policy::Policy;
use crate::policy::context::Context;
use crate::policy::principal::Names;
use crate::world::{Role, User};

/// An authenticated caller.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) principal: Principal,
    /// What is known of its session, if its credentials are temporary.
    pub(crate) session: Option<SessionFacts>,
}

#[derive(Clone, Debug)]
pub(crate) enum Principal {
    Root,
    User(Box<User>),
    Role(RoleSession),
}

/// What every session remembers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionFacts {
    pub(crate) issued: DateTime<Utc>,
    /// When the one-time code was given, if one was.
    pub(crate) mfa: Option<DateTime<Utc>>,
    /// Whether it was temporary credentials that asked for it.
    pub(crate) is_chained: bool,
}

/// What a role session remembers.
#[derive(Clone, Debug)]
pub(crate) struct RoleSession {
    pub(crate) role_arn: String,
    pub(crate) role_name: String,
    /// The unique id: a role made again under the same ARN does not revive the old one's sessions.
    pub(crate) role_id: String,
    pub(crate) name: String,
    /// The session policies; `None` does not limit, an empty list allows nothing.
    pub(crate) policies: Option<Vec<Policy>>,
    /// The session's tags, inherited ones included.
    pub(crate) tags: BTreeMap<String, String>,
    /// The keys, in lower case, of the tags that pass on along a chain.
    pub(crate) transitive: BTreeSet<String>,
    pub(crate) source_identity: Option<String>,
}

/// Temporary credentials as STS handed them out.
#[derive(Clone, Debug)]
pub struct SessionCredentials {
    /// The access key id, `ASIA…`.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// The session token.
    pub session_token: String,
    /// When they end.
    pub expiration: DateTime<Utc>,
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) credentials: SessionCredentials,
    pub(crate) facts: SessionFacts,
    pub(crate) holder: Holder,
}

#[derive(Clone, Debug)]
pub(crate) enum Holder {
    Root { account: String },
    User { arn: String, id: String },
    Role(RoleSession),
}

impl Holder {
    pub(crate) fn account(&self) -> &str {
        match self {
            Self::Root { account } => account,
            Self::User { arn, .. } | Self::Role(RoleSession { role_arn: arn, .. }) => {
                arn.split(':').nth(4).expect("an ARN names an account")
            }
        }
    }
}

/// The sessions that have been issued, by access key id.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    issued: BTreeMap<String, Session>,
}

impl Sessions {
    /// Issues a session.
    pub(crate) fn issue(&mut self, holder: Holder, facts: SessionFacts, lifetime: TimeDelta) -> SessionCredentials {
        // AWS gives whole seconds.
        let end =
            DateTime::from_timestamp((facts.issued + lifetime).timestamp(), 0).expect("the sandbox lives in our age");
        let credentials = SessionCredentials {
            access_key_id: mint::identifier("ASIA"),
            secret_access_key: mint::secret_key(),
            session_token: mint::session_token(),
            expiration: end,
        };
        let session = Session { credentials: credentials.clone(), facts, holder };
        self.issued.insert(credentials.access_key_id.clone(), session);
        credentials
    }

    pub(crate) fn find(&self, access_key_id: &str) -> Option<&Session> {
        self.issued.get(access_key_id)
    }
}

impl SessionCredentials {
    /// Returns the end as STS writes it.
    pub(crate) fn expiration_text(&self) -> String {
        self.expiration.to_rfc3339_opts(SecondsFormat::Secs, true)
    }
}

impl RoleSession {
    /// Returns a session of a role with nothing added to it.
    pub(crate) fn plain(role: &Role, name: &str) -> Self {
        Self {
            role_arn: role.arn(),
            role_name: role.name.clone(),
            role_id: role.id.clone(),
            name: name.to_owned(),
            policies: None,
            tags: BTreeMap::new(),
            transitive: BTreeSet::new(),
            source_identity: None,
        }
    }

    /// Returns the session's ARN, which has no path in it (AssumeRole, `AssumedRoleUser`).
    pub(crate) fn arn(&self, account: &str) -> String {
        let partition = self.role_arn.split(':').nth(1).unwrap_or("aws");
        format!("arn:{partition}:sts::{account}:assumed-role/{}/{}", self.role_name, self.name)
    }

    /// Returns the `AssumedRoleId`.
    pub(crate) fn id(&self) -> String {
        format!("{}:{}", self.role_id, self.name)
    }
}

impl Caller {
    /// Returns the ARN that GetCallerIdentity names.
    pub(crate) fn arn(&self) -> String {
        match &self.principal {
            Principal::Root => format!("arn:aws:iam::{}:root", self.account),
            Principal::User(user) => user.arn(),
            Principal::Role(session) => session.arn(&self.account),
        }
    }

    /// Returns the unique id that GetCallerIdentity names.
    pub(crate) fn user_id(&self) -> String {
        match &self.principal {
            Principal::Root => self.account.clone(),
            Principal::User(user) => user.id.clone(),
            Principal::Role(session) => session.id(),
        }
    }

    /// Returns the names a Principal element may know the caller by.
    pub(crate) fn names(&self) -> Names {
        let role_arn = self.role_session().map(|session| session.role_arn.clone());
        let id = match &self.principal {
            Principal::Root => None,
            Principal::User(user) => Some(user.id.clone()),
            Principal::Role(session) => Some(session.role_id.clone()),
        };
        Names { account: self.account.clone(), arn: self.arn(), role_arn, id, service: None, federated: None }
    }

    pub(crate) fn role_session(&self) -> Option<&RoleSession> {
        match &self.principal {
            Principal::Role(session) => Some(session),
            _ => None,
        }
    }

    /// Returns what conditions may ask about the caller (IAM User Guide, "AWS global condition context keys").
    pub(crate) fn context(&self, tags: &BTreeMap<String, String>, now: DateTime<Utc>) -> Context {
        let mut context = Context::default();
        context.put("aws:CurrentTime", now.to_rfc3339_opts(SecondsFormat::Secs, true));
        context.put("aws:EpochTime", now.timestamp().to_string());
        context.put("aws:PrincipalAccount", &self.account);
        context.put("aws:userid", self.user_id());
        // The sandbox stands for AWS behind TLS; that its own wire is plain is no fact of that world.
        context.put("aws:SecureTransport", "true");
        context.put("aws:ViaAWSService", "false");
        for (key, value) in tags {
            context.put(&format!("aws:PrincipalTag/{key}"), value);
        }
        match &self.principal {
            Principal::Root => {
                context.put("aws:PrincipalType", "Account");
                context.put("aws:PrincipalArn", self.arn());
            }
            Principal::User(user) => {
                context.put("aws:PrincipalType", "User");
                context.put("aws:PrincipalArn", user.arn());
                context.put("aws:username", &user.name);
            }
            Principal::Role(session) => {
                context.put("aws:PrincipalType", "AssumedRole");
                context.put("aws:PrincipalArn", &session.role_arn);
                if let Some(identity) = &session.source_identity {
                    context.put("aws:SourceIdentity", identity);
                }
            }
        }
        if let Some(facts) = self.session {
            context.put("aws:TokenIssueTime", facts.issued.to_rfc3339_opts(SecondsFormat::Secs, true));
            // Absent with a long-term key, not false ("aws:MultiFactorAuthPresent"); and a role session carries no MFA,
            // whatever it was assumed with ("Secure API access with MFA").
            context.put("aws:MultiFactorAuthPresent", facts.mfa.is_some().to_string());
            if let Some(given) = facts.mfa {
                context.put("aws:MultiFactorAuthAge", (now - given).num_seconds().to_string());
            }
        }
        context
    }
}
