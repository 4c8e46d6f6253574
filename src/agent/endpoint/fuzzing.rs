//! Entry point of `fuzz/` into the shared HTTP port. Compiled for cargo-fuzz only.

use super::http_port::{HEAD_MAX, Service, answer};
use crate::Agent;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;

/// The port that requests name in `Host`.
pub const PORT: u16 = 4711;

/// Serves one connection on which a client sends these bytes; returns what the agent sends.
pub async fn serve(agent: &Arc<Agent>, sent: &[u8]) -> Vec<u8> {
    let mut answers = Vec::new();
    let weak = Arc::downgrade(&agent.endpoint);
    let service = service_fn(|request| {
        let weak = weak.clone();
        async move { Ok::<_, Infallible>(answer(&weak, &request, PORT, &Service::Shared).await) }
    });
    let mut http = http1::Builder::new();
    http.max_buf_size(HEAD_MAX);
    // A connection that ends with an error has had its answer, or none.
    let _ = http.serve_connection(TokioIo::new(tokio::io::join(sent, &mut answers)), service).await;
    answers
}
