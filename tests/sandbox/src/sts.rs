//! The Security Token Service, version 2011-06-15.

mod assume_role;
mod session_token;
mod tags;
mod web_identity;

use crate::answer::Answer;
use crate::authority::Authority;
use crate::caller::{Caller, Principal, SessionCredentials};
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::policy::Question;
use crate::query::{self, Dialect};
use crate::xml::Xml;

const WEB_IDENTITY: &str = "AssumeRoleWithWebIdentity";

const VERSION: &str = "2011-06-15";

const DIALECT: Dialect = Dialect { namespace: "https://sts.amazonaws.com/doc/2011-06-15/" };

/// What an operation writes into its result.
type Write = Box<dyn FnOnce(&mut Xml)>;

type Outcome = Result<Write, ApiError>;

/// Answers an STS request.
pub(crate) fn answer(exchange: &mut Exchange<'_>) -> Answer {
    let action = exchange.operation.action.clone();
    let handle: fn(&mut Exchange<'_>, &Caller) -> Outcome = match action.as_str() {
        "AssumeRole" => assume_role::answer,
        "GetAccessKeyInfo" => access_key_info,
        "GetCallerIdentity" => |_, caller| Ok(caller_identity(caller)),
        "GetSessionToken" => session_token::answer,
        WEB_IDENTITY => |exchange, _| web_identity::answer(exchange),
        "AssumeRoleWithSAML" | "AssumeRoot" | "DecodeAuthorizationMessage" | "GetFederationToken" => {
            let message = format!("The sandbox does not implement {action}.");
            return query::fault(&ApiError::new(501, "NotImplemented", message), exchange.request_id);
        }
        _ => return query::no_operation(exchange),
    };
    if exchange.operation.parameter("Version") != Some(VERSION) {
        return query::no_operation(exchange);
    }
    // "Calling AssumeRoleWithWebIdentity does not require the use of AWS security credentials."
    if action == WEB_IDENTITY {
        return match web_identity::answer(exchange) {
            Ok(write) => DIALECT.success(&action, exchange.request_id, write),
            Err(error) => DIALECT.failure(&error, exchange.request_id),
        };
    }
    let result = exchange
        .authenticate()
        .map_err(query::stranger)
        .and_then(|caller| check_region(exchange, &caller.account).map(|()| caller))
        .and_then(|caller| handle(exchange, &caller));
    match result {
        Ok(write) => DIALECT.success(&action, exchange.request_id, write),
        Err(error) => DIALECT.failure(&error, exchange.request_id),
    }
}

/// Writes a refusal.
pub(crate) fn error(error: &ApiError, request_id: &str) -> Answer {
    DIALECT.failure(error, request_id)
}

/// Refuses a Region that an account has not enabled, or in which it has switched STS off ("Managing AWS STS in an AWS
/// Region"): the account of the caller, and the account whose credentials are requested.
fn check_region(exchange: &Exchange<'_>, account: &str) -> Result<(), ApiError> {
    let (known, region) = (exchange.state.world.accounts.get(account), exchange.region());
    if known.is_some_and(|account| account.disabled_regions.contains(region) || !account.is_known_in(region)) {
        let message = format!(
            "STS is not activated in this region for account:{account}. Your account administrator can activate STS in this region using the IAM Console."
        );
        return Err(ApiError::new(403, "RegionDisabledException", message));
    }
    Ok(())
}

/// GetCallerIdentity: "No permissions are required", and not even a Deny forbids it.
fn caller_identity(caller: &Caller) -> Write {
    let (arn, id, account) = (caller.arn(), caller.user_id(), caller.account.clone());
    Box::new(move |xml| {
        xml.leaf("Arn", arn).leaf("UserId", id).leaf("Account", account);
    })
}

/// GetAccessKeyInfo: names the account of a key, whoever asks.
fn access_key_info(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    const ACTION: &str = "sts:GetAccessKeyInfo";
    // GetSessionToken: "You cannot call any STS API except AssumeRole or GetCallerIdentity."
    let of_user_session = caller.session.is_some() && !matches!(caller.principal, Principal::Role(_));
    let authority = Authority::of(caller, exchange.known());
    let context = authority.context(caller, exchange.now);
    if of_user_session || authority.barrier(&Question { action: ACTION, resource: "*", context: &context }).is_some() {
        return Err(unauthorized(caller, ACTION, None, ""));
    }
    let id = exchange.operation.parameter("AccessKeyId").unwrap_or_default();
    let state = &exchange.state;
    let account = state.world.find_key(id).map(|(holder, _)| holder.account().to_owned());
    let account = account.or_else(|| state.sessions.find(id).map(|session| session.holder.account().to_owned()));
    let account =
        account.ok_or_else(|| ApiError::new(400, "ValidationError", format!("The access key {id} does not exist.")))?;
    Ok(Box::new(move |xml| {
        xml.leaf("Account", account);
    }))
}

/// Words a refusal by policy.
fn unauthorized(caller: &Caller, action: &str, resource: Option<&str>, reason: &str) -> ApiError {
    let resource = resource.map(|arn| format!(" on resource: {arn}")).unwrap_or_default();
    ApiError::new(
        403,
        "AccessDenied",
        format!("User: {} is not authorized to perform: {action}{resource}{reason}", caller.arn()),
    )
}

fn write_credentials(xml: &mut Xml, credentials: &SessionCredentials) {
    xml.open("Credentials")
        .leaf("AccessKeyId", &credentials.access_key_id)
        .leaf("SecretAccessKey", &credentials.secret_access_key)
        .leaf("SessionToken", &credentials.session_token)
        .leaf("Expiration", credentials.expiration_text())
        .close();
}
