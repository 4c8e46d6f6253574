//! KMS: Encrypt and Decrypt with symmetric keys, enough for a client that wraps a data key.
//!
//! A key exists in each account that a request names. Its key policy allows every principal of that account (condition
//! `kms:CallerAccount`), so no identity-based policy is needed. Rules: AWS KMS API Reference, "Encrypt", "Decrypt" and
//! "Common Error Types"; the protocol is JSON 1.1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::authenticate::Stranger;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::request::Request;

/// Marks the ciphertexts of this service.
const HEAD: &[u8] = b"sandbox-kms\0";

/// Names the operation of a request.
pub(crate) fn action(request: &Request) -> String {
    let target = request.header("x-amz-target").unwrap_or_default();
    target.strip_prefix("TrentService.").unwrap_or_default().to_owned()
}

/// Answers a KMS request.
pub(crate) fn answer(exchange: &mut Exchange<'_>) -> Answer {
    let done = exchange.authenticate().map_err(stranger).and_then(|caller| operate(exchange, &caller));
    match done {
        Ok(body) => Answer::new(200, "application/x-amz-json-1.1", body.to_string()),
        Err(failure) => error(&failure),
    }
}

/// Writes a refusal.
pub(crate) fn error(error: &ApiError) -> Answer {
    let body = json!({ "__type": error.code, "message": error.message });
    Answer::new(error.status, "application/x-amz-json-1.1", body.to_string()).failed(&error.code)
}

fn operate(exchange: &Exchange<'_>, caller: &Caller) -> Result<Value, ApiError> {
    let invalid = |what: &str| ApiError::new(400, "ValidationException", what);
    let given: Value = serde_json::from_slice(&exchange.request.body).map_err(|_| invalid("the body is not JSON"))?;
    let bytes = |name: &str| {
        let bytes = given[name].as_str().and_then(|text| STANDARD.decode(text).ok());
        bytes.ok_or_else(|| invalid(&format!("{name} is missing or not base64")))
    };
    match exchange.operation.action.as_str() {
        "Encrypt" => {
            let arn = given["KeyId"].as_str().ok_or_else(|| invalid("KeyId is missing"))?;
            authorize(caller, "Encrypt", arn)?;
            let blob = [HEAD, arn.as_bytes(), b"\0", &masked(bytes("Plaintext")?)].concat();
            Ok(
                json!({ "CiphertextBlob": STANDARD.encode(blob), "KeyId": arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT" }),
            )
        }
        "Decrypt" => {
            let wrong = || ApiError::new(400, "InvalidCiphertextException", "the ciphertext is not of this service");
            let blob = bytes("CiphertextBlob")?;
            let rest = blob.strip_prefix(HEAD).ok_or_else(wrong)?;
            let end = rest.iter().position(|byte| *byte == 0).ok_or_else(wrong)?;
            let arn = std::str::from_utf8(&rest[..end]).map_err(|_| wrong())?;
            authorize(caller, "Decrypt", arn)?;
            let plain = STANDARD.encode(masked(rest[end + 1..].to_vec()));
            Ok(json!({ "Plaintext": plain, "KeyId": arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT" }))
        }
        _ => Err(ApiError::new(400, "UnknownOperationException", "")),
    }
}

/// Hides the plaintext from readers of a ciphertext; it is no encryption.
fn masked(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().map(|byte| byte ^ 0x5a).collect()
}

fn authorize(caller: &Caller, action: &str, arn: &str) -> Result<(), ApiError> {
    if arn.split(':').nth(4) == Some(&*caller.account) {
        return Ok(());
    }
    let message = format!("User: {} is not authorized to perform: kms:{action} on resource: {arn}", caller.arn());
    Err(ApiError::new(400, "AccessDeniedException", message))
}

fn stranger(stranger: Stranger) -> ApiError {
    let (code, message) = match stranger {
        Stranger::Unsigned => ("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned()),
        Stranger::Incomplete(missing) => ("IncompleteSignatureException", missing),
        Stranger::WrongService { .. } | Stranger::WrongScope(_) | Stranger::WrongSignature => (
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided.".to_owned(),
        ),
        Stranger::UnknownKey | Stranger::WrongToken => {
            ("UnrecognizedClientException", "The security token included in the request is invalid.".to_owned())
        }
        Stranger::Expired => {
            ("ExpiredTokenException", "The security token included in the request is expired".to_owned())
        }
        Stranger::PresignedExpired | Stranger::WrongTime { .. } => {
            ("InvalidSignatureException", "Signature expired or not yet current".to_owned())
        }
    };
    ApiError::new(400, code, message)
}
