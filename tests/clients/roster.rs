//! The clients that there are, and the ways by which each gets credentials. A new client is a program in `programs/` and an
//! entry in `tools.rs`.

mod tools;

use crate::harness::home::Home;
use crate::lister::Lister;
use crate::person::Person;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
pub(crate) use tools::TOOLS;

/// How credentials reach a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// A profile that `rolecall profiles sync` wrote.
    Process,
    /// `rolecall exec NAME`.
    Container,
    /// `rolecall exec --imds NAME`.
    Imds,
    /// The variables that `rolecall env NAME` prints.
    Environment,
}

/// A bucket has so many keys that a command which lists page by page makes so many calls.
pub(crate) const CALLS: usize = 20;

/// The keys of the bucket.
pub(crate) fn keys() -> Vec<String> {
    (1..=CALLS).map(|n| format!("{n:03}")).collect()
}

pub(crate) const WAYS: [Way; 4] = [Way::Process, Way::Container, Way::Imds, Way::Environment];

impl Way {
    /// The word for it on the page.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Process => "`credential_process`",
            Self::Container => "container",
            Self::Imds => "IMDS",
            Self::Environment => "environment",
        }
    }

    fn slug(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Container => "container",
            Self::Imds => "imds",
            Self::Environment => "environment",
        }
    }
}

/// How a client runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A process that stays, and has its session already for the next call.
    Program,
    /// Each line is a new process, which makes all the calls of the line.
    Command,
    /// Each call is a new process, which ends before its session can.
    Short,
}

/// A client that people use.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    slug: &'static str,
    pub(crate) ways: &'static [Way],
    /// What runs it: a program and its arguments, the bucket after them.
    runs: fn() -> Vec<PathBuf>,
    /// How often it asks for credentials when it first needs them.
    pub(crate) first_asks: usize,
    pub(crate) kind: Kind,
    /// What it shows when its credentials work; the keys of the bucket if `None`.
    pub(crate) shows: Option<&'static str>,
    /// What a person has to know of it: what to write where, and what is its own.
    pub(crate) about: &'static str,
}

impl Tool {
    /// Whether libfaketime moves its clock. Programs in Go ask the kernel, past the C library; and the virtual machine of Java asks
    /// so often that it takes ten seconds to start.
    pub(crate) fn has_a_movable_clock(&self) -> bool {
        // `object_store` measures the life of a session with the monotonic clock.
        !["go", "java", "rclone", "s5cmd", "terraform", "obstore", "polars"].contains(&self.slug)
    }

    /// How many calls it makes after the first.
    pub(crate) fn more_calls(&self) -> usize {
        if self.kind == Kind::Short { 2 } else { CALLS }
    }

    /// What it shows when its credentials work.
    pub(crate) fn expected(&self) -> Vec<String> {
        self.shows.map_or_else(keys, |shown| vec![shown.to_owned()])
    }
}

/// A client by one of its ways. Each has a role of its own by which the audit log tells them apart; all these roles are
/// the same one at AWS, so that one session serves them all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) tool: &'static Tool,
    pub(crate) way: Way,
}

pub(crate) fn cases(ways: &[Way]) -> Vec<Case> {
    let of = |tool: &'static Tool| {
        tool.ways.iter().filter(|way| ways.contains(way)).map(move |way| Case { tool, way: *way })
    };
    TOOLS.iter().flat_map(of).collect()
}

impl Case {
    /// How often it asks for credentials when it first needs them.
    fn first_asks(self) -> usize {
        // The SDK for C++ fetches credentials from a metadata service a second time.
        let again = self.tool.slug == "pyarrow" && self.way == Way::Imds;
        self.tool.first_asks + usize::from(again)
    }

    /// How often it asks for one listing, and for twenty more, on a session of an hour.
    pub(crate) fn asks_of_an_hour(self) -> (usize, usize) {
        if self.way == Way::Environment {
            // It is `rolecall env` that asks.
            return (1, 0);
        }
        // A new process has no session yet; a process that has one needs no other for twenty calls.
        let processes = match self.tool.kind {
            Kind::Program => 0,
            Kind::Command => 1,
            Kind::Short => self.tool.more_calls(),
        };
        (self.first_asks(), self.first_asks() * processes)
    }

