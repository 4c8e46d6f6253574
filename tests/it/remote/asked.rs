//! Questions about what is wanted through a socket: at the agent's own machine or nowhere, never through the connection.

use super::{TWO, with_socket};
use crate::harness::home::{Home, text};
use crate::harness::inside::until;
use crate::harness::pinentry;
use crate::harness::programs::ROLECALL;
use crate::harness::window::Window;
use std::process::Output;

/// A home whose agent was started on a display, where a pinentry does a thing when it is asked.
fn home_with(asked: &str, display: bool) -> Home {
    let mut home = Home::bare("");
    let program = pinentry::script(&home.path(""), asked);
    if display {
        home.set("DISPLAY", ":7");
    }
    home.configure(&format!(
        "[agent]\nvault = \"file\"\npinentry_program = \"{}\"\n{}",
        program.display(),
        with_socket(TWO)
    ));
    home.open_vault();
    assert!(home.add_key().status.success());
    home
}

/// The other end of the socket.
struct Far<'a>(&'a Home);

impl Far<'_> {
    fn path(&self) -> String {
        self.0.path("run/rolecall/sockets/vm/agent.sock").display().to_string()
    }

    /// Asks as the other end of a tunnel does, which claims a display of its own.
    fn get(&self, name: &str) -> Output {
        let mut get = self.0.rolecall(["get", name]);
        get.env("ROLECALL_SOCKET", self.path()).env("DISPLAY", ":66").output().unwrap()
    }
}

/// Lets the socket ask.
fn asking(home: &Home) {
    let changed = home.run(["agent", "socket", "add", "vm", "--roles", "dev,staging", "--ask", "--replace"]);
    assert!(changed.status.success(), "{}", text(&changed.stderr));
}

#[test]
fn consent_is_asked_once_on_the_agents_display_and_ends_with_a_lock_or_another_setting() {
    let home = home_with("echo \"$DISPLAY $desc\" >> \"$0.asked\"; echo OK", true);
    asking(&home);
    let there = Far(&home);
    let asked = || std::fs::read_to_string(home.path("pinentry.asked")).unwrap_or_default();
    for _ in 0..3 {
        let got = there.get("dev");
        assert_eq!(got.status.code(), Some(0), "{}", text(&got.stderr));
    }
    assert_eq!(asked().lines().count(), 1, "a yes holds: {}", asked());
    assert!(asked().starts_with(":7 socket vm wants `dev` "), "on the agent's display: {}", asked());
    assert_eq!(there.get("staging").status.code(), Some(0));
    assert_eq!(asked().lines().count(), 2, "each role is asked about");
    assert_eq!(home.run(["get", "dev"]).status.code(), Some(0));
    assert_eq!(asked().lines().count(), 2, "here nobody is asked");

    let changed = home.run(["agent", "socket", "add", "vm", "--roles", "dev", "--ask", "--replace"]);
    assert!(changed.status.success());
    assert_eq!(there.get("dev").status.code(), Some(0));
    assert_eq!(asked().lines().count(), 3, "another socket is asked about anew");
    home.run(["lock"]);
    home.open_vault();
    assert_eq!(there.get("dev").status.code(), Some(0));
    assert_eq!(asked().lines().count(), 4, "a lock forgets what was said");
    until("each answer of the person is a line", || home.events("consent").len() == 4);
    let consents = home.events("consent");
    let is_one = |line: &serde_json::Value| line["caller"]["socket"] == "vm" && line["result"] == "ok";
    assert!(consents.iter().all(is_one), "{consents:?}");
}

#[test]
fn a_no_is_a_refusal_and_nobody_to_ask_is_said_at_once_with_what_to_do_here() {
    let home = home_with("echo 'ERR 83886179 Operation cancelled'", true);
    asking(&home);
    let refused = Far(&home).get("dev");
    assert_eq!(refused.status.code(), Some(4));
    assert!(text(&refused.stderr).contains("consent for socket vm to use `dev` was refused"));
    assert!(refused.stdout.is_empty());
    // Nobody is asked again for ten seconds, and nothing is answered.
    assert_eq!(Far(&home).get("dev").status.code(), Some(4));
    until("the answer is a line", || !home.events("consent").is_empty());
    let consents = home.events("consent");
    assert!(consents.iter().all(|line| line["result"] == "refused"), "{consents:?}");

    let home = home_with("echo asked >> \"$0.asked\"; echo OK", false);
    asking(&home);
    let nobody = Far(&home).get("dev");
    let said = text(&nobody.stderr);
    assert_eq!(nobody.status.code(), Some(4), "{said}");
    assert!(said.contains("socket vm needs a person's consent to use `dev`, and nobody could be asked"), "{said}");
    assert!(said.contains("hint: on the agent's own machine: run `rolecall agent restart` in the desktop"), "{said}");
    assert!(!home.path("pinentry.asked").exists(), "the display that the other end claims is not used");
}

#[test]
fn a_code_is_never_asked_for_through_a_socket_nor_on_the_terminal_of_its_tunnel() {
    needs!("tmux");
    let home = home_with("echo 'ERR 83886179 x'", false);
    let config = std::fs::read_to_string(home.config()).unwrap();
    let serial = "arn:aws:iam::111111111111:mfa/richard";
    let config = config.replacen("type = \"iam-user\"", &format!("type = \"iam-user\"\nmfa_serial = \"{serial}\""), 1);
    std::fs::write(home.config(), config).unwrap();
    assert_eq!(home.status()["identities"][0]["mfa_serial"], serial, "taken over");
    // What has the socket open has a terminal, as `ssh` has.
    let window = Window::open(&home, "tunnel");
    let program = ROLECALL;
    window.run(&format!("ROLECALL_SOCKET={} {program} get dev; echo ended=$?", Far(&home).path()));
    until("it has ended", || window.shows("ended=4"));
    let said = window.screen();
    assert!(said.contains("a code of MFA device"), "{said}");
    assert!(said.contains("on the agent's own machine: run `rolecall unlock auth`"), "{said}");
    assert!(!said.contains("Ctrl-C cancels"), "it was asked there: {said}");
    assert!(!home.path("pinentry.said").exists(), "a pinentry was shown there");
    // To who asks here the same terminal is where a person is.
    window.run(&format!("{program} get dev"));
    let said = || std::fs::read_to_string(home.path("pinentry.said")).unwrap_or_default();
    until("a pinentry is shown", || said().contains("OPTION ttyname=/dev/"));
}
