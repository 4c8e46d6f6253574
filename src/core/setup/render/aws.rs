//! `aws` commands: a script for sh, a command per call, in the order in which the calls are made.
//!
//! Every value is one word for the shell, whatever is in it; the quoting is the caller's, who has it for its own texts.

use super::{Profiles, by_hand, headline, option};
use crate::setup::call::{Call, Side, Step, Tags};
use crate::setup::{Setup, Trust, Who};
use serde::Serialize;
use std::fmt::Write;

/// Writes the script, with what is left to do in its comments.
pub fn render(setup: &Setup, profiles: Profiles<'_>, quote: fn(&str) -> String) -> String {
    let mut out = format!("#!/bin/sh\n# {}\nset -eu\nexport AWS_PAGER=\n", headline(setup));
    for side in super::SIDES {
        if profiles.of(side).is_none() {
            let word = side.word();
            let _ = writeln!(
                out,
                ": \"${{{}:?name the profile with admin rights in the {word} account, {}}}\"",
                variable(side),
                setup.account(side)
            );
        }
    }
    out.push_str("\n# Whose are the profiles?\n");
    for side in super::SIDES {
        let account = setup.account(side);
        let _ = writeln!(
            out,
            "test \"$(aws sts get-caller-identity --profile {} --query Account --output text)\" = {account} ||\n  \
             {{ echo 'the {} profile is not of account {account}' >&2; exit 1; }}",
            profile(side, profiles, quote),
            side.word(),
        );
    }
    for step in setup.steps() {
        if let Some(command) = command(&step, &profile(step.side, profiles, quote), quote) {
            let _ = write!(out, "\n# {}: {}\n", setup.account(step.side), step.why);
            if step.side == Side::Workload && names_what_is_new(setup) && matches!(step.call, Call::CreateRole { .. }) {
                let _ = write!(out, "# IAM takes some seconds until it knows whom the trust policy names.\n{AGAIN}");
                let _ = writeln!(out, "until {command}; do again; done");
            } else {
                let _ = writeln!(out, "{command}");
            }
        }
    }
    out.push('\n');
    out.push_str(&by_hand(setup, profiles, quote));
    out
}

/// Waits before the next of ten attempts.
const AGAIN: &str = "\
n=0
again() { n=$((n + 1)); test \"$n\" -lt 10 || exit 1; sleep 3; }
";

fn names_what_is_new(setup: &Setup) -> bool {
    match &setup.who {
        Who::Person(person) => setup.role.trust == Trust::User && !person.existing,
        Who::Application(_) => setup.role.trust == Trust::Role,
    }
}

fn variable(side: Side) -> &'static str {
    match side {
        Side::Auth => "AUTH_PROFILE",
        Side::Workload => "WORKLOAD_PROFILE",
    }
}

fn profile(side: Side, profiles: Profiles<'_>, quote: fn(&str) -> String) -> String {
    profiles.of(side).map_or_else(|| format!("\"${}\"", variable(side)), quote)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag<'a> {
    key: &'a str,
    value: &'a str,
}

/// As JSON: the CLI's shorthand has no quoting for a comma.
fn tags_of(tags: &Tags) -> String {
    let tags: Vec<Tag<'_>> = tags.iter().map(|(key, value)| Tag { key, value }).collect();
    serde_json::to_string(&tags).expect("keys are strings")
}

/// Writes one call, where it is one that shows no secret.
fn command(step: &Step, profile: &str, quote: fn(&str) -> String) -> Option<String> {
    let seconds;
    let tags_text;
    let tags = |tags: &Tags| tags_of(tags);
    let (name, options): (&str, Vec<(&str, &str)>) = match &step.call {
        Call::CreatePolicy { name, path, description, document, tags: own } => {
            tags_text = tags(own);
            let options = vec![
                ("policy-name", name.as_str()),
                ("path", path),
                ("description", description),
                ("policy-document", document),
                ("tags", &tags_text),
            ];
            ("create-policy", options)
        }
        Call::CreateUser { name, path, tags: own } => {
            tags_text = tags(own);
            ("create-user", vec![("user-name", name), ("path", path), ("tags", &tags_text)])
        }
        Call::AttachUserPolicy { user, arn } => {
            ("attach-user-policy", vec![("user-name", user.as_str()), ("policy-arn", arn)])
        }
        Call::CreateRole { name, path, description, trust, max_session_seconds, tags: own } => {
            tags_text = tags(own);
            seconds = max_session_seconds.to_string();
            let options = vec![
                ("role-name", name.as_str()),
                ("path", path),
                ("description", description),
                ("assume-role-policy-document", trust),
                ("max-session-duration", &seconds),
                ("tags", &tags_text),
            ];
            ("create-role", options)
        }
        Call::AttachRolePolicy { role, arn } => {
            ("attach-role-policy", vec![("role-name", role.as_str()), ("policy-arn", arn)])
        }
        Call::PutRolePolicy { role, name, document } => (
            "put-role-policy",
            vec![("role-name", role.as_str()), ("policy-name", name), ("policy-document", document)],
        ),
        Call::CreateInstanceProfile { name, path, tags: own } => {
            tags_text = tags(own);
            let options = vec![("instance-profile-name", name.as_str()), ("path", path), ("tags", &tags_text)];
            ("create-instance-profile", options)
        }
        Call::AddRoleToInstanceProfile { profile, role } => {
            ("add-role-to-instance-profile", vec![("instance-profile-name", profile.as_str()), ("role-name", role)])
        }
        _ => return None,
    };
    let options: Vec<String> = options.iter().map(|(name, value)| option(name, value, quote)).collect();
    Some(format!("aws iam {name} --profile {profile} {} >/dev/null", options.join(" \\\n  ")))
}
