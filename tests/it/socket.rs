//! What a caller may do to the socket: nonsense, half sentences, silence and crowds cost nobody else anything.

use crate::harness::home::{Home, text};
use crate::harness::inside::{Inside, LIMIT, TUTORIAL, until};
use crate::harness::process::{Running, descriptors, processor_time, resident};
use crate::harness::programs::ROLECALLD;
use crate::harness::wire::{Heard, framed, has_hung_up, listen, send};
use rolecall::domain::error::Kind;
use rolecall::protocol::VERSION;
use rolecall_sandbox::World;
use rolecall_sandbox::tutorials::ROLE_ARN;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const STATUS: &[u8] = br#"{"version":4,"request":{"do":"status"}}"#;
const GET: &[u8] = br#"{"version":4,"request":{"do":"get","name":"prod"}}"#;

fn with_roles(number: usize) -> String {
    let role = |n| format!("[roles.role-number-{n}]\nsource = \"auth\"\nrole_arn = \"{ROLE_ARN}\"\n");
    TUTORIAL.to_owned() + &(0..number).map(role).collect::<Vec<_>>().concat()
}

/// Requests that the agent closes without a word: their length alone is impossible.
fn impossible() -> Vec<Vec<u8>> {
    vec![
        0_u32.to_be_bytes().to_vec(),
        u32::MAX.to_be_bytes().to_vec(),
        65_537_u32.to_be_bytes().to_vec(),
        [&65_537_u32.to_be_bytes()[..], &[b'x'; 65_537]].concat(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        vec![0xff; 70_000],
    ]
}

/// Requests that can be read as frames and as nothing else.
fn unreadable() -> Vec<Vec<u8>> {
    let nested = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let deep = format!(r#"{{"version":4,"request":{{"do":"get","name":{}}}}}"#, "{\"a\":".repeat(10_000));
    let payloads: [&[u8]; 9] = [
        b"\xff\xfe\x00\x80",
        b"{\"version\":4,\"request\":{\"do\":\"get\",\"name\":\"\xff\"}}",
        b"garbage",
        b"null",
        nested.as_bytes(),
        deep.as_bytes(),
        br#"{"version":4}"#,
        br#"{"version":4,"request":{"do":"format-disk"}}"#,
        br#"{"version":"2","request":{"do":"status"}}"#,
    ];
    payloads.iter().map(|payload| framed(payload)).collect()
}

#[test]
fn nonsense_is_refused_or_closed_and_leaves_nothing_behind() {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    let agent = Running::agent(&home);
    let round = || {
        for bytes in impossible() {
            assert_eq!(send(&home.socket(), &bytes), Heard::Nothing, "{:?}", &bytes[..4]);
        }
        for bytes in unreadable() {
            match send(&home.socket(), &bytes) {
                Heard::Refusal(report) => {
                    assert_eq!(report.kind, Kind::Agent);
                    assert_eq!(report.message, "the request cannot be read");
                }
                other => panic!("{}: {other:?}", text(&bytes[..bytes.len().min(60)])),
            }
        }
    };
    round();
    round();
    let (memory, open) = (resident(agent.pid()), descriptors(agent.pid()).len());
    for _ in 0..60 {
        round();
    }
    until("every descriptor is closed", || descriptors(agent.pid()).len() <= open);
    let grown = resident(agent.pid()).saturating_sub(memory);
    assert!(grown < 4096, "{grown} KiB more after 900 nonsensical requests");
    assert_eq!(home.run(["get", "prod"]).status.code(), Some(4), "it still answers");
}

#[test]
fn a_second_request_on_one_connection_is_not_answered() {
    let agent = Inside::start(TUTORIAL);
    let two = [framed(STATUS), framed(GET)].concat();
    match send(&agent.paths.socket, &two) {
        Heard::Else(bytes) => {
            let length = u32::from_be_bytes(bytes[..4].try_into().unwrap());
            assert_eq!(
                (bytes.len() - 4, bytes[4]),
                (usize::try_from(length).unwrap(), b'A'),
                "one answer, and no more"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(agent.status().counts.gets, 0);
}

#[test]
fn another_version_is_told_both_versions_and_what_to_run() {
    let agent = Inside::start(TUTORIAL);
    for call in [
        r#"{"version":999,"request":{"do":"status"}}"#,
        r#"{"version":999,"request":{"do":"a-request-of-the-future"}}"#,
        r#"{"version":999,"wish":["another","form"]}"#,
    ] {
        let Heard::Refusal(report) = send(&agent.paths.socket, &framed(call.as_bytes())) else { panic!("{call}") };
        assert_eq!(report.kind, Kind::Agent);
        assert!(
            report.message.contains("protocol 999") && report.message.contains(&format!("agent {VERSION}")),
            "{call}: {report:?}"
        );
        assert!(report.hint.unwrap().contains("`rolecall agent restart`"));
    }
}

#[test]
fn a_client_of_another_version_still_gets_its_sessions_locks_and_ends_the_agent() {
    let mut agent = Inside::start(TUTORIAL);
    let ask = |what: &str| {
        let call = format!(r#"{{"version":999,"request":{{"do":{what}}},"context":{{"of_the_future":true}}}}"#);
        send(&agent.paths.socket, &framed(call.as_bytes()))
    };
    let Heard::Else(session) = ask(r#""get","name":"prod""#) else { panic!("refused") };
    assert!(text(&session).contains("SecretAccessKey"), "the line that tools read");
    assert!(matches!(ask(r#""lock""#), Heard::Else(_)) && agent.role("prod").session.is_none());
    assert!(matches!(ask(r#""stop""#), Heard::Else(_)));
    agent.end();
}

#[test]
fn a_name_that_fills_a_frame_is_refused_at_once_among_ten_thousand_roles() {
    let agent = Inside::start(&with_roles(10_000));
    let report = agent.get(&"role-number".repeat(5_000)).expect_err("unknown");
    assert_eq!(report.kind, Kind::Config);
    assert!(report.message.len() < 1000, "{} bytes are pasted into somebody's error", report.message.len());
}

/// Takes ten real seconds, the agent's own deadline.
#[test]
fn who_says_half_a_sentence_or_does_not_listen_is_cut_after_ten_seconds_and_holds_nobody_up() {
    let agent = Inside::start(&with_roles(4000));
    let start = Instant::now();
    let connect = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(&agent.paths.socket).unwrap();
        stream.write_all(bytes).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    };
    let mut half = [connect(b""), connect(b"\0\0"), connect(b"\0\0\0\x20{\"version\"")];
    let deaf: Vec<_> = (0..200).map(|_| connect(&framed(GET))).collect();
    let mut stuck = connect(&framed(STATUS));
    for _ in 0..50 {
        agent.get("prod").expect("served meanwhile");
    }
    for stream in &mut half {
        assert_eq!(listen(stream), Heard::Nothing);
    }
    assert!(start.elapsed() > Duration::from_secs(9), "cut too early: {:?}", start.elapsed());
    until("the one that does not read is cut", || has_hung_up(&stuck));
    let Heard::Else(part) = listen(&mut stuck) else { panic!("the beginning of the answer was in the socket") };
    let length = usize::try_from(u32::from_be_bytes(part[..4].try_into().unwrap())).unwrap();
    assert!(part.len() < length, "the answer of {length} bytes was cut, {} came", part.len());
    drop(deaf);
    agent.get("prod").expect("served");
}

#[test]
fn more_callers_than_there_is_room_for_are_told_so() {
    let agent = Inside::start_with(World::tutorials(), TUTORIAL, 4);
    // Accepted in this order, so that all four are in before whoever comes next.
    let idle: Vec<_> = (0..4).map(|_| UnixStream::connect(&agent.paths.socket).unwrap()).collect();
    agent.get("prod").expect_err("busy");
    let report = agent.get("prod").expect_err("busy");
    assert_eq!((report.kind, report.kind.exit_code()), (Kind::Agent, 7));
    assert!(report.message.contains("busy"), "{report:?}");
    assert_eq!(report.hint.as_deref(), Some("try again in a moment"));
    drop(idle);
    until("there is room again", || agent.get("prod").is_ok());
    assert!(agent.status().counts.turned_away >= 2);
}

/// Takes a real second, to see that no processor time is burnt meanwhile.
#[test]
fn an_agent_without_descriptors_neither_ends_nor_spins_and_recovers() {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    let mut limited = home.command("prlimit");
    let mut agent = Running::agent_by(limited.args(["--nofile=32:32", ROLECALLD]));
    let crowd: Vec<_> = (0..300).map(|_| UnixStream::connect(home.socket()).unwrap()).collect();
    let (start, before) = (Instant::now(), processor_time(agent.pid()));
    until("a second has passed", || start.elapsed() > Duration::from_secs(1));
    let used = processor_time(agent.pid()).saturating_sub(before);
    assert!(!agent.has_ended());
    assert!(used < Duration::from_millis(200), "{used:?} of processor time in a second of waiting");
    drop(crowd);
    until("it answers again", || home.run(["get", "prod"]).status.code() == Some(4));
}
