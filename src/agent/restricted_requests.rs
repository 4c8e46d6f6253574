//! What may be asked through an extra socket: the sessions of its roles, and nothing that manages anything.
//!
//! What else there is, the other end is not told: a role that is not the socket's and one that does not exist get the same
//! answer.

use super::Agent;
use super::audit::{Audit, AuditLine, Event, shown_name};
use super::caller::Caller;
use super::connection::{Connection, Response};
use super::deadline::Deadline;
use super::glance::glance;
use super::requester::Requester;
use super::requests::unreadable;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::restricted_socket::RestrictedSocket;
use rolecall_ipc::protocol::message::{Answer, Call, Context, Request};
use rolecall_ipc::protocol::{VERSION, other_version};

/// What the log says of a request that no extra socket takes, or not this one.
const OUT_OF_REACH: &str = "out-of-reach";

/// What helps where the two ends do not understand each other: to restart either helps neither.
const BOTH_ENDS: &str = "install the same version of rolecall at both ends";

/// Does what a request by an extra socket asks, if it is for that.
pub(super) async fn handle(
    agent: &Agent,
    payload: &[u8],
    caller: &Caller,
    connection: &mut Connection,
) -> Result<Response, UserError> {
    let deadline = Deadline::new();
    let config = agent.config.catalogue();
    let Some(socket) = caller.socket.as_deref().and_then(|name| config.sockets.get(name)) else {
        return Err(UserError::new(Kind::Agent, "this socket is no longer served"));
    };
    let call: Call = match serde_json::from_slice::<Call>(payload) {
        Ok(call) if call.version == VERSION || call.request.is_of_every_version() => call,
        Ok(call) => return Err(other_version(call.version).hint(BOTH_ENDS)),
        Err(_) => return Err(unreadable(payload).hint(BOTH_ENDS)),
    };
    let answer = |answer| Ok(Response::answer(answer));
    match call.request {
        Request::Get { name } if socket.serves(&name) => {
            // What the other end says of its display and terminal is about another machine.
            let mut requester = Requester { caller, context: &Context::default(), connection, deadline };
            let result = agent.broker.get(&name, &mut requester).await;
            if result.is_ok() {
                agent.sockets.note_use(&socket.name, agent.ports.clock.now().wall);
            }
            result.map(|given| Response::Session(given.held)).map_err(from_afar)
        }
        Request::Glance { name } if socket.serves(&name) => answer(glance(&agent.keys, &name)),
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
            note_refusal(&agent.audit, socket, wanted, caller);
            Err(out_of_reach(socket, &request))
        }
    }
}

fn note_refusal(audit: &Audit, socket: &RestrictedSocket, wanted: Option<&str>, caller: &Caller) {
    let what = format!("the socket `{}` serves only sessions of: {}", socket.name, socket.listed());
    let line = audit.line(Event::Refuse).result(OUT_OF_REACH).message(what).caller(caller);
    audit.write(AuditLine { name: wanted.map(shown_name), ..line });
}

fn out_of_reach(socket: &RestrictedSocket, request: &Request) -> UserError {
    let report = UserError::new(Kind::Config, format!("this socket serves only sessions of: {}", socket.listed()));
    report.hint(match request {
        Request::Endpoint { .. } => {
            "an endpoint is on the agent's own machine; here use `rolecall env NAME`, or `credential_process = rolecall get NAME`"
        }
        _ => "everything else is done on the agent's own machine",
    })
}

/// Says that the command of a hint does not run where the hint is read.
fn from_afar(report: UserError) -> UserError {
    report.command_runs("on the agent's own machine")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_says_on_which_machine_its_command_is_run() {
        let told = |hint: &str| from_afar(UserError::new(Kind::Locked, "x").hint(hint)).hint.expect("a hint");
        assert_eq!(told("run `rolecall unlock auth`"), "on the agent's own machine: run `rolecall unlock auth`");
        assert_eq!(told("run it again in 10 seconds"), "run it again in 10 seconds");
    }
}
