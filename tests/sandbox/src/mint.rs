//! New identifiers and secrets, in the shapes AWS gives them.
//!
//! They are random and not constants: a leak test that searches for a secret must not find it in a source file, and no
//! secret scanner should find a key here.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// The letters AWS spells its identifiers with (RFC 4648 base32).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What the session tokens of today's STS begin with.
const TOKEN_HEAD: &str = "IQoJb3JpZ2luX2VjE";

/// Random bytes behind a session token: about 740 characters, as long as a plain role session's.
const TOKEN_BYTES: usize = 540;

/// Random bytes behind a one-time-code secret: 64 base32 characters, as IAM shows them.
const TOTP_BYTES: usize = 40;

/// Returns an identifier such as `AKIA` + 16 letters (IAM identifiers, "Understanding unique ID prefixes").
pub(crate) fn identifier(prefix: &str) -> String {
    format!("{prefix}{}", base32(16))
}

/// Returns a secret access key: 40 characters of base64.
pub(crate) fn secret_key() -> String {
    STANDARD.encode(random::<30>())
}

/// Returns a session token.
pub(crate) fn session_token() -> String {
    format!("{TOKEN_HEAD}{}", STANDARD.encode(random::<TOKEN_BYTES>()))
}

/// Returns a token of the metadata service: 56 characters of base64.
pub(crate) fn metadata_token() -> String {
    STANDARD.encode(random::<42>())
}

/// Returns a sign-in token of the console: as long as AWS's, which have some 1,700 characters.
pub(crate) fn signin_token() -> String {
    URL_SAFE.encode(random::<1260>())
}

/// Returns the base32 secret of a new virtual MFA device.
pub(crate) fn totp_secret() -> String {
    base32(TOTP_BYTES * 8 / 5)
}

/// Returns a request id in the form of a version 4 UUID.
pub(crate) fn request_id() -> String {
    let mut bytes = random::<16>();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let text = hex(&bytes);
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

/// Returns a request id as S3 writes it: 16 upper-case hexadecimal digits.
pub(crate) fn s3_request_id() -> String {
    hex(&random::<8>()).to_uppercase()
}

/// Returns S3's second request id, the host's.
pub(crate) fn s3_host_id() -> String {
    STANDARD.encode(random::<56>())
}

fn base32(length: usize) -> String {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes.iter().map(|byte| char::from(BASE32[usize::from(byte % 32)])).collect()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(b"0123456789abcdef"[usize::from(nibble)]))
        .collect()
}
