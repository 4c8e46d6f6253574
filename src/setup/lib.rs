//! A setup carried out with an administrator's credentials: one conversation with the face, then the process ends.
//!
//! The credentials come from two profiles, are in this process only, and are neither stored nor told. What was made is in a state
//! file and in the tags of what was made, each written before and after the call, so that a run which was broken off
//! anywhere is gone on with. The access key goes from IAM's answer to the agent; the face never has it.
//!
//! | file | owns |
//! |---|---|
//! | `transport` | the conversation: frames in, frames out |
//! | `journal` | the state file |
//! | `calls` | calls to IAM: how long they are tried, what a refusal means |
//! | `discovery` | what is there already, and whose it is |
//! | `apply` | the steps, in their order |
//! | `key` | the access key, from IAM into the vault |
//! | `device` | the MFA device and its first codes |
//! | `ownership` | whose the things are that a state names |
//! | `teardown_plan` | what would be removed, and what stays |
//! | `destroy` | removing it |

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files of their own"))]

mod apply;
mod calls;
mod destroy;
mod device;
mod discovery;
mod journal;
mod key;
mod ownership;
mod teardown_plan;
mod transport;
#[cfg(test)]
mod wording_tests;

use discovery::Discovered;
use journal::Journal;
use rolecall_core::domain::arn::AccountId;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::diagnosis::key::is_unknown_key;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::totp::TotpSecret;
use rolecall_core::setup::call::{Side, Step};
use rolecall_ipc::protocol::message::{Answer, Request};
use rolecall_ipc::protocol::setup::{Admin, Outcome, ProfilesResolved, State, WorkerRequest};
use rolecall_ports::{AccountSession, Accounts, Clock};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use teardown_plan::TeardownPlan;
use tokio::net::UnixStream;
use transport::Transport;

/// Asks the agent of this user for something.
pub type AskAgent = Arc<dyn Fn(Request) -> Result<Answer, UserError> + Send + Sync>;

/// What a one-shot is told from outside.
#[derive(Clone)]
pub struct SetupContext {
    /// The two accounts' IAM.
    pub accounts: Arc<dyn Accounts>,
    /// The time, and waiting.
    pub clock: Arc<dyn Clock>,
    /// How AWS is reached.
    pub aws: Arc<AwsSettings>,
    /// The state directory.
    pub state: PathBuf,
    /// The agent, which has the vault.
    pub agent: AskAgent,
    /// Set when a person has had enough: what is under way is finished, nothing new is begun.
    pub interrupted: Arc<AtomicBool>,
}

/// Answers errands until the face is gone.
pub async fn serve(stream: UnixStream, world: SetupContext) {
    let mut line = Transport::new(stream);
    let mut desk: Option<SetupSession> = None;
    while let Some(errand) = line.next().await {
        let outcome = match (errand, &mut desk) {
            (Ok(WorkerRequest::Look { setup, auth_profile, workload_profile, proxy_password }), _) => {
                if let Some(password) = proxy_password {
                    world.accounts.use_proxy_password(password);
                }
                let opened = SetupSession::open(&world, &mut line, &setup, [&auth_profile, &workload_profile]).await;
                opened.map(|(opened, looked)| {
                    desk = Some(opened);
                    Outcome::Looked(Box::new(looked))
                })
            }
            (Ok(errand), Some(desk)) => Work { world: &world, line: &mut line, desk }.run(errand).await,
            (Ok(_), None) => Err(UserError::new(Kind::Failed, "no profile was opened")),
            (Err(report), _) => Err(report),
        };
        if line.answer(outcome).await.is_err() {
            return;
        }
    }
}

/// Says why nothing can be done.
pub async fn refuse(stream: UnixStream, report: UserError) {
    let mut line = Transport::new(stream);
    while line.next().await.is_some() {
        if line.answer(Err(report.clone())).await.is_err() {
            return;
        }
    }
}

/// What a conversation has open.
struct SetupSession {
    setup: String,
    auth: Place,
    workload: Place,
    journal: Journal,
    state: Option<State>,
    external_id: String,
    /// Calls to IAM and STS, those of the agent's that tried a key among them.
    calls: u32,
    /// A new device's secret, until it is kept or this ends.
    totp: Option<TotpSecret>,
    doom: Option<TeardownPlan>,
    /// What the last look has found, for which steps, and whether it took over what only its tag names.
    surveyed: Option<(Vec<Step>, bool, Vec<Discovered>)>,
}

/// One of the two accounts.
struct Place {
    profile: String,
    account: AccountId,
    office: AccountSession,
}

/// One errand.
struct Work<'a> {
    world: &'a SetupContext,
    line: &'a mut Transport,
    desk: &'a mut SetupSession,
}

