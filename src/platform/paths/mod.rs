//! Where things are: configuration, socket, logs, vault file and the AWS files. The one place that reads the environment
//! for paths.
//!
//! The answer is a function of the variables, the user database, and which directories are there and whose they are:
//!
//! | file | owns |
//! |---|---|
//! | `world` | whether a command belongs to the world of the user or to a separate one |
//! | `places` | where in a world each file is, for every caller alike |
//! | `user` | the user database |
//! | `disk` | the look at the disk |

mod disk;
mod places;
mod user;
mod world;

use crate::os::SOCKET_PATH_MAX;
use crate::reach;
pub use disk::file_id;
use disk::{Disk, FileId, RealDisk, Unanswered};
use places::{Note, Placed, Prefer};
use rolecall_core::domain::error::{Kind, UserError};
use std::env;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
pub use user::{UserEntry, in_passwd};
use world::World;

/// Every path that rolecall uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// The configuration file.
    pub config: PathBuf,
    /// The socket: the one that is there, else the one where an agent is to be started.
    pub socket: PathBuf,
    /// `audit.jsonl` and `agent.log` lie here.
    pub state: PathBuf,
    /// The encrypted-file vault.
    pub vault_file: PathBuf,
    /// AWS's own configuration file.
    pub aws_config: PathBuf,
    /// AWS's own credentials file.
    pub aws_credentials: PathBuf,
    /// The home directory of the user. In a world of `ROLECALL_HOME` nothing is created there.
    pub home: PathBuf,
    /// The directory of a separate world; `None` in the one that every caller of this user shares.
    pub world: Option<PathBuf>,
    /// The lock that only one agent of the world holds. It contains the path of that agent's socket. `None` if the socket
    /// was named, which is the deliberate choice of an agent of its own.
    pub lock: Option<PathBuf>,
    /// Whether `ROLECALL_CONFIG` names the configuration.
    pub config_is_named: bool,
    /// Why it is not certain which configuration is meant.
    pub conflict: Option<UserError>,
    /// Why this user has no home, if the socket alone is used. Then no file of rolecall can be read or created.
    pub homeless: Option<UserError>,
    /// A vault file that is there and not used.
    pub unused_vault: Option<PathBuf>,
    /// The sockets at which an agent of the world may listen, the preferred one first.
    pub places: Vec<PathBuf>,
    /// Where the agent notes directories that are not the standard ones.
    pub note_file: Option<PathBuf>,
    /// The configuration in that note.
    pub noted_config: Option<PathBuf>,
    /// A path that did not answer, so that another one may have been chosen in its place. A running agent can be used all
    /// the same; nothing may be created by these paths.
    pub unanswered: Option<PathBuf>,
}

impl Paths {
    /// Reads the environment of this process.
    pub fn from_env() -> Result<Self, UserError> {
        let uid = rustix::process::geteuid().as_raw();
        let disk = RealDisk::default();
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment for paths")]
        let chosen = Self::choose(|name| env::var_os(name), uid, &disk);
        let unanswered = disk.unanswered();
        let other = unanswered.first().map(|hung| hung.path.clone());
        let mut unanswered = unanswered.into_iter();
        let counts = |hung: &Unanswered| match &chosen {
            Ok(paths) => hung.is_decisive || hung.path == paths.socket,
            // What was not seen may be the cause.
            Err(_) => true,
        };
        match unanswered.find(counts) {
            Some(hung) => Err(reach::no_answer(&hung.path)),
            None => chosen.map(|paths| Self { unanswered: other, ..paths }),
        }
    }

    /// Fails if the files to be used are not certain: there is no home, a path did not answer, or there are two
    /// configurations. For everything that reads the configuration, or starts or restarts the agent.
    pub fn ensure_usable(&self) -> Result<(), UserError> {
        self.homeless.clone().map_or(Ok(()), Err)?;
        self.ensure_answered()?;
        self.conflict.clone().map_or(Ok(()), Err)
    }

    /// Fails if a path did not answer that could be the one to be used.
    ///
    /// For everything that creates files: a vault or configuration on a mount that hangs must not get a second one beside it.
    pub fn ensure_answered(&self) -> Result<(), UserError> {
        self.unanswered.as_deref().map_or(Ok(()), |path| Err(reach::no_answer(path)))
    }

