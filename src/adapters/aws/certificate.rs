//! What is wrong with a certificate that was rejected: which certificate of the chain, who issued it, and the fault. Pure.
//!
//! webpki says what it rejects but not which certificate. Here the chain is read again for the message alone; nothing here
//! decides whether a certificate is trusted.

use super::policies::{element, has_critical_policy, requires_explicit_policy};
use chrono::DateTime;
use rolecall_core::domain::error::printable;
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error};
use std::fmt;
use webpki::Error as Pki;
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier as Oid;

/// A name in a certificate is longer only where somebody wants to fill the screen.
const NAME_MAX: usize = 80;
const SUBJECT_ALT_NAME: Oid = Oid::new_unwrap("2.5.29.17");
const BASIC_CONSTRAINTS: Oid = Oid::new_unwrap("2.5.29.19");
/// The extensions that webpki evaluates (its `cert.rs`).
const EVALUATED: [Oid; 6] = [
    Oid::new_unwrap("2.5.29.15"),
    SUBJECT_ALT_NAME,
    BASIC_CONSTRAINTS,
    Oid::new_unwrap("2.5.29.30"),
    Oid::new_unwrap("2.5.29.31"),
    Oid::new_unwrap("2.5.29.37"),
];
/// Signature algorithms over MD5 and SHA-1 (RFC 3279).
const WEAK: [(Oid, &str); 3] = [
    (Oid::new_unwrap("1.2.840.113549.1.1.4"), "MD5"),
    (Oid::new_unwrap("1.2.840.113549.1.1.5"), "SHA-1"),
    (Oid::new_unwrap("1.2.840.10045.4.1"), "SHA-1"),
];
const RSA: Oid = Oid::new_unwrap("1.2.840.113549.1.1.1");
/// The shortest RSA key that the crypto library verifies with.
const RSA_MIN: usize = 2048;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No trusted authority issued the chain; the issuer that is missing.
    UnknownIssuer(String),
    /// It is for other names.
    WrongName(Vec<String>),
    /// It names its host in the common name alone.
    CommonNameOnly,
    /// It ended, at this time.
    Expired(String),
    /// It begins later, at this time.
    NotYetValid(String),
    /// An extension that must be understood, and is not.
    CriticalExtension(String),
    /// It demands that certificate policies are evaluated.
    ExplicitPolicy,
    /// It has this version, not 3.
    Version(u8),
    /// It is signed over a broken digest.
    WeakDigest(&'static str),
    /// Its RSA key has too few bits.
    WeakKey(usize),
    /// An authority's own certificate is used for the server.
    AuthorityAsServer,
    /// It issued another, and is not an authority.
    NotAnAuthority,
    /// An authority above it does not allow the name.
    NameConstraints,
    /// It is not for TLS servers.
    Purpose,
    /// It cannot be read.
    Unreadable,
    /// Anything else, in the library's words.
    Other(String),
}

/// A certificate that was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFault {
    /// What is wrong.
    pub(crate) fault: Fault,
    /// Whose it is.
    pub(crate) subject: String,
    /// Who issued it.
    pub(crate) issuer: String,
    /// Whether it is the server's own, and not an authority's.
    pub(crate) is_leaf: bool,
    /// Whether the server sent an authority's certificate with its own.
    has_intermediates: bool,
}

