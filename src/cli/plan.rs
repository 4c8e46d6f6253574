//! What a role's plan will do, for `role show`: nothing is called, nobody is asked.

use super::output::span;
use rolecall_core::domain::catalogue::{Access, Config, Identity, PromptKind, Role};
use rolecall_core::domain::plan::Plan;
use rolecall_core::domain::plan_summary::{ExpectedPrompt, PlannedCall, SOURCE};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A plan as `--json` prints it.
#[derive(Serialize, JsonSchema)]
pub(super) struct ShownPlan {
    /// Who may have it, where that is not every program.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<ShownAccess>,
    /// First to last.
    calls: Vec<ShownCall>,
    /// When a person is asked for a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    asks: Option<ShownAsk>,
}

/// Who may have a role.
#[derive(Serialize, JsonSchema)]
struct ShownAccess {
    /// The rules for single programs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    by_program: BTreeMap<String, &'static str>,
    /// What holds for every other one.
    other_programs: &'static str,
    /// What holds for one that cannot be named.
    unnamed_programs: &'static str,
    /// How long a person's consent holds.
    consent_seconds: u64,
}

/// A call to AWS, or to what gives an identity its session.
#[derive(Serialize, JsonSchema)]
struct ShownCall {
    /// AWS's name of it; `source` where a session is taken from an identity's source.
    action: &'static str,
    /// What signs it.
    signed_by: String,
    /// The role that it becomes, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<String>,
    /// Whose STS is asked.
    region: String,
    /// How long its session is asked for.
    lasts_seconds: u64,
    /// The most that AWS gives here.
    cap_seconds: u64,
    /// Why not more.
    cap_reason: &'static str,
    /// The device whose code goes with the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa_serial: Option<String>,
}

/// When a person is asked.
#[derive(Serialize, JsonSchema)]
struct ShownAsk {
    /// For a code of which device.
    mfa_serial: String,
    /// One code serves this long.
    every_seconds: u64,
    /// Whether it serves every role of the identity that has this device.
    shared: bool,
    #[serde(skip)]
    identity: String,
    /// Where the code comes from, in order.
    from: Vec<&'static str>,
}

impl ShownPlan {
    pub(super) fn new(catalogue: &Config, plan: &Plan) -> Self {
        Self {
            access: catalogue.roles.get(&plan.name).and_then(|role| ShownAccess::new(catalogue, role)),
            calls: plan.calls().into_iter().map(ShownCall::new).collect(),
            asks: plan.asked().map(|asked| ShownAsk::new(catalogue, &plan.identity, asked)),
        }
    }

    /// Writes it for people, a line per call and one per question.
    pub(super) fn text(&self) -> String {
        let mut out = self.access.as_ref().map(ShownAccess::text).unwrap_or_default();
        out.push_str("\nwhat `get` does where nothing is cached:\n");
        for (at, call) in self.calls.iter().enumerate() {
            let _ = writeln!(out, "  {}. {}", at + 1, call.text());
        }
        out.push_str(&match &self.asks {
            None => "nobody is asked for a code; sessions in use are renewed in the background\n".to_owned(),
            Some(asks) => asks.text(),
        });
        out
    }
}

impl ShownAccess {
    fn new(catalogue: &Config, role: &Role) -> Option<Self> {
        let unnamed = role.access(None, &BTreeMap::new());
        (unnamed != Access::Allow).then(|| Self {
            by_program: role
                .settings
                .access_by_program
                .iter()
                .map(|(path, access)| (path.clone(), access.as_str()))
                .collect(),
            other_programs: role.settings.access.unwrap_or_default().as_str(),
            unnamed_programs: unnamed.as_str(),
            consent_seconds: catalogue.agent.consent.as_secs(),
        })
    }

    fn text(&self) -> String {
        let mut out = String::from("\nwho may have it:\n");
        let programs = self.by_program.iter().map(|(path, access)| (path.as_str(), *access));
        let other = if self.by_program.is_empty() { "every program" } else { "every other program" };
        let unnamed = Some(("a program that cannot be named", self.unnamed_programs));
        let unnamed = unnamed.filter(|(_, access)| *access != self.other_programs);
        for (who, access) in programs.chain([(other, self.other_programs)]).chain(unnamed) {
            let what = match access {
                "allow" => "allowed".to_owned(),
                "deny" => "denied".to_owned(),
                _ => format!(
                    "after a person's consent, which holds for {} for that program in that terminal session",
                    span(self.consent_seconds)
                ),
            };
            let _ = writeln!(out, "  {who}: {what}");
        }
        out
    }
}

impl ShownCall {
    fn new(call: PlannedCall) -> Self {
        Self {
            action: call.action,
            signed_by: call.signed_by,
            role_arn: call.role_arn,
            region: call.region,
            lasts_seconds: call.lasts.as_secs(),
            cap_seconds: call.cap.as_secs(),
            cap_reason: call.cap_reason,
            mfa_serial: call.mfa_serial,
        }
    }

    fn text(&self) -> String {
        let target = self.role_arn.as_deref().map(|arn| format!(" of {arn}")).unwrap_or_default();
        if self.action == SOURCE {
            return format!("take the session that {} gives: as long as it says", self.signed_by);
        }
        let code = if self.mfa_serial.is_some() { " and a code" } else { "" };
        format!(
            "{}{target} in {}, signed by {}{code}: lasts {}, at most {} ({})",
            self.action,
            self.region,
            self.signed_by,
            span(self.lasts_seconds),
            span(self.cap_seconds),
            self.cap_reason
        )
    }
}

impl ShownAsk {
    fn new(catalogue: &Config, identity: &Identity, asked: ExpectedPrompt) -> Self {
        let prompts = catalogue.agent.prompts.iter().map(|prompt| match prompt {
            PromptKind::Pinentry => "pinentry",
            PromptKind::Tty => "tty",
        });
        let is_own = identity.mfa_serial.as_ref().is_some_and(|serial| serial.as_str() == asked.serial);
        // Both belong to the identity's own device. Whether the vault keeps a secret, only the agent knows.
        let totp = is_own.then_some("totp");
        let program = identity.mfa_process.as_ref().filter(|_| is_own).map(|_| "mfa_process");
        Self {
            identity: identity.name.to_string(),
            mfa_serial: asked.serial,
            every_seconds: asked.every.as_secs(),
            shared: asked.is_shared,
            from: std::iter::once("unlock").chain(totp).chain(program).chain(prompts).collect(),
        }
    }

    fn text(&self) -> String {
        let whom = if self.shared {
            format!("all roles of {} that have this device", self.identity)
        } else {
            "this role alone".to_owned()
        };
        let from =
            self.from.iter().map(|from| if *from == "totp" { "a TOTP secret if the vault keeps one" } else { from });
        format!(
            "a code of {} serves {whom} for {}; it comes from, in order: {}\n",
            self.mfa_serial,
            span(self.every_seconds),
            from.collect::<Vec<_>>().join(", ")
        )
    }
}
