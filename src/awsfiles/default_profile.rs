//! What `[default]` does to a program whose credentials come from an endpoint, and which profile can stand in for it.
//!
//! Every SDK asks an endpoint last. A `[default]` that gives credentials comes before it, so a program that was started in
//! one role would work as somebody else without a word; the one thing that wins over it is another profile, by name.
//! Reads text; it knows neither the environment nor the machine.

use super::document::{Document, FileKind, Section};
use super::place;
use super::precedence_warnings::{self, ProfileFiles, Severity};
use rolecall_core::domain::names::Name;
use std::path::Path;

/// The keys of which one is enough for some SDK to take credentials from a profile.
const GIVING: [&str; 10] = [
    "aws_access_key_id",
    "credential_process",
    "credential_source",
    "login_session",
    "role_arn",
    "source_profile",
    "sso_account_id",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
];

/// The profile of a program that names none.
const DEFAULT: &str = "default";

/// What a program without a profile of its own would take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultProfile {
    /// The endpoint: nothing comes before it.
    Free,
    /// What `[default]` gives; the profile of this name asks for the same role and wins over it.
    ByProfile(Name),
    /// What `[default]` gives, and nothing stands in for it; file and line of its header.
    InTheWay(String),
}

/// Looks at both files, each with its text; empty text if it is missing.
pub fn standing(config: (&Path, &[u8]), credentials: (&Path, &[u8]), name: &Name) -> DefaultProfile {
    // Ten thousand profiles are not taken apart to see that none of them is this one. The word alone: quotes and spaces may
    // stand around it.
    let mentions = |text: &[u8]| text.windows(DEFAULT.len()).any(|word| word == DEFAULT.as_bytes());
    if !mentions(config.1) && !mentions(credentials.1) {
        return DefaultProfile::Free;
    }
    let found = [(config, FileKind::Config), (credentials, FileKind::Credentials)]
        .into_iter()
        .find_map(|((file, text), kind)| giving(file, &Document::parse(text, kind), name));
    match found {
        None => DefaultProfile::Free,
        Some(_) if serves(config, credentials, name) => DefaultProfile::ByProfile(name.clone()),
        Some(at) => DefaultProfile::InTheWay(at),
    }
}

/// Finds a `[default]` that gives other credentials than ours.
fn giving(file: &Path, document: &Document<'_>, name: &Name) -> Option<String> {
    let gives = |section: &Section<'_>| {
        let mut keys = GIVING.iter().filter(|key| section.key(key).is_some());
        match (keys.next(), keys.next()) {
            (None, _) => false,
            // The same role by another way.
            (Some(&"credential_process"), None) => !precedence_warnings::asks_us(section, name),
            _ => true,
        }
    };
    // Python adds the keys of [DEFAULT] to a [default] that is there, and to no other tool's.
    let has_own = document.profile(DEFAULT).next().is_some();
    let python = document.sections().iter().filter(|section| has_own && section.header == "DEFAULT");
    let section = document.profile(DEFAULT).chain(python).find(|section| gives(section))?;
    Some(place(file, section.line))
}

/// Tells whether the profile of this name asks us, in every tool.
fn serves(config: (&Path, &[u8]), credentials: (&Path, &[u8]), name: &Name) -> bool {
    let document = Document::parse(config.1, FileKind::Config);
    let mut sections = document.profile(name.as_str());
    let only =
        matches!((sections.next(), sections.next()), (Some(one), None) if precedence_warnings::asks_us(one, name));
    let names = [name.clone()];
    let scene = ProfileFiles { config, credentials, names: &names, variables: &[] };
    let in_the_way =
        |warning: &precedence_warnings::Warning| warning.severity > Severity::Note && warning.name.is_some();
    only && !precedence_warnings::warnings(&scene).iter().any(in_the_way)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "[profile prod]\ncredential_process = /usr/bin/rolecall get prod\n";

    fn of(config: &str, credentials: &str) -> DefaultProfile {
        let prod = Name::new("prod").expect("valid");
        standing((Path::new("/c"), config.as_bytes()), (Path::new("/k"), credentials.as_bytes()), &prod)
    }

    #[test]
    fn a_default_without_credentials_is_in_nobodys_way() {
        for config in ["", "[default]\nregion = eu-west-1\noutput = json\n", "[profile dev]\naws_access_key_id = A\n"] {
            assert_eq!(of(config, "[dev]\naws_access_key_id = A\n"), DefaultProfile::Free, "{config}");
        }
    }

    #[test]
    fn every_way_to_give_credentials_is_seen_in_either_file() {
        for key in GIVING {
            let config = format!("# first\n[default]\n{} = x\n", key.to_uppercase());
            assert_eq!(of(&config, ""), DefaultProfile::InTheWay("/c:2".into()), "{key}");
            assert_eq!(
                of(&format!("{config}{OURS}"), ""),
                DefaultProfile::ByProfile(Name::new("prod").expect("valid"))
            );
        }
        assert_eq!(of("", "[default]\naws_access_key_id = A\n"), DefaultProfile::InTheWay("/k:1".into()));
        for header in ["default", "default ", "\"default\"", "'default'", " \t'default' "] {
            let config = format!("[profile {header}]\nsso_session = x\n");
            assert_eq!(of(&config, ""), DefaultProfile::InTheWay("/c:1".into()), "{config}");
        }
        assert_eq!(of("[ default\t]\nsso_session = x\n", ""), DefaultProfile::InTheWay("/c:1".into()));
        assert_eq!(of("", "[default ]\naws_access_key_id = A\n"), DefaultProfile::InTheWay("/k:1".into()));
        assert_eq!(of("[default]\n[DEFAULT]\naws_access_key_id = x\n", ""), DefaultProfile::InTheWay("/c:2".into()));
        assert_eq!(of("[DEFAULT]\naws_access_key_id = x\n", ""), DefaultProfile::Free);
    }

    #[test]
    fn a_default_that_asks_for_the_same_role_is_no_other_identity() {
        assert_eq!(of("[default]\ncredential_process = /usr/bin/rolecall get prod\n", ""), DefaultProfile::Free);
        let other = of("[default]\ncredential_process = /usr/bin/rolecall get data\n", "");
        assert_eq!(other, DefaultProfile::InTheWay("/c:1".into()));
    }

    #[test]
    fn a_profile_that_is_shadowed_itself_stands_in_for_nothing() {
        let default = "[default]\nrole_arn = x\n";
        for (config, credentials) in [
            (format!("{OURS}aws_access_key_id = A\n"), ""),
            (format!("{OURS}role_arn = A\n"), ""),
            (format!("{OURS}{OURS}"), ""),
            (OURS.replace("get prod", "get data"), ""),
            (OURS.to_owned(), "[prod]\naws_access_key_id = A\n"),
        ] {
            let standing = of(&format!("{config}{default}"), credentials);
            assert!(matches!(standing, DefaultProfile::InTheWay(_)), "{config}{credentials}");
        }
    }
}
