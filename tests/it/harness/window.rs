//! A real terminal: a window of a tmux server of its own, which types and reads as a person does.

use super::home::{Home, text};
use super::needs::require;

/// Runs a command in a tmux window of its own server, so that it has a real terminal.
pub(crate) struct Window<'a> {
    home: &'a Home,
    name: &'static str,
}

impl<'a> Window<'a> {
    pub(crate) fn open(home: &'a Home, name: &'static str) -> Self {
        require("tmux");
        let window = Self { home, name };
        let started = window.tmux(&["new-session", "-d", "-s", name, "-x", "200", "-y", "20", "sh"]);
        assert!(started.status.success(), "{}", text(&started.stderr));
        window
    }

    pub(crate) fn tmux(&self, args: &[&str]) -> std::process::Output {
        let mut command = self.home.command("tmux");
        command.arg("-S").arg(self.home.path("tmux.sock")).args(args).output().expect("tmux is installed")
    }

    pub(crate) fn run(&self, line: &str) {
        self.tmux(&["send-keys", "-t", self.name, line, "Enter"]);
    }

    pub(crate) fn screen(&self) -> String {
        text(&self.tmux(&["capture-pane", "-p", "-t", self.name]).stdout)
    }

    pub(crate) fn shows(&self, what: &str) -> bool {
        self.screen().contains(what)
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        self.tmux(&["kill-session", "-t", self.name]);
    }
}
