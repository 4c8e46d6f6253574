//! Which endpoints and proxies are accepted; everything else about URLs is left to the HTTP client.
//!
//! The check is narrow on purpose: what two URL parsers could read differently (user info, backslashes, odd spellings
//! of an IPv4 address) is refused, so that "plain http only to loopback" holds for whoever parses the URL next.

// From `core`: addresses as values, without the sockets that `std::net` brings along.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses of the instance metadata service (EC2 User Guide, "Use the Instance Metadata Service").
const METADATA: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254))];

/// The addresses of the container endpoint: ECS's, then EKS's two (SDKs and Tools Reference Guide, "Container credential
/// provider").
const CONTAINER: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
];

/// The scheme and host of an accepted URL.
struct UrlParts<'a> {
    tls: bool,
    host: &'a str,
    path: &'a str,
}

/// Checks an endpoint: https, or http to this machine.
///
/// Threat: signed requests and session credentials in the clear on a network.
pub fn check_endpoint(text: &str) -> Result<(), &'static str> {
    let parts = split(text)?;
    if !parts.tls && !is_loopback(parts.host) {
        return Err("plain http is allowed to 127.0.0.1, [::1] and localhost only; use https");
    }
    Ok(())
}

/// Checks a proxy. The way to it is plain http: what goes through it is TLS of its own.
///
/// Threat: an address with https would promise that the proxy password is not sent in the clear.
pub fn check_proxy(text: &str) -> Result<(), &'static str> {
    let parts = split(text)?;
    if parts.tls {
        return Err("TLS to the proxy itself is not supported: name a plain port of it, as http://proxy:3128");
    }
    if parts.path.is_empty() || parts.path == "/" { Ok(()) } else { Err("a proxy has no path: http://proxy:3128") }
}

/// Checks the name of a user at a proxy: it stands before the colon of the header (RFC 7617).
pub fn check_proxy_user(text: &str) -> Result<(), &'static str> {
    if (1..=128).contains(&text.len()) && text.bytes().all(|b| (b.is_ascii_graphic() || b == b' ') && b != b':') {
        Ok(())
    } else {
        Err("a user's name has 1 to 128 printable characters and no colon")
    }
}

/// Checks a host that is reached without the proxy.
pub fn check_no_proxy(text: &str) -> Result<(), &'static str> {
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"._:/-[]".contains(&b);
    if text == "*" || ((1..=253).contains(&text.len()) && text.bytes().all(is_host)) {
        Ok(())
    } else {
        Err("this is a name, a domain, an address, a network as 10.0.0.0/8, or *")
    }
}

/// Checks the address of the instance metadata service: plain http, to this machine or to one of its own addresses.
///
/// Threat: whoever answers there decides who we are, and no TLS says who that is.
pub fn check_metadata_endpoint(text: &str) -> Result<(), &'static str> {
    let parts = split(text)?;
    if parts.tls || !(is_loopback(parts.host) || is_one_of(parts.host, &METADATA)) {
        return Err("the metadata service is at http://169.254.169.254, http://[fd00:ec2::254], or on this machine");
    }
    if parts.path.is_empty() || parts.path == "/" {
        Ok(())
    } else {
        Err("this address has no path: only scheme and host")
    }
}

/// Checks the whole address of a container endpoint: https, or http to this machine or to ECS's and EKS's own addresses.
///
/// Narrower than the SDKs, which look a name up and take it if it leads to one of these: what a name leads to may change
/// between the look and the call.
pub fn check_container_uri(text: &str) -> Result<(), &'static str> {
    let (text, query) = text.split_once('?').unwrap_or((text, ""));
    if query.contains(['#', '\\', '"', '<', '>']) || !query.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("the query has characters that do not belong there");
    }
    let parts = split(text)?;
    if parts.tls || is_loopback(parts.host) || is_one_of(parts.host, &CONTAINER) {
        return Ok(());
    }
    Err("plain http is allowed to this machine and to 169.254.170.2, 169.254.170.23 and [fd00:ec2::23] only; use https")
}

/// Checks the path of a container endpoint that ECS gives.
pub fn check_container_path(text: &str) -> Result<(), &'static str> {
    if !text.starts_with('/') || text.starts_with("//") {
        return Err("the path starts with one /");
    }
    if text.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"'<>`{}|^#".contains(&b)) {
        Ok(())
    } else {
        Err("the path has characters that do not belong into one")
    }
}

fn is_one_of(host: &str, addresses: &[IpAddr]) -> bool {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok_and(|address| addresses.contains(&address))
}

fn split(text: &str) -> Result<UrlParts<'_>, &'static str> {
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
    if port_is_good { Ok(UrlParts { tls, host, path }) } else { Err("a port is a number from 1 to 65535") }
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
    fn the_metadata_service_is_at_its_own_address_or_on_this_machine() {
        for good in
            ["http://169.254.169.254", "http://169.254.169.254/", "http://[fd00:ec2::254]", "http://127.0.0.1:1338"]
        {
            assert_eq!(check_metadata_endpoint(good), Ok(()), "{good}");
        }
        for bad in [
            "https://169.254.169.254",
            "http://169.254.169.253",
            "http://169.254.169.254.example.com",
            "http://0xa9fea9fe",
            "http://2852039166",
            "http://example.com",
            "http://127.0.0.1/latest",
            "169.254.169.254",
        ] {
            assert!(check_metadata_endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_container_endpoint_is_https_or_one_of_awss_own_addresses() {
        for good in [
            "http://169.254.170.2/v2/credentials/1",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://localhost:8080/creds?role=a",
            "https://credentials.example.com/role",
        ] {
            assert_eq!(check_container_uri(good), Ok(()), "{good}");
        }
        for bad in [
            "http://169.254.169.254/",
            "http://host.docker.internal/x",
            "http://10.0.0.1",
            "ftp://x",
            "http://localhost/?a b",
        ] {
            assert!(check_container_uri(bad).is_err(), "{bad}");
        }
        assert_eq!(check_container_path("/v2/credentials/7f3a?x=1"), Ok(()));
        for bad in ["", "v2", "//example.com/", "/a b", "/a\nb", "/a#b"] {
            assert!(check_container_path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_proxy_may_be_plain_and_holds_no_password() {
        assert_eq!(check_proxy("http://proxy:3128"), Ok(()));
        assert_eq!(check_proxy("http://proxy.corp/"), Ok(()));
        for bad in ["https://proxy", "socks5://proxy:1080", "proxy:3128", "http://u:p@proxy:3128", "http://proxy/path"]
        {
            assert!(check_proxy(bad).is_err(), "{bad}");
        }
    }
}
