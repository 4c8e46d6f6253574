//! The application's tutorial: an instance, a task, a function.

use super::stage::Stage;
use crate::harness::home::text;
use rolecall_sandbox::Instance;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN};
use serde_json::Value;

const APPLICATION: [&str; 9] = [
    "--assuming-role",
    "AssumingRole",
    "--role",
    "AssumedRole",
    "--name",
    "app",
    "--policy-arn",
    "AmazonS3ReadOnlyAccess",
    "--yes",
];

const ASSUMING: &str = "arn:aws:iam::111111111111:role/AssumingRole";

#[test]
fn an_application_gets_from_two_admin_profiles_to_a_listed_bucket_and_back() {
    let stage = Stage::new();
    let before = stage.inventory();
    let flags = [&["--application", "ec2", "--identity", "instance", "--json"], &APPLICATION[..]].concat();
    let output = stage.setup("apply", &flags);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let done: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let calls = stage.home.aws.calls().len();
    assert!(calls <= 15 && done["calls"] == calls, "{done}: {:?}", stage.actions());
    assert_eq!(done["proven"], false, "only the application's machine can");
    let profile = stage.home.aws.world(|world| world.account(AUTH_ACCOUNT).instance_profiles["AssumingRole"].clone());
    assert_eq!(profile.role.as_deref(), Some("AssumingRole"));

    // On the application's machine: the sections as they were printed.
    let config = std::fs::read_to_string(stage.home.config()).unwrap();
    let printed = done["config"].as_str().expect("printed").replace(
        "type = \"ec2\"",
        &format!("type = \"ec2\"\nec2_metadata_service_endpoint = \"{}\"", stage.home.aws.url()),
    );
    stage.home.aws.world(|world| world.instance = Some(Instance::new(Some(ASSUMING))));
    std::fs::write(stage.home.config(), format!("{config}\n{printed}")).unwrap();
    assert!(stage.home.run(["agent", "stop"]).status.success());
    stage.lists_the_bucket("app");
    std::fs::write(stage.home.config(), config).unwrap();

    let output = stage.setup("destroy", &["--name", "app", "--yes"]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(stage.inventory(), before, "both accounts are as they were");
}

#[test]
fn a_task_and_a_function_are_trusted_by_their_service_alone_and_what_to_write_there_is_printed() {
    for (word, service, kind) in [
        ("ecs", "ecs-tasks.amazonaws.com", "type = \"ecs\""),
        ("lambda", "lambda.amazonaws.com", "type = \"environment\""),
    ] {
        let stage = Stage::new();
        let before = stage.inventory();
        let output = stage.setup("apply", &[&["--application", word], &APPLICATION[..]].concat());
        let said = text(&output.stdout);
        assert!(output.status.success(), "{said}{}", text(&output.stderr));
        assert!(said.contains(kind) && said.contains("[roles.app]") && said.contains("1 command typed"), "{said}");
        let trust = |arn| stage.home.aws.world(|world| world.role(arn).trust.text().to_owned());
        assert!(trust(ASSUMING).contains(service), "{}", trust(ASSUMING));
        assert!(trust(ROLE_ARN).contains(ASSUMING), "{}", trust(ROLE_ARN));
        let config = std::fs::read_to_string(stage.home.config()).unwrap();
        assert!(!config.contains("[roles"), "this is another machine: {config}");
        assert!(stage.setup("destroy", &["--name", "app", "--yes"]).status.success());
        assert_eq!(stage.inventory(), before, "{word}");
    }
}
