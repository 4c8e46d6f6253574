//! A setup's calls in the forms that people keep: text to read, CloudFormation, Terraform, `aws` commands.
//!
//! Pure text from the same steps that are carried out, so that no form can make something else. None of them makes an access
//! key or an MFA device: their secrets would lie in a state file, a stack or a terminal's history.

pub mod aws;
pub mod calls;
pub mod cloudformation;
mod json;
pub mod terraform;

use super::call::{Call, Side, Step, Tags};
use super::{Setup, Who};
use crate::domain::source::IdentityKind;

/// The admin profiles, where they are known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Profiles<'a> {
    /// For the authentication account.
    pub auth: Option<&'a str>,
    /// For the workload account.
    pub workload: Option<&'a str>,
}

impl<'a> Profiles<'a> {
    /// Gives the one for a side.
    pub fn of(self, side: Side) -> Option<&'a str> {
        match side {
            Side::Auth => self.auth,
            Side::Workload => self.workload,
        }
    }
}

/// Both sides, in the order in which they are made.
pub const SIDES: [Side; 2] = [Side::Auth, Side::Workload];

impl Side {
    /// Gives what the account is called in texts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Workload => "workload",
        }
    }
}

/// Says in one line what a setup is.
fn headline(setup: &Setup) -> String {
    format!("{} becomes {}", setup.caller_arn(), setup.role_arn())
}

/// Writes what a form leaves to be done by hand, as comments.
fn by_hand(setup: &Setup, profiles: Profiles<'_>, quote: fn(&str) -> String) -> String {
    let mut lines = vec![match &setup.who {
        Who::Person(_) => "Then, on your machine, some seconds later:".to_owned(),
        Who::Application(_) => "Then, where the application runs:".to_owned(),
    }];
    let name = setup.name.as_str();
    let identity = setup.who.identity().as_str();
    let mut role = format!(
        "rolecall role add {} --source {} --role-arn {}",
        quote(name),
        quote(identity),
        quote(&setup.role_arn())
    );
    if let Some(id) = &setup.role.external_id {
        role = format!("{role} --external-id {}", quote(id));
    }
    if let Some(region) = &setup.region {
        role = format!("{role} --region {}", quote(region));
    }
    match &setup.who {
        Who::Person(person) => {
            if person.device.is_some() {
                lines.push(format!(
                    "{} gets the MFA device by `aws iam create-virtual-mfa-device` and `aws iam enable-mfa-device`, or in the console",
                    person.user
                ));
            }
            let serial =
                setup.mfa_serial().map(|serial| format!(" --mfa-serial {}", quote(&serial))).unwrap_or_default();
            if person.key {
                let profile = profiles.auth.map_or_else(|| "\"$AUTH_PROFILE\"".to_owned(), quote);
                lines.push(format!(
                    "aws iam create-access-key --profile {profile} {} --output json | rolecall identity add {}{serial}",
                    option("user-name", &person.user, quote),
                    quote(identity),
                ));
            }
        }
        Who::Application(application) => {
            lines.push(format!(
                "rolecall identity add {} --type {}",
                quote(identity),
                application.service.identity_kind().as_str()
            ));
        }
    }
    lines.push(role);
    lines.push("rolecall profiles sync".to_owned());
    let indent = |(at, line)| if at == 0 { format!("# {line}\n") } else { format!("#   {line}\n") };
    lines.iter().enumerate().map(indent).collect()
}

/// Writes an option of the AWS CLI; a value that begins with a dash is no further option.
fn option(name: &str, value: &str, quote: fn(&str) -> String) -> String {
    let between = if value.starts_with('-') { '=' } else { ' ' };
    format!("--{name}{between}{}", quote(value))
}

impl super::Service {
    /// Returns the kind of the application's identity.
    pub const fn identity_kind(self) -> IdentityKind {
        match self {
            Self::Ec2 => IdentityKind::Ec2,
            Self::Ecs => IdentityKind::Ecs,
            Self::Lambda => IdentityKind::Environment,
        }
    }
}

/// A user or role as the declaring forms want it: with all that the steps give it.
struct RenderedResource<'a> {
    side: Side,
    kind: Kind<'a>,
    name: &'a str,
    path: &'a str,
    tags: &'a Tags,
    /// Managed policies that are attached.
    attached: Vec<&'a str>,
    /// Documents that are in it.
    inline: Vec<(&'a str, &'a str)>,
}

/// What is particular of a thing.
enum Kind<'a> {
    Policy { description: &'a str, document: &'a str },
    User { existing: bool },
    Role { description: &'a str, trust: &'a str, max_session_seconds: u32 },
    InstanceProfile,
}

/// Gathers the steps to things: what a call attaches stands at what it is attached to.
fn things(steps: &[Step]) -> Vec<RenderedResource<'_>> {
    static NO_TAGS: Tags = Tags::new();
    let mut all: Vec<RenderedResource<'_>> = Vec::new();
    for Step { side, call, .. } in steps {
        let thing = |kind, name, path, tags| RenderedResource {
            side: *side,
            kind,
            name,
            path,
            tags,
            attached: Vec::new(),
            inline: Vec::new(),
        };
        let find = |all: &mut Vec<RenderedResource<'_>>, is_user: bool, name: &str| {
            let is = |t: &RenderedResource<'_>| match t.kind {
                Kind::User { .. } => is_user,
                Kind::Role { .. } => !is_user,
                _ => false,
            };
            all.iter().rposition(|t| t.side == *side && t.name == name && is(t))
        };
        match call {
            Call::CreatePolicy { name, path, description, document, tags } => {
                all.push(thing(Kind::Policy { description, document }, name, path, tags));
            }
            Call::CreateUser { name, path, tags } => {
                all.push(thing(Kind::User { existing: false }, name, path, tags));
            }
            Call::CreateRole { name, path, description, trust, max_session_seconds, tags } => {
                let kind = Kind::Role { description, trust, max_session_seconds: *max_session_seconds };
                all.push(thing(kind, name, path, tags));
            }
            Call::CreateInstanceProfile { name, path, tags } => {
                all.push(thing(Kind::InstanceProfile, name, path, tags));
            }
            Call::AttachUserPolicy { user, arn } => {
                let at = find(&mut all, true, user).unwrap_or_else(|| {
                    all.push(thing(Kind::User { existing: true }, user, "/", &NO_TAGS));
                    all.len() - 1
                });
                all[at].attached.push(arn);
            }
            Call::AttachRolePolicy { role, arn } => {
                if let Some(at) = find(&mut all, false, role) {
                    all[at].attached.push(arn);
                }
            }
            Call::PutRolePolicy { role, name, document } => {
                if let Some(at) = find(&mut all, false, role) {
                    all[at].inline.push((name, document));
                }
            }
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests;
