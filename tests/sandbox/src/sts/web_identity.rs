//! AssumeRoleWithWebIdentity: a token instead of a signature.
//!
//! Rules: AssumeRoleWithWebIdentity in the STS API reference, with its errors; IAM User Guide, "Create a role for OpenID
//! Connect federation", "Available keys for AWS OIDC federation".

use chrono::{SecondsFormat, TimeDelta};

use super::{Outcome, write_credentials};
use crate::caller::{Holder, RoleSession, SessionFacts};
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::oidc::{self, Claims};
use crate::parameters::{ARN, NAME, Parameters};
use crate::policy::context::Context;
use crate::policy::principal::Names;
use crate::policy::{Question, Trust};
use crate::world::OidcProvider;

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";
const RANGE: (i64, i64) = (900, 43_200);
const DEFAULT_SECONDS: i64 = 3600;

/// "Minimum length of 4. Maximum length of 20000."
const TOKEN: (usize, usize) = (4, 20_000);

pub(super) fn answer(exchange: &mut Exchange<'_>) -> Outcome {
    let mut parameters = Parameters::of(exchange.operation);
    let role_arn = parameters.required("RoleArn", (20, 2048), Some(ARN));
    let session_name = parameters.required("RoleSessionName", (2, 64), Some(NAME));
    let token = parameters.required("WebIdentityToken", TOKEN, None);
    let seconds = parameters.number("DurationSeconds", RANGE)?.unwrap_or(DEFAULT_SECONDS);
    parameters.finish()?;

    let claims = oidc::read(token).ok_or_else(|| {
        invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
    })?;
    let account = role_arn.split(':').nth(4).unwrap_or_default();
    let provider = provider(exchange, account, &claims)?;
    if !exchange.state.place.signed.iter().any(|signed| signed == token) {
        return Err(invalid("Couldn't verify the signature of the ID Token with the keys of the identity provider"));
    }
    if exchange.now >= claims.expires {
        let text = |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        let message = format!(
            "Token expired: current date/time {} must be before the expiration date/time {}",
            text(exchange.now),
            text(claims.expires)
        );
        return Err(ApiError::new(400, "ExpiredTokenException", message));
    }
    if !provider.audiences.contains(&claims.audience) {
        return Err(invalid("Incorrect token audience"));
    }
    let names = Names { federated: Some(provider.arn()), ..Names::default() };
    let mut context = Context::default();
    context.put(&format!("{}:aud", claims.issuer), &claims.audience);
    context.put(&format!("{}:sub", claims.issuer), &claims.subject);
    context.put("sts:RoleSessionName", session_name);
    let question = Question { action: ACTION, resource: role_arn, context: &context };
    let role = exchange.known().find_role(role_arn).cloned();
    let role = role.filter(|role| matches!(role.trust.trust(&question, &names), Trust::Allow(_)));
    let Some(role) = role else {
        return Err(ApiError::new(403, "AccessDenied", format!("Not authorized to perform {ACTION}")));
    };
    if seconds > role.max_session_seconds {
        let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(ApiError::new(400, "ValidationError", message));
    }
    let session = RoleSession::plain(&role, session_name);
    let (arn, id) = (session.arn(&role.account), session.id());
    exchange.caller_arn = Some(arn.clone());
    let facts = SessionFacts { issued: exchange.now, mfa: None, is_chained: false };
    let credentials = exchange.state.sessions.issue(Holder::Role(session), facts, TimeDelta::seconds(seconds));
    Ok(Box::new(move |xml| {
        xml.leaf("SubjectFromWebIdentityToken", claims.subject).leaf("Audience", claims.audience);
        xml.open("AssumedRoleUser").leaf("AssumedRoleId", id).leaf("Arn", arn).close();
        write_credentials(xml, &credentials);
        xml.leaf("Provider", provider.arn());
    }))
}

fn provider(exchange: &Exchange<'_>, account: &str, claims: &Claims) -> Result<OidcProvider, ApiError> {
    let mut providers = exchange.state.world.oidc_providers.iter();
    let found = providers.find(|provider| provider.account == account && provider.issuer == claims.issuer);
    found.cloned().ok_or_else(|| {
        invalid(&format!("No OpenIDConnect provider found in your account for https://{}", claims.issuer))
    })
}

fn invalid(message: &str) -> ApiError {
    ApiError::new(400, "InvalidIdentityToken", message)
}
