//! Identity and Access Management, version 2010-05-08: a user and the user's access keys.
//!
//! Rules: IAM API Reference, the page of each operation; IAM User Guide, "IAM and AWS STS quotas" and "Manage access keys
//! for IAM users"; Service Authorization Reference, "Actions, resources, and condition keys for AWS IAM".

mod access_keys;

use crate::answer::Answer;
use crate::authority::Authority;
use crate::caller::{Caller, Principal};
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::policy::Question;
use crate::query::{self, Dialect};
use crate::world::User;
use crate::xml::Xml;

const VERSION: &str = "2010-05-08";

const DIALECT: Dialect = Dialect { namespace: "https://iam.amazonaws.com/doc/2010-05-08/" };

/// What an operation writes into its result; one without a result writes nothing.
type Write = Box<dyn FnOnce(&mut Xml)>;

type Outcome = Result<Write, ApiError>;

/// Answers an IAM request.
pub(crate) fn answer(exchange: &mut Exchange<'_>) -> Answer {
    let action = exchange.operation.action.clone();
    let handle: fn(&mut Exchange<'_>, &Caller) -> Outcome = match action.as_str() {
        "CreateAccessKey" => access_keys::create,
        "DeleteAccessKey" => access_keys::delete,
        "GetAccessKeyLastUsed" => access_keys::last_used,
        "GetUser" => get_user,
        "ListAccessKeys" => access_keys::list,
        "UpdateAccessKey" => access_keys::update,
        _ => return query::no_operation(exchange),
    };
    if exchange.operation.parameter("Version") != Some(VERSION) {
        return query::no_operation(exchange);
    }
    let result = exchange
        .authenticate()
        .map_err(query::stranger)
        .and_then(|caller| check_session(&caller).map(|()| caller))
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

/// GetSessionToken: "You cannot call any IAM API operations unless MFA authentication information is included in the
/// request." IAM then answers as if it did not know the session.
fn check_session(caller: &Caller) -> Result<(), ApiError> {
    let of_user = !matches!(caller.principal, Principal::Role(_));
    if of_user && caller.session.is_some_and(|facts| facts.mfa.is_none()) {
        let message = "The security token included in the request is invalid";
        return Err(ApiError::new(403, "InvalidClientTokenId", message));
    }
    Ok(())
}

/// Finds the user that a request is about: the named one, or else the caller itself.
fn user(exchange: &Exchange<'_>, caller: &Caller) -> Result<User, ApiError> {
    let Some(name) = exchange.operation.parameter("UserName") else {
        return match &caller.principal {
            Principal::User(user) => Ok(user.as_ref().clone()),
            _ => Err(ApiError::new(
                400,
                "ValidationError",
                "Must specify userName when calling with non-User credentials",
            )),
        };
    };
    let letters = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !(1..=128).contains(&name.len()) || !name.chars().all(letters) {
        return Err(ApiError::new(400, "ValidationError", "The specified value for userName is invalid."));
    }
    let account = exchange.state.world.accounts.get(&caller.account);
    let found = account.and_then(|account| account.users.get(name)).cloned();
    // What the caller may do with a user that does not exist is asked by the ARN that it would have.
    found.map_or_else(
        || {
            let nobody = User { account: caller.account.clone(), ..User::new(name) };
            authorize(exchange, caller, &nobody)?;
            Err(no_such_user(name))
        },
        Ok,
    )
}

fn no_such_user(name: &str) -> ApiError {
    ApiError::new(404, "NoSuchEntity", format!("The user with name {name} cannot be found."))
}

/// Asks the caller's policies for the operation on a user.
fn authorize(exchange: &Exchange<'_>, caller: &Caller, user: &User) -> Result<(), ApiError> {
    let action = format!("iam:{}", exchange.operation.action);
    let authority = Authority::of(caller, &exchange.state.world);
    let context = authority.context(caller, exchange.now);
    let question = Question { action: &action, resource: &user.arn(), context: &context };
    match authority.barrier(&question) {
        None => Ok(()),
        Some(barrier) => Err(ApiError::new(
            403,
            "AccessDenied",
            format!(
                "User: {} is not authorized to perform: {action} on resource: user {}{}",
                caller.arn(),
                user.name,
                barrier.reason(&action)
            ),
        )),
    }
}

fn get_user(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let user = user(exchange, caller)?;
    authorize(exchange, caller, &user)?;
    Ok(Box::new(move |xml| {
        xml.open("User");
        xml.leaf("Path", &user.path).leaf("UserName", &user.name).leaf("UserId", &user.id).leaf("Arn", user.arn());
        xml.leaf("CreateDate", "2026-01-01T00:00:00Z").close();
    }))
}
