//! One-time codes. Pages: IAM User Guide, "Secure API access with MFA", "AWS global condition context keys"
//! (aws:MultiFactorAuthPresent, aws:MultiFactorAuthAge); STS API Reference, "GetSessionToken"; RFC 6238, section 5.2.

use std::time::Duration;

use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN, USER_ARN};
use rolecall_sandbox::{MfaDevice, Sandbox, User, World};
use serde_json::{Value, json};

use crate::client::Client;
use crate::{add_user, allow, policy, start};

const WRONG: &str = "MultiFactorAuthentication failed with invalid MFA one time pass code. ";
const STEP: Duration = Duration::from_secs(30);

struct Setup {
    aws: Sandbox,
    richard: Client,
    serial: String,
}

impl Setup {
    /// Starts a world in which the role's trust has a condition and the user a device.
    fn new(condition: &Value) -> Self {
        let device = MfaDevice::generate(AUTH_ACCOUNT, "richard");
        let serial = device.serial.clone();
        let mut world = World::tutorials();
        world.user(USER_ARN).mfa_devices.push(device);
        world.role(ROLE_ARN).trust = policy(&json!({
            "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
            "Action": "sts:AssumeRole", "Condition": condition,
        }))
        .into();
        let (aws, richard) = start(world);
        Self { aws, richard, serial }
    }

    fn required() -> Self {
        Self::new(&json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}}))
    }

    fn code(&self) -> String {
        self.aws.mfa_code(USER_ARN)
    }

    /// Returns the code the device shows so many steps from now.
    fn code_in(&self, steps: i32) -> String {
        let device = self.aws.world(|world| world.user(USER_ARN).mfa_devices[0].clone());
        device.code_at(self.aws.clock().now() + chrono::TimeDelta::seconds(30) * steps)
    }
}

#[test]
fn a_code_opens_a_role_that_wants_one_and_only_once() {
    let setup = Setup::required();
    let Setup { aws, richard, serial } = &setup;
    richard.assume(ROLE_ARN, &[]).is_denied();
    let code = setup.code();
    let with_code = [("SerialNumber", serial.as_str()), ("TokenCode", code.as_str())];
    richard.assume(ROLE_ARN, &with_code).succeeds();
    richard.assume(ROLE_ARN, &with_code).fails(403, "AccessDenied", WRONG);
    richard.sts("GetSessionToken", &with_code).fails(403, "AccessDenied", WRONG);
    aws.clock().advance(STEP);
    let code = setup.code();
    richard.assume(ROLE_ARN, &[("SerialNumber", serial), ("TokenCode", &code)]).succeeds();
}

#[test]
fn a_code_may_be_one_step_off() {
    for (steps, accepted) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
        let setup = Setup::required();
        let code = setup.code_in(steps);
        let reply = setup.richard.assume(ROLE_ARN, &[("SerialNumber", &setup.serial), ("TokenCode", &code)]);
        assert_eq!(reply.status == 200, accepted, "{steps} steps: {}", reply.body);
    }
}

#[test]
fn a_device_is_of_one_user() {
    let setup = Setup::required();
    let Setup { aws, richard, serial } = &setup;
    let stranger = "unable to validate MFA code";
    let code = setup.code();
    let other = add_user(aws, User::new("other").with_policy("p", allow("sts:AssumeRole")));
    let with_code = [("SerialNumber", serial.as_str()), ("TokenCode", code.as_str())];
    richard.signed_by(&other).assume(ROLE_ARN, &with_code).fails(403, "AccessDenied", stranger);
    let unknown = [("SerialNumber", "arn:aws:iam::111111111111:mfa/phone"), ("TokenCode", code.as_str())];
    richard.assume(ROLE_ARN, &unknown).fails(403, "AccessDenied", stranger);
    richard.assume(ROLE_ARN, &[("SerialNumber", serial)]).fails(403, "AccessDenied", "must provide both");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    richard.assume(ROLE_ARN, &[("SerialNumber", serial), ("TokenCode", wrong)]).fails(403, "AccessDenied", WRONG);
    richard.assume(ROLE_ARN, &with_code).succeeds();
}

/// "A user … calls GetSessionToken with MFA and then the temporary credentials carry it."
#[test]
fn a_session_carries_its_code_into_roles() {
    let setup = Setup::required();
    let Setup { aws, richard, serial } = &setup;
    richard.with(&richard.sts("GetSessionToken", &[])).assume(ROLE_ARN, &[]).is_denied();
    let code = setup.code();
    let session = richard.with(&richard.sts("GetSessionToken", &[("SerialNumber", serial), ("TokenCode", &code)]));
    for _ in 0..3 {
        session.assume(ROLE_ARN, &[]).succeeds();
        aws.clock().advance(Duration::from_hours(1));
    }
}

#[test]
fn the_age_of_a_code_can_be_limited() {
    let setup = Setup::new(&json!({"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}));
    let Setup { aws, richard, serial } = &setup;
    let code = setup.code();
    let session = richard.with(&richard.sts("GetSessionToken", &[("SerialNumber", serial), ("TokenCode", &code)]));
    aws.clock().advance(Duration::from_secs(3599));
    session.assume(ROLE_ARN, &[]).succeeds();
    aws.clock().advance(Duration::from_secs(1));
    session.assume(ROLE_ARN, &[]).is_denied();
    richard.assume(ROLE_ARN, &[]).is_denied();
}

/// "The key is not present in long-term credentials", so only BoolIfExists catches them in a Deny.
#[test]
fn the_key_is_absent_for_long_term_credentials_and_false_for_sessions() {
    let setup = Setup::new(&json!({"Null": {"aws:MultiFactorAuthPresent": "true"}}));
    let session = setup.richard.with(&setup.richard.sts("GetSessionToken", &[]));
    setup.richard.assume(ROLE_ARN, &[]).succeeds();
    session.assume(ROLE_ARN, &[]).is_denied();
}

/// "The temporary credentials returned by AssumeRole do not include MFA information in the context."
#[test]
fn a_role_session_carries_no_code() {
    let setup = Setup::required();
    let code = setup.code();
    let reply = setup.richard.assume(ROLE_ARN, &[("SerialNumber", &setup.serial), ("TokenCode", &code)]);
    let session = setup.richard.with(&reply);
    setup.aws.world(|world| {
        let mut role = world.role(ROLE_ARN).clone();
        let mfa_only = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}});
        role.permissions = rolecall_sandbox::world::Permissions::default();
        *world.role(ROLE_ARN) = role.with_policy("mfa", policy(&mfa_only));
    });
    session.s3("/").is_denied();
}
