//! From a name to the calls that make its session: the identity, then one step per call, each with its cache key.

use super::arn::{MfaSerial, Partition, RoleArn};
use super::catalogue::{Config, HOUR, Identity, MAX_CHAIN, MfaMode, Role};
use super::error::{Kind, UserError};
use super::names::{Name, nearest};
use super::regions;
use super::source::Source;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One AssumeRole call, with every parameter that AWS takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AssumeRole {
    /// The role.
    pub role_arn: RoleArn,
    /// The region whose STS is asked.
    pub region: String,
    /// The session's name; `None` lets the agent make one.
    pub session_name: Option<String>,
    /// How long the session lasts.
    pub duration: Duration,
    /// What the trust policy asks for.
    pub external_id: Option<String>,
    /// The SourceIdentity to set.
    pub source_identity: Option<String>,
    /// Session tags.
    pub tags: BTreeMap<String, String>,
    /// The tags that pass on along the chain.
    pub transitive_tag_keys: Vec<String>,
    /// An inline session policy.
    pub policy: Option<String>,
    /// Managed session policies.
    pub policy_arns: Vec<String>,
    /// The device whose code goes with the call itself.
    pub mfa_serial: Option<MfaSerial>,
}

/// One GetSessionToken call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionTokenCall {
    /// The region whose STS is asked.
    pub region: String,
    /// How long the session lasts.
    pub duration: Duration,
    /// The device whose code goes with the call.
    pub mfa_serial: Option<MfaSerial>,
}

/// One call to STS.
#[expect(clippy::large_enum_variant, reason = "a plan has a handful of steps and is made once")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Becomes a role.
    AssumeRole(AssumeRole),
    /// Trades the long-term key, and a code where there is a device, for a session.
    SessionToken(SessionTokenCall),
    /// Takes what the identity's source gives: a session, or a long-term key, which this call trades for one.
    Source(SessionTokenCall),
}

impl Step {
    /// Tells which device's code the call itself needs.
    pub fn mfa_serial(&self) -> Option<&MfaSerial> {
        match self {
            Self::AssumeRole(call) => call.mfa_serial.as_ref(),
            Self::SessionToken(call) | Self::Source(call) => call.mfa_serial.as_ref(),
        }
    }

    /// Gives the region whose STS is asked.
    pub fn region(&self) -> &str {
        match self {
            Self::AssumeRole(call) => &call.region,
            Self::SessionToken(call) | Self::Source(call) => &call.region,
        }
    }
}

/// What makes one session differ from another: the identity and every call so far, with every parameter.
///
/// Two names with equal keys share a session; a changed parameter is another key. (A key of profile name and MFA serial
/// only, as rivals have, hands out the old session after an edit.)
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionKey(Arc<KeyParts>);

/// Of the identity only its name and its source. The steps contain its other settings, if they matter.
#[derive(PartialEq, Eq, Hash)]
struct KeyParts {
    identity: Name,
    source: Option<Source>,
    steps: Vec<Step>,
}

impl SessionKey {
    /// Gives the name of the identity at the start.
    pub fn identity(&self) -> &Name {
        &self.0.identity
    }

    /// Gives the last step, whose session this is the key of.
    pub fn step(&self) -> &Step {
        self.0.steps.last().expect("a key is made with at least one step")
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({}, {} steps)", self.0.identity, self.0.steps.len())
    }
}

/// The calls that make the session of one name.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The name that was asked for.
    pub name: Name,
    /// Where the chain starts.
    pub identity: Identity,
    /// One key per call, in order; the last one is the session to hand out.
    pub keys: Vec<SessionKey>,
    unlock: Name,
}

impl Plan {
    /// Resolves a name: an identity gives its own session, a role the chain that leads to it.
    pub fn of(catalogue: &Config, name: &str) -> Result<Self, UserError> {
        if let Some(identity) = catalogue.identities.get(name) {
            let steps = [own_session(catalogue, identity, identity.mfa_serial.as_ref())];
            return Ok(Self::new(identity.name.clone(), identity, &steps, &identity.name));
        }
        let role = catalogue.roles.get(name).ok_or_else(|| unknown(catalogue, name))?;
        let (identity, chain) = chain(catalogue, role)?;
        let mut steps = Vec::with_capacity(chain.len() + 1);
        let mut unlock = &chain[0].name;
        let mfa = match (identity.device(chain[0]), chain[0].settings.mfa) {
            (Some(serial), Some(MfaMode::Direct)) => Some(serial.clone()),
            (Some(serial), None | Some(MfaMode::Session)) => {
                steps.push(own_session(catalogue, identity, Some(serial)));
                if identity.mfa_serial.as_ref() == Some(serial) {
                    unlock = &identity.name;
                }
                None
            }
            (None, _) | (_, Some(MfaMode::None)) => {
                // A stored key signs for the role itself; what a source gives has to be fetched first, and is shared.
                if identity.source.is_some() {
                    steps.push(own_session(catalogue, identity, None));
                }
                None
            }
        };
        for (at, role) in chain.iter().enumerate() {
            let direct = if at == 0 { mfa.clone() } else { None };
            steps.push(Step::AssumeRole(call(role, identity, direct)));
        }
        Ok(Self::new(role.name.clone(), identity, &steps, unlock))
    }

