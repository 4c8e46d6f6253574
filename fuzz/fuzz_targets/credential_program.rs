//! What a `credential_process` program prints.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rolecall::adapters::sources::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    if let Err(why) = fuzzing::read(bytes) {
        // The text stands in an error after the name of the program, and repeats nothing that was printed.
        assert!(!why.contains(char::is_control), "{why:?}");
    }
});
