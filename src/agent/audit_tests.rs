use super::*;
use async_trait::async_trait;
use rolecall_core::domain::credential::Now;
use std::os::unix::fs::PermissionsExt;

/// A clock that stands still.
struct Still;

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Now {
        Now { wall: DateTime::from_timestamp(1_795_305_600, 0).expect("in range"), boot: Duration::ZERO }
    }

    async fn sleep_until(&self, _boot: Duration) {
        std::future::pending::<()>().await;
    }
}

fn open(path: &Path) -> Audit {
    Audit::open(path, Arc::new(Still))
}

fn line(message: &str) -> AuditLine {
    let time = DateTime::from_timestamp(1_795_305_600, 0).expect("in range");
    AuditLine::new(time, Event::Get).message(message)
}

#[test]
fn lines_are_numbered_private_and_flushed_at_the_end() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("audit.jsonl");
    let audit = open(&path);
    audit.write(line("a"));
    audit.write(line("b\n\"c"));
    drop(audit);
    let text = fs::read_to_string(&path).expect("read");
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            r#"{"v":1,"time":"2026-11-22T00:00:00Z","seq":0,"event":"get","result":"ok","message":"a"}"#,
            r#"{"v":1,"time":"2026-11-22T00:00:00Z","seq":1,"event":"get","result":"ok","message":"b\n\"c"}"#
        ]
    );
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
}

#[test]
fn three_files_of_ten_megabytes_are_kept() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("audit.jsonl");
    let mut log = LogFile { path: path.clone(), file: None, size: 0 };
    let megabyte = line(&"x".repeat(1024 * 1024));
    for _ in 0..45 {
        log.write(&megabyte).expect("written");
    }
    let mut sizes: Vec<u64> =
        fs::read_dir(dir.path()).expect("dir").map(|e| e.expect("entry").metadata().expect("meta").len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes.len(), 3, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= FILE_MAX), "{sizes:?}");
}

#[test]
fn an_unwritable_log_is_counted_and_taken_up_again() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("later/audit.jsonl");
    fs::write(dir.path().join("later"), "in the way").expect("write");
    let audit = open(&path);
    audit.write(line("a"));
    audit.flush();
    assert_eq!(audit.lost(), 1);
    fs::remove_file(dir.path().join("later")).expect("rm");
    audit.write(line("b"));
    audit.flush();
    assert_eq!(audit.lost(), 1);
    assert_eq!(fs::read_to_string(&path).expect("read").lines().count(), 1, "the directory is made anew");
}

#[tokio::test]
async fn write_through_returns_when_the_line_is_in_the_file() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("audit.jsonl");
    let audit = open(&path);
    audit.write_through(line("a")).await.expect("written");
    assert_eq!(fs::read_to_string(&path).expect("read").lines().count(), 1);
}

#[tokio::test]
async fn write_through_names_the_file_and_the_reason_if_it_fails() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("audit.jsonl");
    fs::create_dir(&path).expect("mkdir");
    let report = open(&path).write_through(line("a")).await.expect_err("a directory is in the way");
    assert_eq!(report.kind, Kind::Failed);
    assert!(report.message.contains("cannot be written, so nothing is served: it is a directory"), "{report}");
    assert!(report.hint.expect("a hint").contains(&path.display().to_string()));
}
