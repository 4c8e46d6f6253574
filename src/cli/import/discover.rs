//! What there is to take over: both AWS files, config.toml, what the vault and other tools' keyrings have, and the plan.
//!
//! A profile that config.toml would refuse is left out with the configuration's own words, and the plan made again, until
//! all that is in it fits.

use crate::args::ImportArgs;
use crate::config_file::{self, Edited};
use crate::{identity, profiles, spinner};
use rolecall_awsfiles::document::{Document, FileKind, SectionKind};
use rolecall_awsfiles::file_io;
use rolecall_awsfiles::import::{self, ImportInput, NewIdentity, NewRole, Origin, Plan};
use rolecall_core::config::schema_types::{IdentitySection, RoleSection};
use rolecall_core::config::{self, BatchEdit};
use rolecall_core::domain::catalogue::Identity;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::names::{Name, nearest};
use rolecall_core::domain::source::ForeignTool;
use rolecall_core::domain::text;
use rolecall_ipc::client::Autostart;
use rolecall_ipc::protocol::message::{Answer, Request};
use rolecall_platform::paths::Paths;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// How often the plan is made again for what does not fit: each time up to a hundred profiles go.
const TRIES: usize = 200;

/// Everything as it was read.
pub(super) struct Discovered<'a> {
    pub(super) config: Zeroizing<Vec<u8>>,
    pub(super) credentials: Zeroizing<Vec<u8>>,
    pub(super) file: Edited<'a>,
    stored: HashMap<String, Name>,
    entries: BTreeSet<(ForeignTool, String)>,
    only: Option<BTreeSet<String>>,
    program: PathBuf,
    /// Why other tools' keyrings could not be looked at.
    pub(super) unseen: Option<UserError>,
    pub(super) excluded: BTreeMap<String, String>,
}

impl<'a> Discovered<'a> {
    /// Looks at all of it; changes nothing.
    pub(super) fn look(paths: &'a Paths, args: &ImportArgs) -> Result<Self, UserError> {
        let file = Edited::first(paths)?;
        let (config, credentials) = (file_io::read(&paths.aws_config)?, file_io::read(&paths.aws_credentials)?);
        let program = profiles::program()?;
        let mut stored = HashMap::new();
        if file.catalogue.identities.values().any(Identity::has_stored_key) {
            // Without the vault's word a key that was imported before would be taken for another.
            for key in identity::keys(paths)? {
                if let (Some(id), Ok(name)) = (key.stored_id()?, Name::new(&key.identity)) {
                    stored.insert(id.to_owned(), name);
                }
            }
        }
        let (entries, unseen) = match spinner::ask(paths, Request::ForeignEntries, Autostart::Yes) {
            Ok(Answer::ForeignEntries { entries }) => {
                (entries.into_iter().map(|entry| (entry.tool, entry.name)).collect(), None)
            }
            Ok(_) => (BTreeSet::new(), None),
            Err(report) => (BTreeSet::new(), Some(report)),
        };
        let only = (!args.only.is_empty()).then(|| args.only.iter().cloned().collect());
        let excluded = BTreeMap::new();
        Ok(Self { config, credentials, file, stored, entries, only, program, unseen, excluded })
    }

    /// Refuses the names of profiles that there are not.
    pub(super) fn know(&self, args: &ImportArgs) -> Result<(), UserError> {
        if args.only.is_empty() {
            return Ok(());
        }
        let config = Document::parse(&self.config, FileKind::Config);
        let credentials = Document::parse(&self.credentials, FileKind::Credentials);
        let sections = config.sections().iter().chain(credentials.sections());
        let mut known: BTreeSet<&str> = sections
            .filter(|section| section.kind == SectionKind::Profile)
            .map(|section| section.name.as_str())
            .collect();
        known.extend(self.entries.iter().map(|(_, name)| name.as_str()));
        let Some(name) = args.only.iter().find(|name| !known.contains(name.as_str())) else { return Ok(()) };
        let near =
            nearest(name, known.into_iter()).first().map(|near| format!("did you mean `{}`? ", printable(near, 128)));
        Err(UserError::new(Kind::Usage, format!("there is no profile `{}`", printable(name, 128)))
            .hint(format!("{}`rolecall import --dry-run` lists what there is", near.unwrap_or_default())))
    }

