//! What a pinentry program writes, in a whole conversation.
//!
//! The first byte selects what is asked: an MFA code or consent.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rolecall::adapters::pinentry::fuzzing::converse;
use rolecall::domain::question::{Question, Wanted};
use rolecall::ports::PromptResult;
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
}

fuzz_target!(|bytes: &[u8]| {
    let Some((form, written)) = bytes.split_first() else { return };
    let asks_for_code = form % 2 == 0;
    let wanted = if asks_for_code {
        Wanted::Code { identity: "auth".into(), serial: "arn:aws:iam::111111111111:mfa/me".into() }
    } else {
        Wanted::Consent { role_arn: "arn:aws:iam::222222222222:role/R".into(), minutes: 60 }
    };
    let question = Question { wanted, name: "prod".into(), program: Some("aws".into()), since: None, reason: None };
    match RUNTIME.with(|runtime| runtime.block_on(converse(written, &question))) {
        Some(PromptResult::Code(_)) => assert!(asks_for_code, "consent is not a code"),
        Some(PromptResult::Allowed) => assert!(!asks_for_code, "a code is not consent"),
        Some(_) | None => {}
    }
});
