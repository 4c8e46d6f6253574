//! What each request may do.

use super::audit::{AuditLine, Event};
use super::caller::Caller;
use super::console::ConsoleRequest;
use super::deadline::Deadline;
use super::endpoint::LeaseRequest;
use super::failure::{Failure, class};
use super::identities::KeyOrigin;
use super::lock_watch::LockWatch;
use super::prompts::{PromptReply, PromptRequest, Subject, Waiter};
use super::server::Connection;
use super::sessions::ServedSession;
use super::{Agent, refresh};
use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::plan::Plan;
use rolecall_core::domain::secret::Passphrase;
use rolecall_ipc::protocol::message::{Answer, Call, Context, Reply, Request};
use rolecall_ipc::protocol::{VERSION, other_version};
use serde::Deserialize;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use zeroize::Zeroizing;

/// What the log keeps of a name that nobody has.
pub(super) const NAME_SHOWN: usize = 64;

/// What goes back.
pub(super) enum Response {
    /// Anything that is not a session.
    Answer(Box<Answer>),
    /// An answer that contains a secret. A lock ends the write, and waits until the answer is wiped.
    Secret(Box<Answer>, LockWatch),
    /// A session's line, from the pages where it rests.
    Session(Arc<refresh::CachedCredentials>),
}

impl Agent {
    /// Does what a request asks. The watch is the first argument, so that it is dropped after the secrets of the request.
    pub(super) async fn handle(
        &self,
        mut watch: Option<LockWatch>,
        payload: Zeroizing<Vec<u8>>,
        caller: &Caller,
        connection: &mut Connection,
    ) -> Result<Response, UserError> {
        let call: Call = serde_json::from_slice(&payload).map_err(|_| unreadable(&payload))?;
        drop(payload);
        if !contains_secret(&call.request) {
            watch = None;
        }
        if call.version != VERSION && !call.request.is_of_every_version() {
            return Err(other_version(call.version));
        }
        if let Some(bus) = &call.context.bus {
            self.ports.vault.offer_bus(bus);
        }
        self.check_view(&call.request, call.context.view.as_ref()).await?;
        let answer = |answer| Ok(Response::Answer(Box::new(answer)));
        let done = |note| answer(Answer::Done { note });
        // A script that edits the file and goes on at once is faster than the watch; whether it stores a key in the keyring
        // or in the file must not hang on that. A `get` need not look: it is in front of every AWS call.
        if !matches!(call.request, Request::Get { .. } | Request::Glance { .. } | Request::Lock | Request::Stop) {
            self.reload().await;
        }
        match call.request {
            Request::Get { name } => self.get(&name, caller, &call.context, connection).await,
            Request::Names => {
                let mut names: Vec<String> = self.configuration.catalogue().names().map(ToString::to_string).collect();
                names.sort_unstable();
                answer(Answer::Names { names })
            }
            Request::Glance { name } => answer(self.glance(&name)),
            Request::Console { name, destination, duration_seconds, by_browser } => {
                let wanted = ConsoleRequest { destination, duration_seconds, by_browser };
                answer(self.console(&name, wanted, caller, &call.context, connection).await?)
            }
            Request::Doctor { name } => answer(self.diagnose(&name, caller, &call.context, connection).await?),
            Request::Endpoint { name, form, owner, port } => {
                let wanted = LeaseRequest { name: &name, form, owner, port };
                self.create_lease(wanted, caller, &call.context, connection).await
            }
            Request::Device { name } => answer(self.tell_device(name.as_deref()).await?),
            Request::Forget { name } => {
                self.sessions.forget(&self.plan(&name).await?.identity.name);
                done(None)
            }
            Request::ForeignEntries => answer(self.foreign_entries().await?),
            Request::IdentityAdd { name, access_key_id, secret_access_key, region, arns, replace, imported } => {
                let key = AccessKey { id: access_key_id, secret: secret_access_key };
                let whence = if imported { KeyOrigin::File } else { KeyOrigin::Person { replace } };
                let watch = watch.unwrap_or_else(|| self.locks.watch());
                self.add_identity(&name, key, (region, &arns), whence, caller, &watch).await
            }
            Request::IdentityAdopt { name, tool, entry, region, arns } => {
                self.adopt_identity(&name, tool, entry, (region, &arns), caller).await
            }
            Request::IdentityTakeBack { name, access_key_id } => {
                self.take_back(&name, &access_key_id, caller, &call.context, connection).await
            }
            Request::IdentityRemove { name } => done(self.remove_identity(&name, caller).await?),
            Request::IdentityTotp { name, secret } => {
                let watch = watch.unwrap_or_else(|| self.locks.watch());
                done(Some(self.keep_totp(&name, secret, caller, &watch).await?))
            }
            Request::IdentityRotate { name, delete } => {
                self.rotate_identity(&name, delete.as_deref(), caller, &call.context, connection).await
            }
            Request::Keys => answer(Answer::Keys { keys: self.keys().await }),
            Request::Lock => {
                // What the answer says is true when it is given: nothing is left in memory.
                self.lock("asked", Some(caller.clone())).are_gone().await;
                done(self.vault_is_busy().await)
            }
            Request::Reload => self.configuration.problem().map_or_else(|| done(None), Err),
            Request::Status => {
                let mut status = self.status().await;
                if let Some(view) = &call.context.view {
                    status.warnings.extend(self.other_configuration(view).await);
                }
                answer(Answer::Status(Box::new(status)))
            }
            Request::Stop => {
                self.stop.notify_one();
                done(None)
            }
            Request::Unlock { name, code } => done(Some(self.unlock(name, code, caller).await?)),
            Request::UnlockVault { passphrase, accept_restored } => {
                done(self.unlock_vault(passphrase, accept_restored, caller, watch.as_ref()).await?)
            }
            Request::ProxyPassword { password } => {
                let watch = watch.unwrap_or_else(|| self.locks.watch());
                done(Some(self.keep_proxy_password(password, caller, &watch).await?))
            }
        }
    }

