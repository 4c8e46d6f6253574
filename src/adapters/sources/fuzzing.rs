//! Entry point of `fuzz/` into what credential programs print. Compiled for cargo-fuzz only.

use super::process;
use rolecall_ports::SourceCredentials;

/// Reads what a program printed as its `credential_process` JSON.
pub fn read(printed: &[u8]) -> Result<SourceCredentials, String> {
    process::read(printed)
}
