//! One request to a service of the place where the agent runs: no proxy, no redirect, a time limit, a cap on the answer.

use super::credentials::{Raw, check};
use crate::aws::connector;
use crate::aws::failure::{Class, Failure, Tls};
use crate::aws::http::Limits;
use crate::aws::response_interceptor;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use chrono::TimeDelta;
use rolecall_core::domain::arn::{self, AccountId};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::secret::{SecretKey, SessionToken};
use rolecall_ports::{Clock, SourceCredentials, SourceResult, TokenError};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

/// These services are on this machine or one step away.
const CONNECT: Duration = Duration::from_secs(1);
/// A request with its answer. The SDKs wait one second; an instance that has just started needs longer.
const ANSWER: Duration = Duration::from_secs(2);

/// A service to ask.
pub(super) struct HttpService {
    /// What it is called in messages, as "the container endpoint at 169.254.170.2".
    pub(super) name: String,
    /// What to look at where nobody answers.
    pub(super) hint: &'static str,
    connector: SharedHttpConnector,
}

/// An answer.
pub(super) struct HttpReply {
    response: HttpResponse,
    skew: TimeDelta,
}

impl HttpService {
    /// Makes one. Reads certificate files where there is TLS.
    pub(super) fn new(
        name: String,
        hint: &'static str,
        tls: bool,
        ca_bundle: Option<&Path>,
    ) -> Result<Self, TokenError> {
        let limits = Limits { connect: CONNECT, read: ANSWER };
        let connector = connector::connector(tls, ca_bundle, limits, None).map_err(TokenError::permanent)?;
        Ok(Self { name, hint, connector })
    }

    /// Asks.
    pub(super) async fn send(
        &self,
        clock: &dyn Clock,
        method: &str,
        url: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<HttpReply, TokenError> {
        let since = clock.now().boot;
        let unsent = || {
            TokenError::permanent(UserError::new(
                Kind::Config,
                format!("{} cannot be asked: the request is none", self.name),
            ))
        };
        let mut request = HttpRequest::get(url).map_err(|_| unsent())?;
        request.set_method(method).map_err(|_| unsent())?;
        request.headers_mut().insert("user-agent", concat!("rolecall/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request.headers_mut().try_insert(*name, (*value).to_owned()).map_err(|_| unsent())?;
        }
        // The client's own limit ends with the answer's head; a body that drips is ended here.
        // At its finer levels the client logs headers, and a token is one.
        let answer = self.connector.call(request).with_subscriber(NoSubscriber::default());
        match tokio::time::timeout(ANSWER, answer).await {
            Ok(Ok(response)) => {
                let skew = response_interceptor::skew(response.headers().get("date"), since, clock);
                Ok(HttpReply { response, skew })
            }
            Ok(Err(error)) => Err(self.unheard(&Failure::of_sending(&error))),
            Err(_) => Err(self.unheard(&Failure::without_answer(Class::Timeout))),
        }
    }

    fn unheard(&self, failure: &Failure) -> TokenError {
        if let Some(Tls::Certificate(fault)) = &failure.tls {
            return TokenError::transient(UserError::new(Kind::Unreachable, fault.why(&self.name)).hint(fault.hint()));
        }
        let why = match failure.class {
            Class::Timeout => "did not answer within 2 seconds",
            Class::ConnectTimeout => "cannot be reached within a second",
            Class::NoListener => "does not listen",
            Class::NoRoute => "cannot be reached from this machine",
            Class::Dns => "has a name that is not known",
            Class::Cut => "closed the connection",
            Class::TooLarge => "gave an answer larger than any of its own",
            Class::Certificate | Class::Tls => "has no certificate that is believed",
            _ => "could not be asked",
        };
        TokenError::transient(UserError::new(Kind::Unreachable, format!("{} {why}", self.name)).hint(self.hint))
    }

    /// Makes the failure of an answer that is not one of this service's.
    pub(super) fn stranger(&self, what: &str) -> TokenError {
        TokenError::transient(
            UserError::new(Kind::Unreachable, format!("what answered as {} is something else: {what}", self.name))
                .hint(self.hint),
        )
    }

    /// Makes the failure of an answer with an error status.
    pub(super) fn status(&self, reply: &HttpReply, doing: &str, hint: &str) -> TokenError {
        let status = reply.status();
        let report = |kind| UserError::new(kind, format!("{} refused {doing} (HTTP {status})", self.name)).hint(hint);
        match status {
            429 | 500.. => TokenError::transient(
                UserError::new(Kind::Unreachable, format!("{} is out of order (HTTP {status})", self.name))
                    .hint("run it again in a moment"),
            ),
            _ => TokenError::permanent(report(Kind::Refused)),
        }
    }

    /// Reads credentials, in the form that the metadata service and the container endpoint share.
    pub(super) fn credentials(&self, reply: &HttpReply) -> Result<SourceCredentials, TokenError> {
        let Ok(body) = serde_json::from_slice::<Body>(reply.body()) else {
            return Err(self.stranger("its answer is not JSON with credentials"));
        };
        // "Code": EC2 User Guide, "Retrieve security credentials from instance metadata"; elsewhere it is left out.
        if let Some(code) = body.code.filter(|code| code != "Success") {
            let message = body.message.map(|m| format!(": {}", printable(&m, 200))).unwrap_or_default();
            let cause = format!("{} has no credentials ({}){message}", self.name, printable(&code, 64));
            return Err(TokenError::transient(
                UserError::new(Kind::Refused, cause)
                    .hint("look at the role's trust policy, and whether it still exists"),
            ));
        }
        let raw = Raw {
            access_key_id: body.access_key_id.unwrap_or_default(),
            secret: SecretKey::new(body.secret_access_key.unwrap_or_default()),
            token: body.token.map(SessionToken::new),
            expiration: body.expiration,
        };
        let given = check(raw).map_err(|odd| {
            TokenError::transient(
                UserError::new(Kind::Unreachable, format!("{} gave credentials {odd}", self.name)).hint(self.hint),
            )
        })?;
        if !matches!(given, SourceResult::Session { expiration: Some(_), .. }) {
            let cause = format!("{} gave credentials that are no session with an end", self.name);
            return Err(TokenError::transient(UserError::new(Kind::Unreachable, cause).hint(self.hint)));
        }
        let role = body.role_arn.as_deref();
        // ECS names the role, EKS the account.
        let account =
            body.account_id.and_then(|id| AccountId::new(&id).ok()).or_else(|| role.and_then(arn::account_of));
        let user = role.and_then(|arn| arn.rsplit('/').next()).filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(SourceCredentials { given, user, account, skew: reply.skew })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    code: Option<String>,
    message: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    token: Option<String>,
    expiration: Option<String>,
    role_arn: Option<String>,
    account_id: Option<String>,
}

impl HttpReply {
    pub(super) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(super) fn body(&self) -> &[u8] {
        self.response.body().bytes().unwrap_or_default()
    }
}
