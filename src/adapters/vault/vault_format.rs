//! The format of the encrypted-file vault: a header in the clear, then what XChaCha20-Poly1305 seals under a key that
//! Argon2id makes of a passphrase.
//!
//! It knows no files and no identities, only bytes. The header is authenticated with the rest, so no field of it can be
//! changed without the passphrase.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | `rolecall` |
//! | 1 | format, 1 |
//! | 1 | key derivation, 1: Argon2id, version 0x13 |
//! | 4 + 4 + 4 | its memory in KiB, passes and lanes, little-endian |
//! | 16 | salt |
//! | 24 | nonce |
//! | … | sealed text and its tag of 16 |
//!
//! Each write takes a fresh nonce; 24 random bytes never repeat in practice. The salt is as old as the file: a fresh one
//! would need the passphrase again, and keeping that in memory is worse than keeping the key it makes.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rolecall_core::domain::secret::Passphrase;
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"rolecall";
const FORMAT: u8 = 1;
const ARGON2ID: u8 = 1;
const SALT: usize = 16;
const NONCE: usize = 24;
const TAG: usize = 16;

/// How long the header is.
pub(super) const HEADER: usize = MAGIC.len() + 2 + 12 + SALT + NONCE;

/// What a file may ask for: four times the memory and four times the work of [`COST`], which leaves room for a later
/// version. Threat: a hostile file that takes all the memory, or the processor for half a minute, at `unlock`.
const MEMORY_MAX_KIB: u32 = 4 * COST.memory_kib;
const WORK_MAX: u64 = 4 * COST.memory_kib as u64 * COST.passes as u64;
const LANES_MAX: u32 = 4;

/// What it costs to try one passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

/// A fifth of a second and 64 MiB: RFC 9106's second choice, for machines whose memory is needed for other things.
pub(super) const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

/// Why bytes did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VaultFormatError {
    /// There are none.
    Empty,
    /// They do not begin as a vault does.
    Foreign,
    /// A later rolecall wrote them.
    Newer,
    /// They ask for more memory or time than is sane.
    Cost,
    /// They end too early.
    Short,
    /// The key does not fit: a wrong passphrase, or a changed byte. An AEAD cannot tell these apart.
    Sealed,
    /// This machine has not the memory, or gives no random bytes.
    Machine,
}

/// What is in the clear.
struct Header {
    cost: Cost,
    salt: [u8; SALT],
    nonce: [u8; NONCE],
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), VaultFormatError> {
        if bytes.is_empty() {
            return Err(VaultFormatError::Empty);
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or(if MAGIC.starts_with(bytes) {
            VaultFormatError::Short
        } else {
            VaultFormatError::Foreign
        })?;
        let (&[format, derivation], rest) = rest.split_first_chunk().ok_or(VaultFormatError::Short)?;
        if (format, derivation) != (FORMAT, ARGON2ID) {
            return Err(VaultFormatError::Newer);
        }
        let mut rest = rest;
        let mut number = || {
            let (number, after) = rest.split_first_chunk().ok_or(VaultFormatError::Short)?;
            rest = after;
            Ok(u32::from_le_bytes(*number))
        };
        let cost = Cost { memory_kib: number()?, passes: number()?, lanes: number()? };
        let (&salt, rest) = rest.split_first_chunk().ok_or(VaultFormatError::Short)?;
        let (&nonce, sealed) = rest.split_first_chunk().ok_or(VaultFormatError::Short)?;
        if sealed.len() < TAG {
            return Err(VaultFormatError::Short);
        }
        cost.params()?;
        Ok((Self { cost, salt, nonce }, sealed))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[FORMAT, ARGON2ID]);
        for number in [self.cost.memory_kib, self.cost.passes, self.cost.lanes] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.nonce);
        bytes
    }
}