impl CertificateFault {
    /// Names what an error of the verification is about; `None` if it is about no certificate.
    pub(super) fn of(error: &Error, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Option<Self> {
        let Error::InvalidCertificate(error) = error else { return None };
        let raw: Vec<&[u8]> = std::iter::once(leaf).chain(others).map(AsRef::as_ref).collect();
        let chain: Vec<Option<Certificate>> = raw.iter().map(|der| Certificate::from_der(der).ok()).collect();
        let (fault, at) = find(error, &raw, &chain);
        let name = |name: fn(&Certificate) -> String| {
            chain[at]
                .as_ref()
                .map_or_else(|| "unreadable".to_owned(), |certificate| printable(&name(certificate), NAME_MAX))
        };
        Some(Self {
            fault,
            subject: name(|certificate| certificate.tbs_certificate.subject.to_string()),
            issuer: name(|certificate| certificate.tbs_certificate.issuer.to_string()),
            is_leaf: at == 0,
            has_intermediates: !others.is_empty(),
        })
    }

    /// Words it as the reason why a call to a host was not made.
    pub(crate) fn why(&self, host: &str) -> String {
        let (subject, issuer) = (&self.subject, &self.issuer);
        if self.is_leaf {
            format!("the certificate of {host} ({subject}, issued by {issuer}) {self}")
        } else {
            format!("the CA certificate {subject} (issued by {issuer}) in the chain of {host} {self}")
        }
    }

    /// Says what to do about it.
    pub(crate) fn hint(&self) -> String {
        let issuer = &self.issuer;
        let reissue = |what: &str| format!("ask the operator of {issuer} to reissue the certificate {what}");
        match &self.fault {
            Fault::UnknownIssuer(missing) if self.has_intermediates || *missing == self.subject => {
                format!(
                    "if your company inspects traffic, set `ca_bundle` under `[aws]` to the certificate of {missing}"
                )
            }
            Fault::UnknownIssuer(missing) => format!(
                "set `ca_bundle` under `[aws]` to the certificate of {missing}; if it is an intermediate CA, the server \
                 or proxy must send it"
            ),
            Fault::WrongName(_) => "look at the network; behind a proxy, set `https_proxy` under `[aws]`".to_owned(),
            Fault::CommonNameOnly => reissue("with the host as a subject alternative name"),
            Fault::Expired(_) | Fault::NotYetValid(_) => {
                format!(
                    "compare the date with this machine's clock: `timedatectl`; if the clock is right, {}",
                    reissue("with valid dates")
                )
            }
            Fault::CriticalExtension(oid) => reissue(&format!("without extension {oid}, or with it not critical")),
            Fault::ExplicitPolicy => reissue("without requireExplicitPolicy"),
            Fault::Version(_) => reissue("as version 3"),
            Fault::WeakDigest(_) => reissue("with SHA-256"),
            Fault::WeakKey(_) => reissue(&format!("for a key of at least RSA {RSA_MIN} or ECDSA P-256")),
            Fault::AuthorityAsServer => reissue("as a server certificate, without CA:TRUE"),
            Fault::NotAnAuthority => reissue("with CA:TRUE"),
            Fault::NameConstraints => reissue("by a CA whose name constraints allow the host"),
            Fault::Purpose => reissue("with the extended key usage serverAuth"),
            Fault::Unreadable | Fault::Other(_) => reissue("as RFC 5280 describes"),
        }
    }
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Fault::UnknownIssuer(missing) if *missing == self.subject => {
                f.write_str("is signed by itself, and is not trusted")
            }
            Fault::UnknownIssuer(missing) => write!(f, "is from an unknown authority: {missing} is not trusted"),
            Fault::WrongName(names) => write!(f, "is valid for another host: {}", names.join(", ")),
            Fault::CommonNameOnly => f.write_str("has no subject alternative name, which is where the host must be"),
            Fault::Expired(time) => write!(f, "ended on {time}, by this machine's clock"),
            Fault::NotYetValid(time) => write!(f, "is valid from {time} only, by this machine's clock"),
            Fault::CriticalExtension(oid) => write!(f, "has an unknown critical extension: {oid}"),
            Fault::ExplicitPolicy => f.write_str("requires an explicit policy, which is not supported"),
            Fault::Version(version) => write!(f, "is of version {version}; only version 3 is accepted"),
            Fault::WeakDigest(digest) => write!(f, "is signed with {digest}, which is not accepted"),
            Fault::WeakKey(bits) => write!(f, "has an RSA key of {bits} bits; at least {RSA_MIN} are required"),
            Fault::AuthorityAsServer => f.write_str("is a CA certificate, not a server certificate"),
            Fault::NotAnAuthority => f.write_str("issued another certificate, but is not a CA"),
            Fault::NameConstraints => f.write_str("is for a name that the name constraints of its CA forbid"),
            Fault::Purpose => f.write_str("is not for TLS servers (extended key usage)"),
            Fault::Unreadable => f.write_str("cannot be read"),
            Fault::Other(words) => write!(f, "is rejected: {words}"),
        }
    }
}

