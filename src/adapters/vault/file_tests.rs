//! What the encrypted-file vault promises: nothing lost, nothing wrong, nothing without the passphrase.

#![expect(clippy::disallowed_methods, reason = "the tests damage files as no part of rolecall would")]

use super::*;
use chrono::DateTime;
use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::secret::SecretKey;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
const PASSPHRASE: &str = "correct horse";
const SECRET: &str = "canary/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn key(id: &str) -> StoredKey {
    StoredKey {
        key: AccessKey { id: id.into(), secret: SecretKey::new(SECRET.into()) },
        arn: "arn:aws:iam::111111111111:user/richard".into(),
        stored: DateTime::from_timestamp(1_790_000_000, 0).expect("in range"),
        totp: None,
        created: None,
        next: None,
        imported: false,
        first: None,
    }
}

fn words(text: &str) -> Passphrase {
    Passphrase::new(text.into())
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let top = tempfile::tempdir().expect("tempdir");
    let path = top.path().join("data/vault.rolecall");
    (top, path)
}

fn vault_at(path: &Path) -> FileVault {
    let record = path.parent().and_then(Path::parent).expect("in a directory").join("vault.json");
    FileVault::with_cost(path.to_path_buf(), record, CHEAP)
}

/// Makes an open vault that holds one key, of `auth`.
async fn filled(path: &Path) -> FileVault {
    let vault = vault_at(path);
    vault.unlock(Some(words(PASSPHRASE))).await.expect("made");
    vault.write(&name("auth"), &key("AKIAAUTH")).await.expect("written");
    vault
}

async fn id_of(vault: &FileVault, identity: &str) -> Option<String> {
    vault.read(&name(identity)).await.expect("readable").map(|stored| stored.key.id)
}

#[tokio::test]
async fn a_vault_is_made_by_its_first_unlock_and_opens_with_that_passphrase_only() {
    let (_top, path) = place();
    let vault = vault_at(&path);
    assert_eq!(vault.state().await, VaultState::Locked);
    let locked = vault.read(&name("auth")).await.expect_err("no file");
    assert_eq!(locked.kind, Kind::Locked);
    assert!(locked.hint.expect("a hint").contains("`rolecall unlock --vault`"));
    assert_eq!(vault.unlock(Some(words("7 chars"))).await.expect_err("short").kind, Kind::Usage);
    assert!(!path.exists(), "nothing is made before there is a passphrase");

    let vault = filled(&path).await;
    assert_eq!(vault.state().await, VaultState::Ready);
    assert_eq!(id_of(&vault, "auth").await.as_deref(), Some("AKIAAUTH"));
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().expect("dir"))), (0o600, 0o700));
    let bytes = fs::read(&path).expect("read");
    assert!(!bytes.windows(6).any(|w| w == b"canary"), "the file is sealed");

    vault.lock();
    assert_eq!(vault.state().await, VaultState::Locked);
    for locked in [
        vault.read(&name("auth")).await.map(drop),
        vault.write(&name("auth"), &key("AKIANEW")).await,
        vault.delete(&name("auth")).await.map(drop),
    ] {
        assert_eq!(locked.expect_err("locked").kind, Kind::Locked);
    }
    let wrong = vault.unlock(Some(words("correct house"))).await.expect_err("wrong");
    assert_eq!(wrong.kind, Kind::Locked);
    assert!(wrong.message.starts_with("wrong passphrase, or the vault file"), "{wrong}");
    vault.unlock(Some(words(PASSPHRASE))).await.expect("right");
    let read = vault.read(&name("auth")).await.expect("readable").expect("there");
    assert_eq!((read.key.secret.expose(), read.stored), (SECRET, key("").stored));
}

