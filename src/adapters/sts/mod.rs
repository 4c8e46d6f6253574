//! AWS's Security Token Service behind the `TokenService` port.
//!
//! It knows one call at a time: no caches of sessions, no names of identities, no prompts. Nothing comes from the
//! environment or from AWS's own files; the call's credentials are given with each call and forgotten with it.

mod answer;
mod clean;
pub(super) mod connector;
mod endpoint;
mod errors;
pub(super) mod failure;
pub(super) mod probe;
mod reached;
mod trust;
mod web_identity;

use crate::domain::arn::{AccountId, RoleArn};
use crate::domain::catalogue::AwsSettings;
use crate::domain::credential::{AccessKey, Signer};
use crate::domain::plan::{AssumeRole, SessionTokenCall};
use crate::domain::report::{Kind, Report};
use crate::domain::secret::{MfaCode, SecretKey, SessionToken, WebToken};
use crate::domain::source::WebIdentity;
use crate::ports::{CallerIdentity, Clock, Issued, Outlook, TokenError, TokenService};
use answer::{Answer, Expected};
use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_sdk_sts::config::{Config, IdentityCache};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use chrono::DateTime;
use errors::{Asked, Call};
use failure::{Class, Failure};
use probe::Probe;
use reached::Reached;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

/// The port's promise, reading of certificates included.
const WHOLE: Duration = Duration::from_secs(10);
/// One per region in use, and a few from before the last change of the configuration.
const CLIENTS: usize = 8;

/// STS over the network.
pub struct Sts {
    clock: Arc<dyn Clock>,
    clients: Mutex<Vec<Arc<Reached>>>,
}

