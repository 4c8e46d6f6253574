//! The report that is sent to somebody.

use super::{ONE, Sight, home, root, trust};
use crate::harness::home::text;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

const PRIVATE: &str =
    "external_id = \"canary-external-id\"\nsession_tags = { team = \"canary-tag\" }\n# canary-comment\n";

#[test]
fn a_report_has_what_helps_and_no_secret_and_is_shown_before_it_is_written() {
    let home = home(&format!("{ONE}{PRIVATE}"), Sight::Full);
    trust(&home, &root(), &json!({"StringEquals": {"sts:ExternalId": "canary-of-the-trust-policy"}}));
    let file = home.path("report.json");
    let bundle = format!("--bundle={}", file.display());
    let asked = home.run(["doctor", "prod", &bundle]);
    assert_eq!(asked.status.code(), Some(2), "nobody could be asked: {}", text(&asked.stderr));
    assert!(!file.exists() && text(&asked.stderr).contains("--yes"), "{}", text(&asked.stderr));
    let written = home.run(["doctor", "prod", &bundle, "--yes"]);
    assert_eq!(written.status.code(), Some(5), "{}", text(&written.stderr));
    let content = std::fs::read_to_string(&file).unwrap();
    assert!(text(&written.stdout).starts_with(&content), "what is written was shown");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for canary in ["canary", &home.aws.access_key(rolecall_sandbox::tutorials::USER_ARN).id, "/tmp/rolecall-"] {
        assert!(!content.contains(canary), "{canary}: {content}");
    }
    let report: Value = serde_json::from_str(&content).unwrap();
    assert_eq!(report["doctor"]["names"][0]["findings"][0]["cause"], "external-id-wrong", "{report:#}");
    assert!(
        report["config"]["roles"]["prod"]["role_arn"].is_string() && report["status"]["agent"]["version"].is_string()
    );
    let log = report["log"].as_array().unwrap();
    assert!(log.iter().any(|line| line["event"] == "doctor" && line["result"] == "AccessDenied"), "{log:#?}");
    let again = home.run(["doctor", "prod", &bundle, "--yes"]);
    assert_eq!(again.status.code(), Some(2), "a file that is there is left alone");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), content);
}
