//! At a real terminal: interrupts, job control, shells inside shells.

use super::on_the_path;
use crate::harness::home::{CHAIN, Home, chained_world};
use crate::harness::inside::{TUTORIAL, until};
use crate::harness::window::Window;

fn home() -> Home {
    let mut home = Home::ready(TUTORIAL);
    on_the_path(&mut home);
    home
}

fn chained() -> Home {
    let mut home = Home::ready(CHAIN);
    home.aws.world(|world| *world = chained_world());
    home.add_key();
    on_the_path(&mut home);
    home
}

#[test]
fn an_interrupt_is_the_commands_and_the_shell_sees_how_it_ended() {
    needs!("tmux");
    let home = home();
    let window = Window::open(&home, "window");
    window.run("rolecall exec prod -- sh -c 'trap \"echo cau\\ght; exit 9\" INT; echo rea\\dy; while :; do sleep 0.1; done'; echo ended $?");
    until("it runs", || window.shows("ready"));
    window.tmux(&["send-keys", "-t", "window", "C-c"]);
    until("it has caught it", || window.shows("caught") && window.shows("ended 9"));
    window.run("clear; rolecall exec prod -- sleep 600");
    until("the second runs", || super::granted(&home) == ["prod"]);
    window.tmux(&["send-keys", "-t", "window", "C-c"]);
    until("it has ended", || super::granted(&home).is_empty());
    window.run("echo ended $?");
    until("the shell has seen how", || window.shows("ended 130"));
}

#[test]
fn a_command_can_be_stopped_and_continued() {
    needs!("tmux");
    let home = home();
    let window = Window::open(&home, "window");
    window.run("rolecall exec prod -- sh -c 'echo be\\gun; sleep 0.2; cat'");
    until("it runs", || window.shows("begun"));
    window.tmux(&["send-keys", "-t", "window", "C-z"]);
    until("it is stopped", || window.shows("Stopped"));
    window.run("echo out\\side; fg");
    until("it goes on", || window.shows("outside"));
    window.run("typed into it");
    until("the terminal is its own", || window.screen().matches("typed into it").count() >= 2);
    window.tmux(&["send-keys", "-t", "window", "C-d"]);
    window.run("echo back $?");
    until("it has ended", || window.shows("back 0"));
}

#[test]
fn a_shell_says_where_it_is_and_exit_goes_back() {
    needs!("tmux");
    let home = chained();
    let window = Window::open(&home, "window");
    window.run("SHELL=/bin/bash rolecall shell prod");
    until("it says where", || window.shows("in `prod`; `exit` goes back"));
    window.run("echo now $ROLECALL_ROLE as $0; rolecall shell data");
    until("and the one inside", || window.shows("in `data`, inside `prod`; `exit` goes back to `prod`"));
    assert!(window.shows("now prod as bash"), "{}", window.screen());
    window.run("exit");
    window.run("rolecall prompt --long; exit 4");
    window.run("echo code $?");
    until("both have ended", || window.shows("code 4"));
    assert!(window.shows("in prod, "), "{}", window.screen());
}

#[test]
fn every_shell_runs_as_itself_in_the_role() {
    needs!("fish", "zsh");
    let home = home();
    for shell in ["/bin/sh", "/bin/bash", "/usr/bin/zsh", "/usr/bin/fish"] {
        let mut command = home.rolecall(["shell", "prod"]);
        command.env("SHELL", shell).env("TERM", "dumb");
        let mut child = command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let script = "echo in $ROLECALL_ROLE\npython3 fetch.py\nexit 5\n";
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let (said, error) = (super::text(&output.stdout), super::text(&output.stderr));
        assert_eq!(output.status.code(), Some(5), "{shell}: {error}");
        assert_eq!(said, format!("in prod\n{}\n", super::key_of(&home, "prod")), "{shell}: {error}");
        assert_eq!(error, "", "{shell}: nothing is said where nobody sits");
    }
    let output = home.rolecall(["shell", "prod"]).env("SHELL", "/no/such/shell").output().unwrap();
    assert_eq!(output.status.code(), Some(127));
}
