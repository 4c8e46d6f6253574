//! Tables: variables and a disk on one side, the paths of the call on the other.

use super::disk::{Directory, Disk, FileId};
use super::*;
use std::collections::BTreeMap;

const UID: u32 = 1000;

/// A disk: directories by owner and mode, files with a text, and the user database.
#[derive(Default)]
struct Table {
    directories: BTreeMap<PathBuf, (u32, u32)>,
    files: BTreeMap<PathBuf, String>,
    database: Option<PathBuf>,
    service: Option<PathBuf>,
}

impl Table {
    /// The usual machine: a user with a home and, if `login`, a directory of logind.
    fn usual(login: bool) -> Self {
        let table = Self { database: Some("/home/u".into()), ..Self::default() };
        let table = table.dir("/home/u", UID, 0o755).dir("/root", 0, 0o700).dir("/home/v", 1001, 0o755);
        if login { table.dir("/run/user/1000", UID, 0o700) } else { table }
    }

    fn dir(mut self, path: &str, uid: u32, mode: u32) -> Self {
        self.directories.insert(path.into(), (uid, mode));
        self
    }

    fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    fn paths(&self, vars: &[(&str, &str)]) -> Result<Paths, UserError> {
        self.paths_of(UID, vars)
    }

    fn paths_of(&self, uid: u32, vars: &[(&str, &str)]) -> Result<Paths, UserError> {
        Paths::choose(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)), uid, self)
    }

    fn socket(&self, vars: &[(&str, &str)]) -> String {
        self.paths(vars).expect("paths").socket.display().to_string()
    }
}

impl Disk for Table {
    fn directory(&self, path: &Path) -> Option<Directory> {
        let (uid, mode) = *self.directories.get(path)?;
        Some(Directory { uid, mode, id: self.id(path)? })
    }

    fn id(&self, path: &Path) -> Option<FileId> {
        let directories = self.directories.keys().position(|known| known == path).map(|at| (1, at as u64));
        directories.or_else(|| self.files.keys().position(|known| known == path).map(|at| (2, at as u64)))
    }

    fn text(&self, path: &Path) -> Option<String> {
        self.files.get(path).cloned()
    }

    fn home_in_database(&self, _uid: u32) -> Option<PathBuf> {
        self.database.clone()
    }

    fn home_in_directory_service(&self, _uid: u32) -> Option<PathBuf> {
        self.service.clone()
    }
}

const BY_LOGIND: &str = "/run/user/1000/rolecall/agent.sock";
const BY_HOME: &str = "/home/u/.local/state/rolecall/run/agent.sock";
const CONFIG_FILE: &str = "/home/u/.config/rolecall/config.toml";
const HOME: (&str, &str) = ("HOME", "/home/u");

#[test]
fn defaults_are_the_xdg_ones_and_never_tmp() {
    let paths = Table::usual(false).paths(&[HOME]).expect("paths");
    assert_eq!(paths.config, Path::new(CONFIG_FILE));
    assert_eq!(paths.socket, Path::new(BY_HOME));
    assert_eq!(paths.audit_log(), Path::new("/home/u/.local/state/rolecall/audit.jsonl"));
    assert_eq!(paths.vault_file, Path::new("/home/u/.local/share/rolecall/vault.rolecall"));
    assert_eq!(paths.aws_config, Path::new("/home/u/.aws/config"));
    assert_eq!((paths.world, paths.conflict), (None, None));
}

