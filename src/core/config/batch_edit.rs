//! Many new entries at once: written behind all that is there, in one step, and checked as a whole.
//!
//! For an import of thousands of profiles, where an edit of its own for each would read the file thousands of times.

use super::edit::HEADER;
use super::schema_types::{IdentitySection, RoleSection};
use super::{ConfigError, EditTarget};
use serde::Serialize;
use std::collections::BTreeMap;

/// Entries to add, by name.
#[derive(Debug, Default, Serialize)]
pub struct BatchEdit {
    /// Identities.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub identities: BTreeMap<String, IdentitySection>,
    /// Roles.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, RoleSection>,
}

/// Adds the entries at the end of the text of a configuration; every byte that was there stays. The error names every
/// entry that does not fit, by its path.
pub fn add_entries(text: &str, site: &(impl EditTarget + ?Sized), new: &BatchEdit) -> Result<String, ConfigError> {
    if new.identities.is_empty() && new.roles.is_empty() {
        return Ok(text.to_owned());
    }
    let added = toml::to_string(new).map_err(|e| ConfigError::whole(site.file(), e.to_string()))?;
    let is_empty = text.trim_start_matches('\u{feff}').trim().is_empty();
    let eol = if text.matches("\r\n").count() * 2 > text.matches('\n').count() { "\r\n" } else { "\n" };
    let mut out = if is_empty { HEADER.to_owned() } else { text.to_owned() };
    if !out.ends_with('\n') {
        out.push_str(eol);
    }
    out.push_str(eol);
    out.push_str(&added.replace('\n', eol));
    site.load(&out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use std::path::Path;

    fn role(source: &str) -> RoleSection {
        let role_arn = "arn:aws:iam::222222222222:role/R".to_owned();
        RoleSection { source: source.to_owned(), role_arn, ..RoleSection::default() }
    }

    fn add(text: &str, source: &str) -> Result<String, ConfigError> {
        let identity = IdentitySection { r#type: "iam-user".to_owned(), ..IdentitySection::default() };
        let new = BatchEdit {
            identities: BTreeMap::from([("auth".to_owned(), identity)]),
            roles: BTreeMap::from([("prod".to_owned(), role(source)), ("a.b/c".to_owned(), role("prod"))]),
        };
        add_entries(text, Path::new("c"), &new)
    }

    #[test]
    fn what_was_there_stays_and_what_comes_is_read() {
        for text in
            ["", "# mine", "[roles.old]\r\nsource = \"auth\"\r\nrole_arn = \"arn:aws:iam::222222222222:role/R\"\r\n"]
        {
            let after = add(text, "auth").unwrap_or_else(|e| panic!("{text}: {e}"));
            assert!(after.starts_with(text), "{after}");
            let catalogue = parse(&after, Path::new("c")).expect("read");
            assert!(catalogue.roles.contains_key("a.b/c") && catalogue.identities.contains_key("auth"), "{after}");
        }
        assert!(
            add("[roles.old]\r\nsource = \"auth\"\r\nrole_arn = \"arn:aws:iam::222222222222:role/R\"\r\n", "auth")
                .expect("added")
                .lines()
                .count()
                > 3
        );
    }

    #[test]
    fn an_entry_that_does_not_fit_is_named() {
        let error = add("", "nobody").expect_err("no such source");
        assert!(error.problems.iter().any(|problem| problem.keys == ["roles", "prod", "source"]), "{error:?}");
    }

    #[test]
    fn ten_thousand_are_one_step() {
        let new =
            BatchEdit { roles: (0..10_000).map(|n| (format!("r{n}"), role("auth"))).collect(), ..BatchEdit::default() };
        let text = "[identities.auth]\ntype = \"iam-user\"\n";
        let after = add_entries(text, Path::new("c"), &new).expect("added");
        assert_eq!(parse(&after, Path::new("c")).expect("read").roles.len(), 10_000);
    }
}
