//! Saving the file is enough: however an editor or a dotfile manager does it, the agent notices without being told.

use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::harness::process::Running;
use crate::harness::programs::ROLECALLD;
use crate::harness::wire::{NOBODY, as_user, give_to_nobody};
use rolecall_sandbox::World;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

/// The configuration with one more role; its name is what a test waits for.
fn with_role(agent: &Inside, name: &str) -> String {
    let role =
        format!("[roles.{name}]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"\n");
    format!("{TUTORIAL}{role}").replace("ENDPOINT", &agent.aws.url())
}

fn file(agent: &Inside) -> &Path {
    &agent.paths.config
}

/// Asking for an unknown role makes the agent look; the status shows what it has noticed by itself.
fn noticed(agent: &Inside, name: &str) {
    until(&format!("`{name}` is noticed"), || agent.status().roles.iter().any(|role| role.name == name));
    assert!(agent.get("prod").is_ok());
}

#[test]
fn an_atomic_rename_is_noticed_every_time() {
    let agent = Inside::start(TUTORIAL);
    for n in 0..5 {
        let name = format!("renamed-{n}");
        rolecall::files::write_atomically(file(&agent), with_role(&agent, &name).as_bytes()).unwrap();
        noticed(&agent, &name);
    }
}

#[test]
fn a_write_in_place_is_noticed_every_time() {
    let agent = Inside::start(TUTORIAL);
    for n in 0..5 {
        let name = format!("written-{n}");
        fs::write(file(&agent), with_role(&agent, &name)).unwrap();
        noticed(&agent, &name);
    }
}

#[test]
fn the_backup_dance_of_vim_is_noticed_and_drops_no_session() {
    let agent = Inside::start(TUTORIAL);
    let before = agent.get("prod").expect("served").access_key_id;
    for n in 0..5 {
        let name = format!("vim-{n}");
        fs::rename(file(&agent), file(&agent).with_extension("toml~")).unwrap();
        // Between the two the file is missing, and a request may come.
        assert!(agent.get("nobody").is_err());
        assert!(agent.get("prod").is_ok(), "the old one is in use until there is a new one");
        let mut new = fs::File::create(file(&agent)).unwrap();
        set_mode(file(&agent), 0o600);
        assert!(agent.get("nobody").is_err(), "an empty file is one that is being written");
        new.write_all(with_role(&agent, &name).as_bytes()).unwrap();
        fs::remove_file(file(&agent).with_extension("toml~")).unwrap();
        noticed(&agent, &name);
    }
    assert_eq!(agent.get("prod").expect("served").access_key_id, before);
    assert!(agent.status().warnings.is_empty());
}

#[test]
fn a_removed_file_changes_nothing_and_is_a_warning() {
    let agent = Inside::start(TUTORIAL);
    let before = agent.get("prod").expect("served").access_key_id;
    fs::remove_file(file(&agent)).unwrap();
    until("it is noticed", || !agent.status().warnings.is_empty());
    let warnings = agent.status().warnings;
    assert!(warnings[0].message.contains("config.toml is gone"), "{warnings:?}");
    assert_eq!(agent.get("prod").expect("served").access_key_id, before);
}

/// Moves the configuration behind a symlink, as dotfile managers do, before an agent that starts over sees it.
fn behind_a_link(agent: &Inside) -> PathBuf {
    let target = agent.dir().join("dotfiles/rolecall.toml");
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::rename(file(agent), &target).unwrap();
    symlink("../dotfiles/rolecall.toml", file(agent)).unwrap();
    target
}

#[test]
fn an_edit_of_a_symlinks_target_is_noticed() {
    let agent = Inside::start(TUTORIAL);
    let target = behind_a_link(&agent);
    for n in 0..3 {
        let name = format!("target-{n}");
        rolecall::files::write_atomically(&target, with_role(&agent, &name).as_bytes()).unwrap();
        noticed(&agent, &name);
    }
}

#[test]
fn another_target_of_a_symlink_is_noticed() {
    let agent = Inside::start(TUTORIAL);
    behind_a_link(&agent);
    for n in 0..3 {
        let name = format!("swapped-{n}");
        let other = agent.dir().join(format!("dotfiles/{name}.toml"));
        fs::write(&other, with_role(&agent, &name)).unwrap();
        let link = file(&agent).with_extension("new");
        symlink(&other, &link).unwrap();
        fs::rename(&link, file(&agent)).unwrap();
        noticed(&agent, &name);
    }
}

#[test]
fn a_symlinked_directory_that_is_swapped_is_noticed() {
    let agent = Inside::start(TUTORIAL);
    let dir = file(&agent).parent().unwrap().to_owned();
    for n in 0..3 {
        let name = format!("generation-{n}");
        let generation = agent.dir().join(&name);
        fs::create_dir(&generation).unwrap();
        fs::write(generation.join("config.toml"), with_role(&agent, &name)).unwrap();
        if n == 0 {
            fs::rename(&dir, agent.dir().join("plain")).unwrap();
            symlink(&generation, &dir).unwrap();
        } else {
            let link = agent.dir().join("link");
            symlink(&generation, &link).unwrap();
            fs::rename(&link, &dir).unwrap();
        }
        noticed(&agent, &name);
    }
}

#[test]
fn a_file_whose_directories_are_not_there_yet_is_awaited() {
    let agent = Inside::start_without_config(World::tutorials());
    assert!(agent.status().roles.is_empty() && agent.status().warnings.is_empty());
    fs::create_dir_all(file(&agent).parent().unwrap()).unwrap();
    fs::write(file(&agent), with_role(&agent, "first")).unwrap();
    noticed(&agent, "first");
}

#[test]
fn a_directory_that_is_removed_and_made_again_is_noticed() {
    let agent = Inside::start(TUTORIAL);
    for n in 0..3 {
        let name = format!("again-{n}");
        fs::remove_dir_all(file(&agent).parent().unwrap()).unwrap();
        fs::create_dir(file(&agent).parent().unwrap()).unwrap();
        fs::write(file(&agent), with_role(&agent, &name)).unwrap();
        noticed(&agent, &name);
    }
}

/// Spoils the file in one way, and waits until that is said; the old configuration must be in use all the time.
#[track_caller]
fn refused(agent: &Inside, reason: &str) {
    until(&format!("said: {reason}"), || agent.status().warnings.iter().any(|w| w.message.contains(reason)));
    let before = agent.get("prod").expect("the old one is in use");
    let hint = agent.status().warnings[0].hint.clone();
    assert!(hint.is_some(), "and what to do");
    assert_eq!(agent.role("prod").session.expect("kept").access_key_id, before.access_key_id);
    let failing = agent.get("nobody").expect_err("unknown");
    assert!(failing.hint.unwrap().contains(reason), "a failing command says it");
}

#[test]
fn a_file_that_another_user_could_have_written_is_refused_until_it_is_mended() {
    needs!("root");
    let agent = Inside::start(TUTORIAL);
    agent.get("prod").expect("served");
    set_mode(file(&agent), 0o620);
    refused(&agent, "can be written by other users");
    set_mode(file(&agent), 0o600);
    until("mended", || agent.status().warnings.is_empty());
    chown(file(&agent), Some(NOBODY), None).unwrap();
    refused(&agent, "belongs to another user");
    chown(file(&agent), Some(0), None).unwrap();
    until("mended", || agent.status().warnings.is_empty());
    assert_eq!(agent.aws.count("AssumeRole"), 1, "one session all the time");
}

#[test]
fn a_directory_that_another_user_could_write_in_is_refused_until_it_is_mended() {
    let agent = Inside::start(TUTORIAL);
    agent.get("prod").expect("served");
    let dir = file(&agent).parent().unwrap().to_owned();
    let mode = fs::metadata(&dir).unwrap().permissions();
    for open in [0o770, 0o702] {
        set_mode(&dir, open);
        refused(&agent, "can be written by other users");
        let hint = agent.status().warnings[0].hint.clone().unwrap();
        assert!(hint.contains(&format!("chmod go-w {}", dir.display())), "{hint}");
        fs::set_permissions(&dir, mode.clone()).unwrap();
        until("mended", || agent.status().warnings.is_empty());
    }
}

#[test]
fn a_file_that_cannot_be_read_or_is_none_is_refused_and_never_waited_for() {
    let agent = Inside::start(TUTORIAL);
    agent.get("prod").expect("served");
    fs::remove_file(file(&agent)).unwrap();
    fs::create_dir(file(&agent)).unwrap();
    refused(&agent, "is not a file");
    fs::remove_dir(file(&agent)).unwrap();
    // Opening a pipe waits for its writer, and here none comes.
    let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(file(&agent)).status().unwrap();
    assert!(made.success());
    agent.get("nobody").expect_err("looks at the file");
    refused(&agent, "is not a file");
    fs::remove_file(file(&agent)).unwrap();
    symlink("config.toml", file(&agent)).unwrap();
    refused(&agent, "too many symlinks lead to it");
    fs::remove_file(file(&agent)).unwrap();
    fs::write(file(&agent), with_role(&agent, "mended")).unwrap();
    noticed(&agent, "mended");
    until("mended", || agent.status().warnings.is_empty());
}

#[test]
fn an_edit_is_noticed_when_other_programs_have_taken_every_watch_the_system_gives() {
    needs!("root");
    let home = Home::bare(TUTORIAL);
    give_to_nobody(&home.path(""));
    let mut taken = Vec::new();
    as_user(NOBODY, || {
        while let Ok(watch) = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC) {
            taken.push(watch);
        }
    });
    let _agent = Running::agent_by(home.command(ROLECALLD).uid(NOBODY).gid(NOBODY));
    let edited = TUTORIAL.replace("roles.prod", "roles.edited");
    fs::write(home.config(), edited.replace("ENDPOINT", &home.aws.url())).unwrap();
    until("it is noticed", || {
        let status = home.rolecall(["status", "--json"]).uid(NOBODY).gid(NOBODY).output().unwrap();
        text(&status.stdout).contains("\"edited\"")
    });
}

#[test]
fn edits_from_all_sides_end_with_what_the_file_says() {
    let agent = Inside::start(TUTORIAL);
    std::thread::scope(|scope| {
        for side in 0..4 {
            let agent = &agent;
            scope.spawn(move || {
                for n in 0..25 {
                    let config = with_role(agent, &format!("side-{side}-{n}"));
                    rolecall::files::write_atomically(file(agent), config.as_bytes()).unwrap();
                    let _ = agent.ask(rolecall::protocol::message::Request::Reload);
                }
            });
        }
    });
    let last = fs::read_to_string(file(&agent)).unwrap();
    let name = last.split("[roles.side-").nth(1).and_then(|rest| rest.split(']').next()).unwrap().to_owned();
    let name = format!("side-{name}");
    noticed(&agent, &name);
    assert!(agent.get(&name).is_ok());
}
