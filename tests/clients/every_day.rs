//! The main job, and the days on which something goes wrong behind it.

use crate::harness::home::text;
use crate::harness::inside::until;
use crate::harness::programs::ROLECALL;
use crate::moto::Moto;
use crate::peers::{CLIENTS, Client, program, python};
use crate::person::{Person, assert_listing};
use rolecall_sandbox::tutorials::{BUCKET, ROLE_ARN};
use rolecall_sandbox::{Fault, FaultKind, Match};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

/// From the console's CSV file to a listed bucket, with everything a person types.
fn first_day(person: &Person) {
    // As the console offers it for download: with a byte order mark and the line ends of Windows.
    let (id, secret) = (&person.cloud.key_id, &person.cloud.secret);
    let csv = person.home.path("richard_accessKeys.csv");
    fs::write(&csv, format!("\u{feff}Access key ID,Secret access key\r\n{id},{secret}\r\n")).unwrap();
    let said =
        person.rolecall(&["identity", "add", "auth", "--csv", "richard_accessKeys.csv", "--region", "eu-west-1"]);
    assert!(said.contains("user richard in account 111111111111"), "{said}");
    assert!(said.contains("richard_accessKeys.csv"), "the file with the key in it is to be deleted: {said}");
    fs::remove_file(&csv).unwrap();

    // An independent reader finds the key where a keyring program would show it.
    let seen = person.desk.secret_tool(&["lookup", "service", &person.home.keyring_service(), "username", "auth"]);
    assert!(seen.contains(id) && seen.contains(secret), "the keyring has the key");

    person.add_role(ROLE_ARN);
    let said = person.rolecall(&["profiles", "sync"]);
    assert!(said.contains("prod"), "{said}");

    for client in CLIENTS {
        person.listed(client);
        let asked = person.audit("get", 1);
        let last = asked.last().unwrap();
        let parent = last["caller"]["parent"].as_str().unwrap();
        let tool = parent.rsplit('/').next().unwrap();
        assert!(tool.starts_with(client.interpreter()), "{client:?}: {last}");
        assert_eq!(last["result"], "ok", "{last}");
    }
    assert_eq!(person.audit("get", 4).len(), 4, "each client asked once");
    assert_eq!(person.asked_of_aws(), 1, "one session serves them all");

    let mut many = Client::Boto3.list(&person.home, &person.cloud.url);
    assert_listing(Client::Boto3, &person.runs(many.arg("20")));
    assert_eq!(person.audit("get", 5).len(), 5, "20 calls on one session of boto3 ask once");
    person.nothing_leaked();
}

#[test]
fn a_key_from_the_console_ends_up_as_a_listed_bucket_in_every_client() {
    let person = Person::new(None);
    first_day(&person);
    assert_eq!(person.home.aws.count("AssumeRole"), 1);
    let calls = person.home.aws.calls();
    let listings: Vec<_> = calls.iter().filter(|call| call.action.starts_with("ListObjects")).collect();
    assert_eq!(listings.len(), 4 + 20, "{listings:#?}");
    for call in listings {
        let whose = call.principal_arn.as_deref().unwrap_or_default();
        assert!(whose.starts_with("arn:aws:sts::222222222222:assumed-role/AssumedRole/richard-"), "{call:?}");
    }
}

#[test]
fn an_independent_aws_takes_the_calls_and_the_sessions() {
    let moto = Moto::start();
    let Moto { cloud, .. } = &moto;
    let person = Person::new(Some(cloud.clone()));
    first_day(&person);
    assert_eq!(person.home.aws.calls(), [], "nothing went to the sandbox");
}

#[test]
fn a_key_that_is_piped_in_replaces_the_old_one() {
    let person = Person::settled();
    person.add_key_again();
    person.listed(Client::CliV2);
    person.nothing_leaked();
}

/// Lets a process of boto3 start up to the point where it wants credentials.
fn at_the_gate(person: &Person) -> Child {
    let mut command = person.home.command(python());
    command.arg(program("list_bucket.py")).args(["prod", BUCKET, "--gate"]);
    command.env("AWS_ENDPOINT_URL_S3", &person.cloud.url).env("AWS_EC2_METADATA_DISABLED", "true");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Counts the processes of `rolecall` in a person's home.
fn waiting(person: &Person) -> usize {
    let (face, home) = (fs::canonicalize(ROLECALL).unwrap(), person.home.path(""));
    let of_this_home = |process: &fs::DirEntry| {
        let link = |name: &str| fs::read_link(process.path().join(name)).ok();
        link("exe").is_some_and(|exe| exe == face) && link("cwd").is_some_and(|cwd| cwd == home)
    };
    fs::read_dir("/proc").unwrap().flatten().filter(of_this_home).count()
}

#[test]
fn twenty_processes_at_once_cost_one_call_to_aws() {
    let person = Person::settled();
    let mut processes: Vec<Child> = (0..20).map(|_| at_the_gate(&person)).collect();
    let mut answers: Vec<_> = processes.iter_mut().map(|p| BufReader::new(p.stdout.take().unwrap()).lines()).collect();
    for answer in &mut answers {
        assert_eq!(answer.next().unwrap().unwrap(), "ready");
    }
    let held = person.home.aws.hold_matching(Match::action("AssumeRole"));
    for process in &mut processes {
        drop(process.stdin.take());
    }
    until("all of them wait for the one session", || waiting(&person) == 20);
    drop(held);
    for (process, answer) in processes.into_iter().zip(answers) {
        let keys: Vec<String> = answer.map(Result::unwrap).collect();
        assert_eq!(keys, Client::Boto3.expected());
        let ended = process.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", text(&ended.stderr));
    }
    assert_eq!(person.home.aws.count("AssumeRole"), 1);
    assert_eq!(person.audit("get", 20).len(), 20);
}

#[test]
fn ten_cli_commands_at_once_cost_one_call_to_aws() {
    let person = Person::settled();
    // Not even the agent runs yet.
    person.rolecall(&["agent", "stop"]);
    let start = |_| {
        let mut command = Client::CliV2.list(&person.home, &person.cloud.url);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let processes: Vec<Child> = (0..10).map(start).collect();
    for process in processes {
        assert_listing(Client::CliV2, &process.wait_with_output().unwrap());
    }
    assert_eq!(person.home.aws.count("AssumeRole"), 1);
    assert_eq!(person.audit("start", 2).len(), 2, "one agent for all of them");
}

#[test]
fn an_agent_that_was_killed_is_missed_by_nobody() {
    let person = Person::settled();
    person.listed(Client::CliV2);
    let agent = person.home.agent_pid();
    kill_process(Pid::from_raw(agent).unwrap(), Signal::KILL).unwrap();
    for client in CLIENTS {
        person.listed(client);
    }
    assert_ne!(person.home.agent_pid(), agent);
    assert_eq!(person.home.aws.count("AssumeRole"), 2, "the sessions of the first are gone with it");
    person.nothing_leaked();
}

#[test]
fn clients_work_on_through_an_outage_of_sts() {
    let person = Person::settled();
    person.listed(Client::CliV2);
    person.home.aws.fault(Fault::on("AssumeRole", FaultKind::Drop));
    for client in CLIENTS {
        person.listed(client);
    }
    assert_eq!(person.home.aws.count("AssumeRole"), 1);
}
