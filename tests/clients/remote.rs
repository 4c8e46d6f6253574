//! The AWS CLI on a remote machine, by the profile that docs/remote.md shows: the key and its session's renewal stay here.

use crate::harness::home::text;
use crate::harness::remote::{Remote, lines_after};
use crate::peers::Client;
use crate::person::{Person, assert_listing};
use rolecall_sandbox::tutorials::{BUCKET, ROLE_ARN};

#[test]
fn the_cli_at_the_other_end_of_ssh_lists_the_bucket_and_asks_through_the_socket() {
    needs!("root", "sshd");
    let person = Person::settled();
    for role in ["dev", "staging"] {
        person.rolecall(&["role", "add", role, "--source", "auth", "--role-arn", ROLE_ARN]);
    }
    let remote = Remote::of(&person.home, true);
    remote.run_here(&lines_after("```sh\n# here")[0]);
    let _tunnel = remote.connect();
    let profile = remote.here(&lines_after("```aws-config").join("\n")) + "\n";
    std::fs::write(person.home.path("far/.aws/config"), profile).unwrap();
    let cli = Client::CliV2.cli(&person.home);
    let list = |profile: &str| {
        remote.run_there(&format!(
            "AWS_EC2_METADATA_DISABLED=true {} --endpoint-url {} s3 ls s3://{BUCKET} --profile {profile}",
            cli.get_program().display(),
            person.cloud.url
        ))
    };
    assert_listing(Client::CliV2, &list("dev"));
    let gets = person.audit("get", 1);
    assert!(gets.iter().any(|get| get["caller"]["socket"] == "vm" && get["name"] == "dev"), "{gets:?}");

    let config = std::fs::read_to_string(person.home.path("far/.aws/config")).unwrap();
    std::fs::write(person.home.path("far/.aws/config"), config.replace("get dev", "get prod")).unwrap();
    let refused = list("dev");
    assert_ne!(refused.status.code(), Some(0));
    assert!(
        text(&refused.stderr).contains("this socket serves only sessions of: dev, staging"),
        "{}",
        text(&refused.stderr)
    );
    person.nothing_leaked();
}