impl Cost {
    fn params(self) -> Result<Params, VaultFormatError> {
        // Each pass goes through the whole memory once. It has 8 KiB at least, so that this bounds the passes too.
        let work = u64::from(self.memory_kib.max(1024)) * u64::from(self.passes);
        if self.memory_kib > MEMORY_MAX_KIB || work > WORK_MAX || self.lanes > LANES_MAX {
            return Err(VaultFormatError::Cost);
        }
        Params::new(self.memory_kib, self.passes, self.lanes, None).map_err(|_| VaultFormatError::Cost)
    }
}

/// What a passphrase and a salt make; wiped when dropped.
pub(super) struct Key {
    cost: Cost,
    salt: [u8; SALT],
    // Boxed before it is filled: a move would leave a copy on the stack.
    bytes: Box<Zeroizing<[u8; 32]>>,
}

impl Key {
    /// Makes the key of a new vault. Takes a while.
    pub(super) fn create(passphrase: &Passphrase, cost: Cost) -> Result<Self, VaultFormatError> {
        Self::stretch(passphrase, cost, random()?)
    }

    /// Makes the key that would open a vault. Takes a while.
    pub(super) fn derive(passphrase: &Passphrase, vault: &[u8]) -> Result<Self, VaultFormatError> {
        let (header, _) = Header::parse(vault)?;
        Self::stretch(passphrase, header.cost, header.salt)
    }

    fn stretch(passphrase: &Passphrase, cost: Cost, salt: [u8; SALT]) -> Result<Self, VaultFormatError> {
        let params = cost.params()?;
        // Memory of our own, because the crate frees its own without wiping it, and the key follows from the last block.
        let mut memory: Zeroizing<Vec<Block>> = Zeroizing::default();
        memory.try_reserve_exact(params.block_count()).map_err(|_| VaultFormatError::Machine)?;
        memory.resize(params.block_count(), Block::new());
        let mut key = Self { cost, salt, bytes: Box::default() };
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(passphrase.expose().as_bytes(), &salt, &mut key.bytes[..], &mut memory[..])
            .map_err(|_| VaultFormatError::Cost)?;
        Ok(key)
    }

    /// Names the vault that the key is for: by its salt, which it keeps for life.
    pub(super) fn vault(&self) -> String {
        self.salt.iter().fold(String::new(), |name, byte| name + &format!("{byte:02x}"))
    }

    /// Looks whether bytes could be a vault at all.
    pub(super) fn check(vault: &[u8]) -> Result<(), VaultFormatError> {
        Header::parse(vault).map(|_| ())
    }

    /// Tells whether a vault was sealed with the passphrase and salt of this key, as far as its header says.
    pub(super) fn fits(&self, vault: &[u8]) -> Result<bool, VaultFormatError> {
        let (header, _) = Header::parse(vault)?;
        Ok((header.cost, header.salt) == (self.cost, self.salt))
    }

    /// Opens a vault.
    pub(super) fn open(&self, vault: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultFormatError> {
        let (header, sealed) = Header::parse(vault)?;
        let mut text = Zeroizing::new(sealed.to_vec());
        self.cipher()
            .decrypt_in_place(&XNonce::from(header.nonce), &vault[..HEADER], &mut *text)
            .map_err(|_| VaultFormatError::Sealed)?;
        Ok(text)
    }

    /// Seals a text into a whole vault; what it is sealed into was the text's own memory, so no copy is left.
    pub(super) fn seal(&self, mut text: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, VaultFormatError> {
        let header = Header { cost: self.cost, salt: self.salt, nonce: random()? };
        let mut vault = header.to_bytes();
        self.cipher()
            .encrypt_in_place(&XNonce::from(header.nonce), &vault, &mut *text)
            .map_err(|_| VaultFormatError::Machine)?;
        vault.extend_from_slice(&text);
        Ok(vault)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&**self.bytes).into())
    }
}

