//! Frames: a length, a tag, a payload. Capped before anything is allocated, wiped after use.

use std::io::{self, Read, Write};
use zeroize::Zeroizing;

/// The longest request: a session policy and 50 tags fit ten times over.
pub const REQUEST_MAX: usize = 64 * 1024;

/// The longest answer: `status` of ten thousand roles. The agent is trusted not to abuse it.
pub const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// The length word and the tag of an answer.
const HEAD: usize = 5;

/// What is asked for at first: a session fits, so that one read takes it whole. Not more, because each page that is touched
/// costs as much as several system calls, in front of every AWS call.
const FIRST_READ: usize = 2048;

/// What an answer's payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// JSON of [`super::message::Answer`].
    Answer,
    /// JSON of [`super::message::Progress`]: an answer is still to come.
    Progress,
    /// JSON of [`rolecall_core::domain::question::Question`]: the client asks its person and sends a [`super::message::Reply`].
    Question,
    /// JSON of [`rolecall_core::domain::error::UserError`]. Its form never changes, so that any two versions can refuse each other.
    Refusal,
    /// The bytes for stdout, as they are.
    Session,
}

impl Tag {
    /// Gives the byte on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Answer => b'A',
            Self::Progress => b'P',
            Self::Question => b'Q',
            Self::Refusal => b'E',
            Self::Session => b'S',
        }
    }

    fn parse(byte: u8) -> Option<Self> {
        [Self::Answer, Self::Progress, Self::Question, Self::Refusal, Self::Session]
            .into_iter()
            .find(|tag| tag.byte() == byte)
    }
}

/// Reads the length word of a request; `None` for one that is empty or over the cap.
pub fn request_length(word: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(word)).ok().filter(|length| (1..=REQUEST_MAX).contains(length))
}

/// Puts the length before a request; `None` if it is over the cap.
pub fn request(payload: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= REQUEST_MAX)?;
    let mut frame = Zeroizing::new(Vec::with_capacity(4 + payload.len()));
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(payload);
    Some(frame)
}

/// Gives the head of an answer: the length of tag and payload, and the tag.
pub fn answer_head(tag: Tag, payload: usize) -> [u8; HEAD] {
    let length = u32::try_from(payload + 1).unwrap_or(u32::MAX).to_be_bytes();
    [length[0], length[1], length[2], length[3], tag.byte()]
}

/// Writes a request.
pub fn write_request(stream: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    let frame = request(payload)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the request is longer than 64 KiB"))?;
    stream.write_all(&frame)
}

/// Reads one frame of an answer and not a byte more: others may follow it.
pub fn read_frame(stream: &mut dyn Read) -> io::Result<(Tag, Zeroizing<Vec<u8>>)> {
    let mut head = [0; HEAD];
    stream.read_exact(&mut head)?;
    let (tag, payload) = parse_head(head)?;
    let mut out = Zeroizing::new(vec![0_u8; payload]);
    stream.read_exact(&mut out)?;
    Ok((tag, out))
}

fn parse_head(head: [u8; HEAD]) -> io::Result<(Tag, usize)> {
    let invalid = |why| io::Error::new(io::ErrorKind::InvalidData, why);
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    let tag = Tag::parse(head[4]).ok_or_else(|| invalid("an answer of unknown kind"))?;
    let payload = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_sub(1))
        .filter(|payload| *payload <= ANSWER_MAX)
        .ok_or_else(|| invalid("an answer of impossible length"))?;
    Ok((tag, payload))
}

