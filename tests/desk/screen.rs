//! The screen's lock and the machine's sleep, as logind tells them on the system bus.

use crate::desk::Desk;
use crate::harness::home::Home;
use crate::harness::inside::{TUTORIAL, until};
use crate::harness::memory::Stopped;
use crate::harness::process::Running;
use crate::login::{Login, Whose, forge};
use rolecall::protocol::process_output;

/// The real agent on a system bus of its own.
struct Place {
    agent: Running,
    home: Home,
    desk: Desk,
}

impl Place {
    fn new(name: &str) -> Self {
        Self::with(name, TUTORIAL)
    }

    fn with(name: &str, config: &str) -> Self {
        let desk = Desk::new(name);
        let mut home = Home::bare(&format!("[agent]\nvault = \"file\"\n{config}"));
        home.set("DBUS_SYSTEM_BUS_ADDRESS", desk.address());
        // The bus of whoever runs the tests is none of theirs.
        home.set("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", home.path("no-bus").display()));
        let agent = Running::agent(&home);
        Self { agent, home, desk }
    }

    /// Stores the key and fetches a session.
    fn fill(&self) -> String {
        self.home.open_vault();
        assert!(self.home.add_key().status.success());
        self.get()
    }

    fn get(&self) -> String {
        let output = self.home.run(["get", "prod"]);
        process_output::parse(&output.stdout).expect("served").secret.expose().to_owned()
    }

    fn has_session(&self) -> bool {
        let status = self.home.run(["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        !status["roles"][0]["session"].is_null()
    }

    fn is_in_memory(&self, secret: &str) -> bool {
        !Stopped::at_once(self.agent.pid()).places(&secret[20..]).is_empty()
    }
}

#[test]
fn a_locked_screen_of_ours_wipes_and_nobody_elses_word_does() {
    needs!("dbus-daemon");
    let place = Place::new("screen");
    let _bus = place.desk.bus();
    let login = Login::start(&place.desk.address());
    login.wait_for_the_agent();
    let secret = place.fill();
    assert!(place.is_in_memory(&secret), "else it could not be missed");

    login.lock(Whose::Theirs);
    login.hint(Whose::Theirs, true);
    login.hint(Whose::Ours, false);
    forge(&place.desk.address(), &login.holder());
    login.catch_up();
    assert!(place.has_session(), "another user's screen, an open one, and what another program says");
    assert_eq!(login.inhibitors(), 1);
    assert!(!place.home.audit().contains("\"lock\""), "{}", place.home.audit());

    login.lock(Whose::Ours);
    until("the sessions are gone", || !place.has_session());
    assert!(!place.is_in_memory(&secret));
    until("it is written down", || place.home.audit().contains("\"message\":\"screen locked\""));

    place.home.open_vault();
    place.get();
    login.hint(Whose::Ours, true);
    until("the sessions are gone", || !place.has_session());
}

#[test]
fn the_machine_sleeps_when_everything_is_wiped_and_is_kept_awake_anew_after() {
    needs!("dbus-daemon");
    let place = Place::new("sleep");
    let _bus = place.desk.bus();
    let login = Login::start(&place.desk.address());
    login.wait_for_the_agent();
    let secret = place.fill();
    for _ in 0..2 {
        login.prepare_for_sleep(true);
        until("the agent lets it sleep", || login.inhibitors() == 0);
        assert!(!place.is_in_memory(&secret), "wiped before it lets go");
        assert!(!place.has_session());
        login.prepare_for_sleep(false);
        login.wait_for_the_agent();
    }
    until("it is written down", || place.home.audit().contains("\"message\":\"going to sleep\""));
    place.home.open_vault();
    place.get();
}

#[test]
fn a_logind_and_a_bus_that_come_back_are_heard_again() {
    needs!("dbus-daemon");
    let place = Place::new("restart");
    let bus = place.desk.bus();
    let login = Login::start(&place.desk.address());
    login.wait_for_the_agent();
    place.fill();

    drop(login);
    let login = Login::start(&place.desk.address());
    login.wait_for_the_agent();
    assert!(place.has_session(), "that logind was away is no reason");
    login.lock(Whose::Ours);
    until("the sessions are gone", || !place.has_session());

    place.home.open_vault();
    place.get();
    drop((login, bus));
    let _bus = place.desk.bus();
    // The screen was locked while nobody could be heard.
    let login = Login::start_with(&place.desk.address(), true);
    login.wait_for_the_agent();
    until("the sessions are gone", || !place.has_session());
}

#[test]
fn an_agent_that_was_there_before_the_bus_and_logind_finds_them() {
    needs!("dbus-daemon");
    let place = Place::new("later");
    let secret = place.fill();
    assert!(!secret.is_empty(), "without a bus everything works");
    let _bus = place.desk.bus();
    place.get();
    let login = Login::start(&place.desk.address());
    login.wait_for_the_agent();
    login.lock(Whose::Ours);
    until("the sessions are gone", || !place.has_session());
}

#[test]
fn what_the_configuration_does_not_name_is_no_reason_to_lock() {
    needs!("dbus-daemon");
    let place = Place::with("off", &format!("lock_on = []\n{TUTORIAL}"));
    let _bus = place.desk.bus();
    let login = Login::start(&place.desk.address());
    login.wait_for_the_agent();
    place.fill();
    login.lock(Whose::Ours);
    login.prepare_for_sleep(true);
    until("the agent lets it sleep all the same", || login.inhibitors() == 0);
    login.prepare_for_sleep(false);
    login.wait_for_the_agent();
    assert!(place.has_session());
}
