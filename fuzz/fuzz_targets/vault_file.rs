//! The encrypted vault file: its header, and the text that a right passphrase opens.
//!
//! The first byte selects: a whole file, or a text that is sealed with the passphrase first.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rolecall::adapters::vault::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    let Some((form, bytes)) = bytes.split_first() else { return };
    match form % 2 {
        0 => drop(fuzzing::open(bytes)),
        _ => drop(fuzzing::read_content(bytes)),
    }
});
