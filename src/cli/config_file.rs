//! config.toml as a file: read whole, edited as text, written back, and the agent told.
//!
//! What is right or wrong in it is for `config` to say. A missing file is an empty one: the first command of a new user
//! makes it.

use super::spinner::tell;
use rolecall_core::config::{ConfigError, Files, Loaded, MAX_BYTES, Origin, Part, Unread};
use rolecall_core::domain::catalogue::{Config, Identity};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::names::nearest;
use rolecall_core::domain::text::{narrowing, wide};
use rolecall_ipc::client::{self, Autostart};
use rolecall_ipc::protocol::message::Request;
use rolecall_platform::config_loader::{self, Disk};
use rolecall_platform::files;
use rolecall_platform::paths::Paths;
use std::path::{Path, PathBuf};

/// Reads and checks the configuration.
pub(super) fn load(paths: &Paths) -> Result<Config, UserError> {
    load_whole(paths).map(|loaded| loaded.catalogue)
}

/// The same, with where each entry stands.
pub(super) fn load_whole(paths: &Paths) -> Result<Loaded, UserError> {
    paths.ensure_usable()?;
    config_loader::load(&paths.config).map_err(|e| e.report())
}

/// What is wrong with the configuration.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// There are two configurations.
    pub(super) conflict: Option<UserError>,
    /// The one that is used does not hold.
    pub(super) error: Option<ConfigError>,
}

impl Problems {
    pub(super) fn find(paths: &Paths) -> Self {
        Self { conflict: paths.conflict.clone(), error: config_loader::load(&paths.config).err() }
    }

    /// Returns the error that names the first problem, as [`load`] and the agent return it.
    pub(super) fn report(&self) -> Option<UserError> {
        self.conflict.clone().or_else(|| self.error.as_ref().map(ConfigError::report))
    }

    /// Returns each problem as a line.
    pub(super) fn lines(&self) -> Vec<String> {
        let conflict = self.conflict.iter().map(|report| report.message.clone());
        conflict.chain(self.error.iter().flat_map(ConfigError::lines)).collect()
    }
}

/// One file of the configuration, to be edited.
pub(super) struct Edited<'a> {
    main: &'a Path,
    /// The file.
    pub(super) file: PathBuf,
    /// What it holds.
    pub(super) text: String,
    /// The configuration before.
    pub(super) catalogue: Config,
    /// What makes the entry, where it has none.
    pub(super) origin: Option<Origin>,
}

impl<'a> Edited<'a> {
    /// Opens the file that has an entry of a table, or else the first one.
    pub(super) fn open(paths: &'a Paths, table: &str, name: &str) -> Result<Self, UserError> {
        Self::of(paths, |loaded| loaded.origins.of(table, name))
    }

    /// Opens the first file, for edits of several entries.
    pub(super) fn first(paths: &'a Paths) -> Result<Self, UserError> {
        Self::of(paths, |_| None)
    }

    fn of(paths: &'a Paths, origin: impl FnOnce(&Loaded) -> Option<Origin>) -> Result<Self, UserError> {
        // An invalid configuration is not edited.
        let loaded = load_whole(paths).map_err(|report| report.with_note("nothing was changed"))?;
        config_loader::verify_place(&paths.config)?;
        let origin = origin(&loaded);
        let entry = origin.as_ref().filter(|origin| origin.made.is_none());
        let file = entry.map_or_else(|| paths.config.clone(), |origin| origin.file.clone());
        let text = text_of(&file)?;
        Ok(Self { main: &paths.config, file, text, catalogue: loaded.catalogue, origin })
    }

    /// Gives the file as a part of the whole.
    pub(super) fn part(&self) -> Part<'_> {
        Part { main: self.main, file: &self.file, files: &Disk }
    }

    /// Names the file for a message.
    pub(super) fn shown(&self) -> String {
        shown(&self.file)
    }

    /// Writes an edited text, unless somebody else wrote the file since it was read.
    pub(super) fn write(&self, new: &str) -> Result<(), UserError> {
        if self.text == new {
            return Ok(());
        }
        match self.file.parent() {
            // One that is there keeps its mode: it may be a dotfile repository's.
            Some(dir) if !dir.is_dir() => files::ensure_private_dir(dir)?,
            _ => {}
        }
        files::write_atomically_if(&self.file, new.as_bytes(), || {
            if read_bytes(&self.file)? == self.text.as_bytes() {
                return Ok(());
            }
            Err(UserError::new(Kind::Failed, format!("{} changed while it was being edited", self.shown()))
                .hint("run the command again; nothing was changed"))
        })
    }

    /// Writes an edited text, and makes a running agent read it.
    pub(super) fn apply(&self, paths: &Paths, new: &str) -> Result<(), UserError> {
        self.write(new)?;
        reload(paths)
    }
}

fn text_of(path: &Path) -> Result<String, UserError> {
    let bytes = read_bytes(path)?;
    if let Some(why) = wide(&bytes) {
        return Err(UserError::new(Kind::Config, format!("{} {why}; nothing was changed", shown(path)))
            .hint(narrowing(&shown(path))));
    }
    String::from_utf8(bytes).map_err(|_| UserError::new(Kind::Config, format!("{} is not UTF-8", shown(path))))
}

