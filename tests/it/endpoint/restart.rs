//! A shell outlives the agent: the next one takes up what the last one served.

use super::client::{container, credentials, imds, place};
use super::owner::Process;
use crate::harness::inside::{Inside, TUTORIAL, until};
use rolecall::protocol::message::EndpointForm;
use std::net::TcpListener;

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
    for content in [value.to_string(), "{".to_owned(), kept.replace(&prod.port.to_string(), "70000")] {
        agent.restart_after(|| std::fs::write(&file, &content).unwrap());
        assert!(agent.status().endpoint.grants.is_empty(), "{content}");
    }
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
