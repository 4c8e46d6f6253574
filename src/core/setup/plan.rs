//! The calls that make a setup, in the order that works: a user before the policy that is attached to it, both before the
//! trust that names the user, and the access key last, so that a setup which is refused half way leaves none.

use super::call::{Call, Side, Step, Tags};
use super::{Application, Device, Permission, Person, Setup, Trust, Who, documents};

/// The key of the tag on all that a setup makes; its value is the setup's name.
pub const TAG: &str = "rolecall:setup";

impl Setup {
    /// Gives the calls that make it.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        match &self.who {
            Who::Person(person) => {
                self.user(person, &mut steps);
                self.role(&mut steps);
                self.factors(person, &mut steps);
            }
            Who::Application(application) => {
                self.assuming_role(application, &mut steps);
                self.role(&mut steps);
            }
        }
        steps
    }

    fn policy(&self, path: &str, tags: &Tags, steps: &mut Vec<Step>) {
        let any = matches!(&self.who, Who::Person(person) if person.any_role);
        let resource = if any { "*".to_owned() } else { self.role_arn() };
        let call = Call::CreatePolicy {
            name: self.policy_name(),
            path: path.to_owned(),
            description: self.description(),
            document: documents::may_assume(&resource),
            tags: self.tags(tags),
        };
        let what = if any { "every role that trusts them" } else { "the one role" };
        push(steps, Side::Auth, call, format!("allows sts:AssumeRole on {what}"));
    }

    fn user(&self, person: &Person, steps: &mut Vec<Step>) {
        self.policy(&person.path, &person.tags, steps);
        if !person.existing {
            let (name, path) = (person.user.clone(), person.path.clone());
            let call = Call::CreateUser { name, path, tags: self.tags(&person.tags) };
            push(steps, Side::Auth, call, "who you are before any role");
        }
        let attach = |arn: String| Call::AttachUserPolicy { user: person.user.clone(), arn };
        push(steps, Side::Auth, attach(self.policy_arn()), "lets the user become the role");
        for arn in &person.attach {
            push(steps, Side::Auth, attach(arn.clone()), "a further policy that you named");
        }
    }

    fn assuming_role(&self, application: &Application, steps: &mut Vec<Step>) {
        let service = application.service;
        let role = application.role.clone();
        self.policy(&application.path, &application.tags, steps);
        let call = Call::CreateRole {
            name: role.clone(),
            path: application.path.clone(),
            description: self.description(),
            trust: documents::service_trust(service, &self.auth),
            max_session_seconds: 3600,
            tags: self.tags(&application.tags),
        };
        push(steps, Side::Auth, call, format!("who the application is; {} hands it out", service.principal()));
        let attach = |arn: String| Call::AttachRolePolicy { role: role.clone(), arn };
        push(steps, Side::Auth, attach(self.policy_arn()), "lets the application become the role");
        for arn in &application.attach {
            push(steps, Side::Auth, attach(arn.clone()), "a further policy that you named");
        }
        if service == super::Service::Ec2 {
            let (path, tags) = (application.path.clone(), self.tags(&application.tags));
            let call = Call::CreateInstanceProfile { name: role.clone(), path, tags };
            push(steps, Side::Auth, call, "what an instance is started with");
            let call = Call::AddRoleToInstanceProfile { profile: role.clone(), role };
            push(steps, Side::Auth, call, "gives instances with the profile the assuming role");
        }
    }

    fn role(&self, steps: &mut Vec<Step>) {
        let role = &self.role;
        let call = Call::CreateRole {
            name: role.name.clone(),
            path: role.path.clone(),
            description: self.description(),
            trust: documents::trust(self),
            max_session_seconds: u32::try_from(role.max_session.as_secs()).unwrap_or(3600),
            tags: self.tags(&role.tags),
        };
        let whom = match role.trust {
            Trust::Account => format!("account {}, whose policies decide who", self.auth),
            Trust::User => "the user alone".to_owned(),
            Trust::Role => "the assuming role alone".to_owned(),
        };
        let mfa = if role.require_mfa { ", with MFA only" } else { "" };
        let external = if role.external_id.is_some() { ", with the ExternalId" } else { "" };
        push(steps, Side::Workload, call, format!("what is assumed; it trusts {whom}{mfa}{external}"));
        for permission in &role.permissions {
            let role = role.name.clone();
            let call = match permission {
                Permission::Managed(arn) => Call::AttachRolePolicy { role, arn: arn.clone() },
                Permission::Inline { name, document } => {
                    Call::PutRolePolicy { role, name: name.clone(), document: document.clone() }
                }
            };
            push(steps, Side::Workload, call, "what the role may do");
        }
    }

    fn factors(&self, person: &Person, steps: &mut Vec<Step>) {
        let user = &person.user;
        if let Some(device) = person.device {
            let (name, path) = (user.clone(), person.path.clone());
            let call = Call::CreateVirtualMFADevice { name, path, tags: self.tags(&person.tags) };
            let kept = match device {
                Device::Shown => "its secret is shown once, as a QR code",
                Device::Kept => "its secret goes into the vault, and is shown to nobody",
            };
            push(steps, Side::Auth, call, format!("a second factor; {kept}"));
            let call = Call::EnableMFADevice { user: user.clone(), serial: self.device_serial(person) };
            push(steps, Side::Auth, call, "gives it to the user, with two codes of it");
        }
        if person.key {
            let call = Call::CreateAccessKey { user: user.clone() };
            push(steps, Side::Auth, call, "goes from the answer into the vault; nobody sees it");
        }
    }

    /// Gives the tags of a thing: its own and the setup's.
    fn tags(&self, own: &Tags) -> Tags {
        let mut tags = own.clone();
        tags.insert(TAG.to_owned(), self.name.to_string());
        tags
    }

    fn description(&self) -> String {
        format!("Made by `rolecall setup` as {}", self.name)
    }
}

fn push(steps: &mut Vec<Step>, side: Side, call: Call, why: impl Into<String>) {
    steps.push(Step { side, call, why: why.into() });
}
