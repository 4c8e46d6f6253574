//! `import` on files that a person has kept for years, read and used by the CLI and botocore afterwards.

use crate::harness::home::{Home, text};
use crate::harness::programs::ROLECALL;
use crate::peers::{Client, python};
use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN};
use serde_json::Value;
use std::fs;
use std::process::Command;

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn from_plaintext_files_to_a_listed_bucket_in_one_command_and_the_rest_as_before() {
    for ends in ["\n", "\r\n"] {
        let home = Home::bare("[agent]\nvault = \"file\"\n[aws]\nendpoint_url_sts = \"ENDPOINT\"\n");
        home.open_vault();
        let key = home.aws.access_key(USER_ARN);
        fs::create_dir(home.path(".aws")).unwrap();
        let config = format!(
            "[default]\nregion = eu-west-1\noutput = json\n\n[profile prod]\nrole_arn = {ROLE_ARN}\n\
             source_profile = default\nregion = eu-west-1\ns3 =\n    max_concurrent_requests = 20\n\
             [profile other]\nsso_session = corp\n[sso-session corp]\nsso_region = eu-west-1\n"
        );
        let credentials =
            format!("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n", key.id, key.secret);
        fs::write(home.path(".aws/config"), config.replace('\n', ends)).unwrap();
        fs::write(home.path(".aws/credentials"), credentials.replace('\n', ends)).unwrap();

        let output = home.run(["import", "--yes"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        for client in [Client::CliV2, Client::CliV1] {
            let listed = stdout(&mut client.list(&home, &home.aws.url()));
            assert!(client.expected().iter().all(|object| listed.contains(object)), "{listed}");
            let nested =
                stdout(client.cli(&home).args(["configure", "get", "s3.max_concurrent_requests", "--profile", "prod"]));
            assert_eq!(nested.trim(), "20");
        }
        let program = "import botocore.session as s, json; print(json.dumps(s.get_session().full_config))";
        let seen: Value = serde_json::from_str(&stdout(home.command(python()).args(["-c", program]))).unwrap();
        let profiles = &seen["profiles"];
        assert!(profiles["prod"].get("role_arn").is_none() && profiles["default"].get("aws_access_key_id").is_none());
        assert_eq!(profiles["prod"]["credential_process"], format!("{ROLECALL} get prod"));
        assert_eq!(profiles["default"]["output"], "json");
        assert_eq!(profiles["other"]["sso_session"], "corp");
    }
}
