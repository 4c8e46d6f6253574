//! A virtual MFA device: its codes by a person with a phone, or by the vault.

use super::stage::{PERSON, Stage};
use crate::harness::home::text;
use crate::harness::inside::until;
use crate::harness::programs::ROLECALL;
use crate::harness::window::Window;
use rolecall_sandbox::MfaDevice;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, USER_ARN};

/// The role demands MFA, and the vault makes the codes: nobody is asked.
#[test]
fn a_device_whose_secret_is_kept_needs_nobody() {
    let stage = Stage::new();
    stage.home.aws.world(|world| world.enabling_codes_stay_valid = true);
    let before = stage.inventory();
    let output = stage.apply(&["--mfa-device", "--keep-totp", "--require-mfa"]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    stage.learn();
    let user = stage.home.aws.world(|world| world.user(USER_ARN).clone());
    assert_eq!(user.mfa_devices.len(), 1);
    let config = std::fs::read_to_string(stage.home.config()).unwrap();
    assert!(config.contains("mfa_serial = \"arn:aws:iam::111111111111:mfa/richard\""), "{config}");
    stage.lists_the_bucket("prod");
    let output = stage.destroy(&[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(stage.inventory(), before);
    stage.is_clean();
}

#[test]
fn without_a_person_a_device_of_a_phone_is_refused_before_anything_is_made() {
    let stage = Stage::new();
    let output = stage.apply(&["--mfa-device"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--keep-totp"), "{}", text(&output.stderr));
    assert_eq!(stage.home.aws.calls().len(), 0);
}

#[test]
fn a_role_that_wants_mfa_of_a_user_without_a_device_is_refused_before_anything_is_made() {
    let stage = Stage::new();
    let before = stage.inventory();
    let output = stage.apply(&["--require-mfa"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("`--mfa-serial ARN`"), "{}", text(&output.stderr));
    assert_eq!(stage.inventory(), before);
}

#[test]
fn an_interrupt_at_a_question_ends_the_command_there() {
    needs!("tmux");
    let stage = Stage::new();
    let window = Window::open(&stage.home, "asked");
    let program = ROLECALL;
    window.tmux(&["resize-window", "-t", "asked", "-x", "200", "-y", "70"]);
    let flags = PERSON[..PERSON.len() - 1].join(" ");
    window.run(&format!(
        "{program} setup apply --auth-profile auth-admin --workload-profile prod-admin {flags}; echo ended=$?"
    ));
    until("it asks", || window.shows("Make this? [y/N]"));
    window.tmux(&["send-keys", "-t", "asked", "C-c"]);
    until("it has ended", || window.shows("ended=130"));
    assert!(!stage.state_file("prod").exists(), "nothing was begun");
    assert_eq!(stage.home.aws.count("CreatePolicy"), 0);
}

#[test]
fn a_person_scans_the_code_and_types_two_of_the_device() {
    needs!("tmux");
    let stage = Stage::new();
    let window = Window::open(&stage.home, "setup");
    let program = ROLECALL;
    window.tmux(&["resize-window", "-t", "setup", "-x", "200", "-y", "70"]);
    let flags = PERSON.join(" ");
    window.run(&format!(
        "export LC_ALL=C.UTF-8; {program} setup apply --auth-profile auth-admin --workload-profile prod-admin {flags} --mfa-device"
    ));
    until("it asks", || window.shows("First code:"));
    let screen = window.screen();
    let device = stage.home.aws.world(|world| world.account(AUTH_ACCOUNT).unassigned_devices[0].clone());
    assert!(screen.contains('\u{2580}') || screen.contains('\u{2588}'), "a QR code: {screen}");
    assert!(screen.contains(&device.secret), "for those who cannot scan: {screen}");
    let code = |device: &MfaDevice, steps: i64| {
        device.code_at(stage.home.aws.clock().now() + chrono::TimeDelta::seconds(30 * steps))
    };
    window.run("12345");
    until("it says what a code is", || window.shows("A code has six digits:"));
    window.run(&code(&device, -1));
    until("the second is asked", || window.shows("Second code"));
    window.run(&code(&device, 0));
    until("it is the user's", || stage.home.aws.world(|world| world.user(USER_ARN).mfa_devices.len() == 1));
    // The role is proven with the device's next code, as on every later day.
    until("a third is asked", || window.shows("MFA code of richard"));
    window.run(&code(&device, 1));
    until("it is done", || window.shows("calls to IAM and STS"));
    stage.home.canaries.add(&device.secret);
    stage.learn();
    let output = stage.destroy(&[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    // What the person saw on the screen is nowhere else.
    drop(window);
}