    /// Fails where somebody else has changed a file since.
    pub(super) fn still_holds(&self, paths: &Paths) -> Result<(), UserError> {
        for (path, text) in [(&paths.aws_config, &self.config), (&paths.aws_credentials, &self.credentials)] {
            if *file_io::read(path)? != **text {
                return Err(changed(path));
            }
        }
        if Edited::first(paths)?.text == self.file.text { Ok(()) } else { Err(changed(&paths.config)) }
    }

    /// Makes the plan, and the text of config.toml that goes with it.
    pub(super) fn plan(&mut self, paths: &Paths) -> Result<(Plan, String), UserError> {
        for _ in 0..TRIES {
            let plan = import::plan(&ImportInput {
                config: (&paths.aws_config, &self.config),
                credentials: (&paths.aws_credentials, &self.credentials),
                catalogue: &self.file.catalogue,
                stored: &self.stored,
                entries: &self.entries,
                only: self.only.as_ref(),
                excluded: &self.excluded,
                program: &self.program,
            })?;
            let error = match config::add_entries(&self.file.text, &self.file.part(), &sections(&plan)) {
                Ok(text) => return Ok((plan, text)),
                Err(error) => error,
            };
            let mut is_known = false;
            for problem in &error.problems {
                for (name, profile) in names(&plan) {
                    let tables = ["identities", "roles"];
                    if tables.iter().any(|table| problem.within(table, name.as_str()).is_some()) {
                        is_known = true;
                        let why = format!("{}: {}", problem.key(), problem.message);
                        self.excluded.insert(profile.to_owned(), printable(&why, 512));
                    }
                }
            }
            if !is_known {
                return Err(error.report().with_note("nothing was changed"));
            }
        }
        Err(UserError::new(Kind::Failed, "too many profiles do not fit").hint("take over some of them: `--only NAME`"))
    }
}

fn changed(path: &std::path::Path) -> UserError {
    let file = config_file::shown(path);
    UserError::new(Kind::Failed, format!("{file} changed since it was read; no file was changed"))
        .hint("run `rolecall import` again")
}

fn names(plan: &Plan) -> impl Iterator<Item = (&Name, &str)> {
    let identities = plan.identities.iter().map(|identity| (&identity.name, identity.profile.as_str()));
    identities.chain(plan.roles.iter().map(|role| (&role.name, role.profile.as_str())))
}

/// Gives the sections of what is new.
fn sections(plan: &Plan) -> BatchEdit {
    let identities = plan.identities.iter().filter(|identity| !identity.is_there);
    let roles = plan.roles.iter().filter(|role| !role.is_there);
    BatchEdit {
        identities: identities.map(|new| (new.name.to_string(), identity_section(new))).collect(),
        roles: roles.map(|new| (new.name.to_string(), role_section(new))).collect(),
    }
}

fn identity_section(new: &NewIdentity) -> IdentitySection {
    let section = IdentitySection {
        r#type: new.origin.kind().as_str().to_owned(),
        region: new.region.clone(),
        mfa_serial: new.mfa_serial.clone(),
        ..IdentitySection::default()
    };
    match &new.origin {
        Origin::Key(_) | Origin::Keyring(..) | Origin::Machine(_) => section,
        Origin::Process(argv) => IdentitySection { credential_process: Some(argv.clone()), ..section },
        Origin::WebIdentity { token_file, role_arn, role_session_name, duration } => IdentitySection {
            web_identity_token_file: Some(token_file.clone()),
            role_arn: Some(role_arn.clone()),
            role_session_name: role_session_name.clone(),
            duration: duration.map(text::duration),
            ..section
        },
    }
}

fn role_section(new: &NewRole) -> RoleSection {
    let duration = new.duration.map(text::duration);
    RoleSection { source: new.source.to_string(), duration, ..new.section.clone() }
}
