//! Where a code comes from, one source after the other, and how a person is asked, one way after the other.

use super::config;
use crate::harness::home::Home;
use crate::harness::inside::{Inside, until};
use crate::harness::pinentry;
use crate::harness::process::Running;
use crate::harness::programs::ROLECALL;
use crate::harness::window::Window;
use rolecall::domain::totp::TotpSecret;
use rolecall::ports::StoredKey;
use rolecall_sandbox::tutorials::USER_ARN;
use rolecall_sandbox::{Match, World};
use std::fs;
use std::time::Duration;

const OF_THE_OLD_DEVICE: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

#[test]
fn the_secret_is_tried_then_the_program_then_the_person_who_is_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let (code, runs) = (dir.path().join("code"), dir.path().join("runs"));
    let program = pinentry::script(dir.path(), &pinentry::answering_from(&code));
    let settings = format!("[agent]\npinentry_program = \"{}\"\n{}", program.display(), config(""));
    let process = format!("echo run >> {}; echo 'no key is plugged in' >&2; exit 1", runs.display());
    let process = format!("region = \"eu-west-1\"\nmfa_process = [\"/bin/sh\", \"-c\", \"{process}\"]\n");
    let settings = settings.replace("region = \"eu-west-1\"\n", &process);
    let agent = Inside::start_in(World::tutorials_with_mfa(), &settings);
    // The device was replaced, and the vault has the secret of the one before.
    agent.canaries.add(OF_THE_OLD_DEVICE);
    let totp = TotpSecret::parse(OF_THE_OLD_DEVICE).ok();
    agent.vault.put("auth", StoredKey { totp, ..agent.vault.stored("auth") });
    // An agent that has just begun tries the secret's next code too.
    agent.clock.advance(Duration::from_secs(30));
    let held = agent.aws.hold_matching(Match::action("GetSessionToken"));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| agent.get_at_display("prod"));
        held.wait_for_arrivals(1);
        assert!(!runs.exists() && pinentry::questions(&code) == 0, "the secret's code is AWS's to judge first");
        held.release();
        until("the person is asked", || pinentry::questions(&code) == 1);
        assert_eq!(fs::read_to_string(&runs).unwrap(), "run\n", "the program was run before, once");
        assert_eq!(agent.aws.count("GetSessionToken"), 1, "it gave no code");
        fs::write(&code, agent.aws.mfa_code(USER_ARN)).unwrap();
        waiting.join().unwrap().expect("served with the person's code");
    });
    let said = fs::read_to_string(format!("{}.said", program.display())).unwrap();
    assert!(said.contains("no key is plugged in"), "why a person is needed at all: {said}");
    assert_eq!((pinentry::questions(&code), agent.aws.count("GetSessionToken")), (1, 2));
}

#[test]
fn prompts_are_tried_in_their_order_and_the_next_one_only_where_the_first_cannot_be_shown() {
    needs!("tmux");
    let home = Home::ready(&config(""));
    home.aws.world(World::demand_mfa);
    let code = home.path("code");
    let program = pinentry::script(&home.path(""), &pinentry::answering_from(&code));
    let configure = |prompts: &str| {
        let agent = format!("vault = \"file\"\nprompts = {prompts}\npinentry_program = \"{}\"", program.display());
        home.configure(&format!("[agent]\n{agent}\n{}", config("")));
        // Has the agent read it now: a `get` would not wait for that.
        assert!(home.run(["status"]).status.success());
    };
    let forget = || {
        assert!(home.run(["lock"]).status.success());
        home.open_vault();
    };
    let window = Window::open(&home, "window");
    let get = |name: &str| window.run(&format!("clear; DISPLAY=:7 {ROLECALL} get prod > /dev/null; echo {name} $?"));

    configure("[\"tty\", \"pinentry\"]");
    get("first");
    until("the terminal asks", || window.shows("MFA code of auth"));
    assert_eq!(pinentry::questions(&code), 0, "though there is a display");
    window.run(&home.aws.mfa_code(USER_ARN));
    until("it is served", || window.shows("first 0"));
    assert_eq!(pinentry::questions(&code), 0);

    forget();
    let mut alone = home.command("setsid");
    let mut alone = Running::start(alone.args(["-w", ROLECALL, "get", "prod"]).env("DISPLAY", ":7"));
    until("the window asks whom no terminal can", || pinentry::questions(&code) == 1);
    // AWS takes the code of the next half minute too, and the one of this is used up.
    let next = home
        .aws
        .world(|world| world.user(USER_ARN).mfa_devices[0].code_at(home.aws.clock().now() + Duration::from_secs(30)));
    fs::write(&code, next).unwrap();
    assert!(alone.end().success());

    forget();
    configure("[\"pinentry\", \"tty\"]");
    get("second");
    until("the window asks", || pinentry::questions(&code) == 2);
    assert!(!window.shows("MFA code"), "though there is a terminal: {}", window.screen());
    assert!(home.run(["lock"]).status.success());
    until("it is over", || window.shows("second 4"));
}
