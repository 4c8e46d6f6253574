//! Which endpoints and proxies are accepted; everything else about URLs is left to the HTTP client.
//!
//! The check is narrow on purpose: what two URL parsers could read differently (user info, backslashes, odd spellings
//! of an IPv4 address) is refused, so that "plain http only to loopback" holds for whoever parses the URL next.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The scheme and host of an accepted URL.
struct Parts<'a> {
    tls: bool,
    host: &'a str,
    path: &'a str,
}

/// Checks an endpoint: https, or http to this machine.
///
/// Threat: signed requests and session credentials in the clear on a network.
pub(super) fn check_endpoint(text: &str) -> Result<(), &'static str> {
    let parts = split(text)?;
    if !parts.tls && !is_loopback(parts.host) {
        return Err("plain http is allowed to 127.0.0.1, [::1] and localhost only; use https");
    }
    Ok(())
}

/// Checks a proxy: what goes through it is TLS of its own, so the way to it may be plain.
pub(super) fn check_proxy(text: &str) -> Result<(), &'static str> {
    let parts = split(text)?;
    if parts.path.is_empty() || parts.path == "/" { Ok(()) } else { Err("a proxy has no path: http://proxy:3128") }
}

fn split(text: &str) -> Result<Parts<'_>, &'static str> {
    let form = "a URL looks like https://host:port";
    if !text.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"'<>`{}|^".contains(&b)) {
        return Err("a URL has no spaces, control characters, quotes or backslashes");
    }
    let (scheme, rest) = text.split_once("://").ok_or("a URL starts with https:// or http://")?;
    let tls = match scheme {
        "https" => true,
        "http" => false,
        _ => return Err("a URL starts with https:// or http://"),
    };
    if rest.contains(['?', '#']) {
        return Err("the URL has a query or a fragment, where host and path are wanted");
    }
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    if authority.contains('@') {
        return Err("a URL here has no user or password: this file is not a place for secrets");
    }
    let (host, port) = if authority.starts_with('[') {
        let end = authority.find(']').ok_or(form)?;
        let (host, port) = authority.split_at(end + 1);
        host[1..end].parse::<Ipv6Addr>().map_err(|_| form)?;
        (host, port)
    } else {
        let (host, port) = authority.find(':').map_or((authority, ""), |at| authority.split_at(at));
        let letters = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if host.is_empty() || host.starts_with(['.', '-']) || !host.bytes().all(letters) {
            return Err(form);
        }
        (host, port)
    };
    let port_is_good = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|p| p > 0),
        None => port.is_empty(),
    };
    if port_is_good { Ok(Parts { tls, host, path }) } else { Err("a port is a number from 1 to 65535") }
}

fn is_loopback(host: &str) -> bool {
    if let Some(v6) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return v6.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback());
    }
    host.eq_ignore_ascii_case("localhost") || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_this_machine_only() {
        for good in [
            "https://sts.eu-west-1.amazonaws.com",
            "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com:8443/x",
            "http://127.0.0.1:5000",
            "http://127.9.9.9",
            "http://[::1]:5000/",
            "http://LocalHost:1",
        ] {
            assert_eq!(check_endpoint(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "sts.amazonaws.com",
            "ftp://127.0.0.1",
            "http://10.0.0.1",
            "http://example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com",
            "http://localhost\\@example.com",
            "http://localhost:80@example.com",
            "http://0x7f.1",
            "http://2130706433",
            "http://127.1",
            "http://[::ffff:127.0.0.1]",
            "http://[::1",
            "http://[::1]x",
            "http://localhost:0",
            "http://localhost:99999",
            "http://localhost:+80",
            "http://",
            "https://?x",
            "https://a b",
            "https://a\nb",
            "https://[fe80::1%25eth0]",
            "https://user:pw@host",
        ] {
            assert!(check_endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_proxy_may_be_plain_and_holds_no_password() {
        assert_eq!(check_proxy("http://proxy:3128"), Ok(()));
        assert_eq!(check_proxy("https://proxy.corp/"), Ok(()));
        for bad in ["socks5://proxy:1080", "proxy:3128", "http://u:p@proxy:3128", "http://proxy/path"] {
            assert!(check_proxy(bad).is_err(), "{bad}");
        }
    }
}
