//! What there is in both AWS files that is not rolecall's: counted, not judged. What can be taken over is for an import to
//! say.

use super::document::{Document, FileKind, Section, SectionKind};
use super::{managed_block, precedence_warnings};
use rolecall_core::domain::names::Name;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

/// What the files have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Profiles with a `role_arn`.
    pub roles: usize,
    /// Long-term access keys in plaintext.
    pub keys: usize,
    /// The names of all profiles outside rolecall's block, sorted.
    pub profiles: Vec<String>,
    /// How many profiles rolecall serves: those of its block, and those that an import or a hand made of others.
    pub managed: usize,
}

/// Counts what the texts of config and credentials have; `config_file` names the former for its markers.
pub fn census(config_file: &Path, config: &[u8], credentials: &[u8]) -> Inventory {
    // Markers that do not fit together make no block.
    let own: Range<usize> = managed_block::find(config_file, config).ok().flatten().map_or(0..0, |span| span.lines);
    let (config, credentials) =
        (Document::parse(config, FileKind::Config), Document::parse(credentials, FileKind::Credentials));
    let profiles = |document: &Document<'_>, is_own: bool| -> Vec<String> {
        let sections = document.sections().iter().filter(|section| section.kind == SectionKind::Profile);
        sections.filter(|s| own.contains(&s.line) == is_own).map(|section| section.name.clone()).collect()
    };
    let has = |section: &Section<'_>, key: &str| section.key(key).is_some();
    let outside = |section: &&Section<'_>| section.kind == SectionKind::Profile && !own.contains(&section.line);
    let in_config: Vec<&Section<'_>> = config.sections().iter().filter(outside).collect();
    let in_credentials: Vec<&Section<'_>> =
        credentials.sections().iter().filter(|section| section.kind == SectionKind::Profile).collect();
    let roles: BTreeSet<&str> =
        in_config.iter().chain(&in_credentials).filter(|s| has(s, "role_arn")).map(|s| s.name.as_str()).collect();
    // A key with a token is a session, which ends by itself.
    let is_key = |s: &&&Section<'_>| {
        has(s, "aws_access_key_id") && has(s, "aws_secret_access_key") && !has(s, "aws_session_token")
    };
    let keys: BTreeSet<&str> =
        in_config.iter().chain(&in_credentials).filter(is_key).map(|section| section.name.as_str()).collect();
    let names: BTreeSet<String> = in_config.iter().chain(&in_credentials).map(|section| section.name.clone()).collect();
    let is_served = |section: &&&Section<'_>| {
        Name::new(&section.name).is_ok_and(|name| precedence_warnings::asks_us(section, &name))
    };
    let mut served: BTreeSet<String> = profiles(&config, true).into_iter().collect();
    served.extend(in_config.iter().filter(is_served).map(|section| section.name.clone()));
    Inventory { roles: roles.len(), keys: keys.len(), profiles: names.into_iter().collect(), managed: served.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_and_keys_are_counted_once_and_without_what_is_ours() {
        let config = b"[default]\nregion = eu-west-1\n[profile prod]\nrole_arn = x\nsource_profile = auth\n\
            [profile inline]\naws_access_key_id = AKIA\naws_secret_access_key = s\n[sso-session x]\nrole_arn = y\n\
            # >>> rolecall >>>\n[profile ours]\ncredential_process = /x/rolecall get ours\n# <<< rolecall <<<\n";
        let credentials = b"[auth]\naws_access_key_id = AKIA\naws_secret_access_key = s\n\
            [inline]\naws_access_key_id = AKIA\naws_secret_access_key = s\n\
            [temporary]\naws_access_key_id = ASIA\naws_secret_access_key = s\naws_session_token = t\n";
        let found = census(Path::new("config"), config, credentials);
        assert_eq!((found.roles, found.keys, found.managed), (1, 2, 1));
        assert_eq!(found.profiles, ["auth", "default", "inline", "prod", "temporary"]);
        let imported = b"[profile prod]\ncredential_process = /usr/bin/rolecall get prod\n\
            [profile other]\ncredential_process = /usr/bin/other get other\n";
        assert_eq!(census(Path::new("config"), imported, b"").managed, 1, "what an import made of a profile is served");
        assert_eq!(census(Path::new("config"), b"", b""), Inventory::default());
        assert_eq!(census(Path::new("config"), b"\xff\x00[[[", b"]").roles, 0);
    }
}
