//! What keeps a call from AWS, in words: names, routes, proxies, TLS, and answers that are not those of AWS. Pure.

use super::call::CallContext;
use super::failure::{Class, Failure, Tls};

/// What to do about an outage.
pub(super) const AWS_IS_ILL: &str = "try again in a moment; https://health.aws.amazon.com shows outages";

/// Returns whether a call that failed in this way may get through by a proxy.
pub(super) fn may_need_proxy(class: Class) -> bool {
    use Class as C;
    matches!(class, C::Dns | C::NoListener | C::NoRoute | C::ConnectTimeout | C::Timeout | C::Cut)
}

/// Words what kept a call from AWS, and what to do about it.
pub(super) fn on_the_way(class: Class, failure: &Failure, asked: &CallContext<'_>) -> (String, Option<String>) {
    let status = failure.status;
    let (host, service) = (asked.host, asked.call.service().name());
    let settings = format!("look at `{}` and `https_proxy` under `[aws]`", asked.call.service().endpoint_key());
    let portal = format!("sign in to the network if it has a sign-in page; {settings}");
    let network = if asked.proxied {
        "look at the network, and at `https_proxy` under `[aws]`"
    } else {
        "look at the network; behind a proxy, set `https_proxy` under `[aws]`"
    };
    // A host that is not AWS's own is one that the configuration names.
    let named = format!("look at `{}` under `[aws]`, and at the network", asked.call.service().endpoint_key());
    let place = if asked.proxied || host.contains("amazonaws.") { network } else { named.as_str() };
    let http = status.map(|s| format!(" (HTTP {s})")).unwrap_or_default();
    let through = if asked.proxied { " through the proxy" } else { "" };
    let (why, hint) = match class {
        Class::Refused | Class::Garbled if status.is_some_and(|s| s >= 500) => {
            (format!("{host} is out of order{http}"), AWS_IS_ILL)
        }
        Class::Refused | Class::Garbled => {
            (format!("what answered for {host} is not {service}{http}"), portal.as_str())
        }
        Class::TooLarge => (format!("the answer of {host} is larger than any of {service}'s{http}"), settings.as_str()),
        Class::Timeout => (format!("{host} did not answer within 10 seconds{through}"), network),
        Class::ConnectTimeout => (format!("no connection to {host}{through} within 3 seconds"), network),
        Class::Dns if asked.proxied => ("the name of the proxy or of its host is not known".to_owned(), network),
        Class::Dns => (
            format!("the name {host} is not known"),
            "look at the network, and at `region`; behind a proxy, set `https_proxy` under `[aws]`",
        ),
        Class::NoListener if asked.proxied => ("nothing listens at the proxy's address".to_owned(), network),
        Class::NoListener => (format!("nothing listens at {host}"), place),
        Class::NoRoute => (format!("there is no way to {host}{through}"), network),
        Class::Cut => (format!("{host} closed the connection{through}"), network),
        Class::Certificate | Class::Tls => return of_tls(failure.tls.as_ref(), host, through, place),
        Class::ProxyPassword => return of_password(asked),
        Class::Proxy => (format!("the proxy does not connect to {host}"), "ask who runs the proxy to allow the host"),
        Class::Network => (format!("the call to {host} failed on the way{through}"), network),
        Class::Unsent => return ("the call could not be made".to_owned(), None),
    };
    (why, Some(hint.to_owned()))
}

fn of_tls(tls: Option<&Tls>, host: &str, through: &str, place: &str) -> (String, Option<String>) {
    match tls {
        Some(Tls::Certificate(fault)) => (fault.why(host), Some(fault.hint())),
        Some(Tls::Handshake(words)) => {
            (format!("the TLS handshake with {host}{through} failed: {words}"), Some(place.to_owned()))
        }
        None => (format!("the TLS handshake with {host}{through} failed"), Some(place.to_owned())),
    }
}

fn of_password(asked: &CallContext<'_>) -> (String, Option<String>) {
    match asked.proxy_user {
        Some(user) => (
            format!("the proxy has not accepted user {user}"),
            Some("store the password in the vault: `rolecall unlock --proxy`".to_owned()),
        ),
        None => (
            "the proxy asks for a user and a password".to_owned(),
            Some(
                "set `https_proxy_user` under `[aws]`, then store the password in the vault: `rolecall unlock --proxy`"
                    .to_owned(),
            ),
        ),
    }
}