impl SetupSession {
    async fn open(
        world: &SetupContext,
        line: &mut Transport,
        setup: &str,
        profiles: [&str; 2],
    ) -> Result<(Self, ProfilesResolved), UserError> {
        let journal = Journal::open(&world.state, setup)?;
        let state = journal.load()?;
        let mut places = Vec::with_capacity(2);
        let mut admins = Vec::with_capacity(2);
        for profile in profiles {
            line.say("look", &format!("whose profile {} is", printable(profile, 128))).await?;
            let (office, who) = world.accounts.profile(&world.aws, profile).await.map_err(|error| {
                let report = error.report;
                match error.code {
                    None => report,
                    Some(code) => {
                        let name = printable(profile, 128);
                        let trial = || format!("try it: `aws sts get-caller-identity --profile {name}`");
                        let hint = report.hint.filter(|_| is_unknown_key(&code)).unwrap_or_else(trial);
                        UserError::new(report.kind, format!("profile {name}: {}", report.message)).hint(hint)
                    }
                }
            })?;
            admins.push(Admin { profile: profile.to_owned(), arn: who.arn.clone(), account: who.account.to_string() });
            places.push(Place { profile: profile.to_owned(), account: who.account, office });
        }
        let [Some(workload), Some(auth)] = [places.pop(), places.pop()] else {
            return Err(UserError::new(Kind::Failed, "there are two profiles"));
        };
        if auth.office.partition != workload.office.partition {
            let (a, w) = (auth.office.partition.id(), workload.office.partition.id());
            return Err(UserError::new(
                Kind::Usage,
                format!("the two accounts are in different partitions, {a} and {w}"),
            )
            .hint("no role is assumed from one partition into another: name profiles of one"));
        }
        if let Some(state) = &state {
            for (side, account, place) in
                [("authentication", &state.auth, &auth), ("workload", &state.workload, &workload)]
            {
                if account != place.account.as_str() {
                    return Err(UserError::new(
                        Kind::Usage,
                        format!(
                            "setup {setup} was begun with {side} account {account}, profile {} is of {}",
                            printable(&place.profile, 128),
                            place.account
                        ),
                    )
                    .hint("name the profiles of the accounts that it was begun with, or another `--name`"));
                }
            }
        }
        let external_id = match state.as_ref().map(|state| state.external_id.clone()) {
            Some(id) if !id.is_empty() => id,
            _ => new_external_id()?,
        };
        let [auth_admin, workload_admin] = <[Admin; 2]>::try_from(admins).expect("one for each profile");
        let looked = ProfilesResolved {
            auth: auth_admin,
            workload: workload_admin,
            external_id: external_id.clone(),
            state: state.clone(),
        };
        let desk = Self {
            setup: setup.to_owned(),
            auth,
            workload,
            journal,
            state,
            external_id,
            calls: 2,
            totp: None,
            doom: None,
            surveyed: None,
        };
        Ok((desk, looked))
    }

    fn place(&self, side: Side) -> &Place {
        match side {
            Side::Auth => &self.auth,
            Side::Workload => &self.workload,
        }
    }
}

impl Work<'_> {
    async fn run(&mut self, errand: WorkerRequest) -> Result<Outcome, UserError> {
        match errand {
            WorkerRequest::Apply(asked) => self.apply(*asked).await.map(|done| Outcome::Applied(Box::new(done))),
            WorkerRequest::Destroy => self.destroy().await.map(Outcome::Destroyed),
            WorkerRequest::Doom { steps, identity } => {
                self.doom(&steps, identity.as_deref()).await.map(|doomed| Outcome::Doomed(Box::new(doomed)))
            }
            WorkerRequest::KeepTotp => self.keep_totp().await.map(|note| Outcome::Done { note }),
            WorkerRequest::Look { .. } => Err(UserError::new(Kind::Failed, "the profiles are open already")),
            WorkerRequest::Proven => {
                if let Some(state) = &mut self.desk.state {
                    state.proven = true;
                }
                self.record()?;
                Ok(Outcome::Done { note: None })
            }
            WorkerRequest::Survey { steps, adopt } => {
                let found = self.survey(&steps, adopt).await?;
                let findings = found.iter().map(|seen| seen.finding.clone()).collect();
                self.desk.surveyed = Some((steps, adopt, found));
                Ok(Outcome::Surveyed { findings })
            }
        }
    }

    /// Writes down where the setup stands.
    fn record(&self) -> Result<(), UserError> {
        match &self.desk.state {
            Some(state) => self.desk.journal.write(state),
            None => Ok(()),
        }
    }

    /// Ends here where a person has had enough.
    fn go_on(&self) -> Result<(), UserError> {
        if self.world.interrupted.load(Ordering::Relaxed) {
            return Err(UserError::new(Kind::Failed, "interrupted")
                .hint("nothing is lost: the same command again goes on where this one stands"));
        }
        Ok(())
    }

    /// Asks the agent, which may have to ask a person or AWS, without holding up this conversation.
    async fn ask_agent(&self, request: Request) -> Result<Answer, UserError> {
        let agent = Arc::clone(&self.world.agent);
        let asked = tokio::task::spawn_blocking(move || agent(request)).await;
        asked.unwrap_or_else(|_| Err(UserError::new(Kind::Agent, "the agent could not be asked")))
    }
}

/// Makes an ExternalId that nobody guesses: 128 random bits.
fn new_external_id() -> Result<String, UserError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| UserError::new(Kind::Failed, "the system gives no random numbers"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
