//! The rules for a configuration as a whole, which no single value shows: sources that exist, chains without loops,
//! partitions, and the limits of AWS along a chain.
//!
//! Rules: STS API reference, AssumeRole (DurationSeconds, SourceIdentity, Tags, TransitiveTagKeys, Policy, PolicyArns); IAM
//! User Guide, "Chaining roles with session tags" and "Monitor and control actions taken with assumed roles". What the
//! source of an identity has set is not known here.

use super::arn::Partition;
use super::catalogue::{Config, HOUR, Identity, MAX_CHAIN, MfaMode, Role};
use super::diagnosis::Cause;
use super::names::{Name, did_you_mean};
use super::restricted_socket::RestrictedSocket;
use std::collections::{BTreeSet, HashMap};

/// What AWS takes of inline and managed session policies together, as plain text.
const POLICIES_MAX: usize = 2048;

/// The most unknown sources for which the nearest name is searched. One misspelt identity under ten thousand roles would
/// otherwise be compared a hundred million times.
const GUESSES_MAX: usize = 20;

/// A rule that does not hold, and where: table, entry, key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigProblem {
    /// The path of keys to the culprit, as `["roles", "prod", "source"]`.
    pub path: Vec<String>,
    /// What is wrong, without the path.
    pub message: String,
    /// How `doctor` classifies it.
    pub cause: Cause,
}

impl ConfigProblem {
    fn role(name: &Name, key: &str, message: String) -> Self {
        Self::of("roles", name, key, message)
    }

    fn of(table: &str, name: &Name, key: &str, message: String) -> Self {
        Self { path: vec![table.into(), name.to_string(), key.into()], message, cause: Cause::Config }
    }
}

