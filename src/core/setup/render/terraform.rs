//! Terraform: one module with a provider per account.
//!
//! Source: the AWS provider's documentation of aws_iam_policy, user, role, their attachments and instance_profile; for
//! strings, Terraform's "Strings and Templates".

use super::json::laid_out;
use super::{Kind, Profiles, RenderedResource, SIDES, by_hand, headline, things};
use crate::setup::call::{Side, Tags};
use crate::setup::{Setup, Trust};
use std::fmt::Write;

/// Writes the module, with what is left to do in its comments.
pub fn render(setup: &Setup, profiles: Profiles<'_>, quote: fn(&str) -> String) -> String {
    let mut out =
        format!("# {}\n# terraform init && terraform apply\n{}", headline(setup), by_hand(setup, profiles, quote));
    out.push_str(
        "\nterraform {\n  required_providers {\n    aws = {\n      source  = \"hashicorp/aws\"\n      version = \">= 5.0\"\n    }\n  }\n}\n",
    );
    for side in SIDES {
        let region = setup.region.as_deref().unwrap_or(setup.partition.default_region());
        let _ = write!(out, "\nprovider \"aws\" {{\n  alias               = {}\n", string(side.word()));
        if let Some(profile) = profiles.of(side) {
            let _ = writeln!(out, "  profile             = {}", string(profile));
        }
        let _ = writeln!(out, "  region              = {}", string(region));
        let _ = writeln!(out, "  allowed_account_ids = [{}]\n}}", string(setup.account(side).as_str()));
    }
    let steps = setup.steps();
    for thing in &things(&steps) {
        resource(&mut out, thing, setup);
    }
    let _ = write!(out, "\noutput \"role_arn\" {{\n  value = aws_iam_role.assumed.arn\n}}\n");
    out
}

fn resource(out: &mut String, thing: &RenderedResource<'_>, setup: &Setup) {
    let provider = format!("aws.{}", thing.side.word());
    let mut fields = vec![("provider", provider.clone()), ("name", string(thing.name)), ("path", string(thing.path))];
    let (kind, label, arm) = match &thing.kind {
        Kind::Policy { description, document } => {
            fields.push(("description", string(description)));
            fields.push(("policy", document_of(document)));
            ("policy", "assume", None)
        }
        Kind::User { existing } => {
            let name = if *existing { string(thing.name) } else { "aws_iam_user.user.name".to_owned() };
            ("user", "user", Some(("user", name)))
        }
        Kind::Role { description, trust, max_session_seconds } => {
            fields.push(("description", string(description)));
            fields.push(("assume_role_policy", document_of(trust)));
            fields.push(("max_session_duration", max_session_seconds.to_string()));
            let label = label(thing.side);
            ("role", label, Some(("role", format!("aws_iam_role.{label}.name"))))
        }
        Kind::InstanceProfile => {
            fields.push(("role", "aws_iam_role.assuming.name".to_owned()));
            ("instance_profile", "instances", None)
        }
    };
    if !thing.tags.is_empty() {
        fields.push(("tags", tags(thing.tags)));
    }
    // IAM takes no trust in a user or role that is not there yet.
    if thing.side == Side::Workload {
        match setup.role.trust {
            Trust::User if !matches!(&setup.who, crate::setup::Who::Person(person) if person.existing) => {
                fields.push(("depends_on", "[aws_iam_user.user]".to_owned()));
            }
            Trust::Role => fields.push(("depends_on", "[aws_iam_role.assuming]".to_owned())),
            _ => {}
        }
    }
    if !matches!(thing.kind, Kind::User { existing: true }) {
        block(out, &format!("aws_iam_{kind}"), label, &fields);
    }
    let Some((to, name)) = arm else { return };
    let own = setup.policy_arn();
    for (at, arn) in thing.attached.iter().enumerate() {
        let arn = if **arn == own { "aws_iam_policy.assume.arn".to_owned() } else { string(arn) };
        let fields = [("provider", provider.clone()), (to, name.clone()), ("policy_arn", arn)];
        block(out, &format!("aws_iam_{kind}_policy_attachment"), &format!("{label}_{}", at + 1), &fields);
    }
    for (at, (policy, document)) in thing.inline.iter().enumerate() {
        let fields = [
            ("provider", provider.clone()),
            (to, name.clone()),
            ("name", string(policy)),
            ("policy", document_of(document)),
        ];
        block(out, &format!("aws_iam_{kind}_policy"), &format!("{label}_{}", at + 1), &fields);
    }
}

fn label(side: Side) -> &'static str {
    match side {
        Side::Auth => "assuming",
        Side::Workload => "assumed",
    }
}

fn block(out: &mut String, kind: &str, label: &str, fields: &[(&str, String)]) {
    let _ = writeln!(out, "\nresource \"{kind}\" \"{label}\" {{");
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in fields {
        let _ = writeln!(out, "  {name:<width$} = {value}");
    }
    out.push_str("}\n");
}

fn document_of(json: &str) -> String {
    format!("jsonencode({})", laid_out(json, 2, string))
}

fn tags(tags: &Tags) -> String {
    let mut out = String::from("{\n");
    for (key, value) in tags {
        let _ = writeln!(out, "    {} = {}", string(key), string(value));
    }
    out + "  }"
}

/// Writes a string in which nothing is a template: `${` and `%{` are doubled.
fn string(value: &str) -> String {
    let mut out = String::from("\"");
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' | '%' if chars.peek() == Some(&'{') => {
                out.push(c);
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
