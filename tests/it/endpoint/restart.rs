//! A shell outlives the agent: the next one takes up what the last one served.

use super::bad::two_roles;
use super::client::{container, credentials, imds, place};
use super::owner::Process;
use crate::harness::inside::{Inside, TUTORIAL, until};
use rolecall::client::{self, Autostart};
use rolecall::protocol::message::{Context, EndpointForm};
use rolecall_sandbox::Match;
use std::net::TcpListener;
use std::time::Duration;

#[test]
fn a_shell_is_served_by_the_next_agent_as_by_the_last() {
    let mut agent = Inside::start(TUTORIAL);
    let prod = place(&agent, container("prod")).unwrap();
    let service = place(&agent, imds("prod", None)).unwrap();
    let mut gone = Process::start(&agent);
    let dead = gone.asks(&agent, "prod");
    let before = agent.status().endpoint;
    agent.restart_after(|| gone.end());
    credentials(&agent, &prod.get());
    assert_eq!(dead.get().status, 401, "whose process has ended meanwhile is not taken up");
    let after = agent.status().endpoint;
    assert_eq!((after.port, after.grants.len(), before.grants.len()), (before.port, 2, 3));
    assert_eq!(super::imds::whole(&agent, &service).status, 200);
    agent.restart();
    credentials(&agent, &prod.get());
}

#[test]
fn a_port_that_somebody_else_has_by_now_kills_its_tokens() {
    let mut agent = Inside::start(TUTORIAL);
    let prod = place(&agent, container("prod")).unwrap();
    let mut taken = None;
    agent.restart_after(|| taken = Some(TcpListener::bind(("127.0.0.1", prod.port)).unwrap()));
    assert!(agent.status().endpoint.grants.is_empty());
    drop(taken);
    let again = place(&agent, container("prod")).unwrap();
    assert_eq!(super::client::Place { token: prod.token, ..again.clone() }.get().status, 401, "it may have been told");
    credentials(&agent, &again.get());
    until("it is noted", || agent.audit("grant").iter().any(|line| line["result"] == "ended"));
}

#[test]
fn a_file_that_is_not_of_this_boot_or_no_file_at_all_gives_nobody_anything() {
    let mut agent = Inside::start(TUTORIAL);
    let prod = place(&agent, container("prod")).unwrap();
    let file = std::fs::read_dir(&agent.paths.state).unwrap().map(|entry| entry.unwrap().path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|e| e == "json")).expect("kept");
    let kept = std::fs::read_to_string(&file).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&kept).unwrap();
    value["boot_id"] = "another".into();
    let edited = |key: &str| {
        let mut value: serde_json::Value = serde_json::from_str(&kept).unwrap();
        let number = &mut value["grants"][0][key];
        *number = (number.as_u64().unwrap() + 1).into();
        value.to_string()
    };
    for content in [
        value.to_string(),
        "{".to_owned(),
        kept.replace(&prod.port.to_string(), "70000"),
        // Another process that has the number by now; a longer lease than any that is given.
        edited("started"),
        edited("until_seconds"),
    ] {
        agent.restart_after(|| std::fs::write(&file, &content).unwrap());
        assert!(agent.status().endpoint.grants.is_empty(), "{content}");
    }
    agent.restart_after(|| std::fs::write(&file, &kept).unwrap());
    credentials(&agent, &prod.get());
}

#[test]
fn what_is_asked_for_while_the_agent_ends_takes_nothing_from_the_shells_that_are_open() {
    let mut agent = Inside::start(&two_roles());
    let prod = place(&agent, container("prod")).unwrap();
    let hold = agent.aws.hold_matching(Match::action("AssumeRole"));
    let paths = agent.paths.clone();
    let late = std::thread::spawn(move || client::ask(&paths, imds("other", None), Context::default(), Autostart::No));
    hold.wait_for_arrivals(1);
    let port = prod.port;
    let answers = std::thread::spawn(move || {
        until("the agent has given its ports up", || TcpListener::bind(("127.0.0.1", port)).is_ok());
        hold.release();
    });
    agent.restart();
    answers.join().unwrap();
    let refused = late.join().unwrap().expect_err("nobody would serve it");
    assert_eq!(refused.message, "the agent is ending");
    credentials(&agent, &prod.get());
    assert_eq!(agent.status().endpoint.grants.len(), 1);
}

#[test]
fn a_shell_that_switches_on_and_on_is_served_its_last_sixteen_and_what_it_was_started_with() {
    let agent = Inside::start(TUTORIAL);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "\"$@\"; read x", "sh", "python3"]);
    let mut client = Process::by(shell, &agent);
    let own = client.asks(&agent, "prod");
    let switches: Vec<_> = (0..18)
        .map(|_| {
            agent.clock.advance(Duration::from_secs(1));
            client.asks_for(&agent, "prod", EndpointForm::Container, "parent")
        })
        .collect();
    let answers: Vec<u16> = switches.iter().map(|place| place.get().status).collect();
    assert_eq!((&answers[..2], &answers[2..]), (&[401; 2][..], &[200; 16][..]));
    credentials(&agent, &own.get());
    assert_eq!(agent.status().endpoint.grants.len(), 17);
    for _ in 1..32 {
        client.asks(&agent, "prod");
    }
    let (_, refused) = client.says(r#"{"do":"endpoint","name":"prod","form":"container"}"#);
    let refused = String::from_utf8(refused).unwrap();
    assert!(refused.contains("has 32 endpoints already, and gets no more"), "{refused}");
}

#[test]
fn the_shell_that_switches_itself_owns_what_its_client_asked_for() {
    let agent = Inside::start(TUTORIAL);
    // Keeps the port open.
    let kept = place(&agent, container("prod")).unwrap();
    let mut shell = std::process::Command::new("sh");
    // The second command keeps the shell from making way for the first.
    shell.args(["-c", "\"$@\"; read x", "sh", "python3"]);
    let mut client = Process::by(shell, &agent);
    let place = client.asks_for(&agent, "prod", EndpointForm::Container, "parent");
    let owners: Vec<i32> = agent.status().endpoint.grants.iter().map(|grant| grant.pid).collect();
    assert!(owners.contains(&client.pid()), "the shell, and not python: {owners:?}");
    credentials(&agent, &place.get());
    client.end();
    assert_eq!((place.get().status, kept.get().status), (401, 200));
}
