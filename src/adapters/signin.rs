//! The console's sign-in behind the `Federation` port: one form posted, one token read.
//!
//! It is no API of the SDK's, so the HTTP client under the SDK is used alone, with the same proxy, certificates, limits and
//! cap. The session goes in the body of a POST: AWS takes it in a URL as well, and a URL is what proxies and error texts
//! repeat. Each call has a connection of its own, which ends with it, since its buffers hold a session.

use super::aws::clients::in_time;
use super::aws::connector;
use super::aws::endpoint::Endpoint;
use super::aws::errors::{self, Call, CallContext, MalformedResponse};
use super::aws::failure::{Class, Failure};
use super::aws::proxy::Passwords;
use super::aws::redact::redact;
use async_trait::async_trait;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::console::{encode, login_url};
use rolecall_core::domain::credential::Session;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::secret::SigninUrl;
use rolecall_ports::{Federation, Retryability, TokenError};
use serde::Deserialize;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;
use zeroize::Zeroizing;

/// One attempt; two that hang still fit into the port's time.
const ATTEMPT: Duration = Duration::from_millis(4_500);

/// A connection that breaks and a server that is ill for a moment are met once. What a lost answer held ends by itself.
const ATTEMPTS: u32 = 2;

/// AWS's have some 1,700 characters; a URL that is longer no browser takes for sure.
const TOKEN_MAX: usize = 8 * 1024;

/// The sign-in, over the network.
#[derive(Clone, Debug)]
pub(super) struct Signin(pub(super) Passwords);

#[async_trait]
impl Federation for Signin {
    async fn sign_in(
        &self,
        aws: &Arc<AwsSettings>,
        region: &str,
        session: &Session,
        duration: Option<Duration>,
        destination: &str,
    ) -> Result<SigninUrl, TokenError> {
        let whole = sign_in(&self.0, aws, region, session, duration, destination);
        in_time(Call::SignIn, &session.access_key_id, whole).await
    }
}

async fn sign_in(
    passwords: &Passwords,
    aws: &Arc<AwsSettings>,
    region: &str,
    session: &Session,
    duration: Option<Duration>,
    destination: &str,
) -> Result<SigninUrl, TokenError> {
    let endpoint = Endpoint::signin(aws, region).map_err(TokenError::permanent)?;
    let connector = connector::one_off(passwords, aws, &endpoint).await?;
    let secrets = [session.secret.expose(), session.token.expose()];
    let asked = CallContext::of_session(Call::SignIn, aws, &endpoint, region, session, &secrets);
    let url = format!("{}/federation", endpoint.url.trim_end_matches('/'));
    let mut attempt = 1;
    loop {
        let failure = match post(&connector, &url, form(session, duration)).await {
            Ok(reply) if reply.status().as_u16() < 500 => {
                let token = read(&reply, duration.is_some(), &asked)?;
                return Ok(login_url(&endpoint.url, destination, &token));
            }
            Ok(reply) => ill(reply.status().as_u16()),
            Err(failure) => failure,
        };
        if attempt == ATTEMPTS {
            return Err(errors::classify(&failure, &asked));
        }
        attempt += 1;
    }
}

/// Makes the form of GetSigninToken (IAM User Guide, "Enable custom identity broker access to the AWS console").
fn form(session: &Session, duration: Option<Duration>) -> Zeroizing<Vec<u8>> {
    // What AWS issues has no character that JSON would write otherwise; what a source gives may have.
    let json = |text: &str| Zeroizing::new(serde_json::Value::from(text).to_string());
    let parts = [
        ("{\"sessionId\":", json(&session.access_key_id)),
        (",\"sessionKey\":", json(session.secret.expose())),
        (",\"sessionToken\":", json(session.token.expose())),
    ];
    // Growing would leave a copy behind.
    let room = parts.iter().map(|(name, value)| 3 * (name.len() + value.len())).sum::<usize>() + 128;
    let mut form = Zeroizing::new(String::with_capacity(room));
    form.push_str("Action=getSigninToken");
    if let Some(duration) = duration {
        // Writing to a String does not fail.
        let _ = write!(*form, "&SessionDuration={}", duration.as_secs());
    }
    form.push_str("&Session=");
    for (name, value) in &parts {
        encode(&mut form, name);
        encode(&mut form, value);
    }
    encode(&mut form, "}");
    debug_assert!(form.len() <= room, "the buffer grew and left a copy of the secret behind");
    Zeroizing::new(std::mem::take(&mut *form).into_bytes())
}

async fn post(connector: &SharedHttpConnector, url: &str, form: Zeroizing<Vec<u8>>) -> Result<HttpResponse, Failure> {
    const UNSENT: Failure = Failure::without_answer(Class::Unsent);
    let length = form.len();
    let mut request = HttpRequest::new(SdkBody::from(Bytes::from_owner(form)));
    request.set_method("POST").map_err(|_| UNSENT)?;
    request.set_uri(url).map_err(|_| UNSENT)?;
    let headers = [
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("content-length", length.to_string()),
        ("accept", "application/json".to_owned()),
        ("user-agent", concat!("rolecall/", env!("CARGO_PKG_VERSION")).to_owned()),
    ];
    for (name, value) in headers {
        request.headers_mut().try_insert(name, value).map_err(|_| UNSENT)?;
    }
    // The client's own limit ends with the answer's head; a body that drips is ended here.
    let answer = connector.call(request).with_subscriber(NoSubscriber::default());
    match tokio::time::timeout(ATTEMPT, answer).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(Failure::of_sending(&error)),
        Err(_) => Err(Failure::without_answer(Class::Timeout)),
    }
}

