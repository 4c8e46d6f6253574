//! `[sockets.NAME]`: a further socket and whose sessions it serves.

use super::lists::unique_list;
use super::reader::{Field, Position, Section, has_key};
use crate::domain::names::Name;
use crate::domain::restricted_socket::{RestrictedSocket, socket_name};

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
fn roles(spot: &mut Position<'_>) -> Vec<Name> {
    if spot.value.get_ref().as_array().is_some_and(|array| array.is_empty()) {
        spot.wrong("names no role; a socket serves at least one");
    }
    unique_list(spot, |spot| spot.checked(Name::new)).unwrap_or_default()
}

pub(super) fn read_socket(name: Name, spot: &mut Position<'_>) -> Option<(Name, RestrictedSocket)> {
    let mut draft = SocketDraft::default();
    let before = spot.sink.total();
    SOCKET.read(&mut draft, spot);
    if let Err(why) = socket_name(name.as_str()) {
        spot.wrong(why);
    }
    if !has_key(spot, "roles") {
        spot.about("roles", "is missing; it lists the roles whose sessions the socket serves");
    }
    let is_valid = spot.sink.total() == before;
    is_valid.then(|| (name.clone(), RestrictedSocket { name, roles: draft.roles, ask: draft.ask }))
}

#[cfg(test)]
mod tests {
    use crate::config::parse;
    use std::path::Path;

    const ROLES: &str = "[identities.auth]\ntype = \"iam-user\"\n[roles.dev]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/R\"\n";

    fn wrong(socket: &str) -> Vec<String> {
        let text = format!("{ROLES}{socket}\n");
        parse(&text, Path::new("c.toml")).map_or_else(|e| e.lines().collect(), |_| Vec::new())
    }

    #[test]
    fn a_socket_names_roles_that_exist_and_says_what_is_wrong_with_it() {
        let text = format!("{ROLES}[sockets.vm]\nroles = [\"dev\"]\n");
        let catalogue = parse(&text, Path::new("c.toml")).expect("good");
        assert!(catalogue.sockets["vm"].serves("dev") && !catalogue.sockets["vm"].ask);
        for (socket, said) in [
            ("[sockets.vm]", "sockets.vm.roles: is missing"),
            ("[sockets.vm]\nroles = []", "sockets.vm.roles: names no role"),
            ("[sockets.vm]\nroles = \"dev\"", "sockets.vm.roles: expected an array"),
            ("[sockets.vm]\nroles = [\"dev\", \"dev\"]", "sockets.vm.roles.1: is listed twice"),
            ("[sockets.vm]\nroles = [\"devv\"]", "there is no role called `devv`; did you mean `dev`?"),
            ("[sockets.vm]\nroles = [\"auth\"]", "`auth` is an identity; a socket serves the sessions of roles"),
            ("[sockets.vm]\nroles = [\"dev\"]\nask = \"yes\"", "sockets.vm.ask: expected true or false"),
            ("[sockets.vm]\nroles = [\"dev\"]\nrole = \"dev\"", "sockets.vm.role: unknown key; here it is `roles`"),
            ("[sockets.\"a/b\"]\nroles = [\"dev\"]", "a socket's name is made of"),
            ("[sockets.\"..\"]\nroles = [\"dev\"]", "a name starts with"),
        ] {
            let problems = wrong(socket);
            assert!(problems.len() == 1 && problems[0].contains(said), "{socket}: {problems:?}");
        }
    }

    #[test]
    fn a_role_that_is_wrong_itself_causes_no_complaint_about_its_socket() {
        let problems =
            wrong("[roles.bad]\nsource = \"auth\"\nrole_arn = \"x\"\n[sockets.vm]\nroles = [\"dev\", \"bad\"]");
        assert!(problems.len() == 1 && problems[0].contains("roles.bad.role_arn"), "{problems:?}");
    }
}
