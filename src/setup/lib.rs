//! The setup worker: it applies or destroys a setup with the credentials of administrators, in one conversation with the
//! command that started it, and ends.
//!
//! The credentials come from two profiles. They are in this process only and are never stored or printed. What was created is
//! recorded in a state file and in tags, before and after each call, so that an interrupted run can be continued. The access
//! key goes from IAM to the agent, and the command never has it.
//!
//! A step is a function over the parts that it needs:
//!
//! | file | contents |
//! |---|---|
//! | `conversation` | `Conversation`: requests, progress, interruption, the pauses between tries |
//! | `iam` | `Iam`: calls to IAM, their repetition, and what their failures mean |
//! | `journal` | `Journal`: the state file |
//! | `agent` | `Agent`: the requests to the agent, which has the vault |
//! | `ownership`, `discovery` | the owners of resources; the existing resources |
//! | `apply`, `key`, `device` | the steps in their order; the access key; the MFA device |
//! | `destroy` | the plan of a removal; the removal |

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files of their own"))]

mod agent;
mod apply;
mod conversation;
mod destroy;
mod device;
mod discovery;
mod iam;
mod journal;
mod key;
mod ownership;
#[cfg(test)]
mod wording_tests;

use agent::Agent;
pub use agent::AskAgent;
use conversation::Conversation;
use destroy::TeardownPlan;
use device::NewSecret;
use discovery::{Discovered, discover};
use iam::{Account, Iam};
use journal::Journal;
use rolecall_core::domain::arn::Partition;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::diagnosis::key::is_unknown_key;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::call::Step;
use rolecall_ipc::protocol::setup::{Admin, Outcome, ProfilesResolved, WorkerRequest};
use rolecall_ports::{AccountSession, Accounts, Clock};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::net::UnixStream;

/// The surroundings of a setup worker.
#[derive(Clone)]
pub struct SetupContext {
    /// The IAM of the two accounts.
    pub accounts: Arc<dyn Accounts>,
    /// The time, and waiting.
    pub clock: Arc<dyn Clock>,
    /// How AWS is reached.
    pub aws: Arc<AwsSettings>,
    /// The state directory.
    pub state: PathBuf,
    /// Sends a request to the agent, which has the vault.
    pub agent: AskAgent,
    /// Set if the user interrupts the command: the call under way is finished, and no other one is begun.
    pub interrupted: Arc<AtomicBool>,
}

/// A setup whose two profiles are resolved.
struct Session {
    iam: Iam,
    journal: Journal,
    agent: Agent,
    external_id: String,
    new_secret: NewSecret,
    /// The plan of the last request for one, which a request to destroy carries out.
    teardown: Option<TeardownPlan>,
    /// What the last survey found, for which steps, and whether resources were adopted.
    surveyed: Option<(Vec<Step>, bool, Vec<Discovered>)>,
}

/// Answers requests until the command ends. The first one that succeeds must open the two profiles.
pub async fn serve(stream: UnixStream, context: SetupContext) {
    let mut talk = Conversation::new(stream, Arc::clone(&context.clock), Arc::clone(&context.interrupted));
    let mut session = loop {
        let Some(request) = talk.next().await else { return };
        let opened = match request {
            Ok(request) => open(&context, &mut talk, request).await,
            Err(report) => Err(report),
        };
        match opened {
            Err(report) => {
                if talk.answer(Err(report)).await.is_err() {
                    return;
                }
            }
            Ok((journal, [auth, workload], resolved)) => {
                let external_id = resolved.external_id.clone();
                if talk.answer(Ok(Outcome::Looked(Box::new(resolved)))).await.is_err() {
                    return;
                }
                let SetupContext { accounts, aws, agent, .. } = context;
                // Each profile took one call.
                let iam = Iam { talk, accounts, aws, auth, workload, calls: 2 };
                let (agent, new_secret) = (Agent(agent), NewSecret::default());
                break Session { iam, journal, agent, external_id, new_secret, teardown: None, surveyed: None };
            }
        }
    };
    while let Some(request) = session.iam.talk.next().await {
        let outcome = match request {
            Ok(request) => run(&mut session, request).await,
            Err(report) => Err(report),
        };
        if session.iam.talk.answer(outcome).await.is_err() {
            return;
        }
    }
}

/// Answers each request with the reason why the worker cannot start.
pub async fn refuse(stream: UnixStream, report: UserError) {
    conversation::refuse_all(stream, report).await;
}

