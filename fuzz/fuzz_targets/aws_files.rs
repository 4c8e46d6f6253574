//! `~/.aws/config` and `~/.aws/credentials`: the document, the managed block, and the import with its undoing.
//!
//! A NUL byte separates the config file from the credentials file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rolecall::aws_files::default_profile;
use rolecall::aws_files::diff;
use rolecall::aws_files::document::{Document, FileKind};
use rolecall::aws_files::entry::Entry;
use rolecall::aws_files::import::{self, ImportInput, Origin, Plan, change};
use rolecall::aws_files::inventory::census;
use rolecall::aws_files::managed_block;
use rolecall::domain::catalogue::Config;
use rolecall::domain::names::Name;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use zeroize::Zeroizing;

const CONFIG: &str = "/home/me/.aws/config";
const CREDENTIALS: &str = "/home/me/.aws/credentials";
const PROGRAM: &str = "/usr/bin/rolecall";

fuzz_target!(|bytes: &[u8]| {
    let mut texts = bytes.splitn(2, |byte| *byte == 0);
    let (config, credentials) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    for (text, kind) in [(config, FileKind::Config), (credentials, FileKind::Credentials)] {
        let document = Document::parse(text, kind);
        let lines: Vec<u8> = document.lines().iter().flat_map(|line| line.raw).copied().collect();
        assert_eq!(lines, text, "the lines together are the file");
        assert_eq!(document.without(&[]), text);
    }
    census(Path::new(CONFIG), config, credentials);
    let name = Name::new("prod").expect("a name");
    default_profile::standing((Path::new(CONFIG), config), (Path::new(CREDENTIALS), credentials), &name);
    block(config);
    imported(config, credentials);
});

/// The block can be written and taken away again without a trace.
fn block(text: &[u8]) {
    let file = Path::new(CONFIG);
    let entries: Vec<Entry> = ["prod", "dev"]
        .map(|name| {
            Entry::new(Name::new(name).expect("a name"), Path::new(PROGRAM), Some("eu-west-1")).expect("an entry")
        })
        .into();
    let rendered = managed_block::render(&entries);
    let Ok(with) = managed_block::replace(file, text, &rendered) else { return };
    diff::unified(file, text, &with);
    assert_eq!(
        managed_block::replace(file, &with, &rendered).expect("a block of ours"),
        with,
        "a second time changes nothing"
    );
    let without = managed_block::replace(file, &with, "").expect("a block of ours");
    if managed_block::find(file, text).expect("the markers were sound").is_none() {
        assert_eq!(without, text, "what is around the block stays");
    }
}

/// What an import changes can be undone to the byte.
fn imported(config: &[u8], credentials: &[u8]) {
    let plan = import::plan(&ImportInput {
        config: (Path::new(CONFIG), config),
        credentials: (Path::new(CREDENTIALS), credentials),
        catalogue: &Config::default(),
        stored: &HashMap::new(),
        entries: &BTreeSet::new(),
        only: None,
        excluded: &BTreeMap::new(),
        program: Path::new(PROGRAM),
    });
    let Ok(plan) = plan else { return };
    for (text, changes, file) in [(config, &plan.config, CONFIG), (credentials, &plan.credentials, CREDENTIALS)] {
        let after = change::apply(text, changes);
        diff::unified(Path::new(file), text, &after);
        let before =
            change::revert(&after, changes, &|identity| secret(&plan, identity)).expect("every secret is known");
        assert_eq!(before.as_slice(), text, "an import can be undone");
        change::revert_found(&after, changes, &|identity| secret(&plan, identity)).expect("every secret is known");
    }
}

fn secret(plan: &Plan, identity: &str) -> Option<Zeroizing<String>> {
    let identity = plan.identities.iter().find(|new| new.name.as_str() == identity)?;
    match &identity.origin {
        Origin::Key(key) => Some(Zeroizing::new(key.secret.expose().to_owned())),
        _ => None,
    }
}
