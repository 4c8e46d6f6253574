//! The function `role`, in the shells that have it.

use super::{granted, key_of, on_the_path, quietly};
use crate::harness::home::{CHAIN, Home, chained_world, text};
use crate::harness::inside::until;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

fn home() -> Home {
    let mut home = Home::ready(CHAIN);
    home.aws.world(|world| *world = chained_world());
    home.add_key();
    on_the_path(&mut home);
    home
}

/// The shells, and what each reads `init` by.
const SHELLS: [(&str, &str); 4] = [
    ("dash", "eval \"$(rolecall init sh)\"\n"),
    ("bash", "eval \"$(rolecall init bash)\"\n"),
    ("zsh", "eval \"$(rolecall init zsh)\"\n"),
    ("fish", "rolecall init fish | source\n"),
];

fn run(home: &Home, shell: &str, script: &str) -> Output {
    let mut command = home.command(shell);
    command.args(["-c", script]).env("AWS_PROFILE", "mine").env("AWS_REGION", "us-east-1").output().unwrap()
}

const SHOW: &str = "printenv ROLECALL_ROLE AWS_PROFILE AWS_REGION | tr '\\n' ' '; echo\n";

#[test]
fn role_switches_the_shell_and_a_dash_goes_back_to_what_was_before() {
    needs!("fish");
    let home = home();
    let keys = [key_of(&home, "prod"), key_of(&home, "data")];
    for (shell, init) in SHELLS {
        let script = format!(
            "{init}role prod\n{SHOW}python3 fetch.py\nrole data\n{SHOW}python3 fetch.py\nrole -\n{SHOW}role -\necho $status$?"
        );
        let script =
            if shell == "fish" { script.replace("$status$?", "$status") } else { script.replace("$status$?", "$?") };
        let output = run(&home, shell, &script);
        let wanted = format!("prod eu-west-1 \n{}\ndata eu-west-1 \n{}\nmine us-east-1 \n1\n", keys[0], keys[1]);
        assert_eq!(text(&output.stdout), wanted, "{shell}: {}", text(&output.stderr));
        assert!(text(&output.stderr).starts_with("role: this shell has not been switched"), "{shell}");
        until("what the shell was given has ended with it", || granted(&home).is_empty());
    }
}

#[test]
fn what_is_refused_leaves_the_shell_as_it_was() {
    needs!("fish");
    let home = home();
    for (shell, init) in SHELLS {
        let status = if shell == "fish" { "$status" } else { "$?" };
        let script =
            format!("{init}role prdo\necho {status}\n{SHOW}role prod data\necho {status}\nrole --nonsense\n{SHOW}");
        let output = run(&home, shell, &script);
        let said = text(&output.stderr);
        assert!(
            text(&output.stdout).starts_with("3\nmine us-east-1 \n2\nrole NAME"),
            "{shell}: {said}{}",
            text(&output.stdout)
        );
        assert!(
            said.contains("rolecall: prdo: there is no role") && said.contains("did you mean `prod`"),
            "{shell}: {said}"
        );
    }
}

#[test]
fn role_alone_says_where_one_is() {
    let home = home();
    for (shell, init) in SHELLS {
        let output = run(&home, shell, &format!("{init}role\nrole prod\nrole"));
        let shown = text(&output.stdout);
        assert!(
            shown.starts_with("in no role; ") && shown.contains("\nin prod, "),
            "{shell}: {shown}{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn the_way_back_is_no_business_of_the_shells_children() {
    let home = home();
    for (shell, init) in SHELLS {
        let output = run(&home, shell, &format!("{init}role prod\nenv"));
        assert!(!text(&output.stdout).contains("rolecall_back"), "{shell}");
        assert!(!text(&output.stdout).contains("us-east-1"), "{shell}");
    }
}

#[test]
fn the_way_back_stays_in_the_shell_also_where_it_exports_all_that_it_sets() {
    needs!("zsh");
    let home = home();
    let shells = [SHELLS[0], SHELLS[1], SHELLS[2], ("zsh", SHELLS[2].1)];
    for ((shell, init), switch) in shells.into_iter().zip(["set -a", "set -a", "set -a", "setopt allexport"]) {
        // Before and after the function is there; a failure leaves the option as it was, too.
        for script in [
            format!("{switch}\n{init}role prdo\nrole prod\nenv\necho MARK\n"),
            format!("{init}{switch}\nrole prod\nrole data\nenv\necho MARK\n"),
        ] {
            let output = run(&home, shell, &format!("{script}role -\nlater=1\nprintenv later AWS_PROFILE AWS_REGION"));
            let shown = text(&output.stdout);
            let (inside, after) = shown.split_once("MARK\n").expect("both");
            assert!(inside.contains("ROLECALL_ROLE=") && !inside.contains("us-east-1"), "{shell}: {inside}");
            // bash hands on the function itself, which only names it.
            let is_handed_on = inside.lines().any(|line| line.trim_start().starts_with("__rolecall_back="));
            assert!(!is_handed_on, "{shell}: {inside}");
            assert_eq!(after, "1\nmine\nus-east-1\n", "{shell}: the option is on again");
        }
    }
}

#[test]
fn a_way_back_that_comes_from_another_process_is_not_run_and_not_handed_on() {
    let home = home();
    for (shell, init) in SHELLS {
        for script in ["role -", "role prod\nrole -"] {
            let mut command = home.command(shell);
            command.env("__rolecall_back", "touch ran; set -gx AWS_PROFILE theirs; export AWS_PROFILE=theirs");
            let script = format!("{init}{script}\nprintenv AWS_PROFILE __rolecall_back");
            let output = command.env("AWS_PROFILE", "mine").args(["-c", &script]).output().unwrap();
            assert_eq!(text(&output.stdout), "mine\n", "{shell}: {}", text(&output.stderr));
            assert!(!home.path("ran").exists(), "{shell}");
        }
        // Read a second time, as with a start-up file, it takes nothing away.
        let output = run(&home, shell, &format!("{init}role prod\n{init}role -\n{SHOW}"));
        assert_eq!(text(&output.stdout), "mine us-east-1 \n", "{shell}: {}", text(&output.stderr));
    }
    for line in [&["exec", "prod", "--", "env"][..], &["exec", "--static", "prod", "--", "env"], &["shell", "prod"]] {
        let mut command = home.rolecall(line);
        std::fs::write(home.path("shell"), "#!/bin/sh\nexec env\n").unwrap();
        std::fs::set_permissions(home.path("shell"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let output = quietly({
            command.env("SHELL", home.path("shell")).env("__rolecall_back", "theirs");
            command
        });
        let shown = text(&output.stdout);
        assert!(shown.contains("ROLECALL_ROLE=prod") && !shown.contains("rolecall_back"), "{line:?}: {shown}");
    }
}

#[test]
fn a_variable_that_fish_keeps_for_every_shell_is_not_switched_in_silence() {
    needs!("fish");
    let home = home();
    let script = "set -Ux AWS_DEFAULT_PROFILE other\nrolecall init fish | source\nrole prod\necho $status";
    let output = run(&home, "fish", script);
    assert_eq!(text(&output.stdout), "3\n");
    assert!(
        text(&output.stderr).contains("hint: remove it: `set -e -U AWS_DEFAULT_PROFILE`"),
        "{}",
        text(&output.stderr)
    );
}
