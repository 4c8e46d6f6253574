//! What the keys of the live screen mean, from the bytes of a terminal.
//!
//! Not crossterm's reader: on a terminal that was closed it reads the end of its file for ever, and its caller never
//! learns that it is over. What is wanted here is a dozen keys.

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyPress {
    Leave,
    Suspend,
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
}

const ESCAPE: u8 = 0x1b;
const CTRL_C: u8 = 0x03;
const CTRL_Z: u8 = 0x1a;

/// Tells whether more may follow: the terminal's keys begin with an escape character, which is also a key itself.
pub(super) fn is_begun(bytes: &[u8]) -> bool {
    bytes.iter().rposition(|byte| *byte == ESCAPE).is_some_and(|at| sequence(&bytes[at + 1..]).is_none())
}

/// Reads keys; what means nothing is passed over.
pub(super) fn keys(bytes: &[u8]) -> Vec<KeyPress> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        let key = match first {
            b'q' | b'Q' | &CTRL_C => Some(KeyPress::Leave),
            &CTRL_Z => Some(KeyPress::Suspend),
            b'k' => Some(KeyPress::Up),
            b'j' | b'\r' | b'\n' => Some(KeyPress::Down),
            b'b' => Some(KeyPress::PageUp),
            b' ' => Some(KeyPress::PageDown),
            b'g' => Some(KeyPress::Top),
            b'G' => Some(KeyPress::Bottom),
            &ESCAPE => match sequence(behind) {
                Some((taken, key)) => {
                    rest = &behind[taken..];
                    key
                }
                // Nothing behind it: the key itself. Of a sequence that was cut off nothing is known.
                None if behind.is_empty() => Some(KeyPress::Leave),
                None => return found,
            },
            _ => None,
        };
        found.extend(key);
    }
    found
}

/// Reads what stands behind an escape character: how long it is and what it means; `None` while it has no end.
fn sequence(bytes: &[u8]) -> Option<(usize, Option<KeyPress>)> {
    match bytes.first()? {
        b'[' => {
            let end = 1 + bytes[1..].iter().position(|byte| (0x40..=0x7e).contains(byte))?;
            let key = match (&bytes[1..end], bytes[end]) {
                (b"", last) => arrow(last),
                (b"5", b'~') => Some(KeyPress::PageUp),
                (b"6", b'~') => Some(KeyPress::PageDown),
                (b"1" | b"7", b'~') => Some(KeyPress::Top),
                (b"4" | b"8", b'~') => Some(KeyPress::Bottom),
                _ => None,
            };
            Some((end + 1, key))
        }
        b'O' => Some((2, arrow(*bytes.get(1)?))),
        // A key with Alt.
        _ => Some((1, None)),
    }
}

fn arrow(last: u8) -> Option<KeyPress> {
    match last {
        b'A' => Some(KeyPress::Up),
        b'B' => Some(KeyPress::Down),
        b'H' => Some(KeyPress::Top),
        b'F' => Some(KeyPress::Bottom),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_what_is_none_is_passed_over() {
        for (bytes, expected) in [
            (&b"q"[..], &[KeyPress::Leave][..]),
            (b"\x03", &[KeyPress::Leave]),
            (b"\x1b", &[KeyPress::Leave]),
            (b"\x1b[A\x1b[Bjk", &[KeyPress::Up, KeyPress::Down, KeyPress::Down, KeyPress::Up]),
            (b"\x1bOA\x1bOB", &[KeyPress::Up, KeyPress::Down]),
            (b"\x1b[5~\x1b[6~ b", &[KeyPress::PageUp, KeyPress::PageDown, KeyPress::PageDown, KeyPress::PageUp]),
            (b"\x1b[H\x1b[4~gG", &[KeyPress::Top, KeyPress::Bottom, KeyPress::Top, KeyPress::Bottom]),
            (b"\x1b[1;5Ax\x1b[200~", &[]),
            (b"\x1bq", &[]),
            (b"\x1b[", &[]),
            (b"\xffz\x1a", &[KeyPress::Suspend]),
        ] {
            assert_eq!(keys(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn an_escape_may_be_the_beginning_of_a_key() {
        for (bytes, is_open) in [(&b"\x1b"[..], true), (b"j\x1b[", true), (b"\x1bO", true), (b"\x1b[5", true)] {
            assert_eq!(is_begun(bytes), is_open, "{bytes:?}");
        }
        assert!(!is_begun(b"q") && !is_begun(b"\x1b[A") && !is_begun(b"\x1bx"));
    }
}
