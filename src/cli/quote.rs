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
        assert_eq!(quoted(powershell, "a'b\u{2019}c$d`"), "'a''b\u{2019}\u{2019}c$d`'");
        assert_eq!(quoted(dotenv, "abc+/="), "abc+/=");
        assert_eq!(quoted(dotenv, "a b$c"), "'a b$c'");
        assert_eq!(quoted(dotenv, "a'b\n$c"), "\"a'b\\n\\$c\"");
        assert_eq!(quoted(dotenv, ""), "''");
        assert_eq!((word("/a/b.csv"), word("/a b")), ("/a/b.csv".to_owned(), "'/a b'".to_owned()));
    }
}
