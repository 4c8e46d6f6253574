//! One list of IAM calls, made with boto3 in the sandbox and in moto: both must refuse the same calls with the same codes,
//! and answer the others with the same keys. So the sandbox's IAM is one that a real SDK reads and that others know too.
//!
//! It shows nothing of what only the sandbox enforces: permissions, trust, quotas, propagation. Its own tests do.

use crate::moto::Moto;
use crate::peers::{program, python};
use crate::person::Cloud;
use rolecall_sandbox::{Clock, Sandbox, World, tutorials};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

/// What differs: the operation, the key of its answer, and why. An operation that is not named means all.
const KNOWN: [(&str, &str, &str); 11] = [
    ("", "PermissionsBoundaryUsageCount", "AWS has it, moto does not"),
    (
        "create_policy_version",
        "Document",
        "\"It is not returned in the response to the CreatePolicyVersion operation\"",
    ),
    ("list_policy_versions", "Document", "nor \"or ListPolicyVersions\""),
    ("", "IsTruncated", "every list of AWS's has it, most of moto's have"),
    ("create_virtual_mfa_device", "Tags", "moto forgets them"),
    ("list_virtual_mfa_devices", "Base32StringSeed", "a secret is shown once"),
    ("list_virtual_mfa_devices", "QRCodePNG", "a secret is shown once"),
    ("", "RoleLastUsed", "GetRole has it"),
    ("", "Roles.MaxSessionDuration", "in a profile moto says more of a role"),
    ("", "Roles.Tags", "in a profile moto says more of a role"),
    ("", "Roles.Description", "and less"),
];

fn told(cloud: &Cloud) -> Vec<(String, Value)> {
    let mut command = Command::new(python());
    command.arg(program("iam_calls.py")).args([&cloud.url, &cloud.key_id, &cloud.secret]);
    let output = command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").output().expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Collects the keys of an answer, each with those above it; a policy document is one.
fn keys(shape: &Value, above: &str, all: &mut BTreeSet<String>) {
    match shape {
        Value::Object(fields) => {
            for (key, inner) in fields {
                let path = format!("{above}.{key}");
                if !key.ends_with("Document") {
                    keys(inner, &path, all);
                }
                all.insert(path);
            }
        }
        Value::Array(entries) => entries.iter().for_each(|entry| keys(entry, above, all)),
        kind => {
            all.insert(format!("{above} is {kind}"));
        }
    }
}

#[test]
fn the_sandbox_and_moto_answer_the_same_iam_calls_alike() {
    let aws = Sandbox::start(World::tutorials().with_admins(), Clock::system());
    let key = aws.access_key(tutorials::AUTH_ADMIN_ARN);
    let ours = told(&Cloud { url: aws.url(), key_id: key.id, secret: key.secret });
    let moto = Moto::start();
    let theirs = told(&moto.auth_admin);
    assert_eq!(ours.len(), theirs.len());
    let mut used = BTreeSet::new();
    let mut refused = 0;
    for (at, ((operation, ours), (_, theirs))) in ours.iter().zip(&theirs).enumerate() {
        if ours.is_string() || theirs.is_string() {
            assert_eq!(ours, theirs, "call {at}, {operation}");
            refused += 1;
            continue;
        }
        let [mut of_ours, mut of_theirs] = [BTreeSet::new(), BTreeSet::new()];
        keys(ours, "", &mut of_ours);
        keys(theirs, "", &mut of_theirs);
        for key in of_ours.symmetric_difference(&of_theirs) {
            let known = KNOWN.iter().position(|(of, known, _)| {
                (of.is_empty() || of == operation)
                    && format!("{key}.").replace(' ', ".").contains(&format!(".{known}."))
            });
            used.insert(known.unwrap_or_else(|| panic!("call {at}, {operation}: {key}\n{ours}\n{theirs}")));
        }
    }
    assert!(refused > 25, "{refused}");
    assert_eq!(used.len(), KNOWN.len(), "a difference that is no more is forgotten: {used:?}");
}
