//! Environment variables that keep tools from reading a profile, judged by their names alone.

use super::{Precedence, Severity, Warning};

/// Lists the variables in the way.
pub(super) fn warnings(variables: &[&str]) -> Vec<Warning> {
    let set = |name: &str| variables.contains(&name);
    let mut found = Vec::new();
    let mut warn = |severity, message: &str, hint: &str| {
        found.push(Warning {
            severity,
            trouble: Precedence::Variable,
            name: None,
            at: None,
            message: message.to_owned(),
            hint: hint.to_owned(),
        });
    };
    let unset = "run `unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN`";
    match (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY"), set("AWS_SESSION_TOKEN")) {
        (true, true, _) if set("AWS_PROFILE") => warn(
            Severity::Shadows,
            "AWS_ACCESS_KEY_ID and AWS_PROFILE are both set: the key wins in the AWS CLI and the Go, Java, Rust, Ruby, \
             PHP and C++ SDKs and in boto3, the profile in the JavaScript SDK",
            unset,
        ),
        (true, true, _) => warn(
            Severity::Shadows,
            "AWS_ACCESS_KEY_ID is set: its key wins over every profile that is not named on the command line or in code",
            unset,
        ),
        (true, false, _) => warn(
            Severity::Breaks,
            "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY: the AWS CLI and boto3 fail on the half key",
            unset,
        ),
        (false, true, _) => {
            warn(
                Severity::Note,
                "AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID: half a key is left over",
                unset,
            );
        }
        (false, false, true) => {
            warn(Severity::Note, "AWS_SESSION_TOKEN is set without a key: an old session is left over", unset);
        }
        (false, false, false) => {}
    }
    match (set("AWS_PROFILE"), set("AWS_DEFAULT_PROFILE")) {
        (true, true) => warn(
            Severity::Note,
            "AWS_PROFILE and AWS_DEFAULT_PROFILE are both set: boto3 and the C++ SDK take the second, the AWS CLI the first",
            "keep AWS_PROFILE and run `unset AWS_DEFAULT_PROFILE`",
        ),
        (false, true) => warn(
            Severity::Note,
            "AWS_DEFAULT_PROFILE is set: it names the profile for boto3, the AWS CLI and the C++ SDK",
            "use `AWS_PROFILE`, which is meant for every tool",
        ),
        _ => {}
    }
    for (name, usual) in [("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")] {
        if set(name) {
            warn(
                Severity::Note,
                &format!("{name} is set: what is started without it reads {usual} instead"),
                &format!("set {name} for every program, or run `unset {name}`"),
            );
        }
    }
    found
}
