//! The report that is sent to somebody: shown before it is written, and without what is nobody else's.
//!
//! Account numbers, ARNs and names stay, or nobody could help. What goes: values of keys that hold ids and words of trust,
//! arguments of programs, access key ids but for their ends, the home directory's name. No comment of the configuration
//! comes along, and of the audit log only what happened and when.

use super::DoctorView;
use crate::environment::{var, variables};
use crate::output::{self, Failure};
use crate::{config_file, confirm, status};
use rolecall_core::config::{self, Files, Unread};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_ipc::client::Autostart;
use rolecall_platform::config_loader::{Disk, Snapshot};
use rolecall_platform::files;
use rolecall_platform::paths::Paths;
use rolecall_platform::reach;
use serde_json::{Map, Value, json};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

/// What takes the place of a value.
const GONE: &str = "[redacted]";

/// How long a file of the configuration may take.
const LOOK: Duration = Duration::from_secs(1);

/// How many lines of the audit log come along, and how much of the file is read for them.
const LOG_LINES: usize = 30;
const LOG_BYTES: u64 = 64 * 1024;

/// The keys whose values go, whole.
const PRIVATE: [&str; 6] =
    ["external_id", "session_tags", "source_identity", "role_session_name", "policy", "display_name"];

/// The keys that hold a program and its arguments: the program stays.
const PROGRAMS: [&str; 2] = ["credential_process", "mfa_process"];

/// Shows the report, then writes it.
pub(super) fn write(paths: &Paths, shown: &DoctorView, file: &Path, yes: bool) -> Result<(), Failure> {
    let text = text(paths, shown);
    output::print_json_text(&text)?;
    let name = config_file::shown(file);
    reach::ensure_answers(file)?;
    if std::fs::symlink_metadata(file).is_ok() {
        return Err(UserError::new(Kind::Usage, format!("{name} is there already; nothing was written"))
            .hint("name another: `rolecall doctor --bundle=FILE`, or move it away")
            .into());
    }
    if !yes {
        if !confirm::is_possible() {
            return Err(UserError::new(Kind::Usage, "the report was not written: there is nobody to ask")
                .hint("read it, then add `--yes`")
                .into());
        }
        if !confirm::consent(&format!("Write this to {name}?"))? {
            return output::print("nothing was written\n");
        }
    }
    files::write_atomically(file, text.as_bytes())?;
    output::print(&format!("written: {name}, for your eyes only until you send it\n"))
}

fn text(paths: &Paths, shown: &DoctorView) -> String {
    let status = status::fetch(paths, Autostart::No).ok();
    let status = status.and_then(|status| serde_json::to_value(&*status).ok()).unwrap_or(Value::Null);
    let set: Vec<String> =
        variables().into_iter().filter(|name| name.starts_with("AWS_") || name.starts_with("ROLECALL_")).collect();
    let mut private: Vec<String> = shown.names.iter().flat_map(|d| d.private.clone()).collect();
    let config = config(&paths.config, &mut private);
    let report = json!({
        "about": "rolecall doctor --bundle: account numbers, ARNs and names are in it; secrets, external ids, tags, policies and arguments are not",
        "version": env!("CARGO_PKG_VERSION"),
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "variables_that_are_set": set,
        "config": config,
        "doctor": shown.without_private(),
        "status": status,
        "log": log(&paths.audit_log()),
    });
    let mut text = serde_json::to_string_pretty(&report).expect("keys are strings and numbers are finite");
    text.push('\n');
    // The longest first: one may be a part of another.
    private.sort_by_key(|value| std::cmp::Reverse(value.len()));
    for value in private.iter().filter(|value| value.len() >= 2) {
        text = text.replace(value.as_str(), GONE);
    }
    if let Some(home) = var("HOME").filter(|home| home.len() > 1) {
        text = text.replace(&home, "~");
    }
    without_key_ids(&text)
}

/// Gives the first file of the configuration without what is nobody else's, and collects that of all its files.
fn config(file: &Path, private: &mut Vec<String>) -> Value {
    let look = Snapshot::of_command();
    // Only for the paths: what is wrong with it the diagnosis tells.
    let _ = config::load(file, &look);
    let seen = look.into_seen();
    for path in seen.paths().filter(|path| *path != file) {
        if let Ok(table) = table(path) {
            redacted(&table, private);
        }
    }
    table(file).map_or_else(Value::from, |table| redacted(&table, private))
}

/// Reads a file of the configuration as the agent does: no more than it takes, and none that others could have written.
fn table(file: &Path) -> Result<toml::Table, &'static str> {
    if reach::answers(file, LOOK).is_err() {
        return Err("does not answer; left out");
    }
    let content = match Disk.read(file, config::MAX_BYTES) {
        Ok(content) if content.bytes.len() <= config::MAX_BYTES => content,
        Ok(_) => return Err("too large; left out"),
        Err(Unread::Missing) => return Ok(toml::Table::new()),
        Err(Unread::Refused { .. }) => return Err("not to be read; left out"),
    };
    let text = String::from_utf8(content.bytes).map_err(|_| "not UTF-8; left out")?;
    toml::from_str(&text).map_err(|_| "not TOML; left out")
}