/// Checks a configuration. `broken` are the names of the entries that are invalid themselves. These have been reported
/// already, so that a reference to one of them is not reported.
pub fn problems(config: &Config, broken: &BTreeSet<String>) -> Vec<ConfigProblem> {
    let mut found = Vec::new();
    for role in config.roles.values() {
        let is_known = !broken.contains(role.source.as_str());
        if is_known && config.identities.contains_key(&role.name) {
            found.push(ConfigProblem::role(&role.name, "source", "an identity has the same name".into()));
        }
        check_chain(config, role, is_known, &mut found);
    }
    for socket in config.sockets.values() {
        check_socket(config, socket, broken, &mut found);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn check_chain(config: &Config, role: &Role, is_known: bool, found: &mut Vec<ConfigProblem>) {
    let of_source = |message| ConfigProblem::role(&role.name, "source", message);
    let mut walked = vec![role];
    let mut at = role;
    let identity = loop {
        if let Some(identity) = config.identities.get(&at.source) {
            break identity;
        }
        let Some(next) = config.roles.get(&at.source) else {
            // Reported once, at the role whose source it is.
            if walked.len() == 1 && is_known {
                let source = at.source.as_str();
                let guess = (found.len() < GUESSES_MAX).then(|| did_you_mean(source, config.names()));
                let near = guess.unwrap_or_default();
                found.push(of_source(format!("there is no identity or role called `{source}`{near}")));
            }
            return;
        };
        if next.name == role.name {
            let names = walked.iter().map(|role| role.name.as_str()).collect::<Vec<_>>().join(" -> ");
            found.push(of_source(format!("the chain is a loop: {names} -> {}", role.name)));
            return;
        }
        if walked.len() >= MAX_CHAIN || walked.iter().any(|role| role.name == next.name) {
            if walked.len() == MAX_CHAIN {
                found.push(of_source(format!("the chain has more than {MAX_CHAIN} roles")));
            }
            return;
        }
        walked.push(next);
        at = next;
    };
    check_limits(role, identity, walked.len() > 1, found);
    check_source_identity(role, &walked[1..], found);
    check_tags(role, &walked[1..], found);
    check_policies(role, found);
}

fn check_limits(role: &Role, identity: &Identity, chained: bool, found: &mut Vec<ConfigProblem>) {
    let mut say = |key: &str, message: &str| found.push(ConfigProblem::role(&role.name, key, message.into()));
    let wants_code = role.settings.mfa.is_some_and(|m| m != MfaMode::None);
    let mfa_session = identity.device(role).is_some() && matches!(role.settings.mfa, None | Some(MfaMode::Session));
    let over_an_hour = match () {
        () if role.settings.duration.is_none_or(|d| d <= HOUR) => None,
        () if chained => Some("AWS limits a role assumed by another role to 1h"),
        () if !identity.has_stored_key() => Some("AWS limits a role assumed with temporary credentials to 1h"),
        () if mfa_session => Some("AWS limits a role assumed with an MFA session to 1h; `mfa = \"direct\"` allows 12h"),
        () => None,
    };
    if chained {
        const FIRST: &str = "MFA belongs to the first role of a chain; a role's session cannot present a code";
        if wants_code {
            say("mfa", FIRST);
        }
        if role.settings.mfa_serial.is_some() {
            say("mfa_serial", FIRST);
        }
    } else {
        if role.settings.mfa_serial.is_some() && !identity.takes_codes() {
            say("mfa_serial", "AWS takes MFA codes from the keys of an IAM user only");
        }
        if wants_code && identity.device(role).is_none() {
            say("mfa", &format!("identity `{}` has no mfa_serial", identity.name));
        }
    }
    let is_other =
        |region: Option<&String>| region.is_some_and(|r| Partition::of_region(r) != role.role_arn.partition());
    if is_other(identity.region.as_ref()) {
        say("role_arn", &format!("the role is in another partition than the region of identity `{}`", identity.name));
    }
    if is_other(role.settings.region.as_ref()) {
        say("region", "the region is in another partition than the role");
    }
    let over_an_hour = over_an_hour.map(|message| ConfigProblem::role(&role.name, "duration", message.into()));
    found.extend(over_an_hour.map(|problem| ConfigProblem { cause: Cause::ChainedOverOneHour, ..problem }));
}

/// Finds the names in a socket that are not roles.
fn check_socket(config: &Config, socket: &RestrictedSocket, broken: &BTreeSet<String>, found: &mut Vec<ConfigProblem>) {
    for name in socket.roles.iter().filter(|name| !config.roles.contains_key(*name) && !broken.contains(name.as_str()))
    {
        let message = if config.identities.contains_key(name) {
            format!("`{name}` is an identity; a socket serves the sessions of roles")
        } else {
            let near = did_you_mean(name.as_str(), config.roles.keys().map(Name::as_str));
            format!("there is no role called `{name}`{near}")
        };
        found.push(ConfigProblem::of("sockets", &socket.name, "roles", message));
    }
}

/// "You cannot change the source identity" of a session, nor of what is assumed with it; the same one may be said again.
fn check_source_identity(role: &Role, before: &[&Role], found: &mut Vec<ConfigProblem>) {
    let first = before.iter().rev().find_map(|role| Some((&role.name, role.settings.source_identity.as_deref()?)));
    if let (Some(own), Some((setter, set))) = (&role.settings.source_identity, first)
        && own != set
    {
        let message = format!("role `{setter}` before it in the chain has set `{set}`, and AWS lets no one change it");
        found.push(ConfigProblem::role(&role.name, "source_identity", message));
    }
}

fn check_tags(role: &Role, before: &[&Role], found: &mut Vec<ConfigProblem>) {
    // "Tag key-value pairs are not case sensitive, but case is preserved."
    let mut inherited: HashMap<String, &Role> = HashMap::new();
    for role in before {
        inherited.extend(role.settings.transitive_tag_keys.iter().map(|key| (key.to_lowercase(), *role)));
    }
    for key in role.settings.session_tags.keys() {
        if let Some(setter) = inherited.get(&key.to_lowercase()) {
            let mut problem = ConfigProblem::role(
                &role.name,
                "session_tags",
                format!(
                    "role `{}` before it in the chain hands this tag on, and AWS lets no one replace it",
                    setter.name
                ),
            );
            problem.path.push(key.clone());
            found.push(problem);
        }
    }
    for key in &role.settings.transitive_tag_keys {
        let is_own = role.settings.session_tags.keys().any(|own| own.to_lowercase() == key.to_lowercase());
        let message = match inherited.get(&key.to_lowercase()) {
            _ if is_own => continue,
            Some(setter) => format!("`{key}` is handed on by role `{}` already, all along the chain", setter.name),
            None => format!("`{key}` is none of the role's own session_tags, and AWS hands on no other"),
        };
        found.push(ConfigProblem::role(&role.name, "transitive_tag_keys", message));
    }
}

fn check_policies(role: &Role, found: &mut Vec<ConfigProblem>) {
    let inline = role.settings.policy.as_ref().map_or(0, |policy| policy.chars().count());
    let managed: usize = role.settings.policy_arns.iter().map(|arn| arn.chars().count()).sum();
    if inline > 0 && inline + managed > POLICIES_MAX {
        let total = inline + managed;
        let message = format!("`policy` and `policy_arns` have {total} characters together, AWS takes {POLICIES_MAX}");
        found.push(ConfigProblem::role(&role.name, "policy", message));
    }
}