#[tokio::test]
async fn keys_are_replaced_and_deleted_one_by_one() {
    let (_top, path) = place();
    let vault = filled(&path).await;
    vault.write(&name("other"), &key("AKIAOTHER")).await.expect("written");
    vault.write(&name("auth"), &key("AKIANEW")).await.expect("replaced");
    assert!(vault.delete(&name("other")).await.expect("deleted"));
    assert!(!vault.delete(&name("other")).await.expect("nothing to delete"));
    assert_eq!(id_of(&vault, "auth").await.as_deref(), Some("AKIANEW"));
    assert_eq!(id_of(&vault, "other").await, None);
    let long = StoredKey { arn: "x".repeat(5000), ..key("AKIALONG") };
    assert!(vault.write(&name("long"), &long).await.expect_err("too long").message.contains("long"));
}

#[tokio::test]
async fn there_is_nothing_to_delete_where_there_is_no_vault() {
    let (_top, path) = place();
    let vault = vault_at(&path);
    assert_eq!(vault.delete(&name("auth")).await, Ok(false));
    assert!(!path.exists());
}

#[tokio::test]
async fn two_processes_lose_no_key_to_each_other() {
    let (_top, path) = place();
    let one = filled(&path).await;
    let two = vault_at(&path);
    two.unlock(Some(words(PASSPHRASE))).await.expect("opened");
    let write_all = |vault: FileVault, who: &'static str| async move {
        for n in 0..10 {
            vault.write(&name(&format!("{who}{n}")), &key("AKIA")).await.expect("written");
        }
    };
    tokio::join!(write_all(one.clone(), "one"), write_all(two.clone(), "two"));
    for n in 0..10 {
        assert!(id_of(&two, &format!("one{n}")).await.is_some());
        assert!(id_of(&one, &format!("two{n}")).await.is_some());
    }
}

#[tokio::test]
async fn no_damage_to_the_file_yields_a_wrong_key_or_loses_the_file() {
    let (_top, path) = place();
    let vault = filled(&path).await;
    let good = fs::read(&path).expect("read");
    let mut damaged: Vec<Vec<u8>> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 0x10;
        damaged.push(flipped);
    }
    damaged.push([&good[..], b"\0"].concat());
    damaged.push(b"[default]\naws_access_key_id = AKIA".to_vec());
    damaged.push(vec![0; usize::try_from(FILE_MAX).expect("fits") + 1]);
    for bytes in damaged {
        fs::write(&path, &bytes).expect("written");
        let error = vault.read(&name("auth")).await.expect_err("damaged");
        assert!(error.message.contains("vault file"), "{error}");
        vault.write(&name("new"), &key("AKIANEW")).await.expect_err("nothing is written over it");
        assert_eq!(fs::read(&path).expect("read"), bytes, "nothing is lost");
    }
    fs::write(&path, &good).expect("restored");
    assert_eq!(id_of(&vault, "auth").await.as_deref(), Some("AKIAAUTH"));
}

#[tokio::test]
async fn what_is_no_vault_is_said_to_be_none_and_is_left_alone() {
    let (_top, path) = place();
    files::ensure_private_dir(path.parent().expect("dir")).expect("made");
    let vault = vault_at(&path);
    for (content, want) in [(&b""[..], "is empty"), (b"hello, world", "not a vault"), (b"rolecall", "cut short")] {
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
        for told in [
            vault.unlock(Some(words(PASSPHRASE))).await.expect_err("no vault"),
            vault.read(&name("auth")).await.expect_err("no vault"),
        ] {
            assert!(told.message.contains(want) && told.kind == Kind::Failed, "{told:?}");
            assert!(told.hint.expect("a hint").contains("`mv "));
        }
        assert!(matches!(vault.state().await, VaultState::Absent(why) if why.contains(want)));
        assert_eq!(fs::read(&path).expect("read"), content);
    }
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("made");
    assert!(
        vault.unlock(Some(words(PASSPHRASE))).await.expect_err("a directory").message.contains("not a regular file")
    );
}

