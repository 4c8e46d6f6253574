//! Addresses of this machine that lead a browser to a secret one, once: a command line can be read by others, and a
//! sign-in URL in it would be theirs to open.

use super::Digest;
use super::http::{Answer, text};
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, LOCATION};
use rolecall_core::domain::secret::SigninUrl;
use std::collections::HashMap;
use std::time::Duration;

/// A browser that is started for it is there within seconds, a cold one on a slow disk within half a minute.
pub(crate) const WAITS: Duration = Duration::from_mins(1);

/// Below this path.
pub(super) const PATH: &str = "/console/";

/// More at once than a person opens; who asks for more loses the oldest.
const MOST: usize = 64;

/// Where to, and until when by the boot-time clock.
#[derive(Default)]
pub(super) struct RedirectTickets(HashMap<Digest, (SigninUrl, Duration)>);

impl RedirectTickets {
    pub(super) fn expect(&mut self, nonce: Digest, url: SigninUrl, now: Duration) {
        self.forget_old(now);
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.iter().min_by_key(|(_, (_, until))| *until).map(|(nonce, _)| *nonce)
        {
            self.0.remove(&oldest);
        }
        self.0.insert(nonce, (url, now + WAITS));
    }

    /// Gives where a visitor is to go; the second one is told nothing.
    pub(super) fn take(&mut self, nonce: &Digest, now: Duration) -> Option<SigninUrl> {
        self.0.remove(nonce).filter(|(_, until)| now < *until).map(|(url, _)| url)
    }

    pub(super) fn forget_old(&mut self, now: Duration) {
        self.0.retain(|_, (_, until)| now < *until);
    }

    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }

    /// Takes back what nobody has come for.
    pub(super) fn forget(&mut self, nonce: &Digest) {
        self.0.remove(nonce);
    }
}

/// Sends a browser on.
pub(super) fn answer(url: Option<&SigninUrl>) -> Answer {
    let place = url.and_then(|url| HeaderValue::from_str(url.expose()).ok());
    let Some(mut place) = place else {
        let used = "This sign-in address was used already, or is over. Run `rolecall console` again.\n";
        return text(StatusCode::GONE, used);
    };
    place.set_sensitive(true);
    let mut answer = text(StatusCode::SEE_OTHER, "");
    answer.headers_mut().insert(LOCATION, place);
    // The console need not learn the address that led to it.
    answer.headers_mut().insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    answer
}
