//! A caller with its connection: where a prompt for it can appear.

use super::caller::Caller;
use super::connection::Connection;
use super::deadline::Deadline;
use super::prompts::{PromptReply, PromptRequest, Prompts, Subject, Waiter};
use rolecall_core::domain::names::Name;
use rolecall_ipc::protocol::message::{Context, Reply};
use std::pin::pin;
use std::sync::Arc;

/// The caller of a request that is being handled.
pub(super) struct Requester<'a> {
    pub(super) caller: &'a Caller,
    pub(super) context: &'a Context,
    pub(super) connection: &'a mut Connection,
    /// What passes before a question counts too.
    pub(super) deadline: Deadline,
}

impl Requester<'_> {
    /// Registers the caller as a place where a prompt can appear.
    pub(super) fn seat(&self, prompts: &Arc<Prompts>, subject: Subject, name: &Name) -> Waiter {
        let Self { caller, context, .. } = self;
        let program = caller.program().map(str::to_owned);
        // The far end of a socket must not answer its own prompt: it appears where the agent is, or nowhere.
        let surroundings = match &caller.socket {
            Some(_) => prompts.at_home(),
            None => context.surroundings(caller.device.clone()),
        };
        prompts.sit(subject, name.clone(), caller.terminal, program, surroundings)
    }

    /// Waits for work that may prompt, and shows the prompt to this caller when it is its turn.
    pub(super) async fn wait<T>(&mut self, work: impl Future<Output = T>, mut seat: Waiter) -> T {
        let connection = &mut *self.connection;
        let mut work = pin!(work);
        loop {
            let asking = tokio::select! {
                biased;
                result = &mut work => return result,
                asking = seat.asked() => asking,
                () = connection.readable() => {
                    // A reply to a prompt that is closed has no meaning.
                    if connection.reply().await.is_some() {
                        continue;
                    }
                    // The caller is gone: its terminal is cleared, and the prompt moves on.
                    drop(seat);
                    return work.await;
                }
            };
            let PromptRequest { question, mut answer } = asking;
            // The answer may come from elsewhere while this person still types. If it is rejected, the next prompt replaces
            // this one.
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
                // There is no terminal after all: the prompt moves on.
                Some(Reply::NoTerminal) => drop(answer),
                // The caller is gone: the prompt moves on, and the refresh goes on.
                None => {
                    drop((answer, seat));
                    return work.await;
                }
            }
        }
    }
}