#[tokio::test]
async fn a_write_that_was_killed_before_its_rename_changed_nothing() {
    let (_top, path) = place();
    let vault = filled(&path).await;
    let leftover = path.with_file_name(".rolecall-k1ll3d");
    fs::write(&leftover, b"half a vau").expect("written");
    assert_eq!(id_of(&vault, "auth").await.as_deref(), Some("AKIAAUTH"));
    vault.write(&name("next"), &key("AKIANEXT")).await.expect("written");
    assert!(!leftover.exists(), "the next write removes what the killed one left");
    assert_eq!(id_of(&vault, "auth").await.as_deref(), Some("AKIAAUTH"));
}

#[tokio::test]
async fn a_file_that_was_replaced_asks_for_its_own_passphrase() {
    let (_top, path) = place();
    let vault = filled(&path).await;
    fs::remove_file(&path).expect("removed");
    let gone = vault.write(&name("auth"), &key("AKIA")).await.expect_err("gone");
    assert_eq!(gone.kind, Kind::Locked);
    assert!(!path.exists(), "a vault is never made without a passphrase");

    let other = vault_at(&path);
    other.unlock(Some(words("another passphrase"))).await.expect("made");
    let replaced = vault.read(&name("auth")).await.expect_err("replaced");
    assert!(replaced.kind == Kind::Locked && replaced.message.contains("replaced"), "{replaced:?}");
}

#[tokio::test]
async fn lock_wipes_waiting_passphrases() {
    let (_top, path) = place();
    let vault = filled(&path).await;
    // The calls of one file run one at a time, so the unlock waits behind this one.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (begin, started) = tokio::sync::oneshot::channel();
    let first = tokio::spawn({
        let vault = vault.clone();
        async move {
            let job = move |_: &Inner| {
                let _ = begin.send(());
                let _ = held.recv();
                Ok(())
            };
            vault.run(job).await
        }
    });
    started.await.expect("it runs");
    let waiting = tokio::spawn({
        let vault = vault.clone();
        async move { vault.unlock(Some(words(PASSPHRASE))).await }
    });
    while vault.0.open().waiting.is_empty() {
        tokio::task::yield_now().await;
    }
    vault.lock();
    assert!(vault.0.open().waiting.is_empty());
    drop(release);
    first.await.expect("it runs").expect("released");
    let relocked = waiting.await.expect("it runs").expect_err("locked");
    assert!(relocked.message.contains("locked again"), "{relocked:?}");
    assert_eq!(vault.state().await, VaultState::Locked);
}

/// Begins a call that does not end until the sender is dropped.
async fn hung_call(vault: &FileVault) -> std::sync::mpsc::Sender<()> {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (begin, started) = tokio::sync::oneshot::channel();
    let vault = vault.clone();
    tokio::spawn(async move {
        let job = move |_: &Inner| {
            let _ = begin.send(());
            let _ = held.recv();
            Ok(())
        };
        vault.run(job).await
    });
    started.await.expect("it runs");
    release
}

/// Tells whether no call is left that the last lock has met.
async fn calls_have_ended(vault: &FileVault) -> bool {
    tokio::select! {
        biased;
        () = vault.calls_end() => true,
        () = std::future::ready(()) => false,
    }
}

#[tokio::test]
async fn lock_waits_for_earlier_calls_and_no_later_ones() {
    let (_top, path) = place();
    let (vault, other) = (vault_at(&path), vault_at(&path.with_extension("other")));
    let earlier = hung_call(&vault).await;
    vault.lock();
    vault.lock();
    assert!(!calls_have_ended(&vault).await, "the second lock waits for it too");
    drop(earlier);
    let later = hung_call(&vault).await;
    // The thread of the earlier call has ended it: the calls of one file run one at a time.
    assert!(calls_have_ended(&vault).await, "the later one began after the lock");
    other.lock();
    assert!(calls_have_ended(&other).await);
    drop(later);
}