/// Names the file for a message.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.display().to_string(), 512)
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, UserError> {
    match Disk.read(path, MAX_BYTES) {
        Ok(content) => Ok(content.bytes),
        Err(Unread::Missing) => Ok(Vec::new()),
        Err(Unread::Refused { why, hint }) => {
            Err(UserError::new(Kind::Config, format!("{} {why}", shown(path))).hint(hint))
        }
    }
}

/// Makes a running agent take the file over now; where none runs, the next one reads it anyway.
pub(super) fn reload(paths: &Paths) -> Result<(), UserError> {
    if client::connect_running(paths)?.is_none() {
        return Ok(());
    }
    tell(paths, Request::Reload, Autostart::No).map(drop).map_err(|report| {
        let message =
            format!("{} is written, but the agent has not taken it over: {}", shown(&paths.config), report.message);
        UserError { message, ..report }
    })
}

/// Gives the region that tools should use in a role or identity: its own, else that of the identity it starts from.
///
/// A configuration that cannot be read has none: the agent goes on with the one it has, and says so in `status`.
pub(super) fn region_of(paths: &Paths, name: &str) -> Option<String> {
    region_in(&load(paths).ok()?, name)
}

/// The same, of a catalogue that is there already.
pub(super) fn region_in(catalogue: &Config, name: &str) -> Option<String> {
    let own = catalogue.roles.get(name).and_then(|role| role.settings.region.clone());
    own.or_else(|| chain(catalogue, name).and_then(|(identity, _)| identity.region.clone()))
}

/// Gives the identity at the start of a chain, and the names from it to the role.
pub(super) fn chain<'a>(catalogue: &'a Config, name: &str) -> Option<(&'a Identity, Vec<&'a str>)> {
    let mut names = Vec::new();
    let mut at = name;
    // A catalogue has no loops; this ends on one that has.
    for _ in 0..=catalogue.roles.len() {
        if let Some(identity) = catalogue.identities.get(at) {
            names.push(identity.name.as_str());
            names.reverse();
            return Some((identity, names));
        }
        let role = catalogue.roles.get(at)?;
        names.push(role.name.as_str());
        at = role.source.as_str();
    }
    None
}

/// Makes the report of a name that is not there.
pub(super) fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> UserError {
    let hint = match nearest(name, known).first() {
        Some(near) => format!("did you mean `{near}`? `rolecall {what} list` shows what there is"),
        None => format!("`rolecall {what} list` shows what there is"),
    };
    UserError::new(Kind::Config, format!("there is no {what} called `{name}`")).hint(hint)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rolecall_core::config;
    use std::fs;

    const TEXT: &str = r#"
        [identities.auth]
        type = "iam-user"
        region = "eu-west-1"
        [roles.prod]
        source = "auth"
        role_arn = "arn:aws:iam::222222222222:role/AssumedRole"
        [roles.data]
        source = "prod"
        role_arn = "arn:aws:iam::333333333333:role/DataReader"
        region = "eu-central-1"
    "#;

    pub(crate) fn paths(dir: &Path) -> Paths {
        let at = |name: &str| -> PathBuf { dir.join(name) };
        Paths {
            config: at("c/config.toml"),
            socket: at("r/agent.sock"),
            state: at("s"),
            vault_file: at("vault"),
            aws_config: at("aws/config"),
            aws_credentials: at("aws/credentials"),
            ..Paths::default()
        }
    }

    #[test]
    fn a_region_is_the_roles_own_or_that_of_its_identity() {
        let catalogue = config::parse(TEXT, Path::new("config.toml")).expect("valid");
        assert_eq!(region_in(&catalogue, "prod").as_deref(), Some("eu-west-1"));
        assert_eq!(region_in(&catalogue, "data").as_deref(), Some("eu-central-1"));
        assert_eq!(region_in(&catalogue, "auth").as_deref(), Some("eu-west-1"));
        assert_eq!(region_in(&catalogue, "nobody"), None);
        assert_eq!(chain(&catalogue, "data").expect("chain").1, ["auth", "prod", "data"]);
    }

    #[test]
    fn a_missing_file_is_empty_and_made_on_the_first_write() {
        let dir = tempfile::tempdir().expect("tempdir");
        let paths = paths(dir.path());
        assert!(load(&paths).expect("empty").roles.is_empty());
        Edited::first(&paths).expect("empty").write(TEXT).expect("written");
        assert_eq!(load(&paths).expect("valid").roles.len(), 2);
    }

    #[test]
    fn somebody_elses_change_is_not_overwritten() {
        let dir = tempfile::tempdir().expect("tempdir");
        let paths = paths(dir.path());
        let (first, second) = (Edited::first(&paths).expect("empty"), Edited::first(&paths).expect("empty"));
        first.write(TEXT).expect("written");
        let report = second.write("# mine").expect_err("changed");
        assert!(report.message.contains("changed while"), "{}", report.message);
        assert_eq!(fs::read_to_string(&paths.config).expect("read"), TEXT);
    }
}