    fn choose(var: impl Fn(&str) -> Option<OsString>, uid: u32, disk: &impl Disk) -> Result<Self, UserError> {
        let world = match world::choose(&var, uid, disk) {
            Err(why) if is_elsewhere(&var) => {
                let paths = Self::at_home(PathBuf::from(NOWHERE), None, None, &var, disk)?;
                // They are only read: what writes them needs the configuration.
                let home = absolute(&var, "HOME").unwrap_or_else(|| PathBuf::from("/"));
                let aws_config = aws_file(&var, "AWS_CONFIG_FILE", &home, home.join(".aws/config"));
                let aws_credentials =
                    aws_file(&var, "AWS_SHARED_CREDENTIALS_FILE", &home, home.join(".aws/credentials"));
                return Self { homeless: Some(why), aws_config, aws_credentials, ..paths }.checked(disk);
            }
            world => world?,
        };
        let paths = match world {
            World::Named(dir) => {
                let of_user = |home: &PathBuf| disk.directory(home).is_some_and(|found| found.uid == uid);
                let home = absolute(&var, "HOME").filter(of_user);
                let home = home.or_else(|| disk.home_in_database(uid).filter(of_user));
                Self::below(&dir, home.unwrap_or_else(|| dir.clone()), &var)
            }
            World::Own(home) => {
                let runtime = PathBuf::from(format!("/run/user/{uid}"));
                let is_open = |mode: u32| mode & 0o077 != 0;
                let usable = disk.directory(&runtime).is_some_and(|found| found.uid == uid && !is_open(found.mode));
                Self::at_home(home, usable.then_some(runtime), None, &var, disk)?
            }
            World::Home(home) => {
                // A directory of the world that every caller shares would lead out of this one.
                let runtime = absolute(&var, "XDG_RUNTIME_DIR").filter(|dir| is_below(dir, &home));
                Self::at_home(home.clone(), runtime, Some(home), &var, disk)?
            }
        };
        paths.checked(disk)
    }

    /// Adds the socket, and refuses one whose path is too long.
    fn checked(self, disk: &impl Disk) -> Result<Self, UserError> {
        let paths = Self { socket: self.find_socket(disk), ..self };
        let length = paths.socket.as_os_str().len();
        if length > SOCKET_PATH_MAX {
            return Err(UserError::new(
                Kind::Agent,
                format!("the socket's path has {length} bytes, {SOCKET_PATH_MAX} fit: {}", paths.socket.display()),
            )
            .hint("set ROLECALL_SOCKET to a shorter path in a directory of your own"));
        }
        Ok(paths)
    }

    /// Lays out a world of `ROLECALL_HOME`: everything lies in the one directory.
    fn below(dir: &Path, home: PathBuf, var: &impl Fn(&str) -> Option<OsString>) -> Self {
        let aws = dir.join("aws");
        Self {
            config: dir.join("config.toml"),
            state: dir.join("state"),
            vault_file: dir.join("vault.rolecall"),
            aws_config: aws_file(var, "AWS_CONFIG_FILE", &home, aws.join("config")),
            aws_credentials: aws_file(var, "AWS_SHARED_CREDENTIALS_FILE", &home, aws.join("credentials")),
            lock: Some(dir.join("state").join(lock_name())),
            places: vec![dir.join("run/agent.sock")],
            world: Some(dir.to_path_buf()),
            home,
            ..Self::default()
        }
    }

