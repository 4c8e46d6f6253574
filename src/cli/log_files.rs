//! The audit log as files: the rotated ones oldest first, then the current one, and what is appended to it.
//!
//! It gives whole lines as bytes and does not know what is in them. A file is known by its inode, not its name, since the
//! agent renames it while somebody reads.

use rolecall_platform::files;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// An audit line has some 500 bytes; the rest of one that is longer is dropped, so that a damaged file cannot fill memory.
const LINE_MAX: u64 = 64 * 1024;

/// The agent begins a new file at 10 MB. Of a file that is larger than this, only the end is read: a sparse file of
/// terabytes would keep the reader busy for hours.
const FILE_MAX: u64 = 16 * 1024 * 1024;

/// More rotated files than this are not looked for.
const ROTATIONS_MAX: usize = 1000;

/// Where one reading of the log stands.
#[derive(Debug)]
pub(super) struct LogFiles {
    path: PathBuf,
    current: Option<Open>,
    /// The start of a line whose end is not written yet.
    pending: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    reader: BufReader<File>,
    inode: u64,
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        let file = files::open_private(path)?;
        let meta = file.metadata()?;
        let mut reader = BufReader::new(file);
        if meta.len() > FILE_MAX {
            reader.seek(SeekFrom::Start(meta.len() - FILE_MAX))?;
        }
        Ok(Self { reader, inode: meta.ino() })
    }
}

impl LogFiles {
    /// Takes the path of the current file.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, current: None, pending: Vec::new() }
    }

    /// Gives every line that is there now and has not been given before; a missing file has none.
    pub(super) fn read<E: From<io::Error>>(&mut self, mut give: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let before = match &mut self.current {
            // The first time: everything.
            None => self.rotated(),
            Some(open) => {
                let inode = open.inode;
                if fs::metadata(&self.path).is_ok_and(|meta| meta.ino() == inode) {
                    self.start_over_if_cut()?;
                    return self.drain(&mut give);
                }
                // It was renamed meanwhile: its rest first, then whatever was rotated after it.
                self.drain(&mut give)?;
                let all = self.rotated();
                let known = all.iter().position(|p| fs::metadata(p).is_ok_and(|meta| meta.ino() == inode));
                known.map_or_else(Vec::new, |at| all[at + 1..].to_vec())
            }
        };
        for path in before.into_iter().chain([self.path.clone()]) {
            match Open::new(&path) {
                Ok(open) => {
                    self.current = Some(open);
                    self.pending.clear();
                    self.drain(&mut give)?;
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(io::Error::new(e.kind(), format!("{}: {e}", path.display())).into()),
            }
        }
        Ok(())
    }

    /// Names `audit.jsonl.N` … `audit.jsonl.1`, as far as they exist without a gap.
    fn rotated(&self) -> Vec<PathBuf> {
        let name = |n: usize| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{n}"));
            PathBuf::from(name)
        };
        let mut found: Vec<PathBuf> =
            (1..=ROTATIONS_MAX).map(name).take_while(|path| fs::symlink_metadata(path).is_ok()).collect();
        found.reverse();
        found
    }

    fn start_over_if_cut(&mut self) -> io::Result<()> {
        let Some(open) = &mut self.current else { return Ok(()) };
        if open.reader.get_ref().metadata()?.len() < open.reader.stream_position()? {
            open.reader.seek(SeekFrom::Start(0))?;
            self.pending.clear();
        }
        Ok(())
    }

    fn drain<E: From<io::Error>>(&mut self, give: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let Some(open) = &mut self.current else { return Ok(()) };
        loop {
            let room = LINE_MAX.saturating_sub(self.pending.len() as u64).max(1);
            let read = (&mut open.reader).take(room).read_until(b'\n', &mut self.pending)?;
            if read == 0 {
                return Ok(());
            }
            if self.pending.ends_with(b"\n") {
                self.pending.pop();
                give(&self.pending)?;
                self.pending.clear();
            } else if self.pending.len() as u64 >= LINE_MAX {
                // Keep the length, which says that this line is no longer one to give, and drop the bytes.
                self.pending.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn append(path: &Path, text: &str) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path).expect("open");
        file.write_all(text.as_bytes()).expect("write");
    }

    fn lines(files: &mut LogFiles) -> Vec<String> {
        let mut lines = Vec::new();
        files
            .read(|line| -> io::Result<()> {
                lines.push(String::from_utf8_lossy(line).into_owned());
                Ok(())
            })
            .expect("read");
        lines
    }

    #[test]
    fn rotated_files_come_first_and_later_lines_follow() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("audit.jsonl");
        let mut files = LogFiles::new(path.clone());
        assert!(lines(&mut files).is_empty(), "there is no file yet");

        append(&dir.path().join("audit.jsonl.2"), "1\n2\n");
        append(&dir.path().join("audit.jsonl.1"), "3\n");
        append(&path, "4\n5");
        assert_eq!(lines(&mut files), ["1", "2", "3", "4"], "5 is not whole yet");
        append(&path, "5\n6\n");
        assert_eq!(lines(&mut files), ["55", "6"]);
        assert!(lines(&mut files).is_empty());
    }

    #[test]
    fn nothing_is_lost_or_told_twice_when_the_file_is_rotated() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("audit.jsonl");
        let (one, two) = (dir.path().join("audit.jsonl.1"), dir.path().join("audit.jsonl.2"));
        append(&path, "1\n");
        let mut files = LogFiles::new(path.clone());
        assert_eq!(lines(&mut files), ["1"]);
        // Twice between two looks.
        append(&path, "2\n");
        fs::rename(&path, &one).expect("rename");
        append(&path, "3\n");
        fs::rename(&one, &two).expect("rename");
        fs::rename(&path, &one).expect("rename");
        append(&path, "4\n");
        assert_eq!(lines(&mut files), ["2", "3", "4"]);
        // Away, and not there again yet.
        fs::rename(&path, dir.path().join("moved")).expect("rename");
        assert!(lines(&mut files).is_empty());
        append(&path, "5\n");
        assert_eq!(lines(&mut files), ["5"]);
    }

    #[test]
    fn a_file_that_was_cut_is_read_from_its_start() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("audit.jsonl");
        append(&path, "a long line\n");
        let mut files = LogFiles::new(path.clone());
        lines(&mut files);
        fs::File::options().write(true).truncate(true).open(&path).expect("cut");
        append(&path, "new\n");
        assert_eq!(lines(&mut files), ["new"]);
    }

    #[test]
    fn only_the_end_of_a_huge_file_is_read() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("audit.jsonl");
        fs::File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("sparse");
        append(&path, "\nnext\n");
        let mut files = LogFiles::new(path);
        let found = lines(&mut files);
        assert_eq!((found.len(), found.last().map(String::as_str)), (2, Some("next")));
        assert!(files.pending.capacity() < 200_000);
    }

    #[test]
    fn an_endless_line_does_not_fill_memory() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("audit.jsonl");
        append(&path, &"x".repeat(300_000));
        append(&path, "\nnext\n");
        let mut files = LogFiles::new(path);
        let found = lines(&mut files);
        assert_eq!(found.last().map(String::as_str), Some("next"));
        assert!(found[0].len() <= 64 * 1024, "{}", found[0].len());
        assert!(files.pending.capacity() < 200_000);
    }
}
