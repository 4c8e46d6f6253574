//! AssumeRole: who may, for how long, and what the session remembers.
//!
//! The order of the checks is part of what clients see: parameters, one-time code, authorization, the role's maximum,
//! the limit of a chain. Rules: AssumeRole in the STS API reference; IAM User Guide, "Cross-account policy evaluation
//! logic", "Policy evaluation logic", "Monitor and control actions taken with assumed roles".

use chrono::TimeDelta;

use super::tags::{Requested, Resulting};
use super::{Outcome, unauthorized, write_credentials};
use crate::authority::Authority;
use crate::caller::{Caller, Holder, Principal, RoleSession, SessionFacts};
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::parameters::{ARN, CODE, EXTERNAL_ID, NAME, Parameters, SERIAL};
use crate::policy::context::Context;
use crate::policy::principal::Reach;
use crate::policy::{Policy, Question, Trust};
use crate::world::{ManagedPolicy, Role, World};

const RANGE: (i64, i64) = (900, 43_200);
const DEFAULT_SECONDS: i64 = 3600;

/// "Role chaining limits your role session to a maximum of one hour." It binds every caller with temporary credentials.
const CHAIN_SECONDS: i64 = 3600;

const MOST_POLICY_ARNS: usize = 10;
const LONGEST_POLICY: usize = 2048;

/// What AWS's packed form of policies and tags may take up. AWS does not publish it; this lets every policy within the
/// plain-text limit through and stops tags at about the number AWS does.
const PACKED_BYTES: usize = 4096;

struct Input<'a> {
    role_arn: &'a str,
    session_name: &'a str,
    seconds: i64,
    external_id: Option<&'a str>,
    serial: Option<&'a str>,
    code: Option<&'a str>,
    source_identity: Option<&'a str>,
    policy: Option<&'a str>,
    policy_arns: Vec<&'a str>,
    tags: Requested,
}

pub(super) fn answer(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let input = Input::read(exchange)?;
    let policies = input.session_policies(exchange.known())?;
    let tags = input.tags.join(caller.role_session())?;
    let packed = input.packed_percent(&tags)?;
    let source_identity = input.source_identity(caller)?;
    if matches!(caller.principal, Principal::Root) {
        return Err(ApiError::new(403, "AccessDenied", "Roles may not be assumed by root accounts."));
    }
    // Only a user has devices; a role session that gives a code is told that the device is not its own.
    let devices = if let Principal::User(user) = &caller.principal { user.mfa_devices.as_slice() } else { &[] };
    let with_code = exchange.state.spent_codes.accept(devices, input.serial, input.code, exchange.now)?;

    let authority = Authority::of(caller, exchange.known());
    let mut context = authority.context(caller, exchange.now);
    input.describe(&mut context, source_identity.as_deref(), exchange.region());
    if with_code {
        context.put("aws:MultiFactorAuthPresent", "true");
        context.put("aws:MultiFactorAuthAge", "0");
    }
    let mut actions = vec!["sts:AssumeRole"];
    if !tags.tags.is_empty() {
        actions.push("sts:TagSession");
    }
    if source_identity.is_some() {
        actions.push("sts:SetSourceIdentity");
    }
    // A role that does not exist is refused like one that does not trust: the answer must not tell them apart.
    let role = exchange.known().find_role(input.role_arn).cloned();
    for action in actions {
        let question = Question { action, resource: input.role_arn, context: &context };
        let allowed = role.as_ref().map_or(Err(String::new()), |role| authorize(caller, &authority, role, &question));
        allowed.map_err(|reason| unauthorized(caller, action, Some(input.role_arn), &reason))?;
    }
    let role = role.expect("a role that is not there is refused");
    input.check_duration(&role, caller)?;
    super::check_region(exchange, &role.account)?;

    let session = RoleSession {
        policies,
        tags: tags.tags,
        transitive: tags.transitive,
        source_identity: source_identity.clone(),
        ..RoleSession::plain(&role, input.session_name)
    };
    let (arn, id) = (session.arn(&role.account), session.id());
    let facts = SessionFacts { issued: exchange.now, mfa: None, is_chained: caller.session.is_some() };
    let life = exchange.state.world.role_session_life.unwrap_or(TimeDelta::seconds(input.seconds));
    let credentials = exchange.state.sessions.issue(Holder::Role(session), facts, life);
    Ok(Box::new(move |xml| {
        xml.open("AssumedRoleUser").leaf("AssumedRoleId", id).leaf("Arn", arn).close();
        write_credentials(xml, &credentials);
        if let Some(identity) = source_identity {
            xml.leaf("SourceIdentity", identity);
        }
        if let Some(percent) = packed {
            xml.leaf("PackedPolicySize", percent);
        }
    }))
}

/// Says whether a caller may do something with a role, or why not, as far as AWS tells.
fn authorize(caller: &Caller, authority: &Authority, role: &Role, question: &Question<'_>) -> Result<(), String> {
    let same_account = caller.account == role.account;
    let barrier = authority.barrier(question);
    if let Some(barrier) = barrier.filter(|barrier| barrier.is_explicit()) {
        return Err(barrier.reason(question.action));
    }
    let allowed = match role.trust.trust(question, &caller.names()) {
        Trust::Deny if same_account => return Err(" with an explicit deny in the role trust policy".to_owned()),
        Trust::Deny | Trust::Silent => false,
        // In its own account a trust policy that names the caller is enough; one that names the account delegates.
        Trust::Allow(Reach::Caller) if same_account => true,
        Trust::Allow(Reach::Role) if same_account => authority.session_allows(question),
        Trust::Allow(_) => barrier.is_none(),
    };
    if allowed { Ok(()) } else { Err(String::new()) }
}