impl Sts {
    /// Makes one that has no connections yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, clients: Mutex::default() }
    }

    async fn reach(&self, aws: &Arc<AwsSettings>, region: &str) -> Result<Arc<Reached>, TokenError> {
        if let Some(held) = self.held(aws, region) {
            return Ok(held);
        }
        let (settings, place, clock) = (Arc::clone(aws), region.to_owned(), Arc::clone(&self.clock));
        // Certificates are read from files, and parsing them takes milliseconds.
        let built = tokio::task::spawn_blocking(move || Reached::new(settings, place, clock)).await;
        let built = built.unwrap_or_else(|_| {
            let report = Report::new(Kind::Failed, "the connection to STS cannot be set up");
            Err(report.hint("restart the agent from a clean environment: `rolecall agent restart`"))
        });
        let built = Arc::new(built.map_err(unsent)?);
        let mut clients = self.lock();
        // Another call may have been quicker.
        if let Some(held) = clients.iter().find(|held| held.serves(aws, region)) {
            return Ok(Arc::clone(held));
        }
        if clients.len() == CLIENTS {
            clients.remove(0);
        }
        clients.push(Arc::clone(&built));
        Ok(built)
    }

    fn held(&self, aws: &Arc<AwsSettings>, region: &str) -> Option<Arc<Reached>> {
        self.lock().iter().find(|held| held.serves(aws, region)).cloned()
    }

    /// Forgets a client whose certificates did not serve, so that a corrected file is read.
    fn forget(&self, reached: &Arc<Reached>) {
        self.lock().retain(|held| !Arc::ptr_eq(held, reached));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Reached>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for one call of the SDK and tells its failure.
    async fn answer<O, E>(
        &self,
        reached: &Arc<Reached>,
        asked: &Asked<'_>,
        sent: impl Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    ) -> Result<O, TokenError>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        // At its finer levels the SDK logs headers with the session token, and whole answers where a variable says so.
        let sent = sent.with_subscriber(NoSubscriber::default());
        let failure = match sent.await {
            Ok(output) => return Ok(output),
            Err(error) => Failure::of(&error),
        };
        if matches!(failure.class, Class::UnknownIssuer | Class::WrongDates | Class::WrongName | Class::Tls) {
            self.forget(reached);
        }
        Err(errors::told(&failure, asked))
    }

    /// Checks what was issued.
    fn issue(
        &self,
        answer: Answer,
        role: Option<(&RoleArn, &str)>,
        duration: Duration,
        probe: &Probe,
        (request_id, asked): (Option<String>, &Asked<'_>),
    ) -> Result<Issued, TokenError> {
        let (arn, skew) = (answer.arn.clone(), probe.skew());
        let now = self.clock.now().wall.checked_add_signed(skew).unwrap_or_default();
        if !probe.whole() {
            return Err(errors::odd(answer::Odd("ends too early", Outlook::Transient), request_id, asked));
        }
        match answer::check(answer, &Expected { role, duration, now }) {
            Ok(session) => Ok(Issued { session, arn, skew, request_id }),
            Err(odd) => Err(errors::odd(odd, request_id, asked)),
        }
    }

    async fn assume(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        call: &AssumeRole,
        session_name: &str,
        code: Option<&MfaCode>,
    ) -> Result<Issued, TokenError> {
        let reached = self.reach(aws, &call.region).await?;
        let secrets = secrets(signer, code);
        let asked = reached.asked(Call::AssumeRole(&call.role_arn), signer, &secrets);
        let probe = Probe::new(Arc::clone(&self.clock));
        let list = |items: &[String]| (!items.is_empty()).then(|| items.to_vec());
        let mut tags = Vec::with_capacity(call.tags.len());
        for (key, value) in &call.tags {
            tags.push(Tag::builder().key(key).value(value).build().map_err(|_| errors::told(&UNSENT, &asked))?);
        }
        let policies: Vec<_> =
            call.policy_arns.iter().map(|a| PolicyDescriptorType::builder().arn(a).build()).collect();
        let sent = reached
            .client
            .assume_role()
            .role_arn(call.role_arn.as_str())
            .role_session_name(session_name)
            .duration_seconds(seconds(call.duration))
            .set_external_id(call.external_id.clone())
            .set_source_identity(call.source_identity.clone())
            .set_tags((!tags.is_empty()).then_some(tags))
            .set_transitive_tag_keys(list(&call.transitive_tag_keys))
            .set_policy(call.policy.clone())
            .set_policy_arns((!policies.is_empty()).then_some(policies))
            .set_serial_number(call.mfa_serial.as_ref().map(|serial| serial.as_str().to_owned()))
            .set_token_code(code.map(|code| code.expose().to_owned()))
            .customize()
            .interceptor(probe.clone())
            .config_override(signed_by(signer))
            .send();
        let output = self.answer(&reached, &asked, sent).await?;
        let request_id = output.request_id().map(str::to_owned);
        let arn = output.assumed_role_user.map(|user| user.arn);
        let answer = taken(output.credentials, arn);
        self.issue(answer, Some((&call.role_arn, session_name)), call.duration, &probe, (request_id, &asked))
    }

    async fn trade(
        &self,
        aws: &Arc<AwsSettings>,
        key: &AccessKey,
        call: &SessionTokenCall,
        code: Option<&MfaCode>,
    ) -> Result<Issued, TokenError> {
        let reached = self.reach(aws, &call.region).await?;
        let signer = Signer::Key(key.clone());
        let secrets = secrets(&signer, code);
        let asked = reached.asked(Call::SessionToken, &signer, &secrets);
        let probe = Probe::new(Arc::clone(&self.clock));
        let sent = reached
            .client
            .get_session_token()
            .duration_seconds(seconds(call.duration))
            .set_serial_number(call.mfa_serial.as_ref().map(|serial| serial.as_str().to_owned()))
            .set_token_code(code.map(|code| code.expose().to_owned()))
            .customize()
            .interceptor(probe.clone())
            .config_override(signed_by(&signer))
            .send();
        let output = self.answer(&reached, &asked, sent).await?;
        let request_id = output.request_id().map(str::to_owned);
        self.issue(taken(output.credentials, None), None, call.duration, &probe, (request_id, &asked))
    }

    async fn identify(
        &self,
        aws: &Arc<AwsSettings>,
        key: &AccessKey,
        region: &str,
    ) -> Result<CallerIdentity, TokenError> {
        let reached = self.reach(aws, region).await?;
        let signer = Signer::Key(key.clone());
        let secrets = secrets(&signer, None);
        let asked = reached.asked(Call::CallerIdentity, &signer, &secrets);
        let sent = reached
            .client
            .get_caller_identity()
            .customize()
            .interceptor(Probe::new(Arc::clone(&self.clock)))
            .config_override(signed_by(&signer))
            .send();
        let output = self.answer(&reached, &asked, sent).await?;
        let request_id = output.request_id().map(str::to_owned);
        let sane = |text: Option<String>| text.filter(|t| !t.is_empty() && t.len() <= 2048 && answer::visible(t));
        let account = output.account.and_then(|account| AccountId::new(&account).ok());
        match (account, sane(output.arn), sane(output.user_id)) {
            (Some(account), Some(arn), Some(user_id))
                if crate::domain::arn::account_of(&arn).as_ref() == Some(&account) =>
            {
                Ok(CallerIdentity { account, arn, user_id })
            }
            _ => Err(errors::odd(answer::Odd("does not say who it is", Outlook::Transient), request_id, &asked)),
        }
    }
}

