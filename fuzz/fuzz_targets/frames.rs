//! The agent's socket: frames, and the JSON in them, in both directions.
//!
//! The first byte selects the direction: requests to the agent, answers to the client, or lines to and from the setup worker.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rolecall::domain::error::UserError;
use rolecall::domain::question::{Device, Question};
use rolecall::protocol::frame::{self, Tag};
use rolecall::protocol::message::{Answer, Call, Progress, Reply, Startup};
use rolecall::protocol::process_output;
use rolecall::protocol::setup::{FirstCodes, NewDevice, Outcome, WorkerRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read};

fuzz_target!(|bytes: &[u8]| {
    let Some((direction, bytes)) = bytes.split_first() else { return };
    match direction % 3 {
        0 => request(bytes),
        1 => answer(bytes),
        _ => setup(bytes),
    }
});

fn request(bytes: &[u8]) {
    let Some((word, rest)) = bytes.split_first_chunk() else { return };
    let Some(length) = frame::request_length(*word) else { return };
    let payload = &rest[..length.min(rest.len())];
    if let Some(call) = stable::<Call>(payload) {
        let surroundings = call.context.surroundings(Some(Device { path: "/dev/pts/0".to_owned(), number: (136, 0) }));
        let plain = |word: &Option<String>| word.as_ref().is_none_or(|word| !word.contains(char::is_control));
        assert!(plain(&surroundings.lang) && surroundings.terminal.is_none_or(|terminal| plain(&terminal.kind)));
    }
    stable::<Reply>(payload);
    if let Some(frame) = frame::request(payload) {
        assert_eq!(frame[4..], *payload);
    }
}

fn answer(bytes: &[u8]) {
    let whole = frame::read_answer(&mut &bytes[..]);
    let in_pieces = frame::read_answer(&mut OneByOne(bytes));
    if let (Ok(whole), Ok(in_pieces)) = (&whole, &in_pieces) {
        // A question that arrives together with its answer from elsewhere is over, and skipped.
        let is_question = in_pieces.0 == Tag::Question;
        assert!(is_question || whole == in_pieces, "an answer does not depend on how it arrives");
    }
    for (tag, payload) in [whole, in_pieces, frame::read_frame(&mut &bytes[..])].into_iter().flatten() {
        match tag {
            Tag::Answer => drop(stable::<Answer>(&payload)),
            Tag::Progress => drop(stable::<Progress>(&payload)),
            Tag::Question => drop(stable::<Question>(&payload)),
            Tag::Refusal => drop(stable::<UserError>(&payload)),
            Tag::Session => drop(process_output::parse(&payload)),
        }
    }
    stable::<Startup>(bytes);
}

fn setup(bytes: &[u8]) {
    stable::<WorkerRequest>(bytes);
    stable::<Outcome>(bytes);
    stable::<NewDevice>(bytes);
    stable::<FirstCodes>(bytes);
}

/// Parses a message; what is written from it is read as the same message.
fn stable<T: DeserializeOwned + Serialize>(json: &[u8]) -> Option<T> {
    let message: T = serde_json::from_slice(json).ok()?;
    let written = serde_json::to_vec(&message).expect("a message can be written");
    let again: T = serde_json::from_slice(&written).expect("what is written can be read");
    assert_eq!(written, serde_json::to_vec(&again).expect("a message can be written"));
    Some(message)
}

/// Gives a byte at a time, as a slow writer does.
struct OneByOne<'a>(&'a [u8]);

impl Read for OneByOne<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(1);
        self.0.read(&mut into[..most])
    }
}