impl<'a> Input<'a> {
    fn read(exchange: &Exchange<'a>) -> Result<Self, ApiError> {
        let mut parameters = Parameters::of(exchange.operation);
        let role_arn = parameters.required("RoleArn", (20, 2048), Some(ARN));
        let session_name = parameters.required("RoleSessionName", (2, 64), Some(NAME));
        let seconds = parameters.number("DurationSeconds", RANGE)?.unwrap_or(DEFAULT_SECONDS);
        let external_id = parameters.optional("ExternalId", (2, 1224), Some(EXTERNAL_ID));
        let serial = parameters.optional("SerialNumber", (9, 256), Some(SERIAL));
        let code = parameters.optional("TokenCode", (6, 6), Some(CODE));
        let source_identity = parameters.optional("SourceIdentity", (2, 64), Some(NAME));
        let policy = parameters.optional("Policy", (1, LONGEST_POLICY), None);
        let policy_arns = parameters.list("PolicyArns", &["arn"], MOST_POLICY_ARNS);
        let policy_arns: Vec<&str> = policy_arns.into_iter().map(|entry| entry[0].unwrap_or_default()).collect();
        for (index, arn) in policy_arns.iter().enumerate() {
            parameters.check(&format!("policyArns.{}.member.arn", index + 1), arn, (20, 2048), Some(ARN));
        }
        let tags = Requested::read(&mut parameters);
        parameters.finish()?;
        if !role_arn.starts_with("arn:") || role_arn.splitn(6, ':').count() < 6 {
            return Err(ApiError::new(400, "ValidationError", format!("{role_arn} is invalid")));
        }
        Ok(Self {
            role_arn,
            session_name,
            seconds,
            external_id,
            serial,
            code,
            source_identity,
            policy,
            policy_arns,
            tags,
        })
    }

    /// Reads the session policies; `None` if the request passes none.
    fn session_policies(&self, world: &World) -> Result<Option<Vec<Policy>>, ApiError> {
        let malformed = |message: String| ApiError::new(400, "MalformedPolicyDocument", message);
        let mut policies = Vec::new();
        if let Some(text) = self.policy {
            let policy = Policy::parse(text).and_then(|policy| policy.check_identity_based().map(|()| policy));
            policies.push(policy.map_err(|error| malformed(error.to_string()))?);
        }
        for arn in &self.policy_arns {
            let policy = world.managed_policies.get(*arn).map(ManagedPolicy::document);
            policies.push(
                policy
                    .cloned()
                    .ok_or_else(|| malformed(format!("Policy {arn} does not exist or is not attachable.")))?,
            );
        }
        Ok((!policies.is_empty()).then_some(policies))
    }

    /// Returns how full the packed form is, if there is anything in it.
    fn packed_percent(&self, tags: &Resulting) -> Result<Option<usize>, ApiError> {
        let text = |texts: &mut dyn Iterator<Item = &str>| texts.map(str::len).sum::<usize>();
        let policies = text(&mut self.policy.into_iter().chain(self.policy_arns.iter().copied()));
        let of_tags = text(&mut tags.tags.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]));
        let percent = ((policies + of_tags) * 100).div_ceil(PACKED_BYTES);
        if percent > 100 {
            let what = if of_tags > policies { "session tags consumes" } else { "policy consumes" };
            let message = format!("Packed size of {what} {percent}% of allotted space.");
            return Err(ApiError::new(400, "PackedPolicyTooLarge", message));
        }
        Ok((percent > 0).then_some(percent))
    }

    /// Returns the source identity the session will carry: once set, it stays along a chain.
    fn source_identity(&self, caller: &Caller) -> Result<Option<String>, ApiError> {
        let inherited = caller.role_session().and_then(|session| session.source_identity.as_deref());
        match (inherited, self.source_identity) {
            (Some(inherited), Some(asked)) if inherited != asked => Err(ApiError::new(
                400,
                "ValidationError",
                "The source identity is already set for this assume role session",
            )),
            (inherited, asked) => Ok(inherited.or(asked).map(str::to_owned)),
        }
    }

    /// Puts what conditions may ask about the request into the context ("IAM and AWS STS condition context keys").
    fn describe(&self, context: &mut Context, source_identity: Option<&str>, region: &str) {
        context.put("aws:RequestedRegion", region);
        context.put("aws:SourceIp", "127.0.0.1");
        context.put("sts:RoleSessionName", self.session_name);
        if let Some(id) = self.external_id {
            context.put("sts:ExternalId", id);
        }
        if let Some(identity) = source_identity {
            context.put("sts:SourceIdentity", identity);
        }
        for (key, value) in &self.tags.tags {
            context.put(&format!("aws:RequestTag/{key}"), value);
        }
        if !self.tags.tags.is_empty() {
            context.put_all("aws:TagKeys", self.tags.tags.iter().map(|(key, _)| key.clone()).collect());
        }
        if !self.tags.transitive.is_empty() {
            context.put_all("sts:TransitiveTagKeys", self.tags.transitive.clone());
        }
    }

    fn check_duration(&self, role: &Role, caller: &Caller) -> Result<(), ApiError> {
        let exceeds = |what: &str| {
            Err(ApiError::new(400, "ValidationError", format!("The requested DurationSeconds exceeds the {what}.")))
        };
        if self.seconds > role.max_session_seconds {
            return exceeds("MaxSessionDuration set for this role");
        }
        if caller.session.is_some() && self.seconds > CHAIN_SECONDS {
            return exceeds("1 hour session limit for roles assumed by role chaining");
        }
        Ok(())
    }
}