impl fmt::Debug for Sts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sts").field("clients", &self.lock().len()).finish()
    }
}

#[async_trait]
impl TokenService for Sts {
    async fn assume_role(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        call: &AssumeRole,
        session_name: &str,
        code: Option<&MfaCode>,
    ) -> Result<Issued, TokenError> {
        in_time(Call::AssumeRole(&call.role_arn), "", self.assume(aws, signer, call, session_name, code)).await
    }

    async fn session_token(
        &self,
        aws: &Arc<AwsSettings>,
        key: &AccessKey,
        call: &SessionTokenCall,
        code: Option<&MfaCode>,
    ) -> Result<Issued, TokenError> {
        in_time(Call::SessionToken, &key.id, self.trade(aws, key, call, code)).await
    }

    async fn web_identity(
        &self,
        aws: &Arc<AwsSettings>,
        region: &str,
        call: &WebIdentity,
        session_name: &str,
        token: &WebToken,
    ) -> Result<Issued, TokenError> {
        in_time(Call::WebIdentity(&call.role_arn), "", self.present(aws, region, call, session_name, token)).await
    }

    async fn caller_identity(
        &self,
        aws: &Arc<AwsSettings>,
        key: &AccessKey,
        region: &str,
    ) -> Result<CallerIdentity, TokenError> {
        in_time(Call::CallerIdentity, &key.id, self.identify(aws, key, region)).await
    }
}

const UNSENT: Failure = Failure::without_answer(Class::Unsent);

async fn in_time<T>(
    call: Call<'_>,
    key_id: &str,
    answer: impl Future<Output = Result<T, TokenError>>,
) -> Result<T, TokenError> {
    tokio::time::timeout(WHOLE, answer).await.unwrap_or_else(|_| {
        let cause = format!("cannot {}: the call to STS was not over within 10 seconds", errors::name(call, key_id));
        let report =
            Report::new(Kind::Unreachable, cause).hint("look at the network, and at the files that `[aws]` names");
        Err(TokenError { report, outlook: Outlook::Transient, code: None, request_id: None })
    })
}

fn unsent(report: Report) -> TokenError {
    TokenError { report, outlook: Outlook::Permanent, code: None, request_id: None }
}

/// The credentials of this one call; the SDK wipes its copy.
fn signed_by(signer: &Signer) -> aws_sdk_sts::config::Builder {
    const SOURCE: &str = "rolecall";
    let credentials = match signer {
        Signer::Key(key) => Credentials::new(&key.id, key.secret.expose(), None, None, SOURCE),
        Signer::Session(session) => {
            let token = session.token.expose().to_owned();
            Credentials::new(&session.access_key_id, session.secret.expose(), Some(token), None, SOURCE)
        }
    };
    Config::builder().identity_cache(IdentityCache::no_cache()).credentials_provider(credentials)
}

fn secrets<'a>(signer: &'a Signer, code: Option<&'a MfaCode>) -> Vec<&'a str> {
    let mut secrets = match signer {
        Signer::Key(key) => vec![key.secret.expose()],
        Signer::Session(session) => vec![session.secret.expose(), session.token.expose()],
    };
    secrets.extend(code.map(MfaCode::expose));
    secrets
}

/// STS's own limits are far below; a larger number is STS's to refuse.
fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

fn taken(credentials: Option<aws_sdk_sts::types::Credentials>, arn: Option<String>) -> Answer {
    match credentials {
        Some(c) => Answer {
            access_key_id: c.access_key_id,
            secret: SecretKey::new(c.secret_access_key),
            token: SessionToken::new(c.session_token),
            expiration: DateTime::from_timestamp(c.expiration.secs(), 0),
            arn,
        },
        None => Answer {
            access_key_id: String::new(),
            secret: SecretKey::new(String::new()),
            token: SessionToken::new(String::new()),
            expiration: None,
            arn,
        },
    }
}

#[cfg(test)]
mod tests;