#[test]
fn every_caller_comes_to_the_same_socket() {
    let snap = [
        HOME,
        ("XDG_RUNTIME_DIR", "/run/user/1000/snap.code"),
        ("XDG_CONFIG_HOME", "/home/u/snap/code/1/.config"),
        ("XDG_DATA_HOME", "/home/u/snap/code/1/.local/share"),
        ("XDG_STATE_HOME", "/home/u/snap/code/1/.local/state"),
    ];
    let callers: [&[(&str, &str)]; 9] = [
        &[HOME],
        &[HOME, ("XDG_RUNTIME_DIR", "/run/user/1000")],
        &[HOME, ("XDG_RUNTIME_DIR", "/tmp/elsewhere")],
        &[HOME, ("XDG_RUNTIME_DIR", "relative")],
        &snap,
        &[("HOME", "relative")],
        // As after `su -m`.
        &[("HOME", "/root"), ("XDG_RUNTIME_DIR", "/run/user/0")],
        &[("HOME", "/nonexistent")],
        &[],
    ];
    // The first of them all: there is a configuration, and no state yet.
    let table = Table::usual(true).file(CONFIG_FILE, "");
    for vars in callers {
        let paths = table.paths(vars).expect("paths");
        assert_eq!(paths.socket, Path::new(BY_LOGIND), "{vars:?}");
        assert_eq!(paths.config, Path::new(CONFIG_FILE), "{vars:?}");
        assert_eq!(paths.state, Path::new("/home/u/.local/state/rolecall"), "{vars:?}");
        assert_eq!(paths.vault_file, Path::new("/home/u/.local/share/rolecall/vault.rolecall"), "{vars:?}");
        assert!(paths.world.is_none() && paths.conflict.is_none(), "{vars:?}");
    }
    let without_login = Table::usual(false);
    for vars in callers {
        assert_eq!(without_login.socket(vars), BY_HOME, "{vars:?}");
    }
}

#[test]
fn agent_from_before_the_login_is_found() {
    // An agent that cron has started, before there was /run/user/1000.
    let lock = Table::usual(true).paths(&[HOME]).expect("paths").lock.expect("a lock");
    let started = || Table::usual(true).file(BY_HOME, "").file(lock.to_str().expect("text"), &format!("{BY_HOME}\n"));
    assert_eq!(started().socket(&[HOME]), BY_HOME);
    assert_eq!(started().file(BY_LOGIND, "").socket(&[HOME]), BY_LOGIND);
    // A socket of another machine with the same home.
    assert_eq!(Table::usual(true).file(BY_HOME, "").socket(&[HOME]), BY_LOGIND);
    // A directory of others, or an open one, is none.
    for (uid, mode) in [(0, 0o700), (UID, 0o755)] {
        assert_eq!(Table::usual(false).dir("/run/user/1000", uid, mode).socket(&[HOME]), BY_HOME);
    }
}

#[test]
fn holder_of_the_lock_names_its_socket() {
    let trial = [("HOME", "/home/u/trial")];
    let table = Table::usual(true).dir("/home/u/trial", UID, 0o755);
    let lock = table.paths(&trial).expect("paths").lock.expect("a lock");
    let run = "/home/u/trial/run/rolecall/agent.sock";
    let table = table.file(lock.to_str().expect("text"), &format!("{run}\n"));
    assert_eq!(table.socket(&trial), "/home/u/trial/.local/state/rolecall/run/agent.sock", "it is gone");
    assert_eq!(table.file(run, "").socket(&trial), run);
}

#[test]
fn another_home_is_a_world_of_its_own() {
    let table =
        Table::usual(true).dir("/home/u/trial", UID, 0o755).file(BY_LOGIND, "").file("/x/rolecall/config.toml", "");
    let paths = table
        .paths(&[("HOME", "/home/u/trial"), ("XDG_RUNTIME_DIR", "/run/user/1000"), ("XDG_CONFIG_HOME", "/x")])
        .expect("paths");
    assert_eq!(paths.socket, Path::new("/home/u/trial/.local/state/rolecall/run/agent.sock"));
    assert_eq!(paths.config, Path::new("/home/u/trial/.config/rolecall/config.toml"));
    assert_eq!(paths.world.as_deref(), Some(Path::new("/home/u/trial")));
    assert_eq!(paths.keyring_service(), "rolecall:/home/u/trial");
    let inside = [("HOME", "/home/u/trial"), ("XDG_RUNTIME_DIR", "/home/u/trial/run")];
    assert_eq!(table.socket(&inside), "/home/u/trial/run/rolecall/agent.sock");
    let outside = [("HOME", "/home/u/trial"), ("XDG_RUNTIME_DIR", "/home/u/trial/../../../run/user/1000")];
    assert_eq!(table.socket(&outside), "/home/u/trial/.local/state/rolecall/run/agent.sock");
    assert_eq!(table.paths(&[HOME]).expect("paths").keyring_service(), "rolecall");
}

