//! HTTP on loopback: connections in, answers out.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::answer::Answer;
use crate::call::{self, Call};
use crate::exchange::Exchange;
use crate::fault::{FaultKind, apply};
use crate::mint;
use crate::request::{Operation, Request, Service};
use crate::shared::Shared;
use crate::signature::Presented;
use crate::{container, iam, imds, kms, s3, signin, sts};

/// A body as it goes out: at once, or over time.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// The largest request body: STS takes 10,000,000 bytes, and test objects are smaller.
const LONGEST_BODY: usize = 10_000_000;

/// Serves until told to stop; what is still open then is dropped with the runtime.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: oneshot::Receiver<()>) {
    let accepting = async {
        loop {
            // A connection that fails to be accepted is the client's trouble, not the sandbox's end.
            let Ok((stream, _)) = listener.accept().await else { continue };
            tokio::spawn(connection(stream, Arc::clone(&shared)));
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = stop => {}
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // Small answers must not wait for the client's acknowledgements.
    let _ = stream.set_nodelay(true);
    // In a task of its own: what has arrived is done, whether or not its client waits for the answer, as AWS does.
    let service = service_fn(move |request| {
        let task = tokio::spawn(exchange(request, Arc::clone(&shared)));
        async move { task.await.unwrap_or_else(|e| Err(io::Error::other(e))) }
    });
    // The Date header is ours: it tells the sandbox's time, not the machine's.
    let _ = http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service).await;
}

/// Reads a request, passes the gates, lets a fault happen or the rules decide. An error closes the connection.
async fn exchange(request: http::Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Body>, io::Error> {
    let request = read(request).await?;
    let presented = Presented::read(&request);
    let operation = request.operation(presented.as_ref().ok().and_then(Option::as_ref));
    let key = presented.as_ref().ok().and_then(Option::as_ref);

    let _under_way = (operation.service == Service::Sts).then(|| shared.one_more());
    let gates: Vec<_> = shared.gates().iter().filter(|gate| gate.when.includes(&operation, key)).cloned().collect();
    for gate in gates {
        gate.pass().await;
    }
    let fault = shared.faults().take(&operation, key);
    apply::wait(fault.as_ref()).await;

    let now = shared.clock.now() + apply::skew(fault.as_ref());
    let request_id = if operation.service == Service::S3 { mint::s3_request_id() } else { mint::request_id() };
    let mut arrival =
        Arrival { shared: &shared, request: &request, operation: &operation, presented: &presented, now, request_id };
    let Some(answer) = arrival.answer(fault.as_ref()) else {
        return apply::leave_unanswered(fault.as_ref()).await;
    };
    let (status, headers) = (answer.status, answer.headers);
    let body = match &fault {
        Some(kind) => apply::body(kind, answer.body),
        None => Full::new(Bytes::from(answer.body)).map_err(|never| match never {}).boxed(),
    };
    let mut response = Response::builder()
        .status(StatusCode::from_u16(status).expect("an answer has an HTTP status"))
        .header("date", now.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(body).map_err(io::Error::other)
}

async fn read(request: http::Request<Incoming>) -> Result<Request, io::Error> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LONGEST_BODY).collect().await.map_err(io::Error::other)?.to_bytes();
    Ok(Request {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
    })
}

/// A request that has arrived and is about to be judged.
struct Arrival<'a> {
    shared: &'a Shared,
    request: &'a Request,
    operation: &'a Operation,
    presented: &'a Result<Option<Presented>, String>,
    now: DateTime<Utc>,
    request_id: String,
}

impl Arrival<'_> {
    /// Finds the answer and writes the call down, before the client can know of either.
    fn answer(&mut self, fault: Option<&FaultKind>) -> Option<Answer> {
        let made_up = fault.and_then(|kind| apply::made_up(kind, self.request, self.operation, &self.request_id));
        let silent = fault.is_some_and(apply::is_silent);
        let (answer, caller) = match made_up {
            Some(answer) => (Some(answer), None),
            None if silent => (None, None),
            None => {
                let (answer, caller) = self.judge();
                (Some(apply::spoiled(fault, answer, self.now)), caller)
            }
        };
        // It was done, and nobody hears of it.
        let answer = answer.filter(|_| fault != Some(&FaultKind::LostAnswer));
        self.record(answer.as_ref(), caller);
        answer
    }

    fn judge(&self) -> (Answer, Option<String>) {
        let mut state = self.shared.state();
        let known = state.unsettled.known(&state.world, self.now);
        let listed = state.unsettled.listed(&state.world, self.now);
        let mut exchange = Exchange {
            state: &mut state,
            known,
            listed,
            request: self.request,
            operation: self.operation,
            presented: self.presented,
            now: self.now,
            request_id: &self.request_id,
            caller_arn: None,
        };
        let answer = match self.operation.service {
            Service::Iam => iam::answer(&mut exchange),
            Service::Sts => sts::answer(&mut exchange),
            Service::S3 => s3::answer(&mut exchange),
            Service::Kms => kms::answer(&mut exchange),
            Service::Imds => imds::answer(&mut exchange),
            Service::Container => container::answer(&mut exchange),
            Service::Signin => signin::answer(&mut exchange),
        };
        let caller = exchange.caller_arn;
        state.unsettled.count(self.operation, answer.error_code.is_some());
        (answer, caller)
    }

    fn record(&self, answer: Option<&Answer>, principal_arn: Option<String>) {
        let presented = self.presented.as_ref().ok().and_then(Option::as_ref);
        self.shared.calls().push(Call {
            time: self.now,
            service: self.operation.service_name.clone(),
            action: self.operation.action.clone(),
            access_key_id: presented.map(|presented| presented.access_key_id.clone()),
            principal_arn,
            params: call::parameters(&self.operation.parameters),
            status: answer.map_or(0, |answer| answer.status),
            error_code: answer.and_then(|answer| answer.error_code.clone()),
            request_id: self.request_id.clone(),
        });
    }
}
