//! Where the clients are, and how each lists a bucket.

use crate::harness::home::Home;
use rolecall_sandbox::tutorials::BUCKET;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A client that people use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Boto3,
    CliV1,
    CliV2,
    /// With the provider that it is told to use.
    JavaScript(&'static str),
}

pub(crate) const CLIENTS: [Client; 4] = [Client::CliV2, Client::CliV1, Client::Boto3, Client::JavaScript("default")];

impl Client {
    /// Makes the command that lists the tutorials' bucket as `prod`.
    pub(crate) fn list(self, home: &Home, cloud: &str) -> Command {
        self.list_as("prod", home, cloud)
    }

    /// Makes the command that lists the tutorials' bucket as a profile.
    pub(crate) fn list_as(self, profile: &str, home: &Home, cloud: &str) -> Command {
        let mut command = match self {
            Self::Boto3 => {
                let mut command = home.command(python());
                command.arg(program("list_bucket.py")).args([profile, BUCKET]);
                command
            }
            Self::CliV1 | Self::CliV2 => {
                let bucket = format!("s3://{BUCKET}");
                let mut command = self.cli(home);
                // The option and not a variable: the CLI of Debian 12 knows no other way.
                command.args(["--endpoint-url", cloud, "s3", "ls", &bucket, "--profile", profile]);
                command
            }
            Self::JavaScript(provider) => {
                let mut command = home.command(installed("bin/node"));
                command
                    .arg(program("list_bucket.mjs"))
                    .arg(peers())
                    .args([BUCKET, provider])
                    .env("AWS_PROFILE", profile);
                command
            }
        };
        at(cloud, &mut command);
        command
    }

    /// Makes the command that prints an object of the tutorials' bucket as a profile.
    pub(crate) fn read_as(self, profile: &str, home: &Home, cloud: &str, key: &str) -> Command {
        let mut command = match self {
            Self::Boto3 => {
                let mut command = home.command(python());
                command.arg(program("read_object.py")).args([profile, BUCKET, key]);
                command
            }
            Self::CliV1 | Self::CliV2 => {
                let mut command = self.cli(home);
                command.args(["--endpoint-url", cloud, "--profile", profile, "s3api", "get-object"]);
                command.args(["--bucket", BUCKET, "--key", key, "/dev/stdout"]);
                command
            }
            Self::JavaScript(_) => {
                let mut command = home.command(installed("bin/node"));
                command.arg(program("read_object.mjs")).arg(peers()).args([BUCKET, key]).env("AWS_PROFILE", profile);
                command
            }
        };
        at(cloud, &mut command);
        command
    }

    /// Makes a command of the AWS CLI.
    pub(crate) fn cli(self, home: &Home) -> Command {
        home.command(if self == Self::CliV1 { installed("venv/bin/aws") } else { installed("bin/aws") })
    }

    /// What it prints when it may list the bucket.
    pub(crate) fn expected(self) -> &'static [&'static str] {
        match self {
            Self::CliV1 | Self::CliV2 => &["PRE 2026/", "readme.txt"],
            Self::Boto3 | Self::JavaScript(_) => {
                &["2026/10/usage report.csv", "2026/11/usage report.csv", "readme.txt"]
            }
        }
    }

    /// The program that the audit log shall name as the one that wanted credentials.
    pub(crate) fn interpreter(self) -> &'static str {
        match self {
            Self::Boto3 | Self::CliV1 => "python",
            Self::CliV2 => "aws",
            Self::JavaScript(_) => "node",
        }
    }
}

fn at(cloud: &str, command: &mut Command) {
    command.env("AWS_ENDPOINT_URL_S3", cloud).env("AWS_EC2_METADATA_DISABLED", "true");
}

/// The interpreter that has boto3 and moto.
pub(crate) fn python() -> PathBuf {
    installed("venv/bin/python")
}

/// One of our own small programs that use a client.
pub(crate) fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/programs").join(name)
}

pub(crate) fn peers() -> PathBuf {
    let given = std::env::var_os("ROLECALL_PEERS").map(PathBuf::from);
    given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers"))
}

pub(crate) fn installed(below: &str) -> PathBuf {
    let path = peers().join(below);
    assert!(path.exists(), "{} is missing; `tests/run peers` installs it", path.display());
    path
}