#[test]
fn rolecall_home_holds_everything() {
    let table = Table::usual(true).dir("/trial", UID, 0o700).dir("/foreign", 1001, 0o700).file("/file", "");
    for home in ["/home/u", "/home/v", "/root"] {
        let paths = table.paths(&[("HOME", home), ("ROLECALL_HOME", "/trial"), ("SUDO_UID", "7")]).expect("paths");
        for path in [&paths.config, &paths.state, &paths.vault_file, &paths.socket, &paths.aws_config] {
            assert!(path.starts_with("/trial"), "{path:?}");
        }
        assert_eq!(paths.world.as_deref(), Some(Path::new("/trial")));
    }
    for (vars, part) in [
        ([("ROLECALL_HOME", "trial"), HOME], "not an absolute path"),
        ([("ROLECALL_HOME", "/foreign"), HOME], "belongs to uid 1001"),
        ([("ROLECALL_HOME", "/file"), HOME], "not a directory"),
        ([("ROLECALL_HOME", "/trial"), ("ROLECALL_CONFIG", "/c.toml")], "both set"),
        ([("ROLECALL_HOME", "/trial"), ("ROLECALL_SOCKET", "/s.sock")], "both set"),
    ] {
        assert!(table.paths(&vars).expect_err(part).message.contains(part), "{part}");
    }
}

#[test]
fn foreign_home_of_root_is_refused() {
    let mut table = Table::usual(true);
    table.database = Some("/root".into());
    let kept = table.paths_of(0, &[HOME, ("SUDO_UID", "1000")]).expect_err("kept by sudo");
    assert!(kept.message.contains("sudo kept HOME=/home/u") && kept.hint.expect("a hint").contains("sudo -H"));
    let foreign = table.paths_of(0, &[HOME]).expect_err("foreign");
    assert!(foreign.message.contains("belongs to uid 1000") && foreign.hint.expect("one").contains("ROLECALL_HOME="));
    // Another target of sudo than root.
    table.database = Some("/home/v".into());
    assert!(table.paths_of(1001, &[HOME, ("SUDO_UID", "1000")]).is_err());
    table.database = Some("/root".into());
    assert_eq!(table.paths_of(0, &[("HOME", "/root"), ("SUDO_UID", "1000")]).expect("paths").home, Path::new("/root"));
    assert_eq!(table.paths_of(0, &[]).expect("paths").home, Path::new("/root"));
}

#[test]
fn socket_of_another_machine_needs_no_home() {
    let mut table = Table { database: Some("/nonexistent".into()), ..Table::usual(false) };
    let vars = [("HOME", "/"), ("ROLECALL_SOCKET", "/run/rolecall/agent.sock"), ("ROLECALL_AUTOSTART", "no")];
    for uid in [UID, 0] {
        let paths = table.paths_of(uid, &vars).expect("paths");
        assert_eq!(paths.socket, Path::new("/run/rolecall/agent.sock"));
        assert!(paths.homeless.is_some() && paths.config.starts_with("/dev/null") && paths.lock.is_none());
        assert_eq!(table.paths_of(uid, &vars[..2]).expect("the socket alone suffices"), paths);
        assert_eq!(paths.note(), None);
        assert!(table.paths_of(uid, &vars[..1]).is_err());
    }
    table.database = Some("/home/u".into());
    assert!(table.paths(&vars).expect("paths").homeless.is_none());
}

