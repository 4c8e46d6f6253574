//! What clients show when there are no credentials, and whether they go on when there are some again.

use super::{BUCKET, for_all, listed, plain::plain, processors};
use crate::harness::home::text;
use crate::harness::inside::until;
use crate::lister::Lister;
use crate::person::Person;
use crate::roster::{Case, Way};
use rolecall_sandbox::tutorials::ROLE_ARN;
use rolecall_sandbox::{Fault, FaultKind};
use serde_json::json;

/// How the messages begin that an endpoint has when AWS cannot be reached: which of them a client sees last is a matter of when it
/// asks again.
const MEANWHILE: &str = "the session of `";
const UNREACHABLE: &str = "cannot assume arn:";

/// What a client shows, by what went wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    pub(super) refused: Complaint,
    pub(super) outage: Complaint,
    pub(super) locked: Complaint,
    /// Whether it has to be made anew when there is a session again.
    pub(super) stays_without: bool,
}

/// What a client shows instead of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Complaint {
    /// Its own words.
    pub(super) own: String,
    /// Whether rolecall's cause is among them.
    pub(super) is_repeated: bool,
    /// Whether rolecall's lines stand beside them, on standard error.
    pub(super) is_beside: bool,
}

/// What a command that wants a session first says, and its exit code.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) code: i32,
    pub(super) says: String,
}

/// Starts all of them, before any wants credentials; then AWS refuses, then it cannot be reached, then the keyring is locked,
/// and then all is well again and the same clients list the bucket.
pub(super) fn of_all(person: &mut Person, cases: &[Case]) -> (Vec<Failures>, Vec<Start>) {
    let mut clients: Vec<_> =
        for_all(processors(), cases.to_vec(), |case| (case, case.starts(person, BUCKET), Failures::default()));
    // Else it would be `exec` that fails.
    until("each has what `exec` gives it", || {
        let status = person.home.status();
        let granted = |role: &str| {
            status["endpoint"]["grants"].as_array().is_some_and(|all| all.iter().any(|grant| grant["name"] == role))
        };
        cases.iter().all(|case| case.way == Way::Process || granted(&case.role()))
    });
    let mut starts = Vec::new();

    let nobody = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": "arn:aws:iam::111111111111:user/nobody"}}]});
    let trust = person.home.aws.world(|world| std::mem::replace(&mut world.role(ROLE_ARN).trust, nobody.into()));
    // An agent that has forgotten: what AWS refused is remembered for some seconds.
    person.rolecall(&["lock"]);
    starts.push(at_start(person, 5));
    clients = complain(person, clients, "is not authorized to perform: sts:AssumeRole", |all| &mut all.refused);
    person.home.aws.world(|world| world.role(ROLE_ARN).trust = trust);

    person.home.aws.fault(Fault::on("AssumeRole", FaultKind::Drop));
    person.rolecall(&["lock"]);
    starts.push(at_start(person, 6));
    clients = complain(person, clients, "closed the connection", |all| &mut all.outage);
    person.home.aws.clear_faults();

    person.lock_keyring();
    person.rolecall(&["lock"]);
    starts.push(at_start(person, 4));
    clients = complain(person, clients, "the keyring is locked", |all| &mut all.locked);

    person.end_keyring();
    person.start_keyring();
    person.rolecall(&["get", super::MARKER]);
    let done = for_all(processors(), clients, |(case, mut client, mut all)| {
        let answer = client.lists(1);
        // A client of botocore's that was made when there was nothing stays without.
        all.stays_without = matches!(&answer, Err(said) if said.contains("NoCredentialsError"));
        if !all.stays_without {
            listed(case, answer, &client);
        }
        all
    });
    (done, starts)
}

/// Has each client try, and notes what it shows and whether the cause is part of it.
fn complain(
    person: &Person,
    clients: Vec<(Case, Lister, Failures)>,
    cause: &str,
    place: impl Fn(&mut Failures) -> &mut Complaint + Sync,
) -> Vec<(Case, Lister, Failures)> {
    // What keeps most of them busy is to wait until they try again.
    for_all(clients.len(), clients, |(case, mut client, mut all)| {
        let mut own = client.lists(1).expect_err("there is nothing to list with");
        let beside = client.complaints();
        person.home.canaries.shown(&own);
        person.home.canaries.shown(&beside);
        let is_beside = beside.lines().any(|line| line.starts_with("rolecall: ") && line.contains(cause));
        let is_repeated = own.contains(cause) || own.contains(MEANWHILE);
        if let Some(at) = [MEANWHILE, UNREACHABLE].iter().find_map(|message| own.find(message))
            && case.way != Way::Process
        {
            own.truncate(at);
            own.push('…');
        }
        // After that: a message that is cut at its length could begin in either way.
        let own = plain(&own, person, &case.role());
        *place(&mut all) = Complaint { own, is_repeated, is_beside };
        (case, client, all)
    })
}

/// What the commands say that want a session before they start anything: all of them the same.
fn at_start(person: &Person, code: i32) -> Start {
    let commands: [&[&str]; 4] = [
        &["get", super::MARKER],
        &["exec", super::MARKER, "--", "true"],
        &["exec", "--imds", super::MARKER, "--", "true"],
        &["env", super::MARKER],
    ];
    let told = commands.map(|args| {
        let output = person.home.run(args);
        let says = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {says}");
        plain(says.lines().next().unwrap_or_default(), person, super::MARKER)
    });
    assert!(told.iter().all(|says| *says == told[0]), "{told:#?}");
    Start { code, says: told[0].clone() }
}
