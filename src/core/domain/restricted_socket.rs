//! A further socket of the agent, for a place that is trusted less than this machine: a container, the far end of a tunnel.
//!
//! Its sessions are those of a few roles, and it manages nothing. How it is opened and served is the agent's.

use super::names::Name;

/// Together with the usual runtime directory it fits the 104 bytes that a socket's path may have everywhere.
const NAME_MAX: usize = 32;

/// `[sockets.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RestrictedSocket {
    /// Its name, which is also that of its directory.
    pub name: Name,
    /// Whose sessions it serves, in the order of the configuration; never empty.
    pub roles: Vec<Name>,
    /// Whether a person at the agent's own machine is asked before a use.
    pub ask: bool,
}

impl RestrictedSocket {
    /// Tells whether it serves the sessions of a role.
    pub fn serves(&self, role: &str) -> bool {
        self.roles.iter().any(|name| name.as_str() == role)
    }

    /// Gives its roles as a sentence lists them.
    pub fn listed(&self) -> String {
        self.roles.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// Checks the name of a socket, which is a directory's too; the error says what is wrong, without the name.
pub fn socket_name(text: &str) -> Result<Name, &'static str> {
    let name = Name::new(text)?;
    if text.len() > NAME_MAX {
        return Err("a socket's name has at most 32 characters: it is part of a path that has few");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)) {
        return Err("a socket's name is made of letters, digits and _ . -");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_directory_and_short() {
        for good in ["vm", "dev-box", "ci_2", "a.b", &"x".repeat(32)] {
            assert!(socket_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".hidden", "-x", "a/b", "a:b", "a b", "é", &"x".repeat(33)] {
            assert!(socket_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn roles_are_served_by_their_whole_names() {
        let roles = ["dev", "staging"].map(|role| Name::new(role).expect("a name")).to_vec();
        let socket = RestrictedSocket { name: socket_name("vm").expect("a name"), roles, ask: false };
        assert!(socket.serves("dev") && !socket.serves("de") && !socket.serves("DEV") && !socket.serves(""));
        assert_eq!(socket.listed(), "dev, staging");
    }
}