    pub(super) async fn get(
        &self,
        name: &str,
        caller: &Caller,
        context: &Context,
        connection: &mut Connection,
    ) -> Result<Response, UserError> {
        self.counters.gets.fetch_add(1, Ordering::Relaxed);
        self.touch();
        let plan = self.plan_for(name, Event::Get, caller).await?;
        let result = self.session(&plan, caller, context, connection).await;
        let mut line = AuditLine::new(self.ports.clock.now().wall, Event::Get, "ok");
        line.name = Some(plan.name.to_string());
        line.role_arn = refresh::target(plan.key().step());
        line.caller = Some(caller.clone());
        if let Some(program) = caller.program() {
            self.last_callers
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .insert(plan.name.to_string(), program.to_owned());
        }
        let result = match result {
            Ok(given) => {
                given.tell(&mut line);
                let logged = self.log_hand_out(line.clone()).await;
                // A lock may have come while the line was written.
                logged.and_then(|_| self.sessions.still_holds(given))
            }
            Err(failure) => Err(failure),
        };
        match result {
            Ok(given) => {
                self.counters.handed_out.fetch_add(1, Ordering::Relaxed);
                Ok(Response::Session(given.held))
            }
            Err(Failure { report, code, .. }) => {
                line.result = code;
                line.message = Some(report.message.clone());
                self.audit.write(line);
                // What else is in the configuration is nothing for the other end of a socket.
                Err(if caller.socket.is_none() { self.with_remark(report) } else { report })
            }
        }
    }

    /// Finds the plan of a name that somebody asks for; that there is none is logged.
    pub(super) async fn plan_for(&self, name: &str, event: Event, caller: &Caller) -> Result<Arc<Plan>, UserError> {
        self.plan(name).await.inspect_err(|report| {
            let mut line = AuditLine::new(self.ports.clock.now().wall, event, class(report.kind));
            line.name = Some(printable(name, NAME_SHOWN));
            line.message = Some(report.message.clone());
            line.caller = Some(caller.clone());
            self.audit.write(line);
        })
    }

    /// Gives the session of a plan to a caller that may have it, whose terminal is as it was before.
    pub(super) async fn session(
        &self,
        plan: &Arc<Plan>,
        caller: &Caller,
        context: &Context,
        connection: &mut Connection,
    ) -> Result<ServedSession, Failure> {
        let result = self.session_asking(plan, caller, context, connection).await;
        // What a pinentry has drawn on the caller's terminal is gone before anything else appears there; who was served
        // from memory has asked nothing and does not wait for another's question.
        if matches!(&result, Ok(given) if given.cached || plan.mfa_serial().is_none()) {
            return result;
        }
        self.sessions.questions.terminal_given_back(caller.device.as_ref()).await;
        result.and_then(|given| self.sessions.still_holds(given))
    }

    async fn session_asking(
        &self,
        plan: &Arc<Plan>,
        caller: &Caller,
        context: &Context,
        connection: &mut Connection,
    ) -> Result<ServedSession, Failure> {
        if let Some(report) = super::recursion_guard::refuse(caller, &self.ports.tokens.sources().running().await) {
            return Err(Failure::permanent(report));
        }
        let patience = Deadline::new();
        self.authorize(plan, caller, context, connection, patience).await?;
        match plan.mfa_serial() {
            None => self.sessions.get(plan, patience).await,
            Some(serial) => {
                let seat = self.seat(Subject::Device(serial.clone()), &plan.name, caller, context);
                self.asking(self.sessions.get(plan, patience), seat, connection).await
            }
        }
    }

    /// Gives a caller a seat, where the person in front of it can be asked.
    pub(super) fn seat(&self, subject: Subject, name: &Name, caller: &Caller, context: &Context) -> Waiter {
        let program = caller.program().map(str::to_owned);
        // The far end of a socket must not answer its own question: it appears where the agent is, or nowhere.
        let surroundings = match &caller.socket {
            Some(_) => self.ports.prompter.at_home(),
            None => context.surroundings(caller.device.clone()),
        };
        self.sessions.questions.sit(subject, name.clone(), caller.terminal, program, surroundings)
    }

