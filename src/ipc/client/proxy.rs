//! The caller's proxy, as a proposal: the agent never uses it, since any program may set the variable.

use rolecall_core::domain::error::UserError;
use rolecall_core::domain::urls;

/// The variables that name a proxy for https, in the order of curl and the AWS SDKs.
const VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// A proxy that the caller's environment names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallersProxy {
    /// Its address, without user and password, as the agent would speak to it: by plain http. Its port is the word `PORT` if
    /// it is not known.
    pub url: String,
    /// Whether the variable has a user.
    pub has_user: bool,
    /// Whether the variable asks for TLS to the proxy itself.
    pub is_tls: bool,
}

/// Stands for the port in a proposal.
const PORT: &str = ":PORT";

/// Returns whether a checked address of a proxy has a port.
fn has_port(url: &str) -> bool {
    // An IPv6 address is in brackets.
    url.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

impl CallersProxy {
    /// Reads the environment.
    pub fn from_env() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "only proposed to the person, never used")]
        let value = VARIABLES.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
        Self::parse(&value)
    }

    fn parse(value: &str) -> Option<Self> {
        let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
        let (user, host) = rest.rsplit_once('@').map_or((None, rest), |(user, host)| (Some(user), host));
        let is_tls = scheme.eq_ignore_ascii_case("https");
        let scheme = if is_tls { "http".to_owned() } else { scheme.to_ascii_lowercase() };
        let url = format!("{scheme}://{}", host.trim_end_matches('/'));
        urls::check_proxy(&url).ok()?;
        // Its port for TLS is known, and the plain one is not.
        let port = if is_tls && !has_port(&url) { PORT } else { "" };
        Some(Self { url: format!("{url}{port}"), has_user: user.is_some(), is_tls })
    }

    /// Words the proposal.
    pub fn hint(&self) -> String {
        let url = &self.url;
        let user = if self.has_user { " and its `https_proxy_user`, then run `rolecall unlock --proxy`" } else { "" };
        let plain = if self.is_tls { "; rolecall speaks plain http to it, and your variable names https" } else { "" };
        let plain = if url.ends_with(PORT) { format!("{plain}: PORT is its port for http") } else { plain.to_owned() };
        format!("your shell uses a proxy, the agent does not: set `https_proxy = \"{url}\"` under `[aws]`{user}{plain}")
    }
}

/// Proposes the caller's proxy, if a call without a proxy did not get through.
pub(super) fn propose(report: UserError) -> UserError {
    match CallersProxy::from_env().filter(|_| report.unproxied) {
        Some(proxy) => report.hint(proxy.hint()),
        None => report,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_of_the_variable_are_left_out() {
        for (value, url, has_user, is_tls) in [
            ("http://proxy:3128", "http://proxy:3128", false, false),
            ("proxy.example.com:3128", "http://proxy.example.com:3128", false, false),
            ("HTTP://proxy:3128/", "http://proxy:3128", false, false),
            ("http://richard:p@ss@proxy:3128", "http://proxy:3128", true, false),
            ("HTTPS://richard:p@ss@proxy:3128", "http://proxy:3128", true, true),
            ("https://proxy", "http://proxy:PORT", false, true),
            ("https://proxy/", "http://proxy:PORT", false, true),
            ("https://[::1]", "http://[::1]:PORT", false, true),
            ("https://[::1]:3128", "http://[::1]:3128", false, true),
            ("http://proxy", "http://proxy", false, false),
        ] {
            let found = CallersProxy::parse(value).expect(value);
            assert_eq!((found.url.as_str(), found.has_user, found.is_tls), (url, has_user, is_tls), "{value}");
            assert!(!found.hint().contains("p@ss") && !found.hint().contains("richard"));
        }
        for value in ["socks5://proxy:1080", "http://a b", "http://", "\u{1b}[2J"] {
            assert_eq!(CallersProxy::parse(value), None, "{value:?}");
        }
    }
}
