//! Quoting: a value written so that a shell reads exactly that value.
//!
//! Pure text; it knows no variable and no command. Every value is quoted as if it were hostile.

/// POSIX single quotes: nothing is special in them but the quote itself.
pub(super) fn sh(out: &mut String, value: &str) {
    out.push('\'');
    for c in value.chars() {
        if c == '\'' { out.push_str("'\\''") } else { out.push(c) }
    }
    out.push('\'');
}

/// fish's single quotes know two escapes: of the quote and of the backslash.
pub(super) fn fish(out: &mut String, value: &str) {
    out.push('\'');
    for c in value.chars() {
        if matches!(c, '\'' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('\'');
}

/// Single quotes of csh, with what is special in them outside of them: the quote, `!`, which stands for an earlier command
/// even there, and the backslash, which tcsh reads by its `backslash_quote`. A line end needs a backslash before it.
pub(super) fn csh(out: &mut String, value: &str) {
    out.push('\'');
    for c in value.chars() {
        match c {
            '\'' | '!' | '\\' => {
                out.push_str("'\\");
                out.push(c);
                out.push('\'');
            }
            '\n' => out.push_str("\\\n"),
            c => out.push(c),
        }
    }
    out.push('\'');
}

/// Nushell's double quotes, in which only the backslash is special.
pub(super) fn nushell(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => push_code(out, c, "\\u{", "}"),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// xonsh reads a string as Python does.
pub(super) fn xonsh(out: &mut String, value: &str) {
    out.push('\'');
    for c in value.chars() {
        match c {
            '\'' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => push_code(out, c, "\\x", ""),
            c => out.push(c),
        }
    }
    out.push('\'');
}

/// Writes a control character as two hexadecimal digits.
fn push_code(out: &mut String, c: char, before: &str, after: &str) {
    let digit = |n: u32| char::from_digit(n & 15, 16).unwrap_or('0');
    let code = u32::from(c);
    out.push_str(before);
    out.extend([digit(code >> 4), digit(code)]);
    out.push_str(after);
}

/// PowerShell takes the typographic single quotes for the plain one, and each is doubled.
pub(super) fn powershell(out: &mut String, value: &str) {
    out.push('\'');
    for c in value.chars() {
        if matches!(c, '\'' | '\u{2018}'..='\u{201b}') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
}

/// Bare where it can be, since `docker run --env-file` takes quotes for a part of the value.
pub(super) fn dotenv(out: &mut String, value: &str) {
    if is_plain(value) {
        out.push_str(value);
    } else if !value.contains(['\'', '\n', '\r']) {
        out.push('\'');
        out.push_str(value);
        out.push('\'');
    } else {
        out.push('"');
        for c in value.chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '"' | '\\' | '$' | '`' => {
                    out.push('\\');
                    out.push(c);
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

/// Writes a word of a command line that a person may copy; bare where it can be.
pub(super) fn word(value: &str) -> String {
    if is_plain(value) {
        return value.to_owned();
    }
    let mut out = String::new();
    sh(&mut out, value);
    out
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./+=:@%,-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_is_quoted_by_its_own_rules() {
        let quoted = |quote: fn(&mut String, &str), value: &str| {
            let mut out = String::new();
            quote(&mut out, value);
            out
        };
        assert_eq!(quoted(fish, r"a'b\c$d"), r"'a\'b\\c$d'");
        assert_eq!(quoted(csh, "a'b!c\\d\n$"), "'a'\\''b'\\!'c'\\\\'d\\\n$'");
        assert_eq!(quoted(nushell, "a'b\"c\\d\n$"), r#""a'b\"c\\d\u{0a}$""#);
        assert_eq!(quoted(xonsh, "a'b\"c\\d\n$"), r#"'a\'b"c\\d\x0a$'"#);
        assert_eq!(quoted(powershell, "a'b\u{2019}c$d`"), "'a''b\u{2019}\u{2019}c$d`'");
        assert_eq!(quoted(dotenv, "abc+/="), "abc+/=");
        assert_eq!(quoted(dotenv, "a b$c"), "'a b$c'");
        assert_eq!(quoted(dotenv, "a'b\n$c"), "\"a'b\\n\\$c\"");
        assert_eq!(quoted(dotenv, ""), "''");
        assert_eq!((word("/a/b.csv"), word("/a b")), ("/a/b.csv".to_owned(), "'/a b'".to_owned()));
    }
}