fn redacted(table: &toml::Table, private: &mut Vec<String>) -> Value {
    let mut out = Map::new();
    for (key, value) in table {
        let value = match value {
            toml::Value::Table(inner) if !PRIVATE.contains(&key.as_str()) => redacted(inner, private),
            value if PRIVATE.contains(&key.as_str()) || sounds_secret(key) => {
                texts(value, private);
                Value::from(GONE)
            }
            value if PROGRAMS.contains(&key.as_str()) => program(value),
            value => serde_json::to_value(value).unwrap_or(Value::Null),
        };
        out.insert(key.clone(), value);
    }
    Value::Object(out)
}

/// Collects the texts of a value that goes, so that they go elsewhere too; short words may be anything.
fn texts(value: &toml::Value, private: &mut Vec<String>) {
    match value {
        toml::Value::String(text) => private.push(text.clone()),
        toml::Value::Table(table) => table.values().for_each(|value| texts(value, private)),
        toml::Value::Array(values) => values.iter().for_each(|value| texts(value, private)),
        _ => {}
    }
}

/// Tells whether a key sounds as if its value were a secret, though the configuration has none: it may not be valid.
fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["secret", "password", "passphrase", "access_key"].iter().any(|word| key.contains(word))
}

fn program(value: &toml::Value) -> Value {
    let first = match value {
        toml::Value::Array(words) => words.first().and_then(toml::Value::as_str),
        value => value.as_str().and_then(|text| text.split_whitespace().next()),
    };
    Value::from(format!("{} {GONE}", first.unwrap_or_default()))
}

/// Gives the last lines of the audit log: what happened, when, to which name, and how it ended.
fn log(file: &Path) -> Vec<Value> {
    let mut text = Vec::new();
    let read = files::open_private(file).and_then(|mut file| {
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(LOG_BYTES)))?;
        file.take(LOG_BYTES).read_to_end(&mut text)
    });
    if read.is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let kept = lines.iter().rev().take(LOG_LINES).rev();
    kept.map(|line| {
        let of = |key: &str| line.get(key).cloned().unwrap_or(Value::Null);
        json!({"time": of("time"), "event": of("event"), "name": of("name"), "result": of("result")})
    })
    .collect()
}

/// Leaves of each access key id its kind and its last four letters.
fn without_key_ids(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        let is_id = word.len() >= 16 && (word.starts_with("AKIA") || word.starts_with("ASIA"));
        if is_id {
            out.push_str(&word[..4]);
            out.push('…');
            out.push_str(&word[word.len() - 4..]);
        } else {
            out.push_str(&word);
        }
        word.clear();
        out.push(c);
    }
    out.pop();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nobody_elses_goes_and_what_helps_stays() {
        let text = r#"
            # canary-comment
            [identities.p]
            type = "process"
            credential_process = ["/usr/bin/op", "canary-argument"]
            secret_access_key = "canary-secret"
            [roles.prod]
            source = "p"
            role_arn = "arn:aws:iam::222222222222:role/AssumedRole"
            external_id = "canary-id"
            session_tags = { team = "canary-tag" }
        "#;
        let mut private = Vec::new();
        let table: toml::Table = toml::from_str(text).expect("TOML");
        let shown = redacted(&table, &mut private).to_string();
        assert!(!shown.contains("canary"), "{shown}");
        assert!(
            shown.contains("arn:aws:iam::222222222222:role/AssumedRole") && shown.contains("/usr/bin/op"),
            "{shown}"
        );
        assert!(private.contains(&"canary-id".to_owned()) && private.contains(&"canary-tag".to_owned()));
    }

    #[test]
    fn of_a_key_id_its_kind_and_its_end_stay() {
        assert_eq!(without_key_ids("of AKIAIOSFODNN7EXAMPLE, x"), "of AKIA…MPLE, x");
        assert_eq!(without_key_ids("AKIA short"), "AKIA short");
    }

    #[test]
    fn what_included_files_keep_is_known_and_no_file_is_read_without_end() {
        let dir = tempfile::tempdir().expect("made");
        let main = dir.path().join("config.toml");
        std::fs::write(&main, "include = [\"team.toml\"]\n").expect("written");
        std::fs::write(dir.path().join("team.toml"), "[roles.a]\nexternal_id = \"canary-of-a-team\"\n")
            .expect("written");
        let mut private = Vec::new();
        config(&main, &mut private);
        assert_eq!(private, ["canary-of-a-team"]);
        std::fs::File::options().write(true).open(&main).expect("there").set_len(1 << 34).expect("sparse");
        assert_eq!(config(&main, &mut private), "too large; left out");
    }
}