    /// Lays out a world in a home: the one of the user, or a separate one.
    fn at_home(
        home: PathBuf,
        runtime: Option<PathBuf>,
        separate: Option<PathBuf>,
        var: &impl Fn(&str) -> Option<OsString>,
        disk: &impl Disk,
    ) -> Result<Self, UserError> {
        let of_world = places::of_world(&home);
        let note = of_world.join("places");
        let noted = disk.text(&note).map(|text| Note::parse(&text)).unwrap_or_default();
        // The configuration of one world is none of another's, whatever the shell around it has set.
        let xdg = |name: &str| absolute(var, name).filter(|dir| separate.is_none() || is_below(dir, &home));
        let variable = xdg("XDG_CONFIG_HOME").map(|dir| dir.join("rolecall/config.toml"));
        let noted_config = noted.config.clone();
        let (config, is_stray) = if let Some(path) = explicit(var, "ROLECALL_CONFIG")? {
            (Placed { path, other: None }, false)
        } else {
            let config = places::place(variable.clone(), noted.config, home.join(CONFIG), Prefer::Variable, disk);
            // The variables of a snap come together: one that leads past the configuration discredits the others.
            let is_stray = variable.is_some_and(|variable| variable != config.path);
            (config, is_stray)
        };
        let prefer = if is_stray { Prefer::StandardAlways } else { Prefer::Standard };
        // The state is there as soon as an agent has written a line.
        let state = {
            let audit = |dir: PathBuf| dir.join("audit.jsonl");
            let variable = xdg("XDG_STATE_HOME").map(|dir| audit(dir.join("rolecall")));
            let placed = places::place(variable, noted.state.map(audit), audit(home.join(STATE)), prefer, disk);
            placed.path.parent().expect("it was joined to a directory").to_path_buf()
        };
        let vault = {
            let variable = xdg("XDG_DATA_HOME").map(|dir| dir.join("rolecall/vault.rolecall"));
            places::place(variable, noted.vault, home.join(VAULT), prefer, disk)
        };
        let conflict = config.other.as_ref().map(|other| two_configurations(&config.path, other));
        let named = explicit(var, "ROLECALL_SOCKET")?;
        let places = match &named {
            Some(socket) => vec![socket.clone()],
            None => places::sockets(runtime, &of_world),
        };
        Ok(Self {
            config_is_named: var("ROLECALL_CONFIG").is_some_and(|path| !path.is_empty()),
            config: config.path,
            state,
            vault_file: vault.path,
            unused_vault: vault.other,
            aws_config: aws_file(var, "AWS_CONFIG_FILE", &home, home.join(".aws/config")),
            aws_credentials: aws_file(var, "AWS_SHARED_CREDENTIALS_FILE", &home, home.join(".aws/credentials")),
            lock: named.is_none().then(|| of_world.join(lock_name())),
            world: separate,
            conflict,
            places,
            // An agent of its own says nothing about the one that all callers share.
            note_file: named.is_none().then_some(note),
            noted_config,
            home,
            ..Self::default()
        })
    }

    /// Returns the socket that is there; if there is none, the one that the holder of the lock names or the preferred one.
    fn find_socket(&self, disk: &impl Disk) -> PathBuf {
        let [preferred, ..] = self.places.as_slice() else { return self.socket.clone() };
        if disk.id(preferred).is_some() {
            return preferred.clone();
        }
        // An agent that was started before the login, or with another XDG_RUNTIME_DIR of this world. A socket that the lock
        // of this machine does not name belongs to an agent of another machine with the same home.
        let named = self.lock.as_ref().and_then(|lock| disk.text(lock)).map(|text| PathBuf::from(text.trim_end()));
        named.filter(|socket| socket.is_absolute() && disk.id(socket).is_some()).unwrap_or_else(|| preferred.clone())
    }

    /// Looks again where the agent listens: another caller may have started one meanwhile.
    #[must_use]
    pub fn looked_up_again(&self) -> Self {
        Self { socket: self.find_socket(&RealDisk::default()), ..self.clone() }
    }

    /// Returns the file in which the agent notes directories that are not the standard ones, and what belongs in it;
    /// `None` if there is no such file, or if a path did not answer.
    ///
    /// A caller without the XDG variables finds them there; see `places`.
    pub fn note(&self) -> Option<(&Path, Option<String>)> {
        let note = self.note_file.as_deref().filter(|_| self.unanswered.is_none())?;
        // Whether there is something is looked at when the note is read.
        let moved = |path: &Path, standard: &str| (path != self.home.join(standard)).then(|| path.to_path_buf());
        let text = Note {
            // The variable is the choice of one caller and changes nothing for the others.
            config: if self.config_is_named { self.noted_config.clone() } else { moved(&self.config, CONFIG) },
            state: moved(&self.state, STATE),
            vault: moved(&self.vault_file, VAULT),
        };
        Some((note, text.text()))
    }

    /// Returns the socket in the directory that the login makes, where systemd listens; `None` if the world has none.
    pub fn login_socket(&self) -> Option<&Path> {
        if self.places.len() > 1 { self.places.first().map(PathBuf::as_path) } else { None }
    }

    /// Returns that directory itself, `XDG_RUNTIME_DIR`.
    pub fn runtime_base(&self) -> Option<&Path> {
        self.login_socket()?.parent()?.parent()
    }

    /// Returns the paths of a caller that talks to the agent which holds the lock of the world.
    pub fn holder_of_lock(&self) -> Option<Self> {
        let text = RealDisk::default().text(self.lock.as_ref()?)?;
        let socket = Some(PathBuf::from(text.trim_end())).filter(|socket| socket.is_absolute())?;
        Some(Self { socket, ..self.clone() })
    }

    /// Gives the directory of the socket.
    pub fn runtime_dir(&self) -> &Path {
        self.socket.parent().expect("the socket's path is absolute and names a file")
    }

