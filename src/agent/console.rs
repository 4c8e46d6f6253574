//! The console: a role's session traded for an address that signs a browser in, for the caller or for its browser.
//!
//! Who may have it, who is asked and what is logged are as for the session itself (`requests.rs`). The address is a secret
//! for as long as it can be used, so it goes to the caller alone or, where a browser is to be sent there, rests here behind
//! an address of this machine that is none: what stands in a browser's command line, every user of the machine can read.

use super::Agent;
use super::audit::{AuditLine, Event};
use super::caller::Caller;
use super::endpoint::can_be_told;
use super::failure::Failure;
use super::refresh;
use super::server::Connection;
use super::sessions::ServedSession;
use rolecall_core::domain::catalogue::{Config, HOUR};
use rolecall_core::domain::console::{TOKEN_LIFE, check_destination, page, reached, session_duration};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::{Plan, Step};
use rolecall_core::domain::secret::SigninUrl;
use rolecall_core::domain::source::Source;
use rolecall_ipc::protocol::message::{Answer, Context};
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

impl Agent {
    /// Gives the address that signs in to the console as a name.
    pub(super) async fn console(
        &self,
        name: &str,
        order: ConsoleRequest,
        caller: &Caller,
        context: &Context,
        connection: &mut Connection,
    ) -> Result<Answer, UserError> {
        self.touch();
        let plan = self.plan_for(name, Event::Console, caller).await?;
        // What cannot be is said before anybody is asked for a code.
        let catalogue = self.configuration.catalogue();
        let result = match prepare(&catalogue, &plan, &order) {
            Ok(prepared) => self.sign_in(&catalogue, &plan, &prepared, caller, context, connection).await,
            Err(report) => Err(Failure::permanent(report)),
        };
        let result = result.and_then(|(url, given)| self.answer(url, order.by_browser, given));
        let mut line = AuditLine::new(self.ports.clock.now().wall, Event::Console, "ok");
        line.name = Some(plan.name.to_string());
        line.role_arn = refresh::target(plan.key().step());
        line.caller = Some(caller.clone());
        let result = match result {
            Ok((answer, given)) => {
                given.tell(&mut line);
                let logged = self.log_hand_out(line.clone()).await;
                logged.and_then(|_| self.sessions.still_holds(given)).map(|_| answer)
            }
            Err(failure) => Err(failure),
        };
        match result {
            Ok(answer) => Ok(answer),
            Err(Failure { report, code, .. }) => {
                line.result = code;
                line.message = Some(report.message.clone());
                self.audit.write(line);
                Err(self.with_remark(report))
            }
        }
    }

    async fn sign_in(
        &self,
        catalogue: &Config,
        plan: &Arc<Plan>,
        prepared: &Prepared,
        caller: &Caller,
        context: &Context,
        connection: &mut Connection,
    ) -> Result<(SigninUrl, ServedSession), Failure> {
        let watch = self.locks.watch();
        let given = self.session(plan, caller, context, connection).await?;
        let session = process_output::parse(&given.held.line).ok_or_else(|| {
            Failure::transient(UserError::new(Kind::Failed, "a session in memory cannot be read back"))
        })?;
        let federation = self.ports.tokens.federation();
        let signing_in =
            federation.sign_in(&catalogue.aws, &prepared.region, &session, prepared.duration, &prepared.destination);
        // The call has the session in memory.
        let url = watch.run(signing_in).await?.map_err(|error| Failure::of_aws(plan, &error))?;
        // A lock that came meanwhile has forgotten the session; what it was traded for is forgotten with it.
        let given = self.sessions.still_holds(given)?;
        Ok((url, given))
    }

    fn answer(
        &self,
        url: SigninUrl,
        by_browser: bool,
        given: ServedSession,
    ) -> Result<(Answer, ServedSession), Failure> {
        if by_browser {
            let (url, valid) = self.endpoint.visit_once(url, || self.sessions.check(&given))?;
            return Ok((Answer::Console { url, valid_seconds: valid.as_secs() }, given));
        }
        // A sign-in token is of no use beyond its session.
        let left = given.held.lifetime.left(self.ports.clock.now());
        Ok((Answer::Console { url, valid_seconds: TOKEN_LIFE.min(left).as_secs() }, given))
    }
}

/// Looks at what is wanted; nothing is asked of anybody.
fn prepare(catalogue: &Config, plan: &Plan, order: &ConsoleRequest) -> Result<Prepared, UserError> {
    if order.by_browser {
        // Every user of the machine can read the address in the browser's command line.
        can_be_told("use `--print`, and open what it prints")?;
    }
    let reached = reached(plan)?;
    let step = plan.key().step();
    let region = step.region().to_owned();
    let own = match (step, &plan.identity.source) {
        (Step::AssumeRole(_), _) => Some(catalogue.roles.get(&plan.name).and_then(|r| r.duration).unwrap_or(HOUR)),
        (_, Some(Source::WebIdentity(call))) => Some(call.duration),
        _ => None,
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
