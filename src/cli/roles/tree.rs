//! The roles as a tree: identity, role, and the roles that are assumed from it.

use super::search::AccountNames;
use crate::output::{Cell, Screen, Style, count, leave_out, table};
use rolecall_core::domain::catalogue::{Config, Identity, Role};
use std::collections::{HashMap, HashSet};

/// The lines of a tree: beside what others follow, before the last one, and what stands below each.
struct Branches {
    middle: &'static str,
    last: &'static str,
    past: &'static str,
    below: &'static str,
}

const UNICODE: Branches = Branches { middle: "├─ ", last: "└─ ", past: "│  ", below: "   " };
const ASCII: Branches = Branches { middle: "|- ", last: "`- ", past: "|  ", below: "   " };

struct Tree<'a> {
    accounts: &'a AccountNames<'a>,
    branches: Branches,
    /// The roles that are drawn, by what assumes them, each sorted.
    below: HashMap<&'a str, Vec<&'a Role>>,
    /// Those that were looked for; the others only lead to them.
    found: HashSet<&'a str>,
    rows: Vec<Vec<Cell>>,
}

/// Draws the roles, with the identities and roles that lead to them.
pub(super) fn draw(catalogue: &Config, accounts: &AccountNames<'_>, roles: &[&Role], screen: Screen) -> String {
    let mut below: HashMap<&str, Vec<&Role>> = HashMap::new();
    let mut drawn: HashSet<&str> = HashSet::new();
    for role in roles {
        let mut at = Some(*role);
        while let Some(role) = at.filter(|role| drawn.insert(role.name.as_str())) {
            below.entry(role.source.as_str()).or_default().push(role);
            at = catalogue.roles.get(&role.source);
        }
    }
    for roles in below.values_mut() {
        roles.sort_by(|a, b| a.name.cmp(&b.name));
    }
    let found = roles.iter().map(|role| role.name.as_str()).collect();
    let branches = if screen.unicode { UNICODE } else { ASCII };
    let mut tree = Tree { accounts, branches, below, found, rows: Vec::new() };
    let mut identities: Vec<&Identity> = catalogue.identities.values().collect();
    identities.retain(|identity| tree.below.contains_key(identity.name.as_str()));
    identities.sort_by(|a, b| a.name.cmp(&b.name));
    for identity in identities {
        let at = tree.rows.len();
        tree.rows.push(Vec::new());
        let number = count(tree.roles_of(identity.name.as_str(), ""), "role");
        tree.rows[at] = vec![
            Cell::new(Style::Heading, identity.name.as_str()),
            Cell::new(Style::Dim, identity.kind().as_str()),
            Cell::new(Style::Dim, &number),
        ];
    }
    // Tags, then what the role is called at AWS.
    leave_out(screen, &mut tree.rows, &[3, 2]);
    table(screen, &tree.rows)
}

impl Tree<'_> {
    /// Adds the roles below a name; gives how many of them were looked for. A chain has at most ten roles.
    fn roles_of(&mut self, name: &str, before: &str) -> usize {
        let Some(roles) = self.below.remove(name) else { return 0 };
        let mut number = 0;
        let last = roles.len() - 1;
        for (at, role) in roles.into_iter().enumerate() {
            let (branch, under) = if at == last {
                (self.branches.last, self.branches.below)
            } else {
                (self.branches.middle, self.branches.past)
            };
            let is_found = self.found.contains(role.name.as_str());
            let style = if is_found { Style::Plain } else { Style::Dim };
            let id = role.role_arn.account();
            let account = self.accounts.of(id).map_or_else(|| id.to_string(), |name| format!("{name} {id}"));
            self.rows.push(vec![
                Cell::new(style, &format!("{before}{branch}{}", role.name)),
                Cell::new(style, &account),
                Cell::new(style, role.role_arn.name()),
                Cell::new(Style::Dim, &role.settings.tags.join(", ")),
            ]);
            number += usize::from(is_found) + self.roles_of(role.name.as_str(), &format!("{before}{under}"));
        }
        number
    }
}
