//! What clients show when there are no credentials, and whether they go on when there are some again.

use super::{BUCKET, for_all, listed, page, processors};
use crate::harness::home::text;
use crate::lister::Lister;
use crate::person::Person;
use crate::roster::Case;
use rolecall_sandbox::tutorials::ROLE_ARN;
use rolecall_sandbox::{Fault, FaultKind};
use serde_json::json;

/// What a client shows, by what went wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    pub(super) refused: Complaint,
    pub(super) outage: Complaint,
    pub(super) locked: Complaint,
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
    pub(super) command: &'static str,
    pub(super) code: i32,
    pub(super) says: String,
}

/// Starts all of them, before any wants credentials; then AWS refuses, then it cannot be reached, then the keyring is locked,
/// and then all is well again and the same clients list the bucket.
pub(super) fn of_all(person: &mut Person, cases: &[Case]) -> (Vec<Failures>, Vec<Start>) {
    let mut clients: Vec<_> =
        for_all(processors(), cases.to_vec(), |case| (case, case.starts(person, BUCKET), Failures::default()));
    let mut starts = Vec::new();

    let nobody = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": "arn:aws:iam::111111111111:user/nobody"}}]});
    let trust = person.home.aws.world(|world| std::mem::replace(&mut world.role(ROLE_ARN).trust, nobody.into()));
    // An agent that has forgotten: what AWS refused is remembered for some seconds.
    person.rolecall(&["lock"]);
    starts.extend(at_start(person, 5));
    clients = complain(person, clients, "is not authorized to perform: sts:AssumeRole", |all| &mut all.refused);
    person.home.aws.world(|world| world.role(ROLE_ARN).trust = trust);

    person.home.aws.fault(Fault::on("AssumeRole", FaultKind::Drop));
    person.rolecall(&["lock"]);
    starts.extend(at_start(person, 6));
    clients = complain(person, clients, "cannot be reached", |all| &mut all.outage);
    person.home.aws.clear_faults();

    person.lock_keyring();
    person.rolecall(&["lock"]);
    starts.extend(at_start(person, 4));
    clients = complain(person, clients, "the keyring is locked", |all| &mut all.locked);

    person.end_keyring();
    person.start_keyring();
    person.rolecall(&["get", super::MARKER]);
    let done = for_all(processors(), clients, |(case, mut client, all)| {
        let answer = client.lists(1);
        listed(case, answer, &client);
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
        let own = client.lists(1).expect_err("there is nothing to list with");
        let beside = client.complaints();
        person.home.canaries.shown(&own);
        person.home.canaries.shown(&beside);
        let is_beside = beside.lines().any(|line| line.starts_with("rolecall: ") && line.contains(cause));
        let is_repeated = own.contains(cause);
        *place(&mut all) = Complaint { is_repeated, is_beside, own: page::plain(&own, person, &case.role()) };
        (case, client, all)
    })
}

/// What the commands say that want a session before they start anything.
fn at_start(person: &Person, code: i32) -> Vec<Start> {
    let commands: [(&str, &[&str]); 4] = [
        ("rolecall get prod", &["get", super::MARKER]),
        ("rolecall exec prod -- COMMAND", &["exec", super::MARKER, "--", "true"]),
        ("rolecall exec --imds prod -- COMMAND", &["exec", "--imds", super::MARKER, "--", "true"]),
        ("rolecall env prod", &["env", super::MARKER]),
    ];
    let told = commands.map(|(command, args)| {
        let output = person.home.run(args);
        let says = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{command}: {says}");
        let first = says.lines().next().unwrap_or_default();
        Start { command, code, says: page::plain(first, person, super::MARKER) }
    });
    told.to_vec()
}
