//! The console: a role's session traded for an address that signs a browser in, for the caller or for its browser.
//!
//! Who may have it, who is asked and what is logged are as for the session itself (`broker`). The address is a secret
//! for as long as it can be used, so it goes to the caller alone or, where a browser is to be sent there, rests here behind
//! an address of this machine that is none: what stands in a browser's command line, every user of the machine can read.

use super::audit::Event;
use super::broker::Broker;
use super::credential_cache::ServedSession;
use super::endpoint::{Endpoint, can_be_told, http_port};
use super::failure::Failure;
use super::requester::Requester;
use rolecall_core::domain::catalogue::{Config, HOUR};
use rolecall_core::domain::console::{TOKEN_LIFE, check_destination, page, reached, session_duration};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::{Plan, Step};
use rolecall_core::domain::secret::SigninUrl;
use rolecall_ipc::protocol::message::Answer;
use rolecall_ipc::protocol::process_output;
use std::sync::Arc;
use std::time::Duration;

/// What a caller says of the console that it wants.
#[derive(Debug)]
pub(super) struct ConsoleRequest {
    /// The page to land on.
    pub(super) destination: Option<String>,
    /// How long the console's session shall last.
    pub(super) duration_seconds: Option<u32>,
    /// Whether a browser is sent there.
    pub(super) by_browser: bool,
}

/// A request that has been looked at and can be made.
struct Prepared {
    destination: String,
    duration: Option<Duration>,
    region: String,
}

/// Returns the address that signs in to the console as a name.
pub(super) async fn console(
    broker: &Broker,
    endpoint: &Endpoint,
    name: &str,
    order: ConsoleRequest,
    requester: &mut Requester<'_>,
) -> Result<Answer, UserError> {
    broker.lock.touch();
    let plan = broker.plan_for(name, Event::Console, requester.caller).await?;
    // A request that is not possible is rejected before a person is asked for a code.
    let config = broker.config.catalogue();
    let result = match prepare(&config, &plan, &order) {
        Ok(prepared) => sign_in(broker, &config, &plan, &prepared, requester).await,
        Err(report) => Err(Failure::permanent(report)),
    };
    let result = result.and_then(|(url, given)| answer(broker, endpoint, url, order.by_browser, given));
    let mut line = broker.line(Event::Console, &plan, requester.caller);
    let result = match result {
        Ok((answer, given)) => broker.log_hand_out(given, &mut line).await.map(|_| answer),
        Err(failure) => Err(failure),
    };
    result.map_err(|Failure { report, code, .. }| {
        broker.audit.write(line.failure(&code, &report));
        broker.config.with_remark(report)
    })
}

async fn sign_in(
    broker: &Broker,
    config: &Config,
    plan: &Arc<Plan>,
    prepared: &Prepared,
    requester: &mut Requester<'_>,
) -> Result<(SigninUrl, ServedSession), Failure> {
    let watch = broker.lock.watch();
    let given = broker.session(plan, requester).await?;
    let session = process_output::parse(&given.held.line)
        .ok_or_else(|| Failure::transient(UserError::new(Kind::Failed, "a session in memory cannot be read back")))?;
    let federation = broker.ports.tokens.federation();
    let signing_in =
        federation.sign_in(&config.aws, &prepared.region, &session, prepared.duration, &prepared.destination);
    // The call has the session in memory.
    let url = watch.run(signing_in).await?.map_err(|error| Failure::of_aws(plan, &error))?;
    // A lock that came meanwhile has wiped the session. The URL that was made from it is wiped with it.
    let given = broker.refresher.cache.still_holds(given)?;
    Ok((url, given))
}

fn answer(
    broker: &Broker,
    endpoint: &Endpoint,
    url: SigninUrl,
    by_browser: bool,
    given: ServedSession,
) -> Result<(Answer, ServedSession), Failure> {
    if by_browser {
        let (url, valid) = http_port::redirect_once(endpoint, url, || broker.refresher.cache.check(&given))?;
        return Ok((Answer::Console { url, valid_seconds: valid.as_secs() }, given));
    }
    // A sign-in token is of no use beyond its session.
    let left = given.held.lifetime.left(broker.ports.clock.now());
    Ok((Answer::Console { url, valid_seconds: TOKEN_LIFE.min(left).as_secs() }, given))
}

/// Checks the request, before any prompt.
fn prepare(catalogue: &Config, plan: &Plan, order: &ConsoleRequest) -> Result<Prepared, UserError> {
    if order.by_browser {
        // Every user of the machine can read the address in the browser's command line.
        can_be_told("use `--print`, and open what it prints")?;
    }
    let reached = reached(plan)?;
    let step = plan.key().step();
    let region = step.region().to_owned();
    let own = match step {
        Step::AssumeRole(_) => Some(catalogue.roles.get(&plan.name).and_then(|r| r.settings.duration).unwrap_or(HOUR)),
        Step::SessionToken(_) | Step::Source(_) => plan.identity.web_identity().map(|call| call.duration),
    };
    let asked = order.duration_seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let duration = session_duration(reached, asked, own)?;
    let destination = match &order.destination {
        Some(destination) => {
            check_destination(rolecall_core::domain::arn::Partition::of_region(&region), destination)?;
            destination.clone()
        }
        None => page(&region, None)?,
    };
    Ok(Prepared { destination, duration, region })
}
