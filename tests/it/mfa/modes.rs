//! `mfa` of a role: one code for all (`session`), one of its own (`direct`), or none; and two kinds of them at once.

use super::config;
use crate::harness::home::{Home, text};
use crate::harness::inside::{Inside, stored, until};
use crate::harness::pinentry;
use crate::harness::programs::ROLECALL;
use crate::harness::window::Window;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN, USER_ARN};
use rolecall_sandbox::{MfaDevice, World};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// A second role of the tutorials' device, and one of another.
fn beside(mode: &str) -> String {
    format!(
        "\n[roles.beside]\nsource = \"auth\"\nrole_arn = \"{ROLE_ARN}\"\nmfa = \"{mode}\"\n\n\
         [identities.other]\ntype = \"iam-user\"\nregion = \"eu-west-1\"\n\
         mfa_serial = \"arn:aws:iam::111111111111:mfa/tablet\"\n\n\
         [roles.elsewhere]\nsource = \"other\"\nrole_arn = \"{ROLE_ARN}\"\n"
    )
}

/// A window that waits for the code of the first device and notes if another one does so already; where it is asked for the
/// other device's code, the person says no.
fn watchful(code: &Path) -> String {
    format!(
        "case $desc in *mfa/tablet*) echo 'ERR 83886179 cancelled';; *)\n\
         echo asked >> {0}.asked; mkdir {0}.open || echo two >> {0}.overlap\n\
         until test -s {0}; do sleep 0.05; done; rmdir {0}.open\n\
         echo D $(cat {0}); rm -f {0}; echo OK;; esac",
        code.display()
    )
}

#[test]
fn while_a_question_for_a_device_is_open_no_other_is_asked_for_it() {
    for [first, second] in [["prod", "beside"], ["beside", "prod"]] {
        let dir = tempfile::tempdir().unwrap();
        let code = dir.path().join("code");
        let program = pinentry::script(dir.path(), &watchful(&code));
        let agent = format!("[agent]\npinentry_program = \"{}\"\n", program.display());
        let agent =
            Inside::start_in(World::tutorials_with_mfa(), &format!("{agent}{}{}", config(""), beside("direct")));
        let key = agent.aws.access_key(USER_ARN);
        agent.vault.put("other", stored(&key.id, &key.secret));
        agent.aws.world(|world| world.user(USER_ARN).mfa_devices.push(MfaDevice::generate(AUTH_ACCOUNT, "tablet")));
        std::thread::scope(|scope| {
            let one = scope.spawn(|| agent.get_at_display(first));
            until("the first is asked", || pinentry::questions(&code) == 1);
            let another = scope.spawn(|| agent.get_at_display(second));
            until("the second has its key in hand", || agent.vault.reads() == 2);
            // Another device's question goes the same way and is not held up: by its end a second for the first device
            // would be there.
            for _ in 0..3 {
                agent.get_at_display("elsewhere").expect_err("cancelled");
                agent.clock.advance(Duration::from_secs(4));
            }
            assert_eq!(pinentry::questions(&code), 1, "{second} waits for its turn");
            std::fs::write(&code, agent.aws.mfa_code(USER_ARN)).unwrap();
            one.join().unwrap().expect("served");
            until("the second is asked", || pinentry::questions(&code) == 2);
            agent.clock.advance(Duration::from_secs(30));
            std::fs::write(&code, agent.aws.mfa_code(USER_ARN)).unwrap();
            another.join().unwrap().expect("served with a code of its own");
        });
        assert!(!dir.path().join("code.overlap").exists(), "two questions at once");
    }
}

#[test]
fn a_direct_role_is_asked_for_on_the_terminal_and_its_code_goes_to_assume_role() {
    needs!("tmux");
    let home = Home::ready(&format!("prompts = [\"tty\"]\n{}", config("mfa = \"direct\"\nduration = \"12h\"\n")));
    home.aws.world(|world| {
        world.demand_mfa();
        world.role(ROLE_ARN).max_session_seconds = 12 * 3600;
    });
    home.aws.clear_calls();
    let window = Window::open(&home, "window");
    window.run(&format!("{ROLECALL} get prod > prod.json; echo done $?"));
    until("it is asked", || window.shows("MFA code of auth"));
    assert_eq!(home.aws.calls(), [], "AWS is asked when the code is there");
    window.run(&home.aws.mfa_code(USER_ARN));
    until("it is served", || window.shows("done 0"));
    let calls = home.aws.calls();
    assert_eq!(calls.len(), 1, "{calls:#?}");
    assert!(calls[0].action == "AssumeRole" && calls[0].params.contains_key("TokenCode"), "{calls:#?}");
    let session: Value = serde_json::from_slice(&std::fs::read(home.path("prod.json")).unwrap()).unwrap();
    std::fs::remove_file(home.path("prod.json")).unwrap();
    let end = chrono::DateTime::parse_from_rfc3339(session["Expiration"].as_str().unwrap()).unwrap();
    assert!((end.to_utc() - home.aws.clock().now()).num_hours() >= 11, "{end}");
}

#[test]
fn a_role_without_mfa_is_served_to_anybody_though_its_identity_has_a_device() {
    let home = Home::ready(&config("mfa = \"none\"\n"));
    home.aws.world(|world| world.user(USER_ARN).mfa_devices.push(MfaDevice::generate(AUTH_ACCOUNT, "richard")));
    home.aws.clear_calls();
    let alone = || home.command("setsid").args(["-w", ROLECALL, "get", "prod"]).output().unwrap();
    let output = alone();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let calls = home.aws.calls();
    assert_eq!(calls.len(), 1, "{calls:#?}");
    assert!(calls[0].action == "AssumeRole" && !calls[0].params.contains_key("SerialNumber"), "{calls:#?}");
    assert_eq!(calls[0].access_key_id, Some(home.aws.access_key(USER_ARN).id), "by the key itself");
    assert_eq!(home.status()["questions"].as_array().map(Vec::len), Some(0));

    // Where AWS demands a code after all, its refusal is what is told, and nobody is asked.
    home.aws.world(World::demand_mfa);
    assert!(home.run(["lock"]).status.success());
    home.open_vault();
    let refused = alone();
    assert_eq!(refused.status.code(), Some(5), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("AccessDenied"), "{}", text(&refused.stderr));
}
