//! The existing resources of a setup. They are looked up before anything is created, so that a name that others use is
//! found in time.

use super::agent::Agent;
use super::iam::Iam;
use super::journal::{Journal, is_of_step};
use super::ownership::{foreign, has_tag};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::call::{Call, Step};
use rolecall_core::setup::plan::TAG;
use rolecall_ipc::protocol::setup::{Apply, Finding, Found, ResourceState};
use rolecall_ports::{Resource, ResourceDetails};
use serde_json::Value;

/// What was found of a step that creates a resource.
#[derive(Clone, Debug)]
pub(super) struct Discovered {
    /// The index of the step.
    pub(super) at: usize,
    /// What the user reads.
    pub(super) finding: Finding,
    /// How the resource differs from the wanted one.
    pub(super) differs: Vec<Difference>,
    /// The access keys of a user that only its tag assigns to this setup.
    keys: Vec<String>,
}

/// One difference between a resource and the wanted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// The trust policy of a role.
    Trust,
    /// The MaxSessionDuration of a role, in seconds: what it is, and what is wanted.
    MaxSession(u32, u32),
    /// The wanted path of a user or role, and its ARN.
    Path(String, String),
    /// The document of a policy.
    Document,
    /// What somebody else has put on a resource that only its tag assigns to this setup.
    Foreign(String),
}

impl Difference {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Trust => "its trust policy".to_owned(),
            Self::MaxSession(is, wanted) => format!("MaxSessionDuration is {is}, not {wanted}"),
            Self::Path(wanted, arn) => format!("its path is not {wanted}: {}", printable(arn, 256)),
            Self::Document => "its document".to_owned(),
            Self::Foreign(text) => text.clone(),
        }
    }
}

/// Looks for every resource that the steps would create.
pub(super) async fn discover(
    iam: &mut Iam,
    journal: &Journal,
    steps: &[Step],
    adopt: bool,
) -> Result<Vec<Discovered>, UserError> {
    let mut all = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let Some((resource, name)) = iam.resource(step) else { continue };
        iam.talk.say("look", &name).await?;
        let finding = Finding { side: step.side, thing: name, found: Found::Missing };
        let mut seen = Discovered { at, finding, differs: Vec::new(), keys: Vec::new() };
        if let Some(details) = iam.read(step.side, &resource).await? {
            let is_known = is_known(journal, step, &details);
            if has_tag(&details, &journal.setup) && (is_known || adopt) {
                compare(iam, steps, (step, &resource), &details, is_known, &mut seen).await?;
            } else {
                seen.finding.found = Found::Taken { by: details.tags.get(TAG).cloned(), arn: details.arn };
            }
        }
        all.push(seen);
    }
    Ok(all)
}

/// Compares a resource of this setup with the wanted one.
async fn compare(
    iam: &mut Iam,
    steps: &[Step],
    (step, resource): (&Step, &Resource),
    details: &ResourceDetails,
    is_known: bool,
    seen: &mut Discovered,
) -> Result<(), UserError> {
    seen.differs = differences(iam, step, details).await?;
    if !is_known {
        // A tag tells who created the resource, not what was put on it before or since.
        let dependents = iam.dependents(step.side, resource).await?;
        let ours: Vec<&Call> = steps.iter().filter(|of| of.side == step.side).map(|of| &of.call).collect();
        let mut foreign = foreign(resource, &dependents, &ours);
        if let Resource::InstanceProfile(name) = resource {
            let is_wanted = |held: &String| {
                ours.iter().any(
                    |call| matches!(call, Call::AddRoleToInstanceProfile { profile, role } if profile == name && role == held),
                )
            };
            let others = details.roles.iter().filter(|role| !is_wanted(role));
            foreign.extend(others.map(|role| format!("it has the role {role}")));
        }
        seen.differs.extend(foreign.iter().map(|text| Difference::Foreign(printable(text, 256))));
        seen.keys = dependents.keys;
    }
    let differs = seen.differs.iter().map(Difference::text).collect();
    seen.finding.found = Found::Ours { arn: details.arn.clone(), adopted: !is_known, differs };
    Ok(())
}

/// Returns whether the state says that this setup created a resource or was about to. The tag alone is not enough: whoever
/// may create resources in the account can set it.
fn is_known(journal: &Journal, step: &Step, details: &ResourceDetails) -> bool {
    let is_rebuilt = journal.state.as_ref().is_some_and(|state| state.rebuilt);
    !is_rebuilt
        && journal.made().iter().any(|made| {
            made.stands != ResourceState::Found
                && is_of_step(made, step)
                && made.arn.as_ref().is_none_or(|arn| *arn == details.arn)
        })
}

