//! `roles`: every role there is, or those that are looked for, for people and for tools that have their own way of showing
//! them.
//!
//! `role list` is the same command by its other name. What is looked for is looked for here alone: `get` takes a name as
//! it is, or a slip would be another account.

mod aesr;
pub(super) mod search;
mod tree;

use super::args::RolesArgs;
use super::config_file;
use super::output::{self, Cell, Failure, Screen, Style, headings, leave_out, table};
use super::role::RoleView;
use rolecall_core::domain::catalogue::{Config, Role};
use rolecall_platform::paths::Paths;
use search::{AccountNames, Search};
use std::fmt::Write;

/// Lists the roles.
pub(super) fn run(paths: &Paths, args: &RolesArgs) -> Result<(), Failure> {
    let catalogue = &config_file::load(paths)?;
    if args.aesr {
        return output::print_data(&aesr::aesr(catalogue, &by_name(catalogue)));
    }
    let accounts = AccountNames::of_all(catalogue);
    let search = Search::new(args);
    let mut roles = by_name(catalogue);
    let all = roles.len();
    roles.retain(|role| search.finds(role, &accounts));
    if args.json {
        let shown: Vec<RoleView<'_>> = roles.iter().map(|role| RoleView::new(catalogue, &accounts, role)).collect();
        return output::print_json(&shown);
    }
    if all == 0 {
        return output::print("no roles yet; start with `rolecall role add NAME --source IDENTITY --role-arn ARN`\n");
    }
    if roles.is_empty() {
        return Err(search.nothing(catalogue).into());
    }
    let mut out = if args.tree {
        tree::draw(catalogue, &accounts, &roles, Screen::stdout())
    } else {
        list(catalogue, &accounts, &roles, Screen::stdout())
    };
    if args.tree || !search.is_all() {
        let of = if search.is_all() { String::new() } else { format!(" of {all}") };
        let _ = writeln!(out, "\n{}{of} {}", roles.len(), if all == 1 { "role" } else { "roles" });
    }
    output::print(&out)
}

fn list(catalogue: &Config, accounts: &AccountNames<'_>, roles: &[&Role], screen: Screen) -> String {
    // A column that would be empty is left out.
    let has_names = roles.iter().any(|role| accounts.of(role.role_arn.account()).is_some());
    let has_tags = roles.iter().any(|role| !role.settings.tags.is_empty());
    let mut words = vec!["NAME", "ACCOUNT"];
    words.extend(has_names.then_some("CALLED"));
    words.extend(["ROLE", "SOURCE", "REGION"]);
    words.extend(has_tags.then_some("TAGS"));
    let mut rows = vec![headings(&words)];
    for role in roles {
        let account = role.role_arn.account();
        let mut row = vec![Cell::new(Style::Heading, role.name.as_str()), Cell::plain(account.as_str())];
        row.extend(has_names.then(|| Cell::plain(accounts.of(account).unwrap_or("-"))));
        row.extend([
            Cell::plain(role.role_arn.name()),
            Cell::plain(role.source.as_str()),
            Cell::plain(config_file::region_in(catalogue, role.name.as_str()).as_deref().unwrap_or("-")),
        ]);
        row.extend(has_tags.then(|| Cell::new(Style::Dim, &role.settings.tags.join(", "))));
        rows.push(row);
    }
    let place = |word: &str| words.iter().position(|known| *known == word);
    let order: Vec<usize> = ["REGION", "SOURCE", "TAGS", "CALLED"].into_iter().filter_map(place).collect();
    leave_out(screen, &mut rows, &order);
    table(screen, &rows)
}

fn by_name(catalogue: &Config) -> Vec<&Role> {
    let mut roles: Vec<&Role> = catalogue.roles.values().collect();
    roles.sort_by(|a, b| a.name.cmp(&b.name));
    roles
}
