//! The refusals that several of IAM's operations share, in IAM's words.

use crate::error::ApiError;

pub(super) fn no_such_entity(message: impl Into<String>) -> ApiError {
    ApiError::new(404, "NoSuchEntity", message)
}

pub(super) fn already_exists(message: impl Into<String>) -> ApiError {
    ApiError::new(409, "EntityAlreadyExists", message)
}

pub(super) fn delete_conflict(message: &str) -> ApiError {
    ApiError::new(409, "DeleteConflict", message)
}

pub(super) fn limit_exceeded(message: impl Into<String>) -> ApiError {
    ApiError::new(409, "LimitExceeded", message)
}

pub(super) fn malformed(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "MalformedPolicyDocument", message)
}

/// Refuses one more of what there may be so many of.
pub(super) fn within_quota(name: &str, there_are: usize, quota: usize) -> Result<(), ApiError> {
    if there_are < quota { Ok(()) } else { Err(limit_exceeded(format!("Cannot exceed quota for {name}: {quota}"))) }
}
