//! The command is what it would be without us: its exit code, its name, its input; and what we say where there is none.

use super::on_the_path;
use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::TUTORIAL;
use rolecall_sandbox::World;
use std::os::unix::process::ExitStatusExt;

#[test]
fn exit_codes_and_deaths_are_the_commands_own() {
    let home = Home::ready(TUTORIAL);
    for code in [0, 1, 3, 7, 255] {
        let output = home.run(["exec", "prod", "--", "sh", "-c", &format!("exit {code}")]);
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(code), ""));
    }
    for signal in [9, 15, 2, 13] {
        let output = home.run(["exec", "prod", "--", "sh", "-c", &format!("kill -{signal} $$")]);
        assert_eq!(output.status.signal(), Some(signal));
    }
}

#[test]
fn name_arguments_input_and_directory_are_the_commands_own() {
    let home = Home::ready(TUTORIAL);
    let show = "import os, sys; print(open('/proc/self/cmdline').read().split(chr(0))[:1], sys.argv[1:], os.getcwd())";
    let output = home.run(["exec", "prod", "--", "python3", "-c", show, "--static", "-x", "--", "a b", ""]);
    let directory = std::fs::canonicalize(home.path(".")).unwrap();
    let wanted = format!("['python3'] ['--static', '-x', '--', 'a b', ''] {}\n", directory.display());
    assert_eq!(text(&output.stdout), wanted, "{}", text(&output.stderr));
    let piped = home.run_with_input(["exec", "prod", "cat"], "through\n");
    assert_eq!(text(&piped.stdout), "through\n", "and `--` may be left out");
}

#[test]
fn no_descriptor_of_ours_is_left_open_in_the_command() {
    let home = Home::ready(TUTORIAL);
    let output = home.run(["exec", "prod", "--", "sh", "-c", "ls -l /proc/self/fd"]);
    assert!(!text(&output.stdout).contains("socket:"), "{}", text(&output.stdout));
}

#[test]
fn a_command_that_cannot_be_run_ends_as_in_a_shell_and_before_anybody_is_asked() {
    let home = Home::ready(TUTORIAL);
    std::fs::write(home.path("plain"), "").unwrap();
    std::fs::write(home.path("bad"), "#!/nowhere/at/all\n").unwrap();
    set_mode(&home.path("bad"), 0o755);
    for (command, code, cause) in [
        ("nosuch", 127, "rolecall: prod: cannot run nosuch: there is no such command in PATH\nhint: "),
        ("./nosuch", 127, "rolecall: prod: cannot run ./nosuch: No such file"),
        ("./plain", 126, "rolecall: prod: cannot run ./plain: Permission denied"),
        ("/", 126, "rolecall: prod: cannot run /: is a directory"),
    ] {
        let output = home.run(["exec", "prod", "--", command]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.starts_with(cause) && said.contains("\nhint: "), "{said}");
    }
    assert_eq!(home.aws.count("AssumeRole"), 0, "found out before AWS is asked");
    let output = home.run(["exec", "prod", "--", "./bad"]);
    assert_eq!(output.status.code(), Some(127), "what runs it is missing: {}", text(&output.stderr));
}

#[test]
fn a_script_that_does_not_say_what_runs_it_is_run_by_the_shell() {
    let home = Home::ready(TUTORIAL);
    std::fs::write(home.path("script"), "echo \"$ROLECALL_ROLE $1\"\n").unwrap();
    set_mode(&home.path("script"), 0o755);
    let output = home.run(["exec", "prod", "--", "./script", "x y"]);
    assert_eq!(text(&output.stdout), "prod x y\n", "{}", text(&output.stderr));
}

#[test]
fn what_get_refuses_is_refused_with_the_same_code_and_the_command_is_not_run() {
    let home = Home::ready(TUTORIAL);
    for way in [&["exec"][..], &["exec", "--imds"], &["exec", "--static"]] {
        let run = |name: &str| home.run(way.iter().copied().chain([name, "--", "touch", "ran"]));
        let unknown = run("prdo");
        assert_eq!(unknown.status.code(), Some(3));
        assert!(text(&unknown.stderr).contains("did you mean `prod`"), "{}", text(&unknown.stderr));
    }
    home.configure(&format!("[agent]\nvault = \"file\"\n{}", TUTORIAL.replace("AssumedRole", "Another")));
    let refused = home.run(["exec", "prod", "--", "touch", "ran"]);
    assert_eq!(refused.status.code(), Some(5), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("role/Another"), "{}", text(&refused.stderr));
    home.configure(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    home.run(["lock"]);
    let locked = home.run(["exec", "prod", "--", "touch", "ran"]);
    assert_eq!(locked.status.code(), Some(4), "{}", text(&locked.stderr));
    home.aws.world(World::demand_mfa);
    assert!(!home.path("ran").exists());
}

#[test]
fn an_agent_is_started_where_none_runs() {
    let mut home = Home::ready(TUTORIAL);
    on_the_path(&mut home);
    home.run(["agent", "stop"]);
    let locked = home.run(["exec", "prod", "--", "true"]);
    assert_eq!(locked.status.code(), Some(4), "it runs, and its vault is locked: {}", text(&locked.stderr));
}
