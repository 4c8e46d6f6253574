//! The vault file as others may have left it: an older one, one with a hostile header, one that others can read.

use crate::harness::home::{Home, PASSPHRASE, set_mode, text};
use crate::harness::inside::TUTORIAL;
use std::fs;

fn status(home: &Home) -> String {
    text(&home.run(["status"]).stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn older_vault_file_is_served_with_a_warning_until_accepted() {
    let home = Home::ready(TUTORIAL);
    let vault = home.path(".local/share/rolecall/vault.rolecall");
    let old = fs::read(&vault).unwrap();
    assert!(home.add_key().status.success(), "a newer vault");
    assert!(!status(&home).contains("older"), "{}", status(&home));

    fs::write(&vault, &old).unwrap();
    assert!(home.run(["agent", "restart"]).status.success());
    let opened = home.run_with_input(["unlock", "--vault"], PASSPHRASE);
    assert!(opened.status.success(), "{}", text(&opened.stderr));
    let said = text(&opened.stdout);
    assert!(said.contains("was older than the last one that was opened"), "{said}");
    assert!(said.contains("rolecall unlock --vault --accept-restored"), "{said}");
    assert!(status(&home).contains("was older than the last one that was opened"), "{}", status(&home));
    assert!(home.run(["get", "prod"]).status.success(), "it is served");

    let accepted = home.run_with_input(["unlock", "--vault", "--accept-restored"], PASSPHRASE);
    assert_eq!(text(&accepted.stdout), "the vault is open\n", "{}", text(&accepted.stderr));
    assert!(!status(&home).contains("older"), "{}", status(&home));
    assert!(home.run(["agent", "restart"]).status.success());
    assert_eq!(text(&home.run_with_input(["unlock", "--vault"], PASSPHRASE).stdout), "the vault is open\n");
}

#[test]
fn newer_vault_file_put_back_ends_the_warning() {
    let home = Home::ready(TUTORIAL);
    let vault = home.path(".local/share/rolecall/vault.rolecall");
    let old = fs::read(&vault).unwrap();
    assert!(home.add_key().status.success(), "a newer vault");
    let new = fs::read(&vault).unwrap();
    fs::write(&vault, &old).unwrap();
    assert!(home.run(["get", "prod"]).status.success(), "it is served");
    assert!(home.add_key().status.success(), "and written");
    assert!(status(&home).contains("UTC the vault file"), "it has a time: {}", status(&home));

    fs::write(&vault, &new).unwrap();
    home.run(["lock"]);
    let opened = home.run_with_input(["unlock", "--vault"], PASSPHRASE);
    assert_eq!(text(&opened.stdout), "the vault is open\n", "{}", text(&opened.stderr));
    assert!(!status(&home).contains("older"), "{}", status(&home));
    assert!(home.add_key().status.success());
    assert!(home.run(["agent", "restart"]).status.success());
    assert_eq!(text(&home.run_with_input(["unlock", "--vault"], PASSPHRASE).stdout), "the vault is open\n");
}

#[test]
fn costly_vault_header_is_refused_before_any_work() {
    let home = Home::ready(TUTORIAL);
    let vault = home.path(".local/share/rolecall/vault.rolecall");
    assert!(home.run(["lock"]).status.success());
    let good = fs::read(&vault).unwrap();
    // Memory in KiB and passes, at the offsets of the format.
    for (memory, passes) in [(1024 * 1024_u32, 10_u32), (256 * 1024, 4), (8, 1000)] {
        let mut hostile = good.clone();
        hostile[10..14].copy_from_slice(&memory.to_le_bytes());
        hostile[14..18].copy_from_slice(&passes.to_le_bytes());
        fs::write(&vault, hostile).unwrap();
        let refused = home.run_with_input(["unlock", "--vault"], PASSPHRASE);
        assert_eq!(refused.status.code(), Some(1), "{memory} {passes}");
        assert!(text(&refused.stderr).contains("asks for more memory or time"), "{}", text(&refused.stderr));
    }
    fs::write(&vault, good).unwrap();
    home.open_vault();
}

#[test]
fn vault_that_others_can_read_is_refused_until_closed() {
    let home = Home::ready(TUTORIAL);
    let vault = home.path(".local/share/rolecall/vault.rolecall");
    for mode in [0o640, 0o604, 0o602] {
        set_mode(&vault, mode);
        assert!(home.run(["lock"]).status.success());
        let refused = home.run_with_input(["unlock", "--vault"], PASSPHRASE);
        assert_eq!(refused.status.code(), Some(1), "{mode:o}");
        let said = text(&refused.stderr);
        assert!(said.contains("by other users") && said.contains("hint: close it: `chmod 600 "), "{said}");
    }
    set_mode(&vault, 0o600);
    home.open_vault();
    assert!(home.run(["get", "prod"]).status.success());
}
