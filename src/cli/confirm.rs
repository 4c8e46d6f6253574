//! Questions on the terminal, and the one line of stdin that stands for an answer where there is none.
//!
//! It knows no command. A person is asked only when stdin is a terminal, so that nothing in a script ever waits; what is
//! typed goes from `/dev/tty` into memory that is wiped.

use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::text::{escaped, wide};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use zeroize::Zeroizing;

/// The longest line that is taken: a key has 40 characters, a passphrase perhaps a hundred.
const LINE_MAX: usize = 4096;

/// Tells whether there is somebody to ask.
pub(super) fn is_possible() -> bool {
    io::stdin().is_terminal()
}

/// Fails if nobody can be asked: there is no terminal, or the output is for a program (`--json`).
pub(super) fn ensure_possible(json: bool, what: &str, hint: &str) -> Result<(), UserError> {
    if !json && is_possible() {
        return Ok(());
    }
    Err(UserError::new(Kind::Usage, format!("{what}, and there is nobody to ask")).hint(hint))
}

/// Asks for what may be seen while it is typed.
pub(super) fn visible(prompt: &str) -> Result<Zeroizing<String>, UserError> {
    read_line(&mut terminal(prompt)?, "the terminal")
}

/// Opens the terminal and prints a prompt on it.
fn terminal(prompt: &str) -> Result<File, UserError> {
    let tty = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let mut tty = tty.map_err(|e| no_terminal(&e))?;
    tty.write_all(escaped(prompt).as_bytes()).map_err(|e| no_terminal(&e))?;
    Ok(tty)
}

/// Asks for what must not be seen.
pub(super) fn hidden(prompt: &str) -> Result<Zeroizing<String>, UserError> {
    rpassword::prompt_password(escaped(prompt)).map(Zeroizing::new).map_err(|e| no_terminal(&e))
}

/// Asks a question whose answer is yes or, by default, no.
pub(super) fn consent(question: &str) -> Result<bool, UserError> {
    let answer = visible(&format!("{question} [y/N] "))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Asks a question whose answer is no or, by default, yes. The end of the input is no answer, and so a no.
pub(super) fn agree(question: &str) -> Result<bool, UserError> {
    let mut tty = terminal(&format!("{question} [Y/n] "))?;
    let mut read = Counted { from: &mut tty, bytes: 0 };
    let answer = read_line(&mut read, "the terminal")?;
    Ok(read.bytes > 0 && matches!(answer.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes"))
}

/// A reader that knows whether anything came.
struct Counted<'a, R> {
    from: &'a mut R,
    bytes: usize,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let number = self.from.read(buffer)?;
        self.bytes += number;
        Ok(number)
    }
}

/// Takes one line from stdin, without its line end.
pub(super) fn line_of_stdin() -> Result<Zeroizing<String>, UserError> {
    read_line(&mut io::stdin().lock(), "stdin")
}

/// Byte by byte, so that no buffered reader keeps a copy, or takes what belongs to the next program.
fn read_line(from: &mut impl Read, what: &str) -> Result<Zeroizing<String>, UserError> {
    let failed = |why: &str| UserError::new(Kind::Failed, format!("cannot read from {what}: {why}"));
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_MAX));
    let mut byte = Zeroizing::new([0]);
    loop {
        match from.read(&mut *byte) {
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if line.len() == LINE_MAX => return Err(failed("the line is longer than 4096 characters")),
            Ok(_) => line.push(byte[0]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(&e.to_string())),
        }
    }
    if wide(&line).is_some() {
        return Err(failed("the line is UTF-16, not UTF-8").hint("pipe UTF-8"));
    }
    let text = std::str::from_utf8(&line).map_err(|_| failed("the line is not UTF-8"))?;
    // Some Windows programs begin with a byte order mark.
    Ok(Zeroizing::new(text.trim_start_matches('\u{feff}').trim_end_matches('\r').to_owned()))
}

fn no_terminal(error: &io::Error) -> UserError {
    UserError::new(Kind::Locked, format!("cannot ask on the terminal: {error}"))
        .hint("give the answer on stdin: `… | rolecall …`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_taken_and_the_rest_left() {
        let mut from: &[u8] = b"123456\r\nnext\n";
        assert_eq!(read_line(&mut from, "x").expect("a line").as_str(), "123456");
        assert_eq!(from, b"next\n");
        assert_eq!(read_line(&mut &b"no end"[..], "x").expect("a line").as_str(), "no end");
        assert_eq!(read_line(&mut &b""[..], "x").expect("nothing").as_str(), "");
    }

    #[test]
    fn an_endless_or_binary_line_is_refused() {
        assert!(read_line(&mut io::repeat(b'x'), "x").is_err());
        assert!(read_line(&mut &b"\xff\n"[..], "x").is_err());
        let wide = read_line(&mut &b"\xff\xfe1\x002\x00\n\x00"[..], "x").expect_err("UTF-16");
        assert!(wide.message.contains("UTF-16"), "{}", wide.message);
        assert_eq!(read_line(&mut &b"\xef\xbb\xbf12\r\n"[..], "x").expect("a line").as_str(), "12");
    }
}
