//! What is told on the desktop, as its notification server gets it.

use crate::desk::Desk;
use crate::harness::home::{Home, text};
use crate::harness::inside::until;
use crate::harness::process::Running;
use crate::harness::programs::ROLECALL;
use crate::server::Server;
use rolecall_sandbox::MfaDevice;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, USER_ARN};

const WITH_MFA: &str = r#"[agent]
vault = "file"
[aws]
endpoint_url_sts = "ENDPOINT"
[identities.auth]
type = "iam-user"
region = "eu-west-1"
mfa_serial = "arn:aws:iam::111111111111:mfa/richard"
[roles.prod]
source = "auth"
role_arn = "arn:aws:iam::222222222222:role/AssumedRole"
"#;

fn place(desk: &Desk) -> (Running, Home) {
    let mut home = Home::bare(WITH_MFA);
    home.set("DBUS_SESSION_BUS_ADDRESS", desk.address());
    home.set("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", home.path("no-bus").display()));
    let agent = Running::agent(&home);
    home.open_vault();
    assert!(home.add_key().status.success());
    home.aws.world(|world| world.user(USER_ARN).mfa_devices.push(MfaDevice::generate(AUTH_ACCOUNT, "richard")));
    (agent, home)
}

/// Asks where there is no terminal, and is told that nobody can be asked.
fn ask(home: &Home) {
    let asked = home.command("setsid").args(["-w", ROLECALL, "get", "prod"]).output().unwrap();
    assert_eq!(asked.status.code(), Some(4), "{}", text(&asked.stderr));
}

#[test]
fn a_code_that_nobody_can_be_asked_for_is_shown_on_the_desktop_once() {
    needs!("dbus-daemon");
    let desk = Desk::new("notices");
    let _bus = desk.bus();
    let server = Server::start(&desk.address());
    let (_agent, home) = place(&desk);
    ask(&home);
    until("it is shown", || !server.shown().is_empty());
    for _ in 0..3 {
        ask(&home);
    }
    let (application, summary, body) = server.shown().pop().expect("shown");
    assert_eq!((application.as_str(), summary.as_str()), ("rolecall", "rolecall: an MFA code is wanted"));
    assert!(body.contains("prod") && body.ends_with("rolecall unlock auth"), "{body}");
    assert_eq!(server.shown().len(), 1);
}

#[test]
fn without_a_desktop_or_with_one_that_hangs_the_answer_comes_as_soon() {
    needs!("dbus-daemon");
    let desk = Desk::new("silent");
    let (_agent, home) = place(&desk);
    let answers = || {
        ask(&home);
        assert!(home.run(["status"]).status.success());
    };
    answers();
    assert!(home.run(["lock"]).status.success());
    home.open_vault();
    let bus = desk.bus();
    answers();
    assert!(home.run(["lock"]).status.success());
    home.open_vault();
    bus.signal(rustix::process::Signal::STOP);
    answers();
    bus.signal(rustix::process::Signal::CONT);
}
