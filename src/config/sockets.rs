//! `[sockets.NAME]`: a further socket and whose sessions it serves.

use super::lists::unique_list;
use super::sections::has_key;
use super::walk::{Field, Section, Spot};
use crate::domain::catalogue::{Catalogue, Problem};
use crate::domain::extra_socket::{ExtraSocket, socket_name};
use crate::domain::names::Name;
use std::collections::HashSet;

#[derive(Default)]
pub(super) struct SocketDraft {
    roles: Vec<Name>,
    ask: bool,
}

pub(super) static SOCKET: Section<SocketDraft> = Section {
    fields: &[
        Field { key: "roles", read: |d, s| d.roles = roles(s) },
        Field { key: "ask", read: |d, s| d.ask = s.boolean().unwrap_or_default() },
    ],
    advice: &[
        ("role", "here it is `roles`, a list"),
        ("path", "it follows from the name: `rolecall agent socket list` shows it"),
    ],
};

/// Reads the roles: at least one, or the socket would be open for nothing.
fn roles(spot: &mut Spot<'_>) -> Vec<Name> {
    if spot.value.get_ref().as_array().is_some_and(|array| array.is_empty()) {
        spot.wrong("names no role; a socket serves at least one");
    }
    unique_list(spot, |spot| spot.checked(Name::new)).unwrap_or_default()
}

pub(super) fn read_socket(catalogue: &mut Catalogue, name: Name, spot: &mut Spot<'_>) {
    let mut draft = SocketDraft::default();
    let before = spot.sink.total();
    SOCKET.read(&mut draft, spot);
    if let Err(why) = socket_name(name.as_str()) {
        spot.wrong(why);
    }
    if !has_key(spot, "roles") {
        spot.about("roles", "is missing; it lists the roles whose sessions the socket serves");
    }
    if spot.sink.total() > before {
        return;
    }
    catalogue.sockets.insert(name.clone(), ExtraSocket { name, roles: draft.roles, ask: draft.ask });
}

/// Tells a socket's complaint of a role that is there but wrong: that has been said where the role stands.
pub(super) fn follows(problem: &Problem, catalogue: &Catalogue, broken: &HashSet<String>) -> bool {
    let [table, name, _] = problem.path.as_slice() else { return false };
    let Some(socket) = catalogue.sockets.get(name.as_str()).filter(|_| table == "sockets") else { return false };
    let is_broken = |role: &&Name| !catalogue.roles.contains_key(*role) && broken.contains(role.as_str());
    socket.roles.iter().filter(is_broken).any(|role| problem.message.contains(&format!("`{role}`")))
}
