//! What people type: codes with blanks, shells other than sh, an alias of the same name.

use crate::harness::home::{CHAIN, Home, text};
use crate::harness::programs::ROLECALL;
use rolecall_sandbox::World;
use rolecall_sandbox::tutorials::USER_ARN;
use std::fs;

#[test]
fn code_with_blanks_opens_the_session() {
    let home = Home::ready(&crate::mfa::config(""));
    home.aws.world(World::demand_mfa);
    let code = home.aws.mfa_code(USER_ARN);
    let typed = format!(" {}\u{a0}{} \r\n", &code[..3], &code[3..]);
    let output = home.run_with_input(["unlock", "auth"], &typed);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = home.run_with_input(["unlock", "auth"], "12 34");
    assert!(text(&output.stderr).contains("an MFA code is six digits"), "{}", text(&output.stderr));
}

#[test]
fn security_key_as_mfa_device_is_refused_with_the_reason() {
    let home = Home::bare(CHAIN);
    for (kind, why) in [("u2f/user/r/key", "security key"), ("sms-mfa/r", "SMS")] {
        let serial = format!("arn:aws:iam::111111111111:{kind}");
        let output = home.run(["identity", "add", "x", "--mfa-serial", &serial]);
        assert!(!output.status.success());
        let said = text(&output.stderr);
        assert!(said.contains(why) && said.contains("virtual MFA device"), "{said}");
    }
}

#[test]
fn csh_is_switched_and_other_shells_are_told() {
    let home = Home::ready(CHAIN);
    let env = |shell: &str, args: &[&str]| {
        let output = home.rolecall([&["env"], args].concat()).env("SHELL", shell).output().unwrap();
        home.canaries.shown(&text(&output.stderr));
        output
    };
    let script = "setenv AWS_PROFILE old; eval \"`$ROLECALL env prod`\"; \
        if ($?AWS_PROFILE) exit 9\nprintenv AWS_REGION; printenv ROLECALL_ROLE; eval \"`$ROLECALL env --unset`\"; \
        if ($?AWS_SESSION_TOKEN) exit 8\nexit 0";
    for shell in ["/bin/tcsh", "/bin/csh"] {
        let run = home
            .command("tcsh")
            .args(["-f", "-c", script])
            .env("SHELL", shell)
            .env("ROLECALL", ROLECALL)
            .output()
            .unwrap();
        assert!(run.status.success(), "{shell}: {:?} {}", run.status, text(&run.stderr));
        assert_eq!(text(&run.stdout), "eu-west-1\nprod\n", "{shell}");
    }
    for (shell, form) in [("/usr/bin/nu", "load-env {\n"), ("/usr/bin/xonsh", "$AWS_ACCESS_KEY_ID = 'ASIA")] {
        let output = env(shell, &["prod"]);
        assert!(output.status.success() && text(&output.stdout).contains(form), "{shell}");
    }
    for args in [&["prod"][..], &["--unset"]] {
        let output = env("/usr/bin/elvish", args);
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        assert!(output.stdout.is_empty() && said.contains("elvish") && said.contains("`--format sh`"), "{said}");
        let chosen = env("/usr/bin/elvish", &[args, &["--format", "sh"]].concat());
        assert!(chosen.status.success() && text(&chosen.stdout).contains("unset "));
    }
}

#[test]
fn alias_of_the_same_name_gives_way_to_the_function() {
    let home = Home::bare(CHAIN);
    for (shell, aliases) in [("bash", "shopt -s expand_aliases\n"), ("zsh", "setopt aliases\n"), ("sh", "")] {
        let file = home.path("rc");
        let script = format!(
            "set -e\n{aliases}alias role='echo aliased'\neval \"$('{ROLECALL}' init {shell})\"\nrole one two || echo $?\n"
        );
        fs::write(&file, script).unwrap();
        let program = if shell == "sh" { "dash" } else { shell };
        let run = home.command(program).arg(&file).output().unwrap();
        assert_eq!(text(&run.stdout), "2\n", "{shell}: {}", text(&run.stderr));
        assert!(text(&run.stderr).starts_with("role: one name at a time"), "{shell}: {}", text(&run.stderr));
    }
}
