//! MFA: one code opens every role of the identity, wherever it comes from. Here by `unlock`; below by everything else.

mod many;
mod modes;
mod order;
mod pinentry;
mod program;
mod terminal;
mod totp;

use crate::harness::inside::{Inside, TUTORIAL};
use rolecall::domain::error::{Kind, UserError};
use rolecall::domain::secret::MfaCode;
use rolecall::protocol::message::Request;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN, USER_ARN};
use rolecall_sandbox::{MfaDevice, World};
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

pub(crate) fn config(role: &str) -> String {
    let serial = "mfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"\n";
    TUTORIAL.replace("region = \"eu-west-1\"\n", &format!("region = \"eu-west-1\"\n{serial}")) + role
}

pub(crate) fn unlock(agent: &Inside, name: &str, code: &str) -> Result<(), UserError> {
    let code = MfaCode::new(code.to_owned());
    agent.ask(Request::Unlock { name: Some(name.to_owned()), code }).map(drop)
}

/// Whether a caller waits because the code of this half minute was used.
pub(super) fn waits_for_next_code(agent: &Inside) -> bool {
    agent.status().warnings.iter().any(|warning| warning.message.contains("for the next code of MFA device"))
}

#[test]
fn one_code_opens_the_role_for_the_whole_session_and_renewals_ask_nobody() {
    let agent = Inside::start_in(World::tutorials_with_mfa(), &config(""));
    let asked = agent.get("prod").expect_err("nobody gave a code");
    assert_eq!(asked.kind, Kind::Locked);
    assert_eq!(asked.hint.as_deref(), Some("run `rolecall unlock auth`"));
    assert!(agent.aws.calls().is_empty(), "STS is not asked what is known here");
    let code = agent.aws.mfa_code(USER_ARN);
    unlock(&agent, "auth", &code).expect("the right code");
    agent.get("prod").expect("served at once after the code");
    for _ in 0..11 {
        for _ in 0..6 {
            agent.pass(HOUR / 6);
            agent.get("prod").expect("served");
        }
    }
    assert_eq!(agent.aws.count("GetSessionToken"), 1, "one code for eleven hours");
    assert!(agent.aws.count("AssumeRole") > 11, "renewed silently");
    agent.clock.advance(HOUR * 2);
    assert_eq!(agent.get("prod").expect_err("the twelve hours are over").kind, Kind::Locked);
}

#[test]
fn a_direct_role_takes_a_code_of_its_own_and_lasts_longer_than_an_hour() {
    let mut world = World::tutorials_with_mfa();
    world.role(ROLE_ARN).max_session_seconds = 12 * 3600;
    let agent = Inside::start_in(world, &config("mfa = \"direct\"\nduration = \"12h\"\n"));
    assert_eq!(agent.get("prod").expect_err("no code").hint.as_deref(), Some("run `rolecall unlock prod`"));
    let code = agent.aws.mfa_code(USER_ARN);
    unlock(&agent, "prod", &code).expect("the right code");
    let session = agent.get("prod").expect("served");
    assert!((session.expiration - agent.aws.clock().now()).num_hours() >= 11);
}

#[test]
fn a_wrong_or_used_code_is_refused_and_the_next_one_works() {
    let agent = Inside::start_in(World::tutorials_with_mfa(), &config(""));
    let right = agent.aws.mfa_code(USER_ARN);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    assert_eq!(unlock(&agent, "auth", wrong).expect_err("wrong").kind, Kind::Refused);
    assert_eq!(unlock(&agent, "auth", "12ab56").expect_err("no code").kind, Kind::Usage);
    unlock(&agent, "auth", &right).expect("right");
    let calls = agent.aws.calls().len();
    let used = unlock(&agent, "auth", &right).expect_err("used");
    assert_eq!(used.kind, Kind::Refused);
    assert!(used.message.contains("was used already"), "{used:?}");
    assert!(used.hint.as_deref().unwrap().contains("the next one in 30 s"), "{used:?}");
    agent.ask(Request::Lock).unwrap();
    assert!(
        unlock(&agent, "auth", &right).expect_err("used").message.contains("used already"),
        "a lock makes it not new"
    );
    assert_eq!(agent.aws.calls().len(), calls, "AWS is not asked what is known here");
    agent.clock.advance(Duration::from_secs(18));
    let used = unlock(&agent, "auth", &right).expect_err("used");
    assert!(used.hint.as_deref().unwrap().contains("the next one in 12 s"), "{used:?}");
    agent.clock.advance(Duration::from_secs(12));
    let next = agent.aws.mfa_code(USER_ARN);
    unlock(&agent, "auth", &next).expect("the next code");
}

#[test]
fn a_code_that_comes_late_is_refused_and_costs_nothing_else() {
    let agent = Inside::start_in(World::tutorials_with_mfa(), &config(""));
    let late = agent.aws.mfa_code(USER_ARN);
    agent.clock.advance(Duration::from_secs(90));
    let refused = unlock(&agent, "auth", &late).expect_err("three codes ago");
    assert_eq!(refused.kind, Kind::Refused);
    unlock(&agent, "auth", &agent.aws.mfa_code(USER_ARN)).expect("the one of now");
}

#[test]
fn a_device_that_was_replaced_is_said_with_the_key_that_names_it() {
    let agent = Inside::start_in(World::tutorials_with_mfa(), &config(""));
    let code = agent.aws.world(|world| {
        let device = MfaDevice::generate(AUTH_ACCOUNT, "new-phone");
        let code = device.code_at(agent.aws.clock().now());
        world.user(USER_ARN).mfa_devices = vec![device];
        code
    });
    let refused = unlock(&agent, "auth", &code).expect_err("the old serial");
    assert_eq!(refused.kind, Kind::Refused);
    let hint = refused.hint.unwrap();
    assert!(hint.contains("`mfa_serial`") && hint.contains("replaced"), "{hint}");
    let serial = "mfa/richard\"";
    agent.edit(&config("").replace(serial, "mfa/new-phone\"")).expect("corrected");
    agent.clock.advance(Duration::from_secs(30));
    unlock(&agent, "auth", &agent.aws.mfa_code(USER_ARN)).expect("the new device");
    agent.get("prod").expect("served");
}
