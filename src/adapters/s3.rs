//! One call to S3: whether a session may list buckets. Harmless, and what most roles may.
//!
//! One signed GET by the HTTP client under the SDK and the SDK's own signer; the whole SDK for S3 would be 100,000 lines
//! for it. The answer's body is looked at only for the code and words of a refusal.

use super::aws::connector;
use super::aws::endpoint::Endpoint;
use super::aws::errors::{self, Call, CallContext};
use super::aws::failure::{Class, Failure};
use super::aws::proxy::Passwords;
use super::aws::redact::redact;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use chrono::{DateTime, Utc};
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::{Session, Signer};
use rolecall_ports::TokenError;
use std::sync::Arc;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

/// The hash of an empty body, which S3 wants to be told.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Lists at most one bucket.
pub(super) async fn list_buckets(
    passwords: &Passwords,
    aws: &Arc<AwsSettings>,
    session: &Session,
    region: &str,
    now: DateTime<Utc>,
) -> Result<(), TokenError> {
    let endpoint = Endpoint::s3(aws, region).map_err(TokenError::permanent)?;
    let connector = connector::one_off(passwords, aws, &endpoint).await?;
    let secrets = [session.secret.expose(), session.token.expose()];
    let asked = CallContext::of_session(Call::ListBuckets, aws, &endpoint, region, session, &secrets);
    let told = |class| errors::classify(&Failure::without_answer(class), &asked);
    let request = request(&endpoint, session, region, now).ok_or_else(|| told(Class::Unsent))?;
    let answer = connector.call(request).with_subscriber(NoSubscriber::default()).await;
    let answer = answer.map_err(|error| errors::classify(&Failure::of_sending(&error), &asked))?;
    match answer.status().as_u16() {
        200 => Ok(()),
        _ => Err(errors::classify(&refusal(&answer, &secrets), &asked)),
    }
}

/// Makes the signed request.
fn request(endpoint: &Endpoint, session: &Session, region: &str, now: DateTime<Utc>) -> Option<HttpRequest> {
    let url = format!("{}/?max-buckets=1", endpoint.url.trim_end_matches('/'));
    let identity: Identity = super::aws::clients::credentials(&Signer::Session(session.clone())).into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(now.into())
        .settings(SigningSettings::default())
        .build()
        .ok()?;
    let params = params.into();
    let headers = [("host", endpoint.host.as_str()), ("x-amz-content-sha256", EMPTY)];
    let signable = SignableRequest::new("GET", &url, headers.into_iter(), SignableBody::Bytes(&[])).ok()?;
    let (signed, _) = sign(signable, &params).ok()?.into_parts();
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_uri(url).ok()?;
    let agent = ("user-agent", concat!("rolecall/", env!("CARGO_PKG_VERSION")));
    for (name, value) in headers.into_iter().chain([agent]) {
        request.headers_mut().try_insert(name.to_owned(), value.to_owned()).ok()?;
    }
    for (name, value) in signed.headers() {
        request.headers_mut().try_insert(name.to_owned(), value.to_owned()).ok()?;
    }
    Some(request)
}

/// Takes code and words out of S3's error.
fn refusal(answer: &HttpResponse, secrets: &[&str]) -> Failure {
    let body = String::from_utf8_lossy(answer.body().bytes().unwrap_or_default()).into_owned();
    let element = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once(&format!("</{name}>"))?;
        Some(redact(&text.replace("&quot;", "\"").replace("&amp;", "&"), secrets, 600))
    };
    let code = element("Code");
    Failure {
        class: if code.is_some() { Class::Refused } else { Class::Garbled },
        code,
        message: element("Message"),
        status: Some(answer.status().as_u16()),
        request_id: element("RequestId"),
        tls: None,
    }
}