    /// Waits for what may need a person, and puts the question to the caller when it is this seat's turn.
    pub(super) async fn asking<T>(
        &self,
        work: impl Future<Output = T>,
        mut seat: Waiter,
        connection: &mut Connection,
    ) -> T {
        let mut work = pin!(work);
        loop {
            let asking = tokio::select! {
                biased;
                result = &mut work => return result,
                asking = seat.asked() => asking,
                () = connection.readable() => {
                    // What was typed to a question that is asked no longer means nothing.
                    if connection.reply().await.is_some() {
                        continue;
                    }
                    // What was drawn for it on its terminal is taken away, and the question moves on.
                    drop(seat);
                    return work.await;
                }
            };
            let PromptRequest { question, mut answer } = asking;
            // The answer may come from elsewhere while this person is still typing. Where it was none the next question
            // takes the place of this one.
            let reply = tokio::select! {
                biased;
                result = &mut work => return result,
                is_shown = connection.ask(&question) => if is_shown {
                    tokio::select! {
                        biased;
                        result = &mut work => return result,
                        () = answer.closed() => continue,
                        () = connection.readable() => connection.reply().await,
                    }
                } else {
                    None
                },
            };
            match reply {
                Some(Reply::Allowed) => drop(answer.send(Some(PromptReply::Allowed))),
                Some(Reply::Code { code }) => drop(answer.send(Some(PromptReply::Code(code)))),
                Some(Reply::Cancelled) => drop(answer.send(None)),
                // No terminal after all: the question moves on.
                Some(Reply::NoTerminal) => drop(answer),
                // The caller is gone; the question moves on and the flight is not ours to end.
                None => {
                    drop((answer, seat));
                    return work.await;
                }
            }
        }
    }

    /// Finds the plan of a name; one that is unknown may have been written to the file a moment ago.
    pub(super) async fn plan(&self, name: &str) -> Result<Arc<Plan>, UserError> {
        if let Ok(plan) = self.configuration.plan(name) {
            return Ok(plan);
        }
        self.reload().await;
        self.configuration.plan(name).map_err(|report| match self.configuration.problem() {
            // Nothing was ever taken over: that, and not the name, is the cause.
            Some(problem) if self.configuration.catalogue().names().next().is_none() => problem,
            _ => self.with_remark(report),
        })
    }

    /// Adds to a failure that the file on disk is not what is in use: it may be the reason.
    pub(super) fn with_remark(&self, report: UserError) -> UserError {
        match self.configuration.problem() {
            Some(problem) => report.with_note(&format!("the configuration on disk is not in use: {}", problem.message)),
            None => report,
        }
    }

    async fn unlock_vault(
        &self,
        passphrase: Option<Passphrase>,
        accept_restored: bool,
        caller: &Caller,
        watch: Option<&LockWatch>,
    ) -> Result<Option<String>, UserError> {
        let locked = || watch.map_or(Ok(()), |watch| watch.check().map_err(|failure| failure.report));
        locked()?;
        self.touch();
        // Not through the watch: a thread of the vault holds the passphrase until this returns, and a lock waits for it.
        let mut result = self.ports.vault.unlock(passphrase).await;
        if let Err(report) = locked() {
            if result.is_ok() {
                // The lock may have closed the vault before this request opened it.
                self.ports.vault.lock();
            }
            result = Err(report);
        }
        if accept_restored && result.is_ok() {
            result = self.ports.vault.accept_restored().await;
        }
        if result.is_ok() {
            self.sessions.note_open();
        }
        let outcome = result.as_ref().map_or_else(|report| class(report.kind), |()| "ok".to_owned());
        let mut line = AuditLine::new(self.ports.clock.now().wall, Event::Unlock, outcome);
        line.message = Some("vault".into());
        line.caller = Some(caller.clone());
        self.audit.write(line);
        result?;
        Ok(Some(match self.ports.vault.warning() {
            Some(UserError { message, hint, .. }) => {
                format!("the vault is open, but {message}\nhint: {}", hint.unwrap_or_default())
            }
            None => "the vault is open".into(),
        }))
    }
}

/// Tells whether a request contains a secret that a lock must wait for.
fn contains_secret(request: &Request) -> bool {
    matches!(
        request,
        Request::IdentityAdd { .. }
            | Request::IdentityTotp { .. }
            | Request::UnlockVault { passphrase: Some(_), .. }
            | Request::ProxyPassword { .. }
    )
}

/// The form of every version's request, as far as another version can tell.
#[derive(Deserialize)]
struct AnyCall {
    version: u32,
}

/// Says why a request cannot be read. Not what the parser says: it quotes the input, and the input may be a secret.
pub(super) fn unreadable(payload: &[u8]) -> UserError {
    match serde_json::from_slice::<AnyCall>(payload) {
        Ok(call) if call.version != VERSION => other_version(call.version),
        _ => UserError::new(Kind::Agent, "the request cannot be read")
            .hint("run `rolecall agent restart` after an upgrade"),
    }
}
