//! Identity and Access Management, version 2010-05-08: users, roles, policies, and what belongs to them.
//!
//! Rules: IAM API Reference, the page of each operation; IAM User Guide, "IAM and AWS STS quotas" and "Manage access keys
//! for IAM users"; Service Authorization Reference, "Actions, resources, and condition keys for AWS IAM".

mod access;
mod access_keys;
mod devices;
mod documents;
mod grammar;
mod instance_profiles;
mod names;
mod page;
mod permissions;
mod policies;
mod refusals;
mod roles;
mod simulate;
mod subject;
mod tags;
mod users;

use chrono::{DateTime, SecondsFormat, Utc};

use self::subject::Kind;
use crate::answer::Answer;
use crate::caller::{Caller, Principal};
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::query::{self, Dialect};
use crate::unsettled::Before;
use crate::xml::Xml;

const VERSION: &str = "2010-05-08";

const DIALECT: Dialect = Dialect { namespace: "https://iam.amazonaws.com/doc/2010-05-08/" };

/// What an operation writes into its result; one without a result writes nothing.
type Write = Box<dyn FnOnce(&mut Xml)>;

type Outcome = Result<Write, ApiError>;

/// Answers one operation.
type Handle = fn(&mut Exchange<'_>, &Caller) -> Outcome;

/// Returns what answers an operation, in the order of the API Reference.
fn handle(action: &str) -> Option<Handle> {
    Some(match action {
        "AddRoleToInstanceProfile" => instance_profiles::add_role,
        "AttachRolePolicy" => |exchange, caller| permissions::attach(exchange, caller, Kind::Role),
        "AttachUserPolicy" => |exchange, caller| permissions::attach(exchange, caller, Kind::User),
        "CreateAccessKey" => access_keys::create,
        "CreateInstanceProfile" => instance_profiles::create,
        "CreatePolicy" => policies::create,
        "CreatePolicyVersion" => policies::create_version,
        "CreateRole" => roles::create,
        "CreateUser" => users::create,
        "CreateVirtualMFADevice" => devices::create,
        "DeactivateMFADevice" => devices::deactivate,
        "DeleteAccessKey" => access_keys::delete,
        "DeleteInstanceProfile" => instance_profiles::delete,
        "DeletePolicy" => policies::delete,
        "DeletePolicyVersion" => policies::delete_version,
        "DeleteRole" => roles::delete,
        "DeleteRolePolicy" => |exchange, caller| permissions::delete(exchange, caller, Kind::Role),
        "DeleteUser" => users::delete,
        "DeleteUserPolicy" => |exchange, caller| permissions::delete(exchange, caller, Kind::User),
        "DeleteVirtualMFADevice" => devices::delete,
        "DetachRolePolicy" => |exchange, caller| permissions::detach(exchange, caller, Kind::Role),
        "DetachUserPolicy" => |exchange, caller| permissions::detach(exchange, caller, Kind::User),
        "EnableMFADevice" => devices::enable,
        "GetAccessKeyLastUsed" => access_keys::last_used,
        "GetInstanceProfile" => instance_profiles::get,
        "GetPolicy" => policies::get,
        "GetPolicyVersion" => policies::get_version,
        "GetRole" => roles::get,
        "GetRolePolicy" => |exchange, caller| permissions::get(exchange, caller, Kind::Role),
        "GetUser" => users::get,
        "GetUserPolicy" => |exchange, caller| permissions::get(exchange, caller, Kind::User),
        "ListAccessKeys" => access_keys::list,
        "ListAttachedRolePolicies" => |exchange, caller| permissions::list_attached(exchange, caller, Kind::Role),
        "ListAttachedUserPolicies" => |exchange, caller| permissions::list_attached(exchange, caller, Kind::User),
        "ListGroupsForUser" => users::list_groups,
        "ListInstanceProfileTags" => |exchange, caller| tags::list(exchange, caller, Kind::InstanceProfile),
        "ListInstanceProfiles" => instance_profiles::list,
        "ListInstanceProfilesForRole" => instance_profiles::list_for_role,
        "ListMFADeviceTags" => |exchange, caller| tags::list(exchange, caller, Kind::Device),
        "ListMFADevices" => devices::list_of_user,
        "ListPolicies" => policies::list,
        "ListPolicyTags" => |exchange, caller| tags::list(exchange, caller, Kind::Policy),
        "ListPolicyVersions" => policies::list_versions,
        "ListRolePolicies" => |exchange, caller| permissions::list(exchange, caller, Kind::Role),
        "ListRoleTags" => |exchange, caller| tags::list(exchange, caller, Kind::Role),
        "ListRoles" => roles::list,
        "ListUserPolicies" => |exchange, caller| permissions::list(exchange, caller, Kind::User),
        "ListUserTags" => |exchange, caller| tags::list(exchange, caller, Kind::User),
        "ListUsers" => users::list,
        "ListVirtualMFADevices" => devices::list_virtual,
        "PutRolePolicy" => |exchange, caller| permissions::put(exchange, caller, Kind::Role),
        "PutUserPolicy" => |exchange, caller| permissions::put(exchange, caller, Kind::User),
        "RemoveRoleFromInstanceProfile" => instance_profiles::remove_role,
        "SetDefaultPolicyVersion" => policies::set_default_version,
        "SimulatePrincipalPolicy" => simulate::principal_policy,
        "TagInstanceProfile" => |exchange, caller| tags::put(exchange, caller, Kind::InstanceProfile),
        "TagMFADevice" => |exchange, caller| tags::put(exchange, caller, Kind::Device),
        "TagPolicy" => |exchange, caller| tags::put(exchange, caller, Kind::Policy),
        "TagRole" => |exchange, caller| tags::put(exchange, caller, Kind::Role),
        "TagUser" => |exchange, caller| tags::put(exchange, caller, Kind::User),
        "UntagInstanceProfile" => |exchange, caller| tags::remove(exchange, caller, Kind::InstanceProfile),
        "UntagMFADevice" => |exchange, caller| tags::remove(exchange, caller, Kind::Device),
        "UntagPolicy" => |exchange, caller| tags::remove(exchange, caller, Kind::Policy),
        "UntagRole" => |exchange, caller| tags::remove(exchange, caller, Kind::Role),
        "UntagUser" => |exchange, caller| tags::remove(exchange, caller, Kind::User),
        "UpdateAccessKey" => access_keys::update,
        "UpdateAssumeRolePolicy" => roles::update_trust,
        "UpdateRole" => roles::update,
        _ => return None,
    })
}

/// Answers an IAM request.
pub(crate) fn answer(exchange: &mut Exchange<'_>) -> Answer {
    let action = exchange.operation.action.clone();
    let handle = handle(&action).filter(|_| exchange.operation.parameter("Version") == Some(VERSION));
    let Some(handle) = handle else { return query::no_operation(exchange) };
    let result = exchange
        .authenticate()
        .map_err(query::stranger)
        .and_then(|caller| check_session(&caller).map(|()| caller))
        .and_then(|caller| {
            let before = Before::of(&exchange.state.world, &caller.account);
            let outcome = handle(exchange, &caller);
            let state = &mut *exchange.state;
            state.unsettled.note(before, &state.world, exchange.now);
            outcome
        });
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

/// Writes an instant as IAM does.
fn time(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}
