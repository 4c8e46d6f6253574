//! An HTTP client that returns one prepared answer to every request, for `fuzz/`. Compiled for cargo-fuzz only.

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use std::sync::{Mutex, PoisonError};

static ANSWER: Mutex<(u16, Vec<u8>)> = Mutex::new((200, Vec::new()));

/// Sets the status and the body of every answer from now on.
pub(crate) fn set(status: u16, body: &[u8]) {
    *ANSWER.lock().unwrap_or_else(PoisonError::into_inner) = (status, body.to_vec());
}

/// Returns a client that sends nothing.
pub(crate) fn client() -> SharedHttpClient {
    http_client_fn(|_, _| SharedHttpConnector::new(Canned))
}

#[derive(Debug)]
struct Canned;

impl HttpConnector for Canned {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = ANSWER.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let status = StatusCode::try_from(status).expect("the entry point passes a valid status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
    }
}
