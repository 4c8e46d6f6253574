//! What an import asks of the agent: the entries of other tools in the keyring, and a key that goes back into its file.
//!
//! It knows no files. A long-term key leaves the agent here and nowhere else: only one that an import took out of a file,
//! as the vault's own mark says, for as long as an undo may be wanted, never after a rotation, and never without a person's
//! yes to the agent itself. Each time is a line of the audit log. The mark goes with the vault's copy, at the end of
//! the undo: one that was broken off can still be finished.

use super::authorization::named;
use super::broker::Broker;
use super::caller::Caller;
use super::connection::Response;
use super::identities::{self, KeyOrigin, KeyStore};
use super::lock_watch::LockWatch;
use super::prompts::{Prompts, Subject, Unanswered};
use super::requester::Requester;
use chrono::TimeDelta;
use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::question::{Question, Wanted};
use rolecall_core::domain::source::ForeignTool;
use rolecall_ipc::protocol::message::{Answer, ForeignEntry};
use rolecall_ports::{ForeignEntry as Entry, ForeignKeys};
use std::sync::Arc;

/// How long after an import its keys may go back: a month shows which tool cannot do without the file.
const UNDO: TimeDelta = TimeDelta::days(30);

fn foreign(keys: &KeyStore) -> Result<&dyn ForeignKeys, UserError> {
    let foreign = keys.ports.vault.foreign();
    foreign.ok_or_else(|| UserError::new(Kind::Failed, "on this system no keyring of other tools can be read"))
}

/// Returns the entries of other tools.
pub(super) async fn foreign_entries(keys: &KeyStore) -> Result<Answer, UserError> {
    let found = foreign(keys)?.list(&ForeignTool::ALL.map(ForeignTool::collection)).await?;
    let tool = |entry: &Entry| ForeignTool::ALL.into_iter().find(|tool| tool.collection() == entry.collection);
    let entries = found.into_iter().filter_map(|entry| Some(ForeignEntry { tool: tool(&entry)?, name: entry.name }));
    Ok(Answer::ForeignEntries { entries: entries.collect() })
}

/// Stores the key of the entry of another tool; the entry stays.
pub(super) async fn adopt(
    keys: &KeyStore,
    name: &str,
    (tool, entry): (ForeignTool, String),
    place: (Option<String>, &[String]),
    caller: &Caller,
    watch: &LockWatch,
) -> Result<Response, UserError> {
    let entry = Entry { collection: tool.collection(), name: entry };
    let key = watch.run(foreign(keys)?.read(&entry)).await??;
    identities::add(keys, name, key, place, KeyOrigin::Keyring, caller, watch).await
}

/// Returns a key that an import took from a file, after the consent of a person.
pub(super) async fn take_back(
    broker: &Broker,
    keys: &KeyStore,
    name: &str,
    access_key_id: &str,
    requester: &mut Requester<'_>,
) -> Result<Response, UserError> {
    let name = Name::new(name).map_err(|why| UserError::new(Kind::Usage, why))?;
    let watch = broker.lock.watch();
    let taken = {
        // A key in the middle of a rotation is not what it was; and one question at a time is about it.
        let _turn = keys.rotations.begin(&name)?;
        taken_back(&broker.prompts, keys, &name, access_key_id, requester, &watch).await
    };
    // A lock takes the question away too: that nobody could be asked is not the reason then.
    let taken = watch.check().map_err(UserError::from).and(taken);
    let result = if taken.is_ok() { "ok" } else { "refused" };
    let line = keys.line(&name, "given back to a file", requester.caller).result(result);
    let line = line.access_key_id(printable(access_key_id, 128));
    match &taken {
        Ok(_) => {
            keys.audit.hand_out(keys.config.catalogue().agent.audit, line).await?;
            // A lock may have come while the line was written.
            watch.check()?;
        }
        Err(_) => keys.audit.write(line),
    }
    let key = taken?;
    let answer = Answer::AccessKey { access_key_id: key.id, secret_access_key: key.secret };
    Ok(Response::Secret(Box::new(answer), watch))
}

/// Reads the key, asks the person, and reads it again: the question may have been open for long.
async fn taken_back(
    prompts: &Arc<Prompts>,
    keys: &KeyStore,
    name: &Name,
    id: &str,
    requester: &mut Requester<'_>,
    watch: &LockWatch,
) -> Result<AccessKey, UserError> {
    watch.run(going_back(keys, name, id)).await??;
    // Not through the watch: what the question has drawn on a terminal is cleared first. A lock ends the question.
    ask_to_give(prompts, name, id, requester).await?;
    watch.run(going_back(keys, name, id)).await?
}

/// Asks the person at the caller. The agent asks, not the client: a program that reaches the socket needs no client.
async fn ask_to_give(
    prompts: &Arc<Prompts>,
    name: &Name,
    id: &str,
    requester: &mut Requester<'_>,
) -> Result<(), UserError> {
    let caller = requester.caller;
    let question = Question {
        wanted: Wanted::Key { access_key_id: id.to_owned() },
        name: name.to_string(),
        program: caller.label.clone().or_else(|| caller.tool().map(str::to_owned)),
        since: None,
        reason: None,
    };
    let subject = Subject::Key(name.clone());
    let seat = requester.seat(prompts, subject.clone(), name);
    // A yes is for this once.
    let deadline = requester.deadline;
    let asked = requester.wait(prompts.ask_consent(&subject, &question), seat);
    let said = deadline.with_a_person(asked).await;
    prompts.forget(&subject);
    prompts.terminal_given_back(caller.device.as_ref()).await;
    let program = named(caller);
    let (what, hint) = match said.unwrap_or(Err(Unanswered::Patience)) {
        Ok(()) => return Ok(()),
        Err(Unanswered::Cancelled) => ("and that was refused", "run it again to be asked again"),
        Err(Unanswered::Patience) => ("and nobody answered in time", "run it again to be asked again"),
        Err(Unanswered::CalledOff | Unanswered::NoCode | Unanswered::Nobody) => (
            "and nobody could be asked",
            "run `rolecall import --undo` in a terminal or in your desktop session; `--yes` does not answer for it",
        ),
    };
    let id = printable(id, 128);
    Err(UserError::new(Kind::Locked, format!("{program} wants the secret access key {id} of {name}, {what}"))
        .hint(hint))
}

async fn going_back(keys: &KeyStore, name: &Name, id: &str) -> Result<AccessKey, UserError> {
    let stored = keys.ports.vault.read(name).await?;
    let refuse = |why: &str| {
        let id = printable(id, 128);
        Err(UserError::new(Kind::Refused, format!("{id} of {name} stays in the vault: {why}"))
            .hint("make a new key for the file: `aws iam create-access-key`, or leave the profile with rolecall"))
    };
    if !stored.imported {
        return refuse("no import took it out of a file");
    }
    if stored.key.id != id || stored.next.is_some() {
        return refuse("it was rotated since");
    }
    if keys.ports.clock.now().wall.signed_duration_since(stored.stored) > UNDO {
        return refuse("an import can be undone for 30 days");
    }
    Ok(stored.key)
}
