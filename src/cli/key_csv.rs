//! The CSV in which the console and its forerunners give an access key.
//!
//! A reader of its own, some fifty lines, because every buffer it fills must be wiped; it knows RFC 4180 and the two
//! column names, and nothing of where the text comes from. No message repeats a field: it could be the secret.

use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::secret::SecretKey;
use zeroize::Zeroizing;

/// A console's file has one row; more than this is something else.
const ROWS_MAX: usize = 100;

/// Reads the one key of a CSV text.
pub(super) fn read(text: &str) -> Result<AccessKey, String> {
    let mut rows = rows(text)?.into_iter().filter(|row| row.iter().any(|field| !field.trim().is_empty()));
    let header = rows.next().ok_or("it is empty")?;
    let column = |name: &str| header.iter().position(|field| is_named(field, name));
    let (Some(id), Some(secret)) = (column("accesskeyid"), column("secretaccesskey")) else {
        return Err("its first line does not name the columns `Access key ID` and `Secret access key`".into());
    };
    let row = rows.next().ok_or("it has column names and no key")?;
    let more = rows.count();
    if more > 0 {
        return Err(format!("it has {} keys, and one is stored at a time", more + 1));
    }
    let field = |at: usize, name: &str| match row.get(at).map(|field| field.trim()) {
        None | Some("") => Err(format!("its column `{name}` is empty")),
        Some(text) => Ok(text),
    };
    Ok(AccessKey {
        id: field(id, "Access key ID")?.to_owned(),
        secret: SecretKey::new(field(secret, "Secret access key")?.to_owned()),
    })
}

/// The console has changed case and spacing over the years.
fn is_named(field: &str, name: &str) -> bool {
    let letters = field.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-'));
    letters.flat_map(char::to_lowercase).eq(name.chars())
}

fn rows(text: &str) -> Result<Vec<Vec<Zeroizing<String>>>, &'static str> {
    // No field is longer than the text, so none is ever moved while it grows.
    let fresh = || Zeroizing::new(String::with_capacity(text.len().min(1024)));
    let mut rows = Vec::new();
    let (mut row, mut field) = (Vec::new(), fresh());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.trim().is_empty() => {
                field.clear();
                quoted = true;
            }
            c if quoted => push(&mut field, c)?,
            ',' => row.push(std::mem::replace(&mut field, fresh())),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\n' => {
                row.push(std::mem::replace(&mut field, fresh()));
                rows.push(std::mem::take(&mut row));
                if rows.len() > ROWS_MAX {
                    return Err("it has more than a hundred lines");
                }
            }
            c => push(&mut field, c)?,
        }
    }
    if quoted {
        return Err("a quoted field has no end");
    }
    row.push(field);
    rows.push(row);
    Ok(rows)
}

fn push(field: &mut String, c: char) -> Result<(), &'static str> {
    if field.len() + c.len_utf8() > field.capacity() {
        return Err("a field has more than a thousand characters");
    }
    field.push(c);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    #[test]
    fn every_form_that_the_console_has_had() {
        let forms = [
            format!("Access key ID,Secret access key\r\n{ID},{SECRET}\r\n"),
            format!("Access key ID,Secret access key\n{ID},{SECRET}"),
            format!(
                "User name,Password,Access key ID,Secret access key,Console login link\n\
                 richard,,{ID},{SECRET},https://111111111111.signin.aws.amazon.com/console\n"
            ),
            format!(
                "\"User Name\",\"Access Key Id\",\"Secret Access Key\"\r\n\"a, \"\"b\"\"\",\"{ID}\",\"{SECRET}\"\r\n"
            ),
            format!(" access key id , SECRET ACCESS KEY \n {ID} , {SECRET} \n\n\n"),
            format!("access_key_id,secret_access_key\n{ID},{SECRET}\n"),
            format!("\nAccess key ID,Secret access key\r{ID},{SECRET}\r"),
        ];
        for text in forms {
            let key = read(&text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
            assert_eq!((key.id.as_str(), key.secret.expose()), (ID, SECRET), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_refused_without_being_repeated() {
        let canary = "canary-51c2";
        let endless = format!("Access key ID,Secret access key\n{canary},{}", "x".repeat(5000));
        for (text, why) in [
            ("", "empty"),
            ("\r\n \r\n", "empty"),
            ("Access key ID,Secret access key\n", "no key"),
            ("canary-51c2,canary-51c2\n", "columns"),
            ("Access key ID\ncanary-51c2\n", "columns"),
            ("Access key ID,Secret access key\ncanary-51c2\n", "`Secret access key` is empty"),
            ("Access key ID,Secret access key\n,canary-51c2\n", "`Access key ID` is empty"),
            ("Access key ID,Secret access key\na,canary-51c2\nb,canary-51c2\n", "2 keys"),
            ("Access key ID,Secret access key\na,\"canary-51c2\n", "no end"),
            (&endless, "thousand characters"),
            (&"canary-51c2\n".repeat(500), "hundred lines"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(why), "{text:?}: {error}");
            assert!(!error.contains(canary), "{error}");
        }
    }
}
