//! What a fault does to a request, at each stage of its answer.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::Response;
use http_body_util::{BodyExt, Channel, Full};

use super::{FaultKind, spoil};
use crate::answer::Answer;
use crate::error::ApiError;
use crate::request::{Operation, Request, Service};
use crate::server::Body;
use crate::{iam, kms, s3, sts};

const HUGE_BODY: usize = 100_000_000;
const HUGE_CHUNK: usize = 64 * 1024;

/// Waits, if the fault is a delay.
pub(crate) async fn wait(fault: Option<&FaultKind>) {
    if let Some(FaultKind::Delay(time)) = fault {
        tokio::time::sleep(*time).await;
    }
}

/// Returns how far the server's clock is off.
pub(crate) fn skew(fault: Option<&FaultKind>) -> TimeDelta {
    match fault {
        Some(FaultKind::DateSkew(seconds)) => TimeDelta::seconds(*seconds),
        _ => TimeDelta::zero(),
    }
}

/// Says whether the request is never answered.
pub(crate) fn is_silent(kind: &FaultKind) -> bool {
    matches!(kind, FaultKind::Hang | FaultKind::Drop)
}

/// Leaves a request without an answer: for ever, or by closing the connection.
pub(crate) async fn leave_unanswered(fault: Option<&FaultKind>) -> Result<Response<Body>, io::Error> {
    if fault == Some(&FaultKind::Hang) {
        std::future::pending::<()>().await;
    }
    Err(io::Error::other("a fault closes the connection"))
}

/// Returns an answer that no rule has anything to do with, if the fault is of that kind.
pub(crate) fn made_up(kind: &FaultKind, request: &Request, operation: &Operation, request_id: &str) -> Option<Answer> {
    let error = match kind {
        FaultKind::Error { status, code, message } => ApiError::new(*status, code, message),
        FaultKind::Throttle if operation.service == Service::S3 => {
            ApiError::new(503, "SlowDown", "Please reduce your request rate.")
        }
        FaultKind::Throttle => ApiError::new(400, "Throttling", "Rate exceeded"),
        FaultKind::EchoSecret => ApiError::new(403, "AccessDenied", spoil::echo(request)),
        FaultKind::Garbage => {
            return Some(Answer::new(
                200,
                "text/html",
                "<!DOCTYPE html>\n<html><head><title>Sign in to the network</title></head><body>Welcome</body></html>\n",
            ));
        }
        FaultKind::HugeBody => return Some(Answer::new(200, "text/xml", "")),
        _ => return None,
    };
    Some(match operation.service {
        Service::Iam => iam::error(&error, request_id),
        Service::S3 => s3::error(&error, request, request_id),
        Service::Kms => kms::error(&error),
        Service::Sts | Service::Imds | Service::Container | Service::Signin => sts::error(&error, request_id),
    })
}

/// Spoils the right answer, if the fault is of that kind.
pub(crate) fn spoiled(fault: Option<&FaultKind>, answer: Answer, now: DateTime<Utc>) -> Answer {
    match fault {
        Some(kind) => spoil::spoil(kind, answer, now),
        None => answer,
    }
}

/// Returns the body as it goes out under a fault.
pub(crate) fn body(kind: &FaultKind, content: Vec<u8>) -> Body {
    match kind {
        FaultKind::HugeBody => huge(),
        FaultKind::SlowLoris(tick) => drip(content, *tick),
        FaultKind::CutOff => cut_off(&content),
        _ => Full::new(Bytes::from(content)).map_err(|never| match never {}).boxed(),
    }
}

fn huge() -> Body {
    let (mut sender, body) = Channel::<Bytes, io::Error>::new(1);
    tokio::spawn(async move {
        let chunk = Bytes::from(vec![b'A'; HUGE_CHUNK]);
        for _ in 0..HUGE_BODY.div_ceil(HUGE_CHUNK) {
            // The client has had enough.
            if sender.send_data(chunk.clone()).await.is_err() {
                return;
            }
        }
    });
    body.boxed()
}

fn drip(content: Vec<u8>, tick: Duration) -> Body {
    let (mut sender, body) = Channel::<Bytes, io::Error>::new(1);
    tokio::spawn(async move {
        for byte in content {
            if sender.send_data(Bytes::from(vec![byte])).await.is_err() {
                return;
            }
            tokio::time::sleep(tick).await;
        }
    });
    body.boxed()
}

fn cut_off(content: &[u8]) -> Body {
    let half = Bytes::copy_from_slice(&content[..content.len() / 2]);
    let (mut sender, body) = Channel::<Bytes, io::Error>::new(2);
    tokio::spawn(async move {
        // A client that is gone needs no cutting off.
        let _ = sender.send_data(half).await;
        sender.abort(io::Error::other("a fault cuts the answer off"));
    });
    body.boxed()
}