#[tokio::test]
async fn a_lock_during_an_unlock_wins() {
    let (_top, path) = place();
    let vault = filled(&path).await;
    let asked = vault.0.open().locks;
    vault.lock();
    let undone = vault.0.unlock(&words(PASSPHRASE), asked).expect_err("locked meanwhile");
    assert!(undone.kind == Kind::Locked && undone.message.contains("locked again"), "{undone:?}");
    assert_eq!(vault.state().await, VaultState::Locked);
}

#[tokio::test]
async fn exposed_vault_file_is_refused_with_the_command_that_mends_it() {
    let (top, path) = place();
    let vault = filled(&path).await;
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    for open in [0o640, 0o604, 0o620] {
        mode(&path, open);
        let refused = vault.read(&name("auth")).await.expect_err("open");
        assert!(refused.message.contains("by other users"), "{refused}");
        assert!(refused.hint.expect("a hint").contains("`chmod 600 "));
        assert!(matches!(vault.state().await, VaultState::Absent(_)));
    }
    mode(&path, 0o600);
    mode(top.path(), 0o777);
    let refused = vault.unlock(Some(words(PASSPHRASE))).await.expect_err("in a directory of all");
    assert!(refused.message.contains("is not safe where it is"), "{refused}");
    mode(top.path(), 0o700);
    vault.unlock(Some(words(PASSPHRASE))).await.expect("mended");
}

#[tokio::test]
async fn symlink_to_a_vault_of_ones_own_is_followed_and_stays() {
    let (top, path) = place();
    let vault = filled(&path).await;
    let synced = top.path().join("synced");
    fs::rename(&path, &synced).expect("moved");
    std::os::unix::fs::symlink(&synced, &path).expect("linked");
    vault.write(&name("next"), &key("AKIANEXT")).await.expect("written");
    assert_eq!(id_of(&vault, "next").await.as_deref(), Some("AKIANEXT"));
    assert!(fs::symlink_metadata(&path).expect("there").is_symlink());
}

#[tokio::test]
async fn older_vault_file_is_warned_of_until_it_is_accepted() {
    let (top, path) = place();
    let vault = filled(&path).await;
    let old = fs::read(&path).expect("read");
    vault.write(&name("auth"), &key("AKIANEW")).await.expect("written");
    assert_eq!(vault.warning(), None);

    // While it is open, and the next agent, which opens it from the start.
    fs::write(&path, &old).expect("rolled back");
    assert_eq!(id_of(&vault, "auth").await.as_deref(), Some("AKIAAUTH"), "it is served");
    assert!(vault.warning().expect("noticed").message.contains("was older than the last one"));
    let next = vault_at(&path);
    assert_eq!(next.warning(), None, "nothing is known of a file that was not opened");
    next.unlock(Some(words(PASSPHRASE))).await.expect("opened");
    let warning = next.warning().expect("remembered");
    assert!(warning.hint.expect("a hint").contains("`rolecall unlock --vault --accept-restored`"));

    // Writing on does not hide it.
    for id in ["AKIAONE", "AKIATWO", "AKIATHREE"] {
        next.write(&name("auth"), &key(id)).await.expect("written");
        assert!(next.warning().is_some(), "{id}");
    }
    next.accept_restored().await.expect("accepted");
    assert_eq!(next.warning(), None);
    let third = vault_at(&path);
    third.unlock(Some(words(PASSPHRASE))).await.expect("opened");
    assert_eq!(third.warning(), None);

    // Another vault in its place, with the same passphrase.
    let other = top.path().join("other/vault.rolecall");
    let foreign = FileVault::with_cost(other.clone(), top.path().join("other.json"), CHEAP);
    foreign.unlock(Some(words(PASSPHRASE))).await.expect("made");
    fs::copy(&other, &path).expect("exchanged");
    third.unlock(Some(words(PASSPHRASE))).await.expect("opened");
    assert!(third.warning().expect("noticed").message.contains("another one"));
}

