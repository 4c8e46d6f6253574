//! What rides along with one call: it notes the server's clock and whether the answer is whole, says who we are, and has
//! the SDK retry every clock error.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut, InterceptorContext,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use chrono::{DateTime, TimeDelta, Utc};
use rolecall_ports::Clock;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The Date header has whole seconds and is as old as the way back was long: less than this tells nothing.
const NOISE: TimeDelta = TimeDelta::seconds(5);

/// No call takes longer. Where more time has gone by, the machine slept with the answer on its way, and its Date is of
/// before: taken for the server's clock, it would make the session look longer than it is.
const AWAKE: Duration = Duration::from_secs(10);

/// A clock that is off by more is none, and sums with such a Date leave the calendar.
const ABSURD: TimeDelta = TimeDelta::days(20 * 366);

/// Notes, for one call, what the SDK does not tell about its answer.
#[derive(Clone)]
pub(crate) struct ResponseInterceptor {
    clock: Arc<dyn Clock>,
    since: Duration,
    seen: Arc<Mutex<ObservedResponse>>,
}

#[derive(Clone, Copy, Default)]
struct ObservedResponse {
    skew: TimeDelta,
    whole: bool,
}

impl ResponseInterceptor {
    /// Makes one that has seen nothing.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { since: clock.now().boot, clock, seen: Arc::default() }
    }

    /// Tells how far the server's clock is ahead.
    pub(crate) fn skew(&self) -> TimeDelta {
        self.seen().skew
    }

    /// Tells whether the answer reached its end. The SDK takes an XML that breaks off as one whose last elements are
    /// empty, and a token that breaks off as the token.
    pub(crate) fn whole(&self) -> bool {
        self.seen().whole
    }

    fn seen(&self) -> ObservedResponse {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ResponseInterceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}

#[dyn_dispatch_hint]
impl Intercept for ResponseInterceptor {
    fn name(&self) -> &'static str {
        "rolecall-probe"
    }

    /// The SDK's own headers carry words of the environment (`AWS_EXECUTION_ENV`); ours are what CloudTrail shows.
    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.request_mut().headers_mut();
        headers.remove("x-amz-user-agent");
        headers.insert("user-agent", concat!("rolecall/", env!("CARGO_PKG_VERSION")));
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let skew = skew(context.response().headers().get("date"), self.since, self.clock.as_ref());
        let whole = context.response().body().bytes().is_some_and(|xml| xml.trim_ascii_end().ends_with(b"Response>"));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = ObservedResponse { skew, whole };
        Ok(())
    }
}

/// Tells by the Date header of an answer how far the server's clock is ahead. `since` is when the call began, by the
/// boot-time clock.
pub(crate) fn skew(date: Option<&str>, since: Duration, clock: &dyn Clock) -> TimeDelta {
    let now = clock.now();
    let date = date.filter(|_| now.boot.saturating_sub(since) <= AWAKE).and_then(read);
    date.map_or(TimeDelta::zero(), |theirs| noticeable(theirs - now.wall))
}

fn read(date: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(date).ok().map(|date| date.to_utc())
}

fn noticeable(skew: TimeDelta) -> TimeDelta {
    if skew.abs() < NOISE || skew.abs() > ABSURD { TimeDelta::zero() } else { skew }
}

/// Retries the clock errors that the SDK does not know as such; it corrects its clock from any answer.
#[derive(Debug)]
pub(crate) struct ClockErrors;

impl ClassifyRetry for ClockErrors {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let failed = context.output_or_error().is_some_and(|outcome| outcome.is_err());
        let status = context.response().map(|answer| answer.status().as_u16());
        let body = context.response().and_then(|answer| answer.body().bytes()).unwrap_or_default();
        let code = |code: &str| contains(body, format!("<Code>{code}</Code>").as_bytes());
        let skewed = ["RequestExpired", "RequestInTheFuture", "SignatureExpired"];
        if failed && status.is_some_and(|s| (400..500).contains(&s)) && skewed.into_iter().any(code) {
            RetryAction::client_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "rolecall-clock-errors"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::http_status_code_classifier())
    }
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use rolecall_core::domain::credential::Now;

    struct Still(Now);

    #[async_trait]
    impl Clock for Still {
        fn now(&self) -> Now {
            self.0
        }

        async fn sleep_until(&self, _: Duration) {}
    }

    #[test]
    fn a_date_from_before_a_sleep_is_not_the_servers_clock() {
        let wall = DateTime::from_timestamp(784_111_777 + 3600, 0).expect("in range");
        let clock = Still(Now { wall, boot: Duration::from_secs(3700) });
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(skew(date, Duration::from_secs(100), &clock), TimeDelta::zero(), "it slept for an hour");
        assert_eq!(skew(date, Duration::from_secs(3695), &clock), TimeDelta::seconds(-3600), "our clock is wrong");
    }

    #[test]
    fn the_servers_clock_is_read_from_its_date_and_small_differences_are_none() {
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT").map(|d| d.timestamp()), Some(784_111_777));
        assert_eq!(read("yesterday"), None);
        for (seconds, want) in [(0, 0), (4, 0), (-4, 0), (5, 5), (-5, -5), (3600, 3600)] {
            assert_eq!(noticeable(TimeDelta::seconds(seconds)), TimeDelta::seconds(want));
        }
    }
}