/// Locks the setup and resolves its two profiles.
async fn open(
    context: &SetupContext,
    talk: &mut Conversation,
    request: WorkerRequest,
) -> Result<(Journal, [Account; 2], ProfilesResolved), UserError> {
    let WorkerRequest::Look { setup, auth_profile, workload_profile, proxy_password } = request else {
        return Err(UserError::new(Kind::Failed, "no profile was opened"));
    };
    if let Some(password) = proxy_password {
        context.accounts.use_proxy_password(password);
    }
    let journal = Journal::open(&context.state, &setup)?;
    let (auth, auth_admin) = resolve(context, talk, auth_profile).await?;
    let (workload, workload_admin) = resolve(context, talk, workload_profile).await?;
    let (a, w) = (auth.session.partition.id(), workload.session.partition.id());
    if a != w {
        let cause = format!("the two accounts are in different partitions, {a} and {w}");
        return Err(UserError::new(Kind::Usage, cause)
            .hint("no role is assumed from one partition into another: name profiles of one"));
    }
    let mut external_id = String::new();
    if let Some(state) = &journal.state {
        for (side, begun, account) in [("authentication", &state.auth, &auth), ("workload", &state.workload, &workload)]
        {
            if begun != account.id.as_str() {
                let profile = printable(&account.profile, 128);
                let cause = format!(
                    "setup {setup} was begun with {side} account {begun}, profile {profile} is of {}",
                    account.id
                );
                return Err(UserError::new(Kind::Usage, cause)
                    .hint("name the profiles of the accounts that it was begun with, or another `--name`"));
            }
        }
        external_id.clone_from(&state.external_id);
    }
    if external_id.is_empty() {
        external_id = new_external_id()?;
    }
    let state = journal.state.clone();
    let resolved = ProfilesResolved { auth: auth_admin, workload: workload_admin, external_id, state };
    Ok((journal, [auth, workload], resolved))
}

/// Resolves the credentials of a profile, and whose they are.
async fn resolve(
    context: &SetupContext,
    talk: &mut Conversation,
    profile: String,
) -> Result<(Account, Admin), UserError> {
    let name = printable(&profile, 128);
    talk.say("look", &format!("whose profile {name} is")).await?;
    let (accounts, aws) = (&context.accounts, &context.aws);
    let (signer, region) = accounts.profile(aws, &profile).await?;
    let who = accounts.caller(aws, &signer, &region).await.map_err(|error| {
        let test = format!("`aws sts get-caller-identity --profile {name}`");
        let hint = match &error.code {
            None => return error.report,
            Some(code) if is_unknown_key(code) => format!(
                "possible causes: the credentials of profile {profile} are over, deleted or inactive, or of another partition \
                 than {} (set `region` in the profile): `aws sts get-caller-identity --profile {profile}`",
                Partition::of_region(&region).id()
            ),
            Some(_) => format!("try it: {test}"),
        };
        UserError { message: format!("profile {name}: {}", error.report.message), hint: Some(hint), ..error.report }
    })?;
    let partition = Partition::of_arn(&who.arn).unwrap_or_else(|| Partition::of_region(&region));
    let admin = Admin { profile: profile.clone(), arn: who.arn, account: who.account.to_string() };
    Ok((Account { profile, id: who.account, session: AccountSession { signer, partition } }, admin))
}

/// Answers one request about an open setup.
async fn run(session: &mut Session, request: WorkerRequest) -> Result<Outcome, UserError> {
    let Session { iam, journal, agent, external_id, new_secret, teardown, surveyed } = session;
    match request {
        WorkerRequest::Apply(request) => {
            let seen = match surveyed.take() {
                Some((steps, adopt, seen)) if steps == request.steps && adopt == request.adopt => seen,
                _ => discover(iam, journal, &request.steps, request.adopt).await?,
            };
            let parts = (iam, journal, &*agent);
            let applied = apply::apply(parts, new_secret, external_id, &seen, &request).await?;
            Ok(Outcome::Applied(Box::new(applied)))
        }
        WorkerRequest::Destroy => match teardown.take() {
            Some(plan) => destroy::destroy(iam, journal, plan).await.map(Outcome::Destroyed),
            None => Err(UserError::new(Kind::Failed, "nothing was listed to be removed")),
        },
        WorkerRequest::Doom { steps, identity } => {
            let (plan, planned) = destroy::plan((iam, journal, &*agent), &steps, identity.as_deref()).await?;
            *teardown = plan.or(teardown.take());
            Ok(Outcome::Doomed(Box::new(planned)))
        }
        WorkerRequest::KeepTotp => {
            let note = device::store_secret(iam, journal, agent, new_secret).await?;
            Ok(Outcome::Done { note })
        }
        WorkerRequest::Look { .. } => Err(UserError::new(Kind::Failed, "the profiles are open already")),
        WorkerRequest::Proven => {
            if let Some(state) = &mut journal.state {
                state.proven = true;
            }
            journal.record("")?;
            Ok(Outcome::Done { note: None })
        }
        WorkerRequest::Survey { steps, adopt } => {
            let found = discover(iam, journal, &steps, adopt).await?;
            let findings = found.iter().map(|seen| seen.finding.clone()).collect();
            *surveyed = Some((steps, adopt, found));
            Ok(Outcome::Surveyed { findings })
        }
    }
}

/// Returns a new ExternalId of 128 random bits.
fn new_external_id() -> Result<String, UserError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| UserError::new(Kind::Failed, "the system gives no random numbers"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
