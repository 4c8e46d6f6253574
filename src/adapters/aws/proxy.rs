//! The proxy of the configuration, and which hosts it is for. Never the proxy of a caller.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use hyper::header::HeaderValue;
use hyper_util::client::proxy::matcher::Matcher;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::secret::SecretKey;
use rolecall_ports::{TokenError, Vault};
use std::fmt;
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// This machine, and the services of the place where it runs (instance metadata, container credentials): no proxy leads
/// there.
const NEVER: &str = "localhost,127.0.0.0/8,::1,169.254.0.0/16,fe80::/10,fd00:ec2::/32";

/// Where the password of the proxy comes from: the vault, if there is one, or a person who has typed it.
#[derive(Clone, Default)]
pub(crate) struct Passwords {
    vault: Option<Arc<dyn Vault>>,
    typed: Arc<OnceLock<SecretKey>>,
}

impl Passwords {
    /// Reads passwords from a vault.
    pub(crate) fn of_vault(vault: Arc<dyn Vault>) -> Self {
        Self { vault: Some(vault), typed: Arc::default() }
    }

    /// Takes a password that was typed, for as long as this process runs. The first one counts.
    pub(crate) fn take(&self, password: SecretKey) {
        let _ = self.typed.set(password);
    }

    /// Reads the password of the configuration's proxy user; `None` if there is no user, or no password of this user.
    pub(crate) async fn of(&self, aws: &AwsSettings) -> Result<Option<SecretKey>, TokenError> {
        let (Some(_), Some(user)) = (&aws.https_proxy, &aws.https_proxy_user) else { return Ok(None) };
        if let Some(typed) = self.typed.get() {
            return Ok(Some(typed.clone()));
        }
        let Some(vault) = &self.vault else { return Ok(None) };
        match vault.read(&Name::https_proxy()).await {
            Ok(stored) if stored.key.id == *user => Ok(decoded(&stored.key.secret)),
            // It is the password of another user.
            Ok(_) => Ok(None),
            Err(report) if report.kind == Kind::Config => Ok(None),
            Err(report) => {
                let report = report.with_note("it has the password of `https_proxy_user`");
                Err(TokenError::transient(report))
            }
        }
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passwords")
    }
}

/// A proxy.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(super) uri: Uri,
    pub(super) authorization: Option<HeaderValue>,
    rules: Arc<Matcher>,
}

impl Proxy {
    /// Reads the proxy of a configuration, if it has one.
    pub(crate) fn of(aws: &AwsSettings, password: Option<&str>) -> Result<Option<Self>, UserError> {
        let Some(url) = &aws.https_proxy else { return Ok(None) };
        let bad = || {
            // The address is not shown: it may hold a password.
            UserError::new(Kind::Config, "`https_proxy` is not the address of a proxy")
                .hint("set it under `[aws]` to one like http://proxy.example.com:3128")
        };
        let uri: Uri = url.parse().map_err(|_| bad())?;
        // The connection to the proxy is not TLS: with https in its address, the password would go in the clear.
        if uri.host().is_none() || uri.scheme_str() != Some("http") {
            return Err(bad());
        }
        let authorization = match (&aws.https_proxy_user, password) {
            (Some(user), Some(password)) => Some(basic(user, password).ok_or_else(bad)?),
            _ => None,
        };
        Ok(Some(Self { uri, authorization, rules: rules(aws) }))
    }

    /// Returns whether a call to an address goes through the proxy.
    pub(super) fn is_for(&self, address: &Uri) -> bool {
        self.rules.intercept(address).is_some()
    }
}

/// Returns whether calls to an address go through the proxy of a configuration.
pub(crate) fn is_proxied(aws: &AwsSettings, address: &str) -> bool {
    aws.https_proxy.is_some() && address.parse::<Uri>().is_ok_and(|address| rules(aws).intercept(&address).is_some())
}

/// Makes the rules of `no_proxy`. The library reads them as curl does: a name stands for itself and what is below it.
fn rules(aws: &AwsSettings) -> Arc<Matcher> {
    let mut excepted = aws.no_proxy.clone();
    excepted.push(NEVER.to_owned());
    // Only whether it intercepts counts: the address of the proxy is checked above.
    Arc::new(Matcher::builder().all("http://proxy.invalid").no(excepted.join(",")).build())
}

/// Reads the password out of the vault's text (`agent/proxy_password.rs`).
fn decoded(secret: &SecretKey) -> Option<SecretKey> {
    let bytes = Zeroizing::new(STANDARD.decode(secret.expose()).ok()?);
    std::str::from_utf8(&bytes).ok().map(|text| SecretKey::new(text.to_owned()))
}

fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let plain = Zeroizing::new(format!("{user}:{password}"));
    let encoded = Zeroizing::new(STANDARD.encode(plain.as_bytes()));
    let mut value = HeaderValue::from_str(&Zeroizing::new(format!("Basic {}", *encoded))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("host", &self.uri.host()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excepted_hosts_are_reached_without_the_proxy() {
        let of = |rules: &[&str]| AwsSettings {
            https_proxy: Some("http://proxy.example.com:3128".to_owned()),
            no_proxy: rules.iter().map(|rule| (*rule).to_owned()).collect(),
            ..AwsSettings::default()
        };
        for (rules, address, is_through) in [
            (&[][..], "https://sts.eu-west-1.amazonaws.com", true),
            (&[], "https://localhost:4566", false),
            (&[], "https://127.1.2.3", false),
            (&[], "https://[::1]:4566", false),
            (&[], "http://169.254.169.254/latest", false),
            (&[], "http://169.254.170.2/v2", false),
            (&["amazonaws.com"], "https://sts.eu-west-1.amazonaws.com", false),
            (&[".amazonaws.com"], "https://sts.eu-west-1.amazonaws.com", false),
            (&["sts.eu-west-1.amazonaws.com"], "https://sts.eu-west-1.amazonaws.com", false),
            (&["sts.eu-west-1.amazonaws.com"], "https://sts.us-east-1.amazonaws.com", true),
            (&["aws.com"], "https://sts.eu-west-1.amazonaws.com", true),
            (&["*"], "https://sts.eu-west-1.amazonaws.com", false),
            (&["10.0.0.0/8"], "https://10.1.2.3", false),
            (&["10.0.0.0/8"], "https://11.1.2.3", true),
            (&["10.1.2.3"], "https://10.1.2.3", false),
        ] {
            assert_eq!(is_proxied(&of(rules), address), is_through, "{rules:?} {address}");
        }
        assert!(!is_proxied(&AwsSettings::default(), "https://sts.eu-west-1.amazonaws.com"));
    }

    #[test]
    fn proxy_with_tls_of_its_own_is_refused() {
        let aws = AwsSettings { https_proxy: Some("https://proxy.example.com".to_owned()), ..AwsSettings::default() };
        assert_eq!(Proxy::of(&aws, None).expect_err("refused").kind, Kind::Config);
    }

    #[test]
    fn password_is_not_in_the_debug_form() {
        let aws = AwsSettings {
            https_proxy: Some("http://proxy.example.com:3128".to_owned()),
            https_proxy_user: Some("richard".to_owned()),
            ..AwsSettings::default()
        };
        let proxy = Proxy::of(&aws, Some("hunter2")).expect("valid").expect("one");
        assert_eq!(proxy.authorization.as_ref().expect("set").as_bytes(), b"Basic cmljaGFyZDpodW50ZXIy");
        assert!(!format!("{proxy:?}").contains("cmljaGFyZDpodW50ZXIy"));
        assert!(Proxy::of(&aws, None).expect("valid").expect("one").authorization.is_none());
    }
}