fn ill(status: u16) -> Failure {
    Failure { status: Some(status), ..Failure::without_answer(Class::Garbled) }
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "SigninToken")]
    token: String,
}

/// Reads the token out of an answer.
fn read(reply: &HttpResponse, with_duration: bool, asked: &CallContext<'_>) -> Result<Zeroizing<String>, TokenError> {
    let status = reply.status().as_u16();
    let body = reply.body().bytes().unwrap_or_default();
    match status {
        200 => {}
        429 => {
            let cause = format!("{} is asked too often (HTTP 429)", asked.host);
            let report = UserError::new(Kind::Unreachable, cause).hint("run it again in a moment");
            return Err(TokenError::transient(report));
        }
        400 | 401 | 403 => return Err(refused(status, body, with_duration, asked)),
        // Never followed: a redirect would take the session elsewhere.
        _ => return Err(errors::classify(&ill(status), asked)),
    }
    match serde_json::from_slice::<Body>(body) {
        Ok(Body { token }) if is_token(&token) => Ok(Zeroizing::new(token)),
        Ok(_) => Err(errors::malformed_response(
            MalformedResponse("has a token that is none", Retryability::Transient),
            None,
            asked,
        )),
        // A web page, as of a network that wants one to sign in first.
        Err(_) => Err(errors::classify(&ill(status), asked)),
    }
}

fn is_token(token: &str) -> bool {
    (1..=TOKEN_MAX).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic())
}

/// Tells a refusal. AWS answers with a web page; of that only the words are shown, without what we sent.
fn refused(status: u16, body: &[u8], with_duration: bool, asked: &CallContext<'_>) -> TokenError {
    let words = redact(&without_tags(&String::from_utf8_lossy(body)), asked.secrets, 160);
    let said = if words.is_empty() { String::new() } else { format!(": {words}") };
    let what = errors::name(asked.call, asked.key_id);
    let hint = if with_duration {
        "run it again without `--duration`; a session that another session has assumed cannot be given one"
    } else {
        "AWS takes the sessions of roles only; `rolecall lock` and run it again, in case the session was revoked"
    };
    let report = UserError::new(Kind::Refused, format!("AWS refused to {what}{said} (HTTP {status})")).hint(hint);
    TokenError { code: Some(format!("HTTP{status}")), ..TokenError::permanent(report) }
}

fn without_tags(page: &str) -> String {
    let mut out = String::with_capacity(page.len().min(4096));
    let mut is_tag = false;
    for c in page.chars().take(4096) {
        match c {
            '<' => is_tag = true,
            '>' => {
                is_tag = false;
                out.push(' ');
            }
            c if !is_tag => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rolecall_core::domain::secret::{SecretKey, SessionToken};

    #[test]
    fn the_form_has_the_session_as_json_and_a_duration_only_where_there_is_one() {
        let session = Session {
            access_key_id: "ASIAEXAMPLE".into(),
            secret: SecretKey::new("se/c+r\"et".into()),
            token: SessionToken::new("to=ken".into()),
            expiration: chrono::DateTime::from_timestamp(1_795_305_600, 0).expect("in range"),
            account: None,
        };
        let text = |duration| String::from_utf8(form(&session, duration).to_vec()).expect("ASCII");
        let with = text(Some(Duration::from_hours(1)));
        let json = with.strip_prefix("Action=getSigninToken&SessionDuration=3600&Session=").expect("the form");
        assert!(json.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~%".contains(&b)), "{json}");
        assert!(json.ends_with("%2C%22sessionToken%22%3A%22to%3Dken%22%7D") && json.contains("se%2Fc%2Br%5C%22et"));
        assert!(!text(None).contains("SessionDuration"));
    }

    #[test]
    fn of_a_page_that_refuses_only_words_without_our_secrets_are_shown() {
        let asked = CallContext {
            call: Call::SignIn,
            host: "signin.aws.amazon.com",
            region: "eu-west-1",
            key_id: "ASIAEXAMPLE",
            by_session: true,
            proxied: false,
            proxy_user: None,
            secrets: &["canary-1"],
        };
        let page = b"<html><h1>HTTP Status 400</h1><p>Invalid credentials canary-1\x1b[2J</p></html>";
        let told = refused(400, page, true, &asked).report;
        assert_eq!(
            told.message,
            "AWS refused to sign in to the console with session ASIAEXAMPLE: HTTP Status 400 Invalid credentials \
             [removed]\\u{1b}[2J (HTTP 400)"
        );
        assert!(told.hint.expect("a hint").contains("--duration"));
    }
}
