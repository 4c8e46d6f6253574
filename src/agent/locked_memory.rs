//! Bytes in pages of their own: kept out of swap where the limit allows, out of core dumps, wiped when dropped.

use memmap2::MmapMut;
use rolecall_platform::process;
use std::fmt;
use std::io;
use std::ops::Deref;
use zeroize::Zeroize;

/// A secret at rest in memory. A session is one of these: the ready-made line that `get` prints.
pub(super) struct LockedBytes {
    pages: MmapMut,
    length: usize,
    locked: bool,
}

impl LockedBytes {
    /// Copies the bytes into fresh pages. An error means that there is no memory.
    pub(super) fn new(bytes: &[u8]) -> io::Result<Self> {
        let mut pages = MmapMut::map_anon(bytes.len().max(1))?;
        // A small limit (RLIMIT_MEMLOCK) is not a reason to fail: status says it once.
        let locked = pages.lock().is_ok();
        process::keep_out_of_dumps(&mut pages);
        pages[..bytes.len()].copy_from_slice(bytes);
        Ok(Self { pages, length: bytes.len(), locked })
    }

    /// Tells whether the pages are kept out of swap.
    pub(super) fn is_locked(&self) -> bool {
        self.locked
    }
}

impl Deref for LockedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.pages[..self.length]
    }
}

impl Drop for LockedBytes {
    fn drop(&mut self) {
        self.pages.zeroize();
    }
}

impl fmt::Debug for LockedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockedBytes(redacted, {} bytes)", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_do_not_show() {
        let bytes = LockedBytes::new(b"canary-77").expect("memory");
        assert_eq!(&*bytes, b"canary-77");
        assert!(!format!("{bytes:?}").contains("canary"));
        assert!(LockedBytes::new(b"").expect("memory").is_empty());
    }
}