    /// Gives an extra socket: in a directory of its own, which a container can be given whole.
    pub fn extra_socket(&self, name: &str) -> PathBuf {
        self.extra_sockets().join(name).join("agent.sock")
    }

    /// Gives the directory of the extra sockets' directories.
    pub fn extra_sockets(&self) -> PathBuf {
        self.runtime_dir().join("sockets")
    }

    /// Gives the audit log.
    pub fn audit_log(&self) -> PathBuf {
        self.state.join("audit.jsonl")
    }

    /// Gives the agent's own log.
    pub fn agent_log(&self) -> PathBuf {
        self.state.join("agent.log")
    }

    /// Returns the lock that callers hold one after the other while they start an agent.
    pub fn start_lock(&self) -> PathBuf {
        let beside = self.lock.as_deref().and_then(Path::parent).unwrap_or_else(|| self.runtime_dir());
        beside.join("start.lock")
    }

    /// Returns the `service` attribute of the items in the keyring: a separate world must not replace the key of another.
    pub fn keyring_service(&self) -> String {
        self.world.as_ref().map_or_else(|| "rolecall".to_owned(), |world| format!("rolecall:{}", world.display()))
    }
}

/// The standard places below a home.
const CONFIG: &str = ".config/rolecall/config.toml";
const STATE: &str = ".local/state/rolecall";
const VAULT: &str = ".local/share/rolecall/vault.rolecall";

/// Nothing can be created below it.
const NOWHERE: &str = "/dev/null";

/// In a container with a socket mounted, or at the end of a tunnel, the user may have no home: the agent is that of another
/// machine, and none can be started here.
fn is_elsewhere(var: &impl Fn(&str) -> Option<OsString>) -> bool {
    Elsewhere::from_vars(var).socket_is_named && var(world::ROLECALL_HOME).is_none_or(|dir| dir.is_empty())
}

/// A home may be mounted on several machines, each with an agent of its own.
fn lock_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().replace('/', "_");
    format!("agent-{host}.lock")
}

fn two_configurations(used: &Path, other: &Path) -> UserError {
    UserError::new(Kind::Config, format!("there are two configurations: {} and {}", used.display(), other.display()))
        .hint("move one of them away, or name the one to use: `export ROLECALL_CONFIG=FILE`")
}

/// Only absolute paths count (XDG Base Directory Specification): a relative one would follow the working directory of the
/// caller, which the user did not choose (CVE-2022-24765).
fn absolute(var: &impl Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    var(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn explicit(var: &impl Fn(&str) -> Option<OsString>, name: &str) -> Result<Option<PathBuf>, UserError> {
    match var(name).filter(|v| !v.is_empty()).map(PathBuf::from) {
        Some(path) if !path.is_absolute() => {
            Err(UserError::new(Kind::Usage, format!("{name} is not an absolute path: {}", path.display()))
                .hint(format!("set {name} to a path that starts with /")))
        }
        path => Ok(path),
    }
}

/// Tells whether a path lies in a directory, by its name.
fn is_below(path: &Path, dir: &Path) -> bool {
    path.starts_with(dir) && !path.components().any(|part| part == Component::ParentDir)
}

/// What the environment says of an agent that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The socket was named: it may be the end of a tunnel.
    pub socket_is_named: bool,
    /// No agent may be started (`ROLECALL_AUTOSTART=no`).
    pub never_started: bool,
}

impl Elsewhere {
    /// Reads the environment of this process.
    pub fn from_env() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment for paths")]
        Self::from_vars(|name| env::var_os(name))
    }

    fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Self {
        Self {
            socket_is_named: var("ROLECALL_SOCKET").is_some_and(|path| !path.is_empty()),
            never_started: var("ROLECALL_AUTOSTART").is_some_and(|word| word == "no" || word == "0"),
        }
    }
}

fn aws_file(var: &impl Fn(&str) -> Option<OsString>, name: &str, home: &Path, default: PathBuf) -> PathBuf {
    match var(name).filter(|v| !v.is_empty()).map(PathBuf::from) {
        // The AWS CLI expands a leading ~ here, so what works there works here.
        // Absolute, since journals and messages outlive the working directory; a directory that is gone names nothing.
        Some(path) => {
            let path = path.strip_prefix("~").map(|rest| home.join(rest)).unwrap_or(path);
            std::path::absolute(&path).unwrap_or(path)
        }
        None => default,
    }
}

#[cfg(test)]
mod tests;
