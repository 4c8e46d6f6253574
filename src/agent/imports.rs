//! What an import asks of the agent: the entries of other tools in the keyring, and a key that goes back into its file.
//!
//! It knows no files. A long-term key leaves the agent here and nowhere else: only one that an import took out of a file,
//! as the vault's own mark says, for as long as an undo may be wanted, never after a rotation, and never without a person's
//! yes to the agent itself. Each time is a line of the audit log. The mark goes with the vault's copy, at the end of
//! the undo: one that was broken off can still be finished.

use super::Agent;
use super::audit::{AuditLine, Event};
use super::authorization::named;
use super::caller::Caller;
use super::deadline::Deadline;
use super::failure::Failure;
use super::identities::KeyOrigin;
use super::lock_watch::LockWatch;
use super::prompts::{Subject, Unanswered};
use super::requests::Response;
use super::server::Connection;
use chrono::TimeDelta;
use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::question::{Question, Wanted};
use rolecall_core::domain::source::ForeignTool;
use rolecall_ipc::protocol::message::{Answer, Context, ForeignEntry};
use rolecall_ports::{ForeignEntry as Entry, ForeignKeys};

/// How long after an import its keys may go back: a month shows which tool cannot do without the file.
const UNDO: TimeDelta = TimeDelta::days(30);

impl Agent {
    fn foreign(&self) -> Result<&dyn ForeignKeys, UserError> {
        let foreign = self.ports.vault.foreign();
        foreign.ok_or_else(|| UserError::new(Kind::Failed, "on this system no keyring of other tools can be read"))
    }

    /// Names the entries of other tools.
    pub(super) async fn foreign_entries(&self) -> Result<Answer, UserError> {
        let found = self.foreign()?.list(&ForeignTool::ALL.map(ForeignTool::collection)).await?;
        let tool = |entry: &Entry| ForeignTool::ALL.into_iter().find(|tool| tool.collection() == entry.collection);
        let entries =
            found.into_iter().filter_map(|entry| Some(ForeignEntry { tool: tool(&entry)?, name: entry.name }));
        Ok(Answer::ForeignEntries { entries: entries.collect() })
    }

    /// Takes the key of another tool's entry; the entry stays.
    pub(super) async fn adopt_identity(
        &self,
        name: &str,
        tool: ForeignTool,
        entry: String,
        place: (Option<String>, &[String]),
        caller: &Caller,
    ) -> Result<Response, UserError> {
        let watch = self.locks.watch();
        let entry = Entry { collection: tool.collection(), name: entry };
        let read = watch.run(self.foreign()?.read(&entry)).await;
        let key = read.unwrap_or_else(|failure| Err(failure.report))?;
        self.add_identity(name, key, place, KeyOrigin::Keyring, caller, &watch).await
    }

    /// Gives a key back that came out of a file, after a person's yes.
    pub(super) async fn take_back(
        &self,
        name: &str,
        access_key_id: &str,
        caller: &Caller,
        context: &Context,
        connection: &mut Connection,
    ) -> Result<Response, UserError> {
        let name = Name::new(name).map_err(|why| UserError::new(Kind::Usage, why))?;
        let watch = self.locks.watch();
        let taken = {
            // A key in the middle of a rotation is not what it was; and one question at a time is about it.
            let _turn = self.rotations.begin(&name)?;
            self.taken_back(&name, access_key_id, caller, context, connection, &watch).await
        };
        // A lock takes the question away too: that nobody could be asked is not the reason then.
        let taken = watch.check().map_err(|failure| failure.report).and(taken);
        let result = if taken.is_ok() { "ok" } else { "refused" };
        let mut line = AuditLine::new(self.ports.clock.now().wall, Event::Identity, result);
        line.name = Some(name.to_string());
        line.access_key_id = Some(printable(access_key_id, 128));
        line.message = Some("given back to a file".to_owned());
        line.caller = Some(caller.clone());
        match &taken {
            Ok(_) => {
                let logged = self.log_hand_out(line).await;
                // A lock may have come while the line was written.
                logged.and_then(|_| watch.check()).map_err(|failure| failure.report)?;
            }
            Err(_) => self.audit.write(line),
        }
        let key = taken?;
        let answer = Answer::AccessKey { access_key_id: key.id, secret_access_key: key.secret };
        Ok(Response::Secret(Box::new(answer), watch))
    }

    /// Reads the key, asks the person, and reads it again: the question may have been open for long.
    async fn taken_back(
        &self,
        name: &Name,
        id: &str,
        caller: &Caller,
        context: &Context,
        connection: &mut Connection,
        watch: &LockWatch,
    ) -> Result<AccessKey, UserError> {
        let locked = |failure: Failure| failure.report;
        watch.run(self.going_back(name, id)).await.map_err(locked)??;
        // Not through the watch: what the question has drawn on a terminal is cleared first. A lock ends the question.
        self.ask_to_give(name, id, caller, context, connection).await?;
        watch.run(self.going_back(name, id)).await.map_err(locked)?
    }

    /// Asks the person in front of the caller. Not the face's to ask: whoever reaches the socket needs no face.
    async fn ask_to_give(
        &self,
        name: &Name,
        id: &str,
        caller: &Caller,
        context: &Context,
        connection: &mut Connection,
    ) -> Result<(), UserError> {
        let question = Question {
            wanted: Wanted::Key { access_key_id: id.to_owned() },
            name: name.to_string(),
            program: caller.label.clone().or_else(|| caller.tool().map(str::to_owned)),
            since: None,
            reason: None,
        };
        let subject = Subject::Key(name.clone());
        let questions = &self.sessions.questions;
        let seat = self.seat(subject.clone(), name, caller, context);
        // A yes is for this once.
        let asked = self.asking(questions.ask_consent(&subject, &question), seat, connection);
        let said = Deadline::new().with_a_person(asked).await;
        questions.forget(&subject);
        questions.terminal_given_back(caller.device.as_ref()).await;
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

    async fn going_back(&self, name: &Name, id: &str) -> Result<AccessKey, UserError> {
        let stored = self.ports.vault.read(name).await?;
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
        if self.ports.clock.now().wall.signed_duration_since(stored.stored) > UNDO {
            return refuse("an import can be undone for 30 days");
        }
        Ok(stored.key)
    }
}
