//! GetSessionToken: a user's own session, with or without a one-time code.

use chrono::TimeDelta;

use super::{Outcome, write_credentials};
use crate::caller::{Caller, Holder, Principal, SessionFacts};
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::parameters::{CODE, Parameters, SERIAL};

/// "from 900 seconds (15 minutes) to 129,600 seconds (36 hours), with 43,200 seconds (12 hours) as the default".
const RANGE: (i64, i64) = (900, 129_600);
const DEFAULT_SECONDS: i64 = 43_200;

/// "Sessions for AWS account owners are restricted to a maximum of 3,600 seconds (one hour)."
const ROOT_SECONDS: i64 = 3600;

pub(super) fn answer(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    if caller.session.is_some() {
        return Err(ApiError::new(403, "AccessDenied", "Cannot call GetSessionToken with session credentials"));
    }
    let mut parameters = Parameters::of(exchange.operation);
    let seconds = parameters.number("DurationSeconds", RANGE)?.unwrap_or(DEFAULT_SECONDS);
    let serial = parameters.optional("SerialNumber", (9, 256), Some(SERIAL));
    let code = parameters.optional("TokenCode", (6, 6), Some(CODE));
    parameters.finish()?;

    let (devices, holder, seconds) = match &caller.principal {
        Principal::User(user) => {
            (user.mfa_devices.as_slice(), Holder::User { arn: user.arn(), id: user.id.clone() }, seconds)
        }
        _ => (&[][..], Holder::Root { account: caller.account.clone() }, seconds.min(ROOT_SECONDS)),
    };
    let now = exchange.now;
    let with_code = exchange.state.spent_codes.accept(devices, serial, code, now)?;
    let facts = SessionFacts { issued: now, mfa: with_code.then_some(now), is_chained: false };
    let credentials = exchange.state.sessions.issue(holder, facts, TimeDelta::seconds(seconds));
    Ok(Box::new(move |xml| write_credentials(xml, &credentials)))
}