    fn new(name: Name, identity: &Identity, steps: &[Step], unlock: &Name) -> Self {
        let key = |steps: &[Step]| {
            SessionKey(Arc::new(KeyParts {
                identity: identity.name.clone(),
                source: identity.source.clone(),
                steps: steps.to_vec(),
            }))
        };
        let keys = (1..=steps.len()).map(|n| key(&steps[..n])).collect();
        Self { name, identity: identity.clone(), keys, unlock: unlock.clone() }
    }

    /// Gives the name by which `rolecall unlock` takes the code that the chain needs: the identity's for its own session,
    /// which opens all its roles; the first role's where that has a device of its own, or takes a code of its own. Means
    /// nothing where no code is needed.
    pub fn unlock_name(&self) -> &Name {
        &self.unlock
    }

    /// Gives the device whose code the chain needs, if it needs one.
    pub fn mfa_serial(&self) -> Option<&MfaSerial> {
        self.keys.iter().find_map(|key| key.step().mfa_serial())
    }

    /// Returns the Regions that may accept what signs a step, if the Region of the step does not: where the session before
    /// was issued, the identity's own Region, and the defaults of the partitions of its device and of the roles.
    pub fn regions_besides(&self, at: usize) -> Vec<String> {
        let before = at.checked_sub(1).map(|before| self.keys[before].step().region().to_owned());
        let device = self.identity.mfa_serial.as_ref().and_then(|serial| Partition::of_arn(serial.as_str()));
        let roles = self.keys.iter().filter_map(|key| match key.step() {
            Step::AssumeRole(call) => Some(call.role_arn.partition()),
            Step::SessionToken(_) | Step::Source(_) => None,
        });
        let defaults = device.into_iter().chain(roles).map(|partition| partition.default_region().to_owned());
        let given = before.into_iter().chain(self.identity.region.clone()).chain(defaults);
        regions::besides(self.keys[at].step().region(), given)
    }

    /// Names the section of the configuration whose `region` a step uses.
    pub fn section_of(&self, at: usize) -> String {
        match self.keys[at].step() {
            Step::AssumeRole(_) if at + 1 == self.keys.len() => format!("[roles.{}]", self.name),
            Step::AssumeRole(call) => format!("the section of {}", call.role_arn),
            Step::SessionToken(_) | Step::Source(_) => format!("[identities.{}]", self.identity.name),
        }
    }

    /// Gives the key of the session to hand out.
    pub fn key(&self) -> &SessionKey {
        self.keys.last().expect("a plan has at least one step")
    }
}

fn unknown(catalogue: &Config, name: &str) -> UserError {
    let shown = super::error::printable(name, 128);
    let report = UserError::new(Kind::Config, format!("there is no role or identity called `{shown}`"));
    let near = nearest(name, catalogue.names());
    if near.is_empty() {
        return report.hint("`rolecall role list` shows the roles; `rolecall role add` adds one");
    }
    let near = near.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    report.hint(format!("did you mean {near}? `rolecall role list` shows all"))
}

fn chain<'a>(catalogue: &'a Config, role: &'a Role) -> Result<(&'a Identity, Vec<&'a Role>), UserError> {
    let mut chain = vec![role];
    loop {
        let at = chain[chain.len() - 1];
        if let Some(identity) = catalogue.identities.get(&at.source) {
            chain.reverse();
            return Ok((identity, chain));
        }
        let next = catalogue.roles.get(&at.source).filter(|_| chain.len() < MAX_CHAIN);
        // The catalogue was checked as a whole before it was taken over, so this is not reached with a loaded one.
        chain.push(next.ok_or_else(|| {
            UserError::new(Kind::Config, format!("role `{}` has a source that leads nowhere: `{}`", at.name, at.source))
        })?);
    }
}

/// Makes the step that gives an identity's own session.
fn own_session(catalogue: &Config, identity: &Identity, mfa_serial: Option<&MfaSerial>) -> Step {
    let call = SessionTokenCall {
        region: identity_region(catalogue, identity),
        duration: identity.mfa_session,
        mfa_serial: mfa_serial.cloned(),
    };
    // A code goes with a long-term key only, which then is what the source must give.
    if identity.source.is_some() && mfa_serial.is_none() { Step::Source(call) } else { Step::SessionToken(call) }
}

fn identity_region(catalogue: &Config, identity: &Identity) -> String {
    if let Some(region) = &identity.region {
        return region.clone();
    }
    if let Some(call) = identity.web_identity() {
        return call.role_arn.partition().default_region().to_owned();
    }
    let of_device = identity.mfa_serial.as_ref().and_then(|serial| Partition::of_arn(serial.as_str()));
    // No role can be assumed from another partition.
    let of_role = || catalogue.roles.values().find(|role| role.source == identity.name).map(|r| r.role_arn.partition());
    of_device.or_else(of_role).unwrap_or(Partition::Aws).default_region().to_owned()
}

fn call(role: &Role, identity: &Identity, mfa_serial: Option<MfaSerial>) -> AssumeRole {
    let region = role.settings.region.clone().or_else(|| identity.region.clone());
    AssumeRole {
        region: region.unwrap_or_else(|| role.role_arn.partition().default_region().to_owned()),
        role_arn: role.role_arn.clone(),
        session_name: role.settings.role_session_name.clone(),
        duration: role.settings.duration.unwrap_or(HOUR),
        external_id: role.settings.external_id.clone(),
        source_identity: role.settings.source_identity.clone(),
        tags: role.settings.session_tags.clone(),
        transitive_tag_keys: role.settings.transitive_tag_keys.clone(),
        policy: role.settings.policy.clone(),
        policy_arns: role.settings.policy_arns.clone(),
        mfa_serial,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