impl std::error::Error for CertificateFault {}

/// Finds the fault, and which certificate of the chain has it.
fn find(error: &CertificateError, raw: &[&[u8]], chain: &[Option<Certificate>]) -> (Fault, usize) {
    let first = |has: &dyn Fn(&Certificate) -> bool| {
        chain.iter().position(|certificate| certificate.as_ref().is_some_and(has)).unwrap_or_default()
    };
    let end =
        |at: usize| date(chain[at].as_ref(), |c| c.tbs_certificate.validity.not_after.to_unix_duration().as_secs());
    let start =
        |at: usize| date(chain[at].as_ref(), |c| c.tbs_certificate.validity.not_before.to_unix_duration().as_secs());
    match error {
        CertificateError::ExpiredContext { time, .. } => {
            let at = first(&|c| c.tbs_certificate.validity.not_after.to_unix_duration().as_secs() < time.as_secs());
            (Fault::Expired(end(at)), at)
        }
        CertificateError::NotValidYetContext { time, .. } => {
            let at = first(&|c| c.tbs_certificate.validity.not_before.to_unix_duration().as_secs() > time.as_secs());
            (Fault::NotYetValid(start(at)), at)
        }
        // Without a time: the certificate ends before it begins.
        CertificateError::Expired => {
            let at = first(&|c| {
                let validity = &c.tbs_certificate.validity;
                validity.not_after.to_unix_duration() < validity.not_before.to_unix_duration()
            });
            (Fault::Expired(end(at)), at)
        }
        CertificateError::NotValidYet => (Fault::NotYetValid(start(0)), 0),
        CertificateError::UnhandledCriticalExtension => extension(raw, chain),
        CertificateError::UnknownIssuer => unknown_issuer(chain),
        CertificateError::BadSignature => {
            match chain.iter().position(|c| rsa_bits(c.as_ref()).is_some_and(|b| b < RSA_MIN)) {
                Some(at) => (Fault::WeakKey(rsa_bits(chain[at].as_ref()).unwrap_or_default()), at),
                None => (Fault::Other("its signature does not verify".to_owned()), 0),
            }
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let has_names = chain[0].as_ref().is_some_and(|c| has(c, SUBJECT_ALT_NAME));
            let names = presented.iter().take(3).map(|name| printable(name, NAME_MAX)).collect();
            (if has_names { Fault::WrongName(names) } else { Fault::CommonNameOnly }, 0)
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (Fault::Purpose, 0),
        CertificateError::BadEncoding => {
            (Fault::Unreadable, chain.iter().position(Option::is_none).unwrap_or_default())
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<Pki>() {
            Some(Pki::UnsupportedCriticalExtension) => extension(raw, chain),
            Some(Pki::UnsupportedCertVersion) => {
                let at = first(&|c| c.tbs_certificate.version != Version::V3);
                let version = chain[at].as_ref().map_or(1, |c| c.tbs_certificate.version as u8 + 1);
                (Fault::Version(version), at)
            }
            Some(Pki::CaUsedAsEndEntity) => (Fault::AuthorityAsServer, 0),
            Some(Pki::EndEntityUsedAsCa) => {
                let at = chain.iter().skip(1).position(|c| c.as_ref().is_some_and(|c| !has(c, BASIC_CONSTRAINTS)));
                (Fault::NotAnAuthority, at.map_or(usize::from(chain.len() > 1), |at| at + 1))
            }
            Some(Pki::NameConstraintViolation) => (Fault::NameConstraints, 0),
            _ => (Fault::Other(printable(&other.to_string(), NAME_MAX)), 0),
        },
        other => match chain.iter().enumerate().find_map(|(at, c)| Some((weak_digest(c.as_ref()?)?, at))) {
            Some((digest, at)) => (Fault::WeakDigest(digest), at),
            None => (Fault::Other(printable(&other.to_string(), NAME_MAX)), 0),
        },
    }
}

fn extension(raw: &[&[u8]], chain: &[Option<Certificate>]) -> (Fault, usize) {
    let unknown = |certificate: &Certificate, at: usize| {
        let extensions = certificate.tbs_certificate.extensions.iter().flatten();
        // A policy extension is no fault of its own.
        let is_policy = |oid: Oid| has_critical_policy(raw[at]) && POLICIES.contains(&oid);
        extensions
            .filter(|e| e.critical && !EVALUATED.contains(&e.extn_id) && !is_policy(e.extn_id))
            .map(|e| e.extn_id)
            .next()
    };
    let found = chain.iter().enumerate().find_map(|(at, c)| Some((unknown(c.as_ref()?, at)?, at)));
    let explicit = raw.iter().position(|der| requires_explicit_policy(der));
    match (found, explicit) {
        (Some((oid, at)), None) => (Fault::CriticalExtension(oid.to_string()), at),
        (_, Some(at)) => (Fault::ExplicitPolicy, at),
        (None, None) => (Fault::CriticalExtension("not named".to_owned()), 0),
    }
}

/// The extensions whose critical flag `policies` clears.
const POLICIES: [Oid; 3] = [Oid::new_unwrap("2.5.29.32"), Oid::new_unwrap("2.5.29.33"), Oid::new_unwrap("2.5.29.54")];

/// Follows the chain to the issuer that is missing.
fn unknown_issuer(chain: &[Option<Certificate>]) -> (Fault, usize) {
    let known: Vec<&Certificate> = chain.iter().flatten().collect();
    let Some(mut last) = chain[0].as_ref() else { return (Fault::Unreadable, 0) };
    for _ in 0..known.len() {
        let issuer = &last.tbs_certificate.issuer;
        match known.iter().find(|c| c.tbs_certificate.subject == *issuer && !std::ptr::eq(**c, last)) {
            Some(next) => last = next,
            None => break,
        }
    }
    (Fault::UnknownIssuer(printable(&last.tbs_certificate.issuer.to_string(), NAME_MAX)), 0)
}

fn has(certificate: &Certificate, oid: Oid) -> bool {
    certificate.tbs_certificate.extensions.iter().flatten().any(|extension| extension.extn_id == oid)
}

fn weak_digest(certificate: &Certificate) -> Option<&'static str> {
    WEAK.iter().find(|(oid, _)| *oid == certificate.signature_algorithm.oid).map(|(_, digest)| *digest)
}

/// Counts the bits of an RSA key's modulus (RFC 8017, RSAPublicKey).
fn rsa_bits(certificate: Option<&Certificate>) -> Option<usize> {
    let key = &certificate?.tbs_certificate.subject_public_key_info;
    if key.algorithm.oid != RSA {
        return None;
    }
    let der = key.subject_public_key.raw_bytes();
    let (_, sequence) = element(der, 0)?;
    let (_, modulus) = element(der, sequence.start)?;
    let leading = usize::from(der.get(modulus.start) == Some(&0));
    Some((modulus.len() - leading) * 8)
}

fn date(certificate: Option<&Certificate>, seconds: impl Fn(&Certificate) -> u64) -> String {
    let seconds = certificate.map(seconds).and_then(|seconds| i64::try_from(seconds).ok());
    let date = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    date.map_or_else(|| "an unknown date".to_owned(), |date| date.format("%Y-%m-%d").to_string())
}