#[test]
fn user_without_an_entry_has_the_home_of_the_variable() {
    let mut table = Table { database: None, ..Table::usual(true) };
    assert_eq!(table.socket(&[HOME]), BY_LOGIND);
    let none = table.paths(&[("HOME", "/")]).expect_err("no home");
    assert!(
        none.message.contains("uid 1000 has no home directory") && none.hint.expect("one").contains("ROLECALL_HOME")
    );
    table.service = Some("/home/u".into());
    assert_eq!(table.socket(&[("HOME", "/")]), BY_LOGIND);
    // An entry whose directory is missing, as of a service.
    let table = Table { database: Some("/nonexistent".into()), ..Table::usual(true) };
    assert!(table.paths(&[]).expect_err("no home").message.contains("/nonexistent"));
}

#[test]
fn named_directory_counts_if_it_has_something() {
    let vars = [HOME, ("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "/d"), ("XDG_STATE_HOME", "/s")];
    let empty = Table::usual(true).paths(&vars).expect("paths");
    assert_eq!(empty.config, Path::new("/c/rolecall/config.toml"));
    assert_eq!(empty.vault_file, Path::new("/d/rolecall/vault.rolecall"));
    assert_eq!(empty.state, Path::new("/s/rolecall"));
    let standard = Table::usual(true)
        .file(CONFIG_FILE, "")
        .file("/home/u/.local/share/rolecall/vault.rolecall", "")
        .file("/home/u/.local/state/rolecall/audit.jsonl", "");
    assert_eq!(standard.paths(&vars), standard.paths(&[HOME]));
    let both = standard.file("/c/rolecall/config.toml", "").file("/d/rolecall/vault.rolecall", "");
    let paths = both.paths(&vars).expect("paths");
    let conflict = paths.conflict.expect("two");
    assert_eq!(conflict.kind, Kind::Config);
    assert!(conflict.message.contains("/c/rolecall/config.toml") && conflict.message.contains(CONFIG_FILE));
    assert_eq!(paths.unused_vault.as_deref(), Some(Path::new("/d/rolecall/vault.rolecall")));
    let named = both.paths(&[vars[0], vars[1], ("ROLECALL_CONFIG", "/n.toml")]).expect("paths");
    assert!(named.conflict.is_none() && named.config_is_named && named.config == Path::new("/n.toml"));
}

#[test]
fn noted_directories_are_found_without_the_variables() {
    let note = "config=/c/rolecall/config.toml\nstate=/s/rolecall\nvault=/d/rolecall/vault.rolecall\nother=/x\n";
    let table = Table::usual(true).file("/home/u/.local/state/rolecall/places", note);
    let gone = table.paths(&[HOME]).expect("paths");
    assert_eq!(gone.config, Path::new(CONFIG_FILE), "a note of what is no more means nothing");
    let table = table
        .file("/c/rolecall/config.toml", "")
        .file("/s/rolecall/audit.jsonl", "")
        .file("/d/rolecall/vault.rolecall", "");
    let paths = table.paths(&[HOME]).expect("paths");
    assert_eq!(paths.config, Path::new("/c/rolecall/config.toml"));
    assert_eq!(paths.state, Path::new("/s/rolecall"));
    assert_eq!(paths.vault_file, Path::new("/d/rolecall/vault.rolecall"));
    assert_eq!(Note::parse(note).text().as_deref(), Some(&note[..note.len() - "other=/x\n".len()]));
    assert_eq!(Note::default().text(), None);
}

#[test]
fn relative_or_too_long_path_is_refused_by_name() {
    let table = Table::usual(true);
    for name in ["ROLECALL_SOCKET", "ROLECALL_CONFIG"] {
        assert!(table.paths(&[HOME, (name, "a")]).expect_err("relative").message.contains(name));
    }
    let long = format!("/{}", "x".repeat(120));
    assert_eq!(table.paths(&[HOME, ("ROLECALL_SOCKET", &long)]).expect_err("long").kind, Kind::Agent);
    let own = table.paths(&[HOME, ("ROLECALL_SOCKET", "/s/a.sock"), ("AWS_CONFIG_FILE", "~/x")]).expect("paths");
    assert_eq!((own.socket.as_path(), own.aws_config.as_path()), (Path::new("/s/a.sock"), Path::new("/home/u/x")));
    assert_eq!(own.lock, None, "an agent of its own");
}
