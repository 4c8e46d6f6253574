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
    /// Whether each line is a command of its own, which asks anew.
    pub(crate) is_command: bool,
    /// What a person has to know of it: what to write where, and what is its own.
    pub(crate) about: &'static str,
}

impl Tool {
    /// Whether libfaketime moves its clock. Programs in Go ask the kernel, past the C library; and the virtual machine of Java asks
    /// so often that it takes ten seconds to start.
    pub(crate) fn has_a_movable_clock(&self) -> bool {
        !["go", "java", "rclone", "s5cmd"].contains(&self.slug)
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
    /// How often it asks for one listing, and for twenty more, on a session of an hour.
    pub(crate) fn asks_of_an_hour(self) -> (usize, usize) {
        match self.way {
            // It is `rolecall env` that asks.
            Way::Environment => (1, 0),
            // A process of its own has no session yet; twenty calls of what has one need none.
            _ => (self.tool.first_asks, if self.tool.is_command { self.tool.first_asks } else { 0 }),
        }
    }

    /// How often it asks at most for so many calls that took so many sessions.
    pub(crate) fn most_asks(self, calls: usize, sessions: usize) -> usize {
        if self.tool.has_a_movable_clock() {
            // Each time it has asked it was given one that it is content with.
            return self.tool.first_asks * sessions;
        }
        // Its sessions were of seconds: it asks when one is over, or, where its window is longer than they are, before each call.
        let has_a_window = match self.way {
            // 5 minutes and more, in both versions of Go's and in Java's.
            Way::Container => true,
            Way::Process => self.tool.slug == "java",
            // 5 minutes (`ExpiryWindow`) in the older version of Go's.
            Way::Imds => ["rclone", "s5cmd"].contains(&self.tool.slug),
            Way::Environment => false,
        };
        if has_a_window { self.tool.first_asks + calls } else { sessions + 1 }
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
                if self.way == Way::Imds && self.tool.slug == "cli2" {
                    // The one of Debian 12 puts no slash between endpoint and path (mended in 2025).
                    command.args([
                        "sh",
                        "-c",
                        r#"AWS_EC2_METADATA_SERVICE_ENDPOINT=$AWS_EC2_METADATA_SERVICE_ENDPOINT/ exec "$@""#,
                        "sh",
                    ]);
                }
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
    command.env("AWS_ENDPOINT_URL_S3", cloud);
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
