//! What a role's plan will do, for `role show`: nothing is called, nobody is asked.

use super::output::span;
use crate::domain::catalogue::{Catalogue, Identity, PromptKind};
use crate::domain::outline::{Asked, PlannedCall};
use crate::domain::plan::Plan;
use serde::Serialize;
use std::fmt::Write as _;

/// A plan as `--json` prints it.
#[derive(Serialize)]
pub(super) struct ShownPlan {
    /// First to last.
    calls: Vec<ShownCall>,
    /// When a person is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    asks: Option<ShownAsk>,
}

#[derive(Serialize)]
struct ShownCall {
    action: &'static str,
    signed_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<String>,
    region: String,
    lasts_seconds: u64,
    cap_seconds: u64,
    cap_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa_serial: Option<String>,
}

#[derive(Serialize)]
struct ShownAsk {
    mfa_serial: String,
    /// One code serves this long.
    every_seconds: u64,
    /// Whether it serves every role of the identity.
    shared: bool,
    /// Where the code comes from, in order.
    from: Vec<&'static str>,
}

impl ShownPlan {
    pub(super) fn new(catalogue: &Catalogue, plan: &Plan) -> Self {
        Self {
            calls: plan.calls().into_iter().map(ShownCall::new).collect(),
            asks: plan.asked().map(|asked| ShownAsk::new(catalogue, &plan.identity, asked)),
        }
    }

    /// Writes it for people, a line per call and one per question.
    pub(super) fn text(&self) -> String {
        let mut out = String::from("\nwhat `get` does where nothing is cached:\n");
        for (at, call) in self.calls.iter().enumerate() {
            let _ = writeln!(out, "  {}. {}", at + 1, call.text());
        }
        out.push_str(&match &self.asks {
            None => "nobody is asked; sessions in use are renewed in the background\n".to_owned(),
            Some(asks) => asks.text(),
        });
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
        if self.action == "source" {
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
    fn new(catalogue: &Catalogue, identity: &Identity, asked: Asked) -> Self {
        let prompts = catalogue.agent.prompts.iter().map(|prompt| match prompt {
            PromptKind::Pinentry => "pinentry",
            PromptKind::Tty => "tty",
        });
        let is_own = identity.mfa_serial.as_ref().is_some_and(|serial| serial.as_str() == asked.serial);
        // Both belong to the identity's own device. Whether the vault keeps a secret, only the agent knows.
        let totp = is_own.then_some("totp");
        let program = identity.mfa_process.as_ref().filter(|_| is_own).map(|_| "mfa_process");
        Self {
            mfa_serial: asked.serial,
            every_seconds: asked.every.as_secs(),
            shared: asked.is_shared,
            from: std::iter::once("unlock").chain(totp).chain(program).chain(prompts).collect(),
        }
    }

    fn text(&self) -> String {
        let whom = if self.shared { "all roles of the identity" } else { "this role alone" };
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
