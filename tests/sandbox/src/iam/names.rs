//! The parameters of IAM's operations: names, paths, ARNs, texts and their alphabets.
//!
//! Rules: IAM User Guide, "IAM and AWS STS quotas" ("IAM name requirements"), and the page of each operation.

use crate::error::ApiError;
use crate::parameters::{Form, Parameters, label};
use crate::request::Operation;

/// The longest user name, and the longest role name.
pub(super) const USER: usize = 64;
/// The longest name of anything else.
pub(super) const OTHER: usize = 128;

const LONGEST_PATH: usize = 512;

const ARN: Form = crate::parameters::ARN;
const SERIAL: Form = crate::parameters::SERIAL;
const CODE: Form = crate::parameters::CODE;

/// Returns a name that must be given.
pub(super) fn name<'a>(operation: &'a Operation, parameter: &str, longest: usize) -> Result<&'a str, ApiError> {
    let mut parameters = Parameters::of(operation);
    let name = parameters.required(parameter, (1, longest), None);
    parameters.finish()?;
    let letters = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if name.chars().all(letters) {
        return Ok(name);
    }
    let message = format!(
        "The specified value for {} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-",
        label(parameter)
    );
    Err(ApiError::new(400, "ValidationError", message))
}

/// Returns the path, `/` if none is given.
pub(super) fn path(operation: &Operation) -> Result<&str, ApiError> {
    let path = operation.parameter("Path").unwrap_or("/");
    let whole = path.starts_with('/') && path.ends_with('/');
    if whole && path.len() <= LONGEST_PATH && path.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return Ok(path);
    }
    let message = "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.";
    Err(ApiError::new(400, "ValidationError", message))
}

/// Returns the ARN of a policy.
pub(super) fn policy_arn(operation: &Operation) -> Result<&str, ApiError> {
    let arn = text(operation, "PolicyArn", (20, 2048), Some(ARN))?;
    if arn.starts_with("arn:") && arn.splitn(6, ':').count() == 6 {
        return Ok(arn);
    }
    Err(ApiError::new(400, "InvalidInput", format!("ARN {arn} is not valid.")))
}

/// Returns the serial number of a device.
pub(super) fn serial(operation: &Operation) -> Result<&str, ApiError> {
    text(operation, "SerialNumber", (9, 256), Some(SERIAL))
}

/// Returns a one-time code.
pub(super) fn code<'a>(operation: &'a Operation, parameter: &str) -> Result<&'a str, ApiError> {
    text(operation, parameter, (6, 6), Some(CODE))
}

/// Returns the description, if one is given.
pub(super) fn description(operation: &Operation) -> Result<Option<String>, ApiError> {
    let mut parameters = Parameters::of(operation);
    let description = parameters.optional("Description", (0, 1000), Some(ARN_OR_EMPTY));
    parameters.finish()?;
    Ok(description.map(str::to_owned))
}

/// A description has the letters of an ARN, and may be empty.
const ARN_OR_EMPTY: Form = ARN;

/// Returns a document that must be given.
pub(super) fn document<'a>(operation: &'a Operation, parameter: &str) -> Result<&'a str, ApiError> {
    text(operation, parameter, (1, 131_072), Some(ARN))
}

/// Returns the longest session of a role, if one is given.
pub(super) fn max_session(operation: &Operation) -> Result<Option<i64>, ApiError> {
    let mut parameters = Parameters::of(operation);
    let seconds = parameters.number("MaxSessionDuration", (3600, 43_200))?;
    parameters.finish()?;
    Ok(seconds)
}

fn text<'a>(
    operation: &'a Operation,
    parameter: &str,
    length: (usize, usize),
    form: Option<Form>,
) -> Result<&'a str, ApiError> {
    let mut parameters = Parameters::of(operation);
    let text = parameters.required(parameter, length, form);
    parameters.finish()?;
    Ok(text)
}
