//! A Tab knows the names that there are.

use super::on_the_path;
use crate::harness::home::{CHAIN, Home, text};
use crate::harness::inside::until;
use crate::harness::window::Window;

fn home() -> Home {
    let more =
        "\n[roles.\"data:eu/x@y\"]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"\n";
    let mut home = Home::ready(&format!("{CHAIN}{more}"));
    on_the_path(&mut home);
    home
}

#[test]
fn bash_completes_names_also_those_that_it_cuts_into_words() {
    let home = home();
    // Readline's part: bash splits at `:`, `=` and `@` too, and replaces what it takes for the last word.
    for (line, words, wanted) in [
        ("rolecall get ", "rolecall get ''", "auth\ndata\ndata:eu/x@y\nlogs\nprod\n"),
        ("rolecall get p", "rolecall get p", "prod\n"),
        ("rolecall get data:", "rolecall get data :", "eu/x@y\n"),
        ("rolecall get data:eu/x@", "rolecall get data : eu/x @", "y\n"),
        ("rolecall exec --static l", "rolecall exec --static l", "logs\n"),
        ("rolecall role show d", "rolecall role show d", "data\ndata:eu/x@y\n"),
        ("rolecall role remove l", "rolecall role remove l", "logs\n"),
        ("role pr", "role pr", "prod\n"),
        ("rolecall stat", "rolecall stat", "status\n"),
        ("rolecall exec prod -- env --spl", "rolecall exec prod -- env --spl", ""),
    ] {
        let script = format!(
            "eval \"$(rolecall init bash)\"; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=({words}); \
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_WORDBREAKS=$' \\t\\n\"\\'><=;|&(:@'; \
             _rolecall_named \"${{COMP_WORDS[0]}}\" \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
             ((${{#COMPREPLY[@]}} == 0)) || printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let output = home.command("bash").args(["-c", &script]).output().unwrap();
        assert_eq!(text(&output.stdout), wanted, "{line}: {}", text(&output.stderr));
    }
}

#[test]
fn fish_completes_names() {
    needs!("fish");
    let home = home();
    for (line, wanted) in [
        ("rolecall get pr", "prod\n"),
        ("rolecall get data:", "data:eu/x@y\n"),
        ("rolecall role show lo", "logs\n"),
        ("role pr", "prod\n"),
    ] {
        let script = format!("rolecall init fish | source; complete -C '{line}'");
        let output = home.command("fish").args(["-c", &script]).output().unwrap();
        assert_eq!(text(&output.stdout), wanted, "{line}: {}", text(&output.stderr));
    }
    let script = "rolecall init fish | source; complete -C 'rolecall stat'";
    let output = home.command("fish").args(["-c", script]).output().unwrap();
    assert!(text(&output.stdout).starts_with("status\t"), "{}", text(&output.stdout));
}

#[test]
fn zsh_completes_names_from_init_and_from_a_file() {
    needs!("tmux", "zsh");
    let home = home();
    std::fs::create_dir(home.path("functions")).unwrap();
    let script = home.run(["completions", "zsh"]).stdout;
    std::fs::write(home.path("functions/_rolecall"), script).unwrap();
    for (name, start) in [
        ("init", "autoload -Uz compinit; compinit -u -D; eval \"$(rolecall init zsh)\""),
        ("file", "fpath=($HOME/functions $fpath); autoload -Uz compinit; compinit -u -D"),
    ] {
        let window = Window::open(&home, name);
        window.run("clear; exec zsh -f");
        window.run(&format!("{start}; echo set\\up"));
        until("it is set up", || window.shows("setup"));
        window.run("clear");
        // Twice: what is loaded from a file defines itself at the first time.
        for _ in 0..2 {
            window.tmux(&["send-keys", "-t", name, "echo x; : rolecall", "C-a", "C-k"]);
            window.tmux(&["send-keys", "-t", name, "rolecall get pr", "Tab"]);
            until("the name is completed", || window.shows("rolecall get prod"));
            window.tmux(&["send-keys", "-t", name, "C-u"]);
            window.tmux(&["send-keys", "-t", name, "rolecall stat", "Tab"]);
            until("the command is completed", || window.shows("rolecall status"));
            window.tmux(&["send-keys", "-t", name, "C-u"]);
            until("the line is empty", || !window.shows("rolecall status"));
        }
    }
}

#[test]
fn every_name_is_there_in_a_configuration_of_ten_thousand() {
    use std::fmt::Write as _;
    let mut config = CHAIN.to_owned();
    for n in 0..10_000 {
        let _ =
            write!(config, "\n[roles.r{n}]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/R{n}\"\n");
    }
    let home = Home::ready(&config);
    assert_eq!(text(&home.run(["complete-names", "get", ""]).stdout).lines().count(), 10_004);
    assert_eq!(text(&home.run(["complete-names", "get", "r999"]).stdout).lines().count(), 11);
}
