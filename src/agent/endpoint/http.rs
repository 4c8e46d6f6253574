//! The rules that every request has to keep, whichever service it is for, and the form of every answer.
//!
//! What these keep out: a web page in a browser of the same user (a name that is rebound to 127.0.0.1 shows in `Host`, a
//! script in `Origin`, `Referer` or `Sec-Fetch-Site`), a proxy that forwards strangers (`X-Forwarded-For`, as EC2's own service refuses it),
//! and anything that two readers could understand differently (a body, a transfer encoding, two hosts, a whole URL). No
//! answer has a CORS header, so that no page can read one.

use crate::failure::Failure;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName, HeaderValue, RETRY_AFTER,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode, Version};
use rolecall_core::domain::error::{Kind, UserError};

/// What goes back.
pub(super) type Answer = Response<Full<Bytes>>;

/// What no client of AWS's sends, and a browser or a proxy does.
const FROM_ELSEWHERE: [&str; 8] = [
    "origin",
    "referer",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
    "via",
    "access-control-request-method",
];

/// Why a request is not served.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// A word for programs.
    pub(super) code: &'static str,
    /// A sentence for people; it never repeats what was sent.
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// Says that there is no session to give.
    pub(super) fn of(failure: &Failure) -> Self {
        let UserError { kind, message, hint, .. } = &failure.report;
        let (status, code) = match kind {
            Kind::Locked => (StatusCode::FORBIDDEN, "Locked"),
            Kind::Refused => (StatusCode::FORBIDDEN, "Refused"),
            Kind::Config | Kind::Usage => (StatusCode::FORBIDDEN, "NotAllowed"),
            Kind::Failed | Kind::Unreachable | Kind::Agent => (StatusCode::SERVICE_UNAVAILABLE, "Unavailable"),
        };
        let hint = hint.as_deref().map(|hint| format!("; hint: {hint}")).unwrap_or_default();
        Self::new(status, code, format!("{message}{hint}"))
    }

    /// Says it in both spellings: Java reads `code`, JavaScript `Code`.
    pub(super) fn answer(&self) -> Answer {
        let body = serde_json::json!({
            "Code": self.code, "Message": self.message, "code": self.code, "message": self.message,
        });
        let mut answer = json(self.status, Bytes::from(body.to_string()));
        let headers = answer.headers_mut();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
        // What was wrong in form may have left something unread behind it.
        if matches!(self.status, StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

/// Returns the problem of a session without memory for its body.
pub(super) fn no_memory() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Unavailable", "there is no memory for an answer; ask again")
}

/// Gives JSON; without a charset behind its name, which aws-sdk-go would not take for JSON.
pub(super) fn json(status: StatusCode, body: Bytes) -> Answer {
    answer(status, "application/json", body)
}

/// Gives a line of text.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    answer(status, "text/plain", body.into())
}

fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Refuses what no honest client of this port sends.
pub(super) fn check<B>(request: &Request<B>, port: u16, methods: &[Method]) -> Result<(), Problem> {
    let malformed = |what| Err(Problem::new(StatusCode::BAD_REQUEST, "BadRequest", what));
    let headers = request.headers();
    if request.version() != Version::HTTP_11 {
        return malformed("HTTP/1.1 is spoken here");
    }
    if request.uri().authority().is_some() || request.uri().scheme().is_some() {
        return malformed("a path is expected, not a whole URL");
    }
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return malformed("one Host header is expected") };
    if host.as_bytes() != format!("127.0.0.1:{port}").as_bytes() {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "WrongHost",
            format!("this is served as 127.0.0.1:{port} and under no other name"),
        ));
    }
    if let Some(header) = FROM_ELSEWHERE.into_iter().find(|name| headers.contains_key(HeaderName::from_static(name))) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "FromElsewhere",
            format!("a request with {header} comes from a web page or through a proxy, and is not served"),
        ));
    }
    // A browser names the site that a request comes from, and does so without the other headers where a page says so.
    // What a person types or opens has no site.
    let mut sites = headers.get_all("sec-fetch-site").iter();
    if sites.any(|site| site != "none" && site != "same-origin") {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "FromElsewhere",
            "a request with sec-fetch-site of another site comes from a web page, and is not served",
        ));
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    if [TRANSFER_ENCODING, EXPECT, UPGRADE].iter().any(|name| headers.contains_key(name))
        || lengths.any(|length| length != "0")
    {
        return malformed("a request without a body is expected");
    }
    if !methods.contains(request.method()) {
        let what = "only GET is served here";
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", what));
    }
    Ok(())
}

/// Gives the one value of a header; `None` where it is missing, or there twice.
pub(super) fn single<'a, B>(request: &'a Request<B>, name: &str) -> Option<&'a [u8]> {
    let mut values = request.headers().get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes())
}