#[tokio::test]
async fn newer_vault_file_that_is_put_back_ends_the_warning() {
    let (_top, path) = place();
    let vault = filled(&path).await;
    let old = fs::read(&path).expect("read");
    vault.write(&name("auth"), &key("AKIANEW")).await.expect("written");
    let new = fs::read(&path).expect("read");

    fs::write(&path, &old).expect("rolled back");
    assert_eq!(id_of(&vault, "auth").await.as_deref(), Some("AKIAAUTH"));
    // As often as the old file needs to reach the number of the new one, and further.
    let mut fork = Vec::new();
    for id in ["AKIAONE", "AKIATWO"] {
        vault.write(&name("auth"), &key(id)).await.expect("written");
        fork = fs::read(&path).expect("read");
        assert_eq!(id_of(&vault, "auth").await.as_deref(), Some(id));
        assert!(vault.warning().is_some(), "{id}");
    }
    fs::write(&path, &new).expect("put back");
    assert_eq!(id_of(&vault, "auth").await.as_deref(), Some("AKIANEW"));
    assert_eq!(vault.warning(), None);
    fs::write(&path, &fork).expect("exchanged again");
    assert_eq!(id_of(&vault, "auth").await.as_deref(), Some("AKIATWO"));
    assert!(vault.warning().expect("noticed").message.contains("another one"), "it does not follow the newer file");
    fs::write(&path, &new).expect("put back");
    vault.write(&name("auth"), &key("AKIALAST")).await.expect("written");
    assert_eq!(vault.warning(), None);
    let next = vault_at(&path);
    next.unlock(Some(words(PASSPHRASE))).await.expect("opened");
    assert_eq!(next.warning(), None);
}

#[tokio::test]
async fn record_that_cannot_be_kept_is_warned_of() {
    let (top, path) = place();
    let record = top.path().join("vault.json");
    fs::create_dir(&record).expect("in the way");
    let vault = filled(&path).await;
    assert!(vault.warning().expect("said").message.contains("would not be noticed"));
    assert_eq!(id_of(&vault, "auth").await.as_deref(), Some("AKIAAUTH"));
}

/// The sealed text of a version that did not count its writes.
#[tokio::test]
async fn vault_without_a_generation_opens_and_is_counted_from_then_on() {
    let (_top, path) = place();
    files::ensure_private_dir(path.parent().expect("dir")).expect("made");
    let old = Key::create(&words(PASSPHRASE), CHEAP).and_then(|key| {
        let text = Zeroizing::new(br#"{"v":1,"keys":{}}"#.to_vec());
        key.seal(text)
    });
    files::write_private(&path, &old.expect("sealed")).expect("written");
    let vault = vault_at(&path);
    vault.unlock(Some(words(PASSPHRASE))).await.expect("opened");
    vault.write(&name("auth"), &key("AKIAAUTH")).await.expect("written");
    assert_eq!(vault.warning(), None);
    assert_eq!(vault.0.contents().expect("open").1.generation, 1);
}

#[tokio::test]
async fn rollback_noted_by_an_earlier_version_is_warned_of() {
    let (top, path) = place();
    let vault = filled(&path).await;
    let generation = vault.0.contents().expect("open").1.generation;
    let salt = vault.0.held().expect("open").0.vault();
    let record = top.path().join("vault.json");
    let text = format!(r#"{{"v":1,"vault":"{salt}","generation":{},"rolled_back":true}}"#, generation + 3);
    fs::write(&record, text).expect("written");
    let next = vault_at(&path);
    next.unlock(Some(words(PASSPHRASE))).await.expect("opened");
    assert!(next.warning().expect("said").message.contains("was older than the last one"));
    next.accept_restored().await.expect("accepted");
    assert_eq!(next.warning(), None);
    assert_eq!(vault_at(&path).warning(), None);
}
