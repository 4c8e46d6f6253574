//! Addresses of this machine that lead a browser to a secret one, once: a command line can be read by others, and a
//! sign-in URL in it would be theirs to open.

use super::http::{Answer, text};
use super::tokens::Digest;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, LOCATION};
use rolecall_core::domain::secret::SigninUrl;
use rolecall_platform::panics::Guard;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// A browser that is started for it is there within seconds, a cold one on a slow disk within half a minute.
pub(super) const WAITS: Duration = Duration::from_mins(1);

/// Below this path.
pub(super) const PATH: &str = "/console/";

/// More at once than a person opens; who asks for more loses the oldest.
const MOST: usize = 64;

/// The target of each address, and its end by the boot clock.
#[derive(Default)]
pub(crate) struct RedirectTickets(Mutex<HashMap<Digest, (SigninUrl, Duration)>>);

impl RedirectTickets {
    pub(super) fn expect(&self, nonce: Digest, url: SigninUrl, now: Duration) {
        self.forget_old(now);
        let mut all = self.0.guard();
        if all.len() >= MOST
            && let Some(oldest) = all.iter().min_by_key(|(_, (_, until))| *until).map(|(nonce, _)| *nonce)
        {
            all.remove(&oldest);
        }
        all.insert(nonce, (url, now + WAITS));
    }

    /// Returns the target for a visitor; a second visitor gets none.
    pub(super) fn take(&self, nonce: &Digest, now: Duration) -> Option<SigninUrl> {
        self.0.guard().remove(nonce).filter(|(_, until)| now < *until).map(|(url, _)| url)
    }

    pub(super) fn forget_old(&self, now: Duration) {
        self.0.guard().retain(|_, (_, until)| now < *until);
    }

    pub(crate) fn forget_all(&self) {
        self.0.guard().clear();
    }

    /// Removes an address that has had no visitor.
    pub(super) fn forget(&self, nonce: &Digest) {
        self.0.guard().remove(nonce);
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
