//! CloudFormation: a template per account, since a stack has one account.
//!
//! YAML whose scalars are all in JSON's quotes, so that no name can be read as something else (`no`, `1e3`, `!Ref`).
//!
//! Source: AWS CloudFormation Template Reference, AWS::IAM::User, ManagedPolicy, Role and InstanceProfile.

use super::json::{ascii, laid_out};
use super::{Kind, Profiles, RenderedResource, by_hand, headline, things};
use crate::setup::call::{Side, Tags};
use crate::setup::{Setup, Who};
use std::fmt::Write;

/// Writes the template of one account, with what to do with it in its comments.
pub fn render(setup: &Setup, side: Side, profiles: Profiles<'_>, quote: fn(&str) -> String) -> String {
    let steps = setup.steps();
    let all = things(&steps);
    let mut out = String::new();
    let file = format!("{}.yaml", side.word());
    let profile = profiles.of(side).map(|profile| format!(" --profile {}", quote(profile))).unwrap_or_default();
    let _ = write!(
        out,
        "# Account {}, of two: {}\n# aws cloudformation deploy --stack-name {} --template-file {file} --capabilities CAPABILITY_NAMED_IAM{profile}\n",
        setup.account(side),
        headline(setup),
        stack_name(setup),
    );
    match side {
        Side::Auth => out.push_str("# This one first: the other account's role may trust what is made here.\n"),
        Side::Workload => out.push_str("# After the one of the authentication account.\n"),
    }
    if side == Side::Auth
        && let Who::Person(person) = &setup.who
        && person.existing
    {
        for arn in &person.attach {
            let _ = writeln!(out, "# A user that is there already gets its further policies by hand: {arn}");
        }
    }
    if side == Side::Workload {
        out.push_str(&by_hand(setup, profiles, quote));
    }
    let _ = write!(
        out,
        "AWSTemplateFormatVersion: \"2010-09-09\"\nDescription: {}\nResources:\n",
        ascii(&format!("Made by `rolecall setup` as {}", setup.name))
    );
    for thing in all.iter().filter(|thing| thing.side == side) {
        resource(&mut out, thing, setup);
    }
    out
}

fn stack_name(setup: &Setup) -> String {
    let letters = setup.name.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    format!("rolecall-{}", letters.collect::<String>()).chars().take(128).collect()
}

fn resource(out: &mut String, thing: &RenderedResource<'_>, setup: &Setup) {
    let mut head = |id: &str, kind: &str| {
        let _ = write!(out, "  {id}:\n    Type: AWS::IAM::{kind}\n    Properties:\n");
    };
    match &thing.kind {
        Kind::Policy { description, document } => {
            head("AssumePolicy", "ManagedPolicy");
            field(out, "ManagedPolicyName", thing.name);
            field(out, "Path", thing.path);
            field(out, "Description", description);
            let _ = writeln!(out, "      PolicyDocument: {}", laid_out(document, 6, ascii));
            if let Who::Person(person) = &setup.who
                && person.existing
            {
                let _ = writeln!(out, "      Users:\n        - {}", ascii(&person.user));
            }
        }
        Kind::User { existing: true } => {}
        Kind::User { existing: false } => {
            head("User", "User");
            field(out, "UserName", thing.name);
            field(out, "Path", thing.path);
            managed(out, thing, setup);
            tags(out, thing.tags);
        }
        Kind::Role { description, trust, max_session_seconds } => {
            head(if thing.side == Side::Auth { "AssumingRole" } else { "Role" }, "Role");
            field(out, "RoleName", thing.name);
            field(out, "Path", thing.path);
            field(out, "Description", description);
            let _ = writeln!(out, "      MaxSessionDuration: {max_session_seconds}");
            let _ = writeln!(out, "      AssumeRolePolicyDocument: {}", laid_out(trust, 6, ascii));
            managed(out, thing, setup);
            if !thing.inline.is_empty() {
                out.push_str("      Policies:\n");
            }
            for (name, document) in &thing.inline {
                let _ = writeln!(out, "        - PolicyName: {}", ascii(name));
                let _ = writeln!(out, "          PolicyDocument: {}", laid_out(document, 10, ascii));
            }
            tags(out, thing.tags);
        }
        Kind::InstanceProfile => {
            head("InstanceProfile", "InstanceProfile");
            field(out, "InstanceProfileName", thing.name);
            field(out, "Path", thing.path);
            out.push_str("      Roles:\n        - !Ref AssumingRole\n");
        }
    }
}

fn field(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "      {name}: {}", ascii(value));
}

fn managed(out: &mut String, thing: &RenderedResource<'_>, setup: &Setup) {
    if thing.attached.is_empty() {
        return;
    }
    out.push_str("      ManagedPolicyArns:\n");
    let own = setup.policy_arn();
    for arn in &thing.attached {
        // The Ref makes CloudFormation wait for the policy.
        let arn = if **arn == own { "!Ref AssumePolicy".to_owned() } else { ascii(arn) };
        let _ = writeln!(out, "        - {arn}");
    }
}

fn tags(out: &mut String, tags: &Tags) {
    out.push_str("      Tags:\n");
    for (key, value) in tags {
        let _ = writeln!(out, "        - Key: {}\n          Value: {}", ascii(key), ascii(value));
    }
}