fn random<const N: usize>() -> Result<[u8; N], VaultFormatError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| VaultFormatError::Machine)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
    const TEXT: &[u8] = b"{\"v\":1}";

    fn passphrase() -> Passphrase {
        Passphrase::new("correct horse".into())
    }

    fn vault() -> (Key, Vec<u8>) {
        let key = Key::create(&passphrase(), CHEAP).expect("made");
        let vault = key.seal(Zeroizing::new(TEXT.to_vec())).expect("sealed");
        (key, vault)
    }

    #[test]
    fn what_is_sealed_opens_with_the_passphrase_and_with_no_other() {
        let (_, vault) = vault();
        let open = |words: &str| {
            let key = Key::derive(&Passphrase::new(words.into()), &vault).expect("derived");
            key.open(&vault)
        };
        assert_eq!(open("correct horse").expect("opened").as_slice(), TEXT);
        assert_eq!(open("correct horse ").expect_err("wrong"), VaultFormatError::Sealed);
        assert!(!vault.windows(TEXT.len()).any(|w| w == TEXT), "nothing in the clear");
    }

    #[test]
    fn each_write_takes_a_new_nonce_and_each_vault_a_new_salt() {
        let (key, first) = vault();
        let again = key.seal(Zeroizing::new(TEXT.to_vec())).expect("sealed");
        assert_ne!(first[HEADER - NONCE..HEADER], again[HEADER - NONCE..HEADER]);
        let (_, other) = vault();
        assert_ne!(first[22..22 + SALT], other[22..22 + SALT]);
    }

    #[test]
    fn no_changed_byte_goes_unnoticed() {
        let (key, vault) = vault();
        for at in 0..vault.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bad = vault.clone();
                bad[at] ^= flip;
                assert!(key.open(&bad).is_err(), "byte {at} ^ {flip:#x} with the key at hand");
                // Some flips of the cost ask for a gigabyte that would be granted: deriving those proves nothing more.
                if !(10..22).contains(&at) {
                    let opened = Key::derive(&passphrase(), &bad).and_then(|key| key.open(&bad));
                    assert!(opened.is_err(), "byte {at} ^ {flip:#x} with the passphrase");
                }
            }
        }
        for end in 0..vault.len() {
            assert!(key.open(&vault[..end]).is_err(), "cut at {end}");
        }
        let longer = [&vault[..], b"x"].concat();
        assert_eq!(key.open(&longer).expect_err("longer"), VaultFormatError::Sealed);
    }

    #[test]
    fn a_hostile_header_takes_neither_memory_nor_time() {
        let (_, vault) = vault();
        let with = |memory: u32, passes: u32, lanes: u32| {
            let mut bad = vault.clone();
            for (at, number) in [(10, memory), (14, passes), (18, lanes)] {
                bad[at..at + 4].copy_from_slice(&number.to_le_bytes());
            }
            Key::derive(&passphrase(), &bad).err()
        };
        for (memory, passes, lanes) in [
            (MEMORY_MAX_KIB + 1, 1, 1),
            (u32::MAX, u32::MAX, u32::MAX),
            (1024 * 1024, 10, 1),
            (MEMORY_MAX_KIB, 4, 1),
            (COST.memory_kib, 4 * COST.passes + 1, 1),
            (8, 769, 1),
            (64, 1, LANES_MAX + 1),
            (0, 1, 1),
            (8, 0, 1),
            (8, 1, 0),
            (7, 1, 1),
        ] {
            assert_eq!(with(memory, passes, lanes), Some(VaultFormatError::Cost), "{memory} {passes} {lanes}");
        }
        assert_eq!(with(16, 2, 2), None, "other sane values are taken");
    }

    #[test]
    fn each_way_to_be_no_vault_has_its_name() {
        let (_, vault) = vault();
        let mut later = vault.clone();
        later[8] = 2;
        for (bytes, want) in [
            (&b""[..], VaultFormatError::Empty),
            (b"role", VaultFormatError::Short),
            (b"-----BEGIN", VaultFormatError::Foreign),
            (&vault[..HEADER + TAG - 1], VaultFormatError::Short),
            (&later, VaultFormatError::Newer),
        ] {
            assert_eq!(Header::parse(bytes).err(), Some(want), "{bytes:?}");
        }
    }
}