    /// How often it asks at most for so many calls that took so many sessions.
    pub(crate) fn most_asks(self, calls: usize, sessions: usize) -> usize {
        if self.tool.slug == "pyarrow" && self.way != Way::Process {
            // The SDK for C++ asks an endpoint again after five minutes, whatever end it was told.
            return self.first_asks() * (calls + 1);
        }
        if self.tool.has_a_movable_clock() {
            // Each time it has asked it was given one that it is content with.
            return self.first_asks() * sessions;
        }
        // Its sessions were of seconds: it asks when one is over, or, where its window is longer than they are, before each call.
        let has_a_window = match self.way {
            // 5 minutes and more, in both versions of Go's and in Java's.
            Way::Container => true,
            Way::Process => self.tool.slug == "java",
            // 5 minutes (`ExpiryWindow`) in the older version of Go's.
            Way::Imds => ["rclone", "s5cmd", "obstore", "polars"].contains(&self.tool.slug),
            Way::Environment => false,
        };
        // With sessions of seconds, each step at the start of Terraform's base can need one: keys, account, client.
        let at_start = if self.tool.slug == "terraform" { 4 } else { 0 };
        // A read of polars is a listing and a request for each object. The crate asks at most every 100 ms.
        let calls = if self.tool.slug == "polars" { 4 * calls } else { calls };
        at_start + if has_a_window { self.first_asks() + calls } else { sessions + 1 }
    }

    /// The name of its role, and of its profile.
    pub(crate) fn role(self) -> String {
        format!("{}-{}", self.tool.slug, self.way.slug())
    }

    /// Starts it, before it wants credentials.
    pub(crate) fn starts(self, person: &Person, bucket: &str) -> Lister {
        Lister::start(&mut self.command(person, bucket))
    }

    pub(crate) fn command(self, person: &Person, bucket: &str) -> Command {
        let home = &person.home;
        let mut words: Vec<OsString> = (self.tool.runs)().into_iter().map(OsString::from).collect();
        words.push(bucket.into());
        let role = self.role();
        let mut command = match self.way {
            Way::Process | Way::Environment => home.command(&words[0]),
            Way::Container | Way::Imds => {
                let form: &[&str] = if self.way == Way::Imds { &["--imds"] } else { &[] };
                let mut command = home.rolecall([&["exec"], form, &[role.as_str(), "--"]].concat());
                command.arg(&words[0]);
                command
            }
        };
        command.args(&words[1..]);
        surround(&mut command, home, &person.cloud.url);
        match self.way {
            Way::Process => drop(command.env("AWS_PROFILE", &role)),
            Way::Environment => drop(command.envs(variables(person, &role))),
            Way::Container | Way::Imds => {}
        }
        if self.way != Way::Imds {
            command.env("AWS_EC2_METADATA_DISABLED", "true");
        }
        command
    }
}

/// Sets what every client needs to find the sandbox instead of AWS.
fn surround(command: &mut Command, home: &Home, cloud: &str) {
    for service in ["S3", "STS", "KMS"] {
        command.env(format!("AWS_ENDPOINT_URL_{service}"), cloud);
    }
    command.env("AWS_REGION", "eu-west-1").env("AWS_DEFAULT_REGION", "eu-west-1");
    // rclone's own way to say what others have profiles and options for.
    command.env("RCLONE_CONFIG", home.path("rclone.conf")).env("RCLONE_CONFIG_AWS_TYPE", "s3");
    command.env("RCLONE_CONFIG_AWS_PROVIDER", "Other").env("RCLONE_CONFIG_AWS_ENV_AUTH", "true");
    command.env("RCLONE_CONFIG_AWS_ENDPOINT", cloud).env("RCLONE_CONFIG_AWS_REGION", "eu-west-1");
}

/// What `rolecall env` gives.
fn variables(person: &Person, role: &str) -> Vec<(String, String)> {
    let said = person.home.rolecall(["env", role, "--format", "json"]).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let variables: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&said.stdout).expect("JSON");
    let text = |value: serde_json::Value| value.as_str().expect("a text").to_owned();
    let variables: Vec<_> = variables.into_iter().map(|(name, value)| (name, text(value))).collect();
    for (name, value) in &variables {
        if name.contains("SECRET") || name.contains("TOKEN") {
            person.home.canaries.add(value);
        }
    }
    variables
}
