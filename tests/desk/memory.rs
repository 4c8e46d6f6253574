//! The key from a real keyring, in the agent's memory: it comes over D-Bus, and nothing of it stays.

use crate::desk::Desk;
use crate::harness::home::Home;
use crate::harness::inside::TUTORIAL;
use crate::harness::memory::Stopped;
use crate::harness::process::Running;
use rolecall_sandbox::Match;
use rolecall_sandbox::tutorials::USER_ARN;

#[test]
fn the_key_from_the_keyring_is_in_memory_for_a_call_and_not_after() {
    needs!("root", "dbus-daemon");
    let desk = Desk::new("memory");
    let _bus = desk.bus();
    let _keyring = desk.keyring(Some("the keyring's password"));
    desk.wait_for_lock(false);
    let mut home = Home::bare(TUTORIAL);
    home.set("DBUS_SESSION_BUS_ADDRESS", desk.address());
    home.set("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", home.path("no-bus").display()));
    let agent = Running::agent(&home);
    assert!(home.add_key().status.success());
    let key = home.aws.access_key(USER_ARN).secret;
    let places = || Stopped::at_once(agent.pid()).places(&key[20..]);
    assert_eq!(places(), [""; 0], "it was stored");
    let hold = home.aws.hold_matching(Match::action("AssumeRole"));
    let mut waiting = Running::start(&mut home.rolecall(["get", "prod"]));
    hold.wait_for_arrivals(1);
    assert!(!places().is_empty(), "a call is under way, and the key that signed it is at hand");
    hold.release();
    assert!(waiting.end().success());
    assert_eq!(places(), [""; 0], "the call is over");
}