async fn differences(iam: &mut Iam, step: &Step, details: &ResourceDetails) -> Result<Vec<Difference>, UserError> {
    let mut differs = Vec::new();
    let path = |kind: &str, path: &String, name: &str| {
        let is_there = details.arn.ends_with(&format!(":{kind}{path}{name}"));
        (!is_there).then(|| Difference::Path(path.clone(), details.arn.clone()))
    };
    match &step.call {
        Call::CreateRole { trust, max_session_seconds, path: wanted, name, .. } => {
            if details.trust.as_deref().is_none_or(|held| !is_same_json(held, trust)) {
                differs.push(Difference::Trust);
            }
            let other = details.max_session_seconds.filter(|held| held != max_session_seconds);
            differs.extend(other.map(|held| Difference::MaxSession(held, *max_session_seconds)));
            differs.extend(path("role", wanted, name));
        }
        Call::CreatePolicy { document, .. } => {
            if let Some(version) = &details.version {
                let held = iam.document(step.side, &details.arn, version).await?;
                if !is_same_json(&held, document) {
                    differs.push(Difference::Document);
                }
            }
        }
        Call::CreateUser { path: wanted, name, .. } => differs.extend(path("user", wanted, name)),
        _ => {}
    }
    Ok(differs)
}

/// Refuses to use what somebody else has changed: a policy with another document, and an adopted user or role with more on it
/// than this setup puts there.
pub(super) async fn refuse_changed(agent: &Agent, seen: &[Discovered], apply: &Apply) -> Result<(), UserError> {
    let mut stored = None;
    if seen.iter().any(|seen| !seen.keys.is_empty()) {
        stored = agent.stored_key(&apply.local.identity).await?.and_then(|stored| stored.access_key_id);
    }
    let mut each = Vec::new();
    for seen in seen {
        let foreign = seen.differs.iter().filter(|what| matches!(what, Difference::Foreign(_)));
        let mut why: Vec<String> = foreign.map(Difference::text).collect();
        if seen.differs.contains(&Difference::Document) {
            why.push("its document is not the one that this setup writes".to_owned());
        }
        let keys = seen.keys.iter().filter(|id| stored.as_ref() != Some(id));
        why.extend(keys.map(|id| format!("it has the access key {}, which the vault has not", printable(id, 128))));
        if !why.is_empty() {
            each.push(format!("{}: {}", printable(&seen.finding.thing, 128), why.join(", ")));
        }
    }
    if each.is_empty() {
        return Ok(());
    }
    let cause = format!("somebody has changed what bears this setup's tag, and nothing was made: {}", each.join("; "));
    Err(UserError::new(Kind::Refused, cause).hint(
        "look at each; take off what does not belong there, or remove it all: `rolecall setup destroy`, then `apply` makes it anew",
    ))
}

/// Refuses to begin if somebody else uses a name; the error lists all of them.
pub(super) fn refuse_taken(setup: &str, seen: &[Discovered], steps: &[Step]) -> Result<(), UserError> {
    let taken: Vec<(&Discovered, &str, Option<&str>)> = seen
        .iter()
        .filter_map(|seen| match &seen.finding.found {
            Found::Taken { arn, by } => Some((seen, arn.as_str(), by.as_deref())),
            _ => None,
        })
        .collect();
    if taken.is_empty() {
        return Ok(());
    }
    let each: Vec<String> = taken
        .iter()
        .map(|(seen, arn, by)| {
            let by = match by {
                Some(by) if *by == setup => {
                    " (its tag says that this setup made it, and no state here does)".to_owned()
                }
                Some(by) => format!(" (made by setup {})", printable(by, 128)),
                None => String::new(),
            };
            format!("{} is there already, {}{by}", printable(&seen.finding.thing, 128), printable(arn, 256))
        })
        .collect();
    let each = each.join("; ");
    if taken.iter().all(|(.., by)| *by == Some(setup)) {
        return Err(UserError::new(Kind::Refused, format!("{each}; nothing was made")).hint(
            "if you made it and the state was lost, or is on another machine: `--adopt` takes it over once it has looked what hangs \
             on it; else choose another `--name`",
        ));
    }
    let other =
        "choose another name (`rolecall setup plan --help` lists the flags), or remove it first if nobody needs it";
    let has_user = taken.iter().any(|(seen, ..)| matches!(steps[seen.at].call, Call::CreateUser { .. }));
    let hint = if has_user {
        format!("to use the user as it is, and keep it when the setup goes: `--existing-user`; else {other}")
    } else {
        other.to_owned()
    };
    let cause = format!("{each}; this setup did not make it, and nothing was made");
    Err(UserError::new(Kind::Refused, cause).hint(hint))
}

/// Returns whether two documents have the same content. AWS ignores white space and the order of keys.
fn is_same_json(one: &str, other: &str) -> bool {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    match (parsed(one), parsed(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}