/// Reads an answer.
pub fn read_answer(stream: &mut dyn Read) -> io::Result<(Tag, Zeroizing<Vec<u8>>)> {
    let invalid = |why| io::Error::new(io::ErrorKind::InvalidData, why);
    // On the stack, which is there already.
    let mut buffer = Zeroizing::new([0_u8; FIRST_READ]);
    let mut filled = 0;
    while filled < HEAD {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => filled += n,
            // A read with a deadline is not taken up again by itself after a signal (signal(7)).
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let (tag, payload) = parse_head([buffer[0], buffer[1], buffer[2], buffer[3], buffer[4]])?;
    if filled > HEAD + payload {
        if tag != Tag::Question {
            return Err(invalid("an answer longer than it says"));
        }
        // What follows a question that nobody has answered yet is its answer from elsewhere: the question is over.
        let rest = Zeroizing::new(buffer[HEAD + payload..filled].to_vec());
        return read_answer(&mut rest.as_slice().chain(stream));
    }
    let mut out = Zeroizing::new(vec![0_u8; payload]);
    out[..filled - HEAD].copy_from_slice(&buffer[HEAD..filled]);
    stream.read_exact(&mut out[filled - HEAD..])?;
    Ok((tag, out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_beyond_the_cap_are_refused_before_anything_is_allocated() {
        assert_eq!(request_length(0_u32.to_be_bytes()), None);
        assert_eq!(request_length(u32::MAX.to_be_bytes()), None);
        assert_eq!(request_length(65_537_u32.to_be_bytes()), None);
        assert_eq!(request_length(65_536_u32.to_be_bytes()), Some(65_536));
        assert!(request(&vec![0; REQUEST_MAX + 1]).is_none());
    }

    #[test]
    fn the_wire_is_as_it_always_was() {
        // Fixtures: changing these bytes is a new protocol version.
        assert_eq!(request(b"{}").expect("short").as_slice(), b"\0\0\0\x02{}");
        assert_eq!(answer_head(Tag::Session, 2), *b"\0\0\0\x03S");
        let (tag, payload) = read_answer(&mut &b"\0\0\0\x03E{}"[..]).expect("read");
        assert_eq!((tag, payload.as_slice()), (Tag::Refusal, &b"{}"[..]));
    }

    #[test]
    fn a_signal_in_the_middle_of_an_answer_costs_nothing() {
        struct Signalled<'a>(&'a [u8], bool);
        impl Read for Signalled<'_> {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 { Err(io::ErrorKind::Interrupted.into()) } else { self.0.read(&mut to[..1]) }
            }
        }
        let (tag, payload) = read_answer(&mut Signalled(b"\0\0\0\x03S{}", false)).expect("read");
        assert_eq!((tag, payload.as_slice()), (Tag::Session, &b"{}"[..]));
    }

    #[test]
    fn a_question_that_is_over_before_it_was_read_is_passed_over() {
        let (tag, payload) = read_answer(&mut &b"\0\0\0\x03Q{}\0\0\0\x02Sx"[..]).expect("read");
        assert_eq!((tag, payload.as_slice()), (Tag::Session, &b"x"[..]));
        let (tag, payload) = read_answer(&mut &b"\0\0\0\x03Q{}"[..]).expect("read");
        assert_eq!((tag, payload.as_slice()), (Tag::Question, &b"{}"[..]));
    }

    #[test]
    fn frames_that_follow_each_other_are_read_one_by_one() {
        let mut wire = &b"\0\0\0\x03P{}\0\0\0\x02Ax"[..];
        let (tag, payload) = read_frame(&mut wire).expect("read");
        assert_eq!((tag, payload.as_slice()), (Tag::Progress, &b"{}"[..]));
        let (tag, payload) = read_frame(&mut wire).expect("read");
        assert_eq!((tag, payload.as_slice()), (Tag::Answer, &b"x"[..]));
        for wire in [&b""[..], b"\0\0\0\x05P{}", b"\0\0\0\0P", b"\xff\xff\xff\xffP", b"\0\0\0\x01Z"] {
            assert!(read_frame(&mut &wire[..]).is_err(), "{wire:?}");
        }
    }

    #[test]
    fn an_answer_of_any_length_in_any_pieces_is_read_whole() {
        /// Gives at most so many bytes at once.
        struct Pieces<'a>(&'a [u8], usize);
        impl Read for Pieces<'_> {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let most = self.1.min(into.len());
                self.0.read(&mut into[..most])
            }
        }
        for length in [0, 1, FIRST_READ - HEAD - 1, FIRST_READ - HEAD, FIRST_READ - HEAD + 1, 3 * FIRST_READ] {
            let payload: Vec<u8> = (0..=250).cycle().take(length).collect();
            let wire = [answer_head(Tag::Session, length).as_slice(), &payload].concat();
            for piece in [1, 3, 4096, usize::MAX] {
                let (tag, read) = read_answer(&mut Pieces(&wire, piece)).expect("read");
                assert_eq!((tag, read.as_slice()), (Tag::Session, payload.as_slice()), "{length} bytes by {piece}");
            }
            let cut = &wire[..wire.len() - 1];
            assert!(read_answer(&mut Pieces(cut, usize::MAX)).is_err(), "{length} bytes, cut");
        }
    }

    #[test]
    fn a_cut_false_or_endless_answer_is_an_error() {
        for wire in [
            &b""[..],
            b"\0\0\0",
            b"\0\0\0\x05S{}",
            b"\0\0\0\0S",
            b"\xff\xff\xff\xffS",
            b"\0\0\0\x01Z",
            b"\0\0\0\x01Sxx",
        ] {
            assert!(read_answer(&mut &wire[..]).is_err(), "{wire:?}");
        }
    }
}
