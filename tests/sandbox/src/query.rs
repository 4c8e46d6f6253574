//! The Query protocol's answers, which STS shares with IAM.

use crate::answer::Answer;
use crate::authenticate::{Stranger, age_message};
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::xml::Xml;

/// The namespace of errors that are found before an operation is.
const FAULT_NAMESPACE: &str = "http://webservices.amazon.com/AWSFault/2005-15-09";

/// The namespace of a service's answers, as of a version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    pub(crate) namespace: &'static str,
}

impl Dialect {
    /// Writes the answer to an operation that succeeded.
    pub(crate) fn success(self, action: &str, request_id: &str, result: impl FnOnce(&mut Xml)) -> Answer {
        let (root, inner) = (format!("{action}Response"), format!("{action}Result"));
        let mut content = Xml::new(&inner, None);
        result(&mut content);
        let mut metadata = Xml::new("ResponseMetadata", None);
        metadata.leaf("RequestId", request_id);
        let opening = Xml::new(&root, Some(self.namespace)).finish(&root);
        let opening = opening.strip_suffix(&format!("</{root}>")).expect("a document ends with its root").to_owned();
        let body = format!("{opening}{}{}</{root}>\n", content.finish(&inner), metadata.finish("ResponseMetadata"));
        Answer::new(200, "text/xml", body).with_header("x-amzn-requestid", request_id)
    }

    /// Writes a refusal.
    pub(crate) fn failure(self, error: &ApiError, request_id: &str) -> Answer {
        failure(self.namespace, error, request_id)
    }
}

/// Refuses an operation that the service does not have.
pub(crate) fn no_operation(exchange: &Exchange<'_>) -> Answer {
    let version = exchange.operation.parameter("Version").unwrap_or("NO_VERSION_SPECIFIED");
    let message = format!("Could not find operation {} for version {version}", exchange.operation.action);
    fault(&ApiError::new(400, "InvalidAction", message), exchange.request_id)
}

/// Writes a refusal that no service's operation is the author of.
pub(crate) fn fault(error: &ApiError, request_id: &str) -> Answer {
    failure(FAULT_NAMESPACE, error, request_id)
}

fn failure(namespace: &str, error: &ApiError, request_id: &str) -> Answer {
    let mut xml = Xml::new("ErrorResponse", Some(namespace));
    xml.open("Error");
    xml.leaf("Type", if error.status < 500 { "Sender" } else { "Receiver" });
    xml.leaf("Code", &error.code);
    xml.leaf("Message", &error.message);
    xml.close().leaf("RequestId", request_id);
    let body = xml.finish("ErrorResponse") + "\n";
    Answer::new(error.status, "text/xml", body).with_header("x-amzn-requestid", request_id).failed(&error.code)
}

/// Words a failed authentication ("Common errors" in the STS API reference).
pub(crate) fn stranger(stranger: Stranger) -> ApiError {
    const SIGNATURE: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";
    match stranger {
        Stranger::Unsigned => {
            ApiError::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
        }
        Stranger::Incomplete(missing) => ApiError::new(400, "IncompleteSignature", missing),
        Stranger::WrongService { expected, .. } => {
            let message = format!("Credential should be scoped to correct service: '{expected}'. ");
            ApiError::new(403, "SignatureDoesNotMatch", message)
        }
        Stranger::WrongScope(message) => ApiError::new(403, "SignatureDoesNotMatch", message),
        Stranger::UnknownKey | Stranger::WrongToken => {
            ApiError::new(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        }
        Stranger::Expired => {
            ApiError::new(403, "ExpiredToken", "The security token included in the request is expired")
        }
        Stranger::WrongTime { signed, now, tolerance } => {
            ApiError::new(403, "SignatureDoesNotMatch", age_message(signed, now, tolerance))
        }
        Stranger::PresignedExpired | Stranger::WrongSignature => ApiError::new(403, "SignatureDoesNotMatch", SIGNATURE),
    }
}
