//! What may be asked through an extra socket: the sessions of its roles, and nothing that manages anything.
//!
//! What else there is, the other end is not told: a role that is not the socket's and one that does not exist get the same
//! answer.

use super::super::Agent;
use super::super::audit::{Event, Line};
use super::super::caller::Caller;
use super::super::requests::{NAME_SHOWN, Response, unreadable};
use super::super::server::Connection;
use crate::domain::extra_socket::ExtraSocket;
use crate::domain::names::Name;
use crate::domain::report::{Kind, Report, printable};
use crate::protocol::message::{Answer, Call, Context, Request};
use crate::protocol::{VERSION, other_version};
use std::time::Duration;

/// What the log says of a request that no extra socket takes, or not this one.
const OUT_OF_REACH: &str = "out-of-reach";

/// Refusals that are written down per minute and socket: the other end must not be able to push the rest out of the log.
const REFUSALS_NOTED: u32 = 60;
const MINUTE: Duration = Duration::from_mins(1);

/// What helps where the two ends do not understand each other: to restart either helps neither.
const BOTH_ENDS: &str = "install the same version of rolecall at both ends";

/// How many refusals were written down in the minute that began then.
#[derive(Default)]
pub(super) struct Refusals {
    began: Duration,
    noted: u32,
}

impl Refusals {
    /// Tells whether one more is written down.
    fn is_noted(&mut self, now: Duration) -> bool {
        if now.saturating_sub(self.began) >= MINUTE {
            *self = Self { began: now, noted: 0 };
        }
        self.noted += 1;
        self.noted <= REFUSALS_NOTED
    }
}

impl Agent {
    /// Does what a request by an extra socket asks, if it is for that.
    pub(in crate::agent) async fn handle_extra(
        &self,
        payload: &[u8],
        caller: Caller,
        connection: &mut Connection,
    ) -> Result<Response, Report> {
        let catalogue = self.configuration.catalogue();
        let Some(socket) = caller.socket.as_deref().and_then(|name| catalogue.sockets.get(name)) else {
            return Err(Report::new(Kind::Agent, "this socket is no longer served"));
        };
        let call: Call = match serde_json::from_slice::<Call>(payload) {
            Ok(call) if call.version == VERSION || call.request.is_of_every_version() => call,
            Ok(call) => return Err(other_version(call.version).hint(BOTH_ENDS)),
            Err(_) => return Err(unreadable(payload).hint(BOTH_ENDS)),
        };
        let answer = |answer| Ok(Response::Answer(Box::new(answer)));
        match call.request {
            Request::Get { name } if socket.serves(&name) => {
                // What the other end says of its display and terminal is about another machine.
                let result = self.get(&name, &caller, &Context::default(), connection).await;
                if matches!(result, Ok(Response::Session(_))) {
                    self.extra.state().last_used.insert(socket.name.clone(), self.ports.clock.now().wall);
                }
                result.map_err(from_afar)
            }
            Request::Glance { name } if socket.serves(&name) => answer(self.glance(&name)),
            Request::Names => {
                let mut names: Vec<String> = socket.roles.iter().map(Name::to_string).collect();
                names.sort_unstable();
                answer(Answer::Names { names })
            }
            request => {
                let wanted = match &request {
                    Request::Get { name } | Request::Glance { name } => Some(name.as_str()),
                    _ => None,
                };
                self.note_refusal(socket, wanted, caller);
                Err(out_of_reach(socket, &request))
            }
        }
    }

    fn note_refusal(&self, socket: &ExtraSocket, wanted: Option<&str>, caller: Caller) {
        let now = self.ports.clock.now();
        if !self.extra.state().refusals.entry(socket.name.clone()).or_default().is_noted(now.boot) {
            return;
        }
        let mut line = Line::new(now.wall, Event::Refuse, OUT_OF_REACH);
        line.name = wanted.map(|name| printable(name, NAME_SHOWN));
        line.message = Some(format!("the socket `{}` serves only sessions of: {}", socket.name, socket.listed()));
        line.caller = Some(caller);
        self.audit.write(line);
    }
}

fn out_of_reach(socket: &ExtraSocket, request: &Request) -> Report {
    let report = Report::new(Kind::Config, format!("this socket serves only sessions of: {}", socket.listed()));
    report.hint(match request {
        Request::Endpoint { .. } => {
            "an endpoint is on the agent's own machine; here use `rolecall env NAME`, or `credential_process = rolecall get NAME`"
        }
        _ => "everything else is done on the agent's own machine",
    })
}

/// Says where the command of a hint is to be run: not where it is read.
fn from_afar(report: Report) -> Report {
    let hint =
        report.hint.map(|hint| if hint.contains('`') { format!("on the agent's own machine: {hint}") } else { hint });
    Report { hint, ..report }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_written_down_sixty_times_a_minute() {
        let mut refusals = Refusals::default();
        let noted =
            |refusals: &mut Refusals, at: u64| (0..1000).filter(|_| refusals.is_noted(Duration::from_secs(at))).count();
        assert_eq!(noted(&mut refusals, 1000), 60);
        assert_eq!(noted(&mut refusals, 1059), 0);
        assert_eq!(noted(&mut refusals, 1060), 60);
    }

    #[test]
    fn a_hint_says_on_which_machine_its_command_is_run() {
        let told = |hint: &str| from_afar(Report::new(Kind::Locked, "x").hint(hint)).hint.expect("a hint");
        assert_eq!(told("run `rolecall unlock auth`"), "on the agent's own machine: run `rolecall unlock auth`");
        assert_eq!(told("run it again in 10 seconds"), "run it again in 10 seconds");
    }
}
