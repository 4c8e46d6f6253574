use super::*;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("tempdir"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("dir");
        fs::File::create(&path).and_then(|mut file| file.write_all(text.as_bytes())).expect("write");
        chmod(&path, mode);
        path
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("dir");
        let mut names: Vec<String> =
            entries.map(|e| e.expect("entry").file_name().into_string().expect("utf-8")).collect();
        names.sort();
        names
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").mode() & 0o777
}

#[test]
fn a_missing_file_and_its_directory_are_made_private() {
    let home = Home::new();
    let config = home.path(".aws/config");
    assert!(read(&config).expect("empty").is_empty());
    assert_eq!(write(&config, b"", b"new").expect("written"), None);
    assert_eq!((mode(&config), mode(config.parent().expect("parent"))), (0o600, 0o700));
    assert_eq!(*read(&config).expect("read"), b"new");
}

#[test]
fn the_first_change_is_backed_up_and_no_other() {
    let home = Home::new();
    let config = home.file("config", "one", 0o644);
    let backup = home.path("config.before-rolecall");
    assert_eq!(write(&config, b"one", b"one").expect("nothing to do"), None);
    assert_eq!(write(&config, b"one", b"two").expect("written"), Some(backup.clone()));
    assert_eq!(write(&config, b"two", b"three").expect("written"), None);
    assert_eq!(fs::read(&backup).expect("read"), b"one");
    assert_eq!((mode(&backup), mode(&config)), (0o600, 0o644));
    assert_eq!(home.files(), ["config", "config.before-rolecall"]);
}

#[test]
fn a_file_that_has_our_block_is_not_what_it_was_before_rolecall() {
    let home = Home::new();
    let text = format!("{}\n{}\n", managed_block::BEGIN, managed_block::END);
    let config = home.file("config", &text, 0o600);
    assert_eq!(write(&config, text.as_bytes(), b"new").expect("written"), None);
    assert_eq!(home.files(), ["config"]);
}

#[test]
fn a_change_that_takes_secrets_out_leaves_no_copy() {
    let home = Home::new();
    let credentials = home.file("credentials", "hush", 0o600);
    write_unbacked(&credentials, b"hush", b"").expect("written");
    assert_eq!(home.files(), ["credentials"]);
}

#[test]
fn a_backup_is_not_written_through_a_link() {
    let home = Home::new();
    let config = home.file("config", "one", 0o600);
    let other = home.file("other", "keep", 0o600);
    symlink(&other, home.path("config.before-rolecall")).expect("symlink");
    assert_eq!(write(&config, b"one", b"two").expect("written"), None);
    assert_eq!(fs::read(&other).expect("read"), b"keep");
}

#[test]
fn a_file_that_changed_since_is_left_alone() {
    let home = Home::new();
    let config = home.file("config", "theirs", 0o600);
    let report = write(&config, b"mine", b"new").expect_err("changed");
    assert!(report.message.contains("changed while"), "{}", report.message);
    assert_eq!(fs::read(&config).expect("read"), b"theirs");
    fs::remove_file(&config).expect("removed");
    assert!(write(&config, b"mine", b"new").is_err());
    assert_eq!(home.files(), Vec::<String>::new());
}

#[test]
fn a_link_of_ones_own_is_followed_and_stays() {
    let home = Home::new();
    let dotfile = home.file("dotfiles/config", "one", 0o640);
    chmod(&home.path("dotfiles"), 0o755);
    symlink("dotfiles/config", home.path("middle")).expect("symlink");
    symlink("middle", home.path("config")).expect("symlink");
    let config = home.path("config");
    assert_eq!(*read(&config).expect("read"), b"one");
    let backup = write(&config, b"one", b"two").expect("written");
    assert_eq!(backup, Some(home.path("config.before-rolecall")));
    assert!(fs::symlink_metadata(&config).expect("there").file_type().is_symlink());
    assert_eq!((fs::read(&dotfile).expect("read").as_slice(), mode(&dotfile)), (b"two".as_slice(), 0o640));
}

#[test]
fn a_link_into_a_directory_of_all_is_refused() {
    let home = Home::new();
    let target = home.file("open/config", "one", 0o600);
    symlink(&target, home.path("config")).expect("symlink");
    for open in [0o777, 0o775] {
        chmod(&home.path("open"), open);
        let report = write(&home.path("config"), b"one", b"two").expect_err("open");
        assert!(report.message.contains("can be written by other users"), "{}", report.message);
        assert!(report.hint.expect("hint").contains("`chmod go-w "));
    }
    assert_eq!(fs::read(&target).expect("read"), b"one");
    assert_eq!(home.files(), ["config", "open"]);
    chmod(&home.path("open"), 0o1777);
    write(&home.path("config"), b"one", b"two").expect("sticky");
}

#[test]
fn null_device_is_empty_and_is_not_written() {
    let home = Home::new();
    symlink("/dev/null", home.path("link")).expect("symlink");
    for path in [Path::new("/dev/null"), &home.path("link")] {
        assert!(read(path).expect("empty").is_empty());
        let report = write(path, b"", b"x").expect_err("nothing would be kept");
        assert!(report.message.contains("null device"), "{}", report.message);
        assert!(verify(path).is_err());
    }
}

#[test]
fn what_is_no_file_is_refused_without_waiting_for_it() {
    let home = Home::new();
    fs::create_dir(home.path("dir")).expect("dir");
    rustix::fs::mknodat(rustix::fs::CWD, home.path("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).expect("fifo");
    symlink("nothing", home.path("dangling")).expect("symlink");
    symlink("circle", home.path("circle")).expect("symlink");
    symlink("pipe", home.path("to-pipe")).expect("symlink");
    symlink("/dev/zero", home.path("to-device")).expect("symlink");
    let before = home.files();
    let table = [
        ("dir", "a directory"),
        ("pipe", "a named pipe"),
        ("to-pipe", "a named pipe"),
        ("to-device", "a device"),
        ("dangling", "leads nowhere"),
        ("circle", "leads nowhere"),
    ];
    for (name, what) in table {
        for report in [read(&home.path(name)).expect_err(name), write(&home.path(name), b"", b"x").expect_err(name)] {
            assert!(report.message.contains(what) && report.hint.is_some(), "{}", report.message);
        }
    }
    assert_eq!(home.files(), before);
}

#[test]
fn what_is_another_users_is_refused() {
    let home = Home::new();
    let config = home.file("config", "one", 0o644);
    symlink("config", home.path("link")).expect("symlink");
    // Only root can give a file away.
    if lchown(home.path("link"), Some(1), None).is_err() {
        return;
    }
    assert!(
        write(&home.path("link"), b"one", b"two")
            .expect_err("link")
            .message
            .contains("belongs to another user (uid 1)")
    );
    lchown(&config, Some(1), None).expect("chown");
    assert!(write(&config, b"one", b"two").expect_err("file").message.contains("belongs to uid 1,"));
    assert_eq!(*read(&config).expect("reading is fine"), b"one");
    assert_eq!(home.files(), ["config", "link"]);
}
