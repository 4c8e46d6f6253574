//! A token in a file that another program renews: the source of a web identity, and the authorization of a container
//! endpoint. The file is read for each request, and the token is not kept.

use super::{CredentialSource, Sources};
use async_trait::async_trait;
use chrono::TimeDelta;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::secret::WebToken;
use rolecall_core::domain::source::WebIdentity;
use rolecall_core::domain::text::{narrowing, wide};
use rolecall_platform::blocking::{self, SOURCES};
use rolecall_ports::{SourceCredentials, SourceResult, TokenError};
use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zeroize::{Zeroize, Zeroizing};

/// What STS takes for a `WebIdentityToken` (AssumeRoleWithWebIdentity); no token of a container's is longer.
const TOKEN_MAX: usize = 20_000;

/// The deadline of a read, which can hang on a network file system.
const DEADLINE: Duration = Duration::from_secs(4);

enum TokenFileError {
    Empty,
    Huge,
    Letters,
    Wide(&'static str),
    NoFile,
    NoAnswer(blocking::Error),
    Io(io::Error),
}

#[async_trait]
impl CredentialSource for WebIdentity {
    async fn request(&self, _: &Sources, _: &Arc<AwsSettings>) -> Result<SourceCredentials, TokenError> {
        let given = SourceResult::Token(web_identity(&self.token_file).await?);
        Ok(SourceCredentials { given, user: None, account: None, skew: TimeDelta::zero() })
    }
}

/// Reads the token of an identity provider.
async fn web_identity(file: &Path) -> Result<WebToken, TokenError> {
    read(file, "web_identity_token_file").await
}

/// Reads the token of a container endpoint.
pub(super) async fn authorization(file: &Path) -> Result<WebToken, TokenError> {
    read(file, "the container's token file").await
}

async fn read(file: &Path, what: &str) -> Result<WebToken, TokenError> {
    let path = file.to_owned();
    let read = SOURCES.run(file.display().to_string(), DEADLINE, move || token(&path)).await;
    let flaw = match read.unwrap_or_else(|error| Err(TokenFileError::NoAnswer(error))) {
        Ok(token) => return Ok(token),
        Err(flaw) => flaw,
    };
    let shown = file.display();
    let report = |why: String| UserError::new(Kind::Config, format!("{what} {shown} {why}"));
    let renewer = "see whether what writes it still runs";
    Err(match flaw {
        // What renews it may write in place: the next look may find it whole.
        TokenFileError::Empty => TokenError::transient(report("is empty".into()).hint(renewer)),
        TokenFileError::Io(error) if error.kind() == io::ErrorKind::NotFound => TokenError::transient(
            report("is not there".into()).hint(format!("{renewer}, and whether the path is right")),
        ),
        TokenFileError::Io(error) => {
            TokenError::permanent(report(format!("cannot be read: {error}")).hint(format!("`ls -l {shown}`")))
        }
        TokenFileError::NoAnswer(error) => TokenError::transient(
            report(error.to_string()).hint(format!("{renewer}, and whether its file system is mounted")),
        ),
        TokenFileError::Huge => TokenError::permanent(
            report(format!("has more than {TOKEN_MAX} bytes")).hint("name the file with the token alone"),
        ),
        TokenFileError::NoFile => {
            TokenError::permanent(report("is not a file".into()).hint(format!("`ls -l {shown}`")))
        }
        TokenFileError::Wide(why) => TokenError::permanent(report(why.to_owned()).hint(narrowing(&shown.to_string()))),
        TokenFileError::Letters => TokenError::permanent(
            report("holds more than a token: spaces, or what is not text".into())
                .hint("name the file with the token alone"),
        ),
    })
}

fn token(file: &Path) -> Result<WebToken, TokenFileError> {
    // A pipe would be waited for at its opening; what is no file is told apart after it.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(file).map_err(TokenFileError::Io)?;
    if !opened.metadata().map_err(TokenFileError::Io)?.is_file() {
        return Err(TokenFileError::NoFile);
    }
    // Room for all that may come: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(TOKEN_MAX + 8));
    opened.take(TOKEN_MAX as u64 + 2).read_to_end(&mut bytes).map_err(TokenFileError::Io)?;
    let text = bytes.trim_ascii();
    if let Some(why) = wide(&bytes) {
        return Err(TokenFileError::Wide(why));
    }
    match text {
        [] => Err(TokenFileError::Empty),
        _ if text.len() > TOKEN_MAX => Err(TokenFileError::Huge),
        _ if !text.iter().all(u8::is_ascii_graphic) => Err(TokenFileError::Letters),
        _ => {
            let mut owned = String::from_utf8_lossy(text).into_owned();
            let token = WebToken::new(owned.clone());
            owned.zeroize();
            Ok(token)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::io::Write;

    async fn said(file: &Path) -> String {
        let error = web_identity(file).await.expect_err("no token");
        assert!(error.report.hint.is_some());
        error.report.message
    }

    #[tokio::test]
    async fn a_token_is_read_anew_without_the_line_end_that_people_leave() {
        let dir = tempfile::tempdir().expect("tempdir");
        let file = dir.path().join("token");
        for token in ["eyJ.first.x", "eyJ.second.x"] {
            File::create(&file).and_then(|mut f| writeln!(f, "{token}")).expect("written");
            assert_eq!(web_identity(&file).await.expect("a token").expose(), token);
        }
    }

    #[tokio::test]
    async fn a_file_that_is_empty_huge_gone_or_no_file_is_told_by_its_path() {
        let dir = tempfile::tempdir().expect("tempdir");
        let file = dir.path().join("token");
        let shown = file.display().to_string();
        let put = |content: &[u8]| File::create(&file).and_then(|mut f| f.write_all(content)).expect("written");
        assert_eq!(said(&file).await, format!("web_identity_token_file {shown} is not there"));
        put(b"\n \n");
        assert!(said(&file).await.ends_with("is empty"));
        put(&vec![b'x'; TOKEN_MAX + 1]);
        assert!(said(&file).await.ends_with("has more than 20000 bytes"));
        put(b"two words");
        assert!(said(&file).await.contains("more than a token"));
        put(b"caf\xe9");
        assert!(said(&file).await.contains("more than a token"));
        put(b"\xff\xfee\0y\0");
        assert!(said(&file).await.ends_with("is UTF-16, not UTF-8"));
        fs::remove_file(&file).expect("removed");
        rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .expect("made");
        assert!(said(&file).await.ends_with("is not a file"));
        assert!(said(dir.path()).await.ends_with("is not a file"));
    }
}
