//! What an import asks of the agent: the entries of other tools in the keyring, and a key that goes back into its file.
//!
//! It knows no files. A long-term key leaves the agent here and nowhere else: only one that an import took out of a file,
//! as the vault's own mark says, for as long as an undo may be wanted, and never after a rotation. Each time is a line
//! of the audit log.

use super::Agent;
use super::audit::{Event, Line};
use super::caller::Caller;
use super::identities::Whence;
use super::requests::Response;
use crate::domain::names::Name;
use crate::domain::report::{Kind, Report, printable};
use crate::ports::{ForeignEntry as Entry, ForeignKeys};
use crate::protocol::message::{Answer, ForeignEntry, ForeignTool};
use chrono::TimeDelta;

/// How long after an import its keys may go back: a month shows which tool cannot do without the file.
const UNDO: TimeDelta = TimeDelta::days(30);

/// Where a tool's entries lie in the Secret Service: aws-vault's `LibSecretCollectionName` (ByteNess/aws-vault,
/// cli/global.go), Granted's `granted-` and the suffix of its IAM credentials (common-fate/granted,
/// pkg/securestorage/iam-credential-storage.go).
const fn collection(tool: ForeignTool) -> &'static str {
    match tool {
        ForeignTool::AwsVault => "awsvault",
        ForeignTool::Granted => "granted-aws-iam-credentials",
    }
}

const TOOLS: [ForeignTool; 2] = [ForeignTool::AwsVault, ForeignTool::Granted];

impl Agent {
    fn foreign(&self) -> Result<&dyn ForeignKeys, Report> {
        let foreign = self.ports.vault.foreign();
        foreign.ok_or_else(|| Report::new(Kind::Failed, "on this system no keyring of other tools can be read"))
    }

    /// Names the entries of other tools.
    pub(super) async fn foreign_entries(&self) -> Result<Answer, Report> {
        let found = self.foreign()?.list(&TOOLS.map(collection)).await?;
        let tool = |entry: &Entry| TOOLS.into_iter().find(|tool| collection(*tool) == entry.collection);
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
        region: Option<String>,
        caller: &Caller,
    ) -> Result<Response, Report> {
        let key = self.foreign()?.read(&Entry { collection: collection(tool), name: entry }).await?;
        self.add_identity(name, key, region, Whence::Keyring, caller).await
    }

    /// Gives a key back that came out of a file.
    pub(super) async fn take_back(&self, name: &str, access_key_id: &str, caller: &Caller) -> Result<Answer, Report> {
        let name = Name::new(name).map_err(|why| Report::new(Kind::Usage, why))?;
        let now = self.ports.clock.now().wall;
        let taken = self.may_go_back(&name, access_key_id, now).await;
        let mut line = Line::new(now, Event::Identity, if taken.is_ok() { "ok" } else { "refused" });
        line.name = Some(name.to_string());
        line.access_key_id = Some(printable(access_key_id, 128));
        line.message = Some("given back to a file".to_owned());
        line.caller = Some(caller.clone());
        self.audit.write(line);
        taken
    }

    async fn may_go_back(&self, name: &Name, id: &str, now: chrono::DateTime<chrono::Utc>) -> Result<Answer, Report> {
        // A key in the middle of a rotation is not what it was.
        let _turn = self.rotations.begin(name)?;
        let stored = self.ports.vault.read(name).await?;
        let refuse = |why: &str| {
            let id = printable(id, 128);
            Err(Report::new(Kind::Refused, format!("{id} of {name} stays in the vault: {why}"))
                .hint("make a new key for the file: `aws iam create-access-key`, or leave the profile with rolecall"))
        };
        if !stored.imported {
            return refuse("no import took it out of a file");
        }
        if stored.key.id != id || stored.next.is_some() {
            return refuse("it was rotated since");
        }
        if now.signed_duration_since(stored.stored) > UNDO {
            return refuse("an import can be undone for 30 days");
        }
        Ok(Answer::AccessKey { access_key_id: stored.key.id, secret_access_key: stored.key.secret })
    }
}
