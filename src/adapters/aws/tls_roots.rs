//! Whose certificates are believed: the configured file's, or else the system's.
//!
//! The environment is not asked (`SSL_CERT_FILE` would let whoever starts the agent choose), except on macOS, whose
//! keychain is reached through a library that looks there first.

use rolecall_core::domain::error::{Kind, UserError};
use rolecall_platform::blocking::SOURCES;
use rolecall_platform::os;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

/// Mozilla's whole list takes a quarter of a megabyte.
const BUNDLE_MAX: u64 = 4 * 1024 * 1024;

/// How long certificates may take to be read and parsed; half a second on a slow machine.
const DEADLINE: Duration = Duration::from_secs(4);

/// Runs a job that reads the certificates to believe: on a thread that is left behind where their file does not answer.
pub(crate) async fn reading<T: Send + 'static>(
    ca_bundle: Option<&Path>,
    job: impl FnOnce() -> Result<T, UserError> + Send + 'static,
) -> Result<T, UserError> {
    let subject = ca_bundle.map_or_else(
        || "the list of certificate authorities".to_owned(),
        |path| format!("`ca_bundle` {}", path.display()),
    );
    SOURCES.run(subject.as_str(), DEADLINE, job).await.unwrap_or_else(|error| {
        Err(UserError::new(Kind::Config, format!("{subject} {error}"))
            .hint("mount its file system again, or set `ca_bundle` under `[aws]` to another file"))
    })
}

/// Reads the certificates to believe.
pub(crate) fn store(ca_bundle: Option<&Path>) -> Result<RootCertStore, UserError> {
    match ca_bundle {
        Some(path) => bundle(path).map_err(|why| {
            UserError::new(Kind::Config, format!("`ca_bundle` {}: {why}", path.display()))
                .hint("set `ca_bundle` under `[aws]` to a PEM file of certificates, or remove it")
        }),
        None => system(),
    }
}

fn system() -> Result<RootCertStore, UserError> {
    let mut keychain = RootCertStore::empty();
    keychain.add_parsable_certificates(os::keychain().into_iter().map(CertificateDer::from));
    let found = if keychain.is_empty() { None } else { Some(keychain) };
    found.or_else(|| os::CERTIFICATE_BUNDLES.iter().find_map(|path| bundle(Path::new(path)).ok())).ok_or_else(|| {
        let (what, hint) = os::NO_CERTIFICATES;
        UserError::new(Kind::Config, what).hint(hint)
    })
}

fn bundle(path: &Path) -> Result<RootCertStore, String> {
    let pem = read(path).map_err(|e| e.to_string())?;
    let mut store = RootCertStore::empty();
    for der in CertificateDer::pem_slice_iter(&pem) {
        let der = der.map_err(|_| "it is not well-formed PEM".to_owned())?;
        // An old list may hold a certificate that nobody can use any more; the rest counts.
        let _ = store.add(der);
    }
    if store.is_empty() { Err("it holds no usable certificate".to_owned()) } else { Ok(store) }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a FIFO would wait for a writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut pem = Vec::new();
    File::open(path)?.take(BUNDLE_MAX + 1).read_to_end(&mut pem)?;
    if pem.len() as u64 > BUNDLE_MAX {
        return Err(io::Error::other("it is larger than 4 MiB"));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_cannot_serve_is_named_with_the_reason() {
        let dir = tempfile::tempdir().expect("tempdir");
        let file = |name: &str, content: &str| {
            let path = dir.path().join(name);
            rolecall_platform::files::write_atomically(&path, content.as_bytes()).expect("written");
            path
        };
        let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        let not_one = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (path, why) in [
            (dir.path().join("missing.pem"), "No such file"),
            (dir.path().to_path_buf(), "not a file"),
            (file("empty.pem", "no certificate here"), "no usable certificate"),
            (file("not-one.pem", not_one), "no usable certificate"),
            (file("broken.pem", broken), "not well-formed"),
        ] {
            let report = store(Some(&path)).expect_err(why);
            assert_eq!(report.kind, Kind::Config);
            assert!(report.message.contains(why) && report.message.contains(&path.display().to_string()), "{report}");
        }
    }
}
