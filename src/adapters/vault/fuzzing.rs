//! Entry points of `fuzz/` into the vault file. Compiled for cargo-fuzz only.

use super::file::names_in;
use super::vault_format::{Cost, Key, VaultFormatError};
use rolecall_core::domain::secret::Passphrase;
use zeroize::Zeroizing;

/// The passphrase of every file in the corpus.
pub const PASSPHRASE: &str = "correct horse battery";

/// The most expensive header that is stretched: a costlier one only takes time.
const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

/// Opens a file as `unlock` does; `None` if it is rejected.
pub fn open(file: &[u8]) -> Option<Vec<String>> {
    Key::check(file).ok()?;
    if !is_cheap(file) {
        return None;
    }
    let key = Key::derive(&Passphrase::new(PASSPHRASE.into()), file).ok()?;
    assert_eq!(key.fits(file), Ok(true), "a key fits the file that it was derived from");
    names_in(&key, file).ok()
}

/// Reads a text as if the right passphrase had opened it; `None` if it is rejected.
pub fn read_content(text: &[u8]) -> Option<Vec<String>> {
    let file = seal(text).expect("a cheap key is created");
    open(&file)
}

/// Seals a text with the passphrase of the corpus.
pub fn seal(text: &[u8]) -> Option<Vec<u8>> {
    let sealed: Result<Vec<u8>, VaultFormatError> =
        Key::create(&Passphrase::new(PASSPHRASE.into()), CHEAP).and_then(|key| key.seal(Zeroizing::new(text.to_vec())));
    sealed.ok()
}

/// Whether the cost in the header is the cheapest: bytes 10 to 22, see the table of `vault_format`.
fn is_cheap(file: &[u8]) -> bool {
    let cost = [CHEAP.memory_kib, CHEAP.passes, CHEAP.lanes].map(u32::to_le_bytes).concat();
    file.get(10..22) == Some(&cost[..])
}
