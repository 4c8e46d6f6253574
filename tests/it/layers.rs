//! Who may import whom: reads the `use` lines of every source file and fails on a step against the stream.
//!
//! Out of its reach: a path written in full in the middle of a function is found only by its `crate::` prefix.

use std::fs;
use std::path::{Path, PathBuf};

/// Of each layer: the layers it may import.
const MAY_IMPORT: [(&str, &[&str]); 18] = [
    ("domain", &[]),
    ("blocking", &[]),
    ("reach", &["domain", "process"]),
    ("ports", &["domain", "setup"]),
    ("protocol", &["domain", "setup"]),
    ("config", &["domain"]),
    ("config_disk", &["blocking", "config", "domain", "files", "reach"]),
    ("paths", &["domain", "reach"]),
    ("files", &["domain"]),
    ("panics", &[]),
    ("process", &[]),
    ("setup", &["domain"]),
    ("aws_files", &["domain", "files", "reach"]),
    ("client", &["domain", "files", "paths", "process", "protocol", "reach"]),
    (
        "cli",
        &["aws_files", "client", "config", "config_disk", "domain", "files", "paths", "protocol", "reach", "setup"],
    ),
    ("oneshot", &["config", "config_disk", "domain", "files", "paths", "ports", "process", "protocol", "setup"]),
    (
        "agent",
        &["blocking", "config", "config_disk", "domain", "files", "panics", "paths", "ports", "process", "protocol"],
    ),
    ("adapters", &["blocking", "domain", "files", "paths", "ports", "setup"]),
];

/// Of each layer: the crates it must not touch, directly.
const MUST_NOT_TOUCH: [(&str, &[&str]); 6] = [
    (
        "domain",
        &[
            "tokio",
            "serde_json",
            "toml",
            "toml_edit",
            "aws_sdk_iam",
            "aws_sdk_sts",
            "keyring",
            "notify",
            "rustix",
            "std::fs",
            "std::env",
            "std::net",
        ],
    ),
    ("protocol", &["tokio", "aws_sdk_iam", "aws_sdk_sts", "keyring"]),
    ("client", &["tokio", "aws_sdk_iam", "aws_sdk_sts", "keyring", "clap"]),
    ("cli", &["tokio", "aws_sdk_iam", "aws_sdk_sts", "keyring"]),
    ("agent", &["aws_sdk_iam", "aws_sdk_sts", "keyring", "secret_service", "clap"]),
    ("oneshot", &["aws_sdk_iam", "aws_sdk_sts", "keyring", "secret_service", "clap"]),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Gives the layer of each import in a source text: the word behind `crate::`, comments left out.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for part in code.split("crate::").skip(1) {
            let word: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !word.is_empty() {
                found.push((at + 1, word));
            }
        }
    }
    found
}

fn layer_of(src: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(src).unwrap();
    inside.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

#[test]
fn no_layer_imports_against_the_stream() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    for file in &files {
        let layer = layer_of(&src, file);
        if layer == "bin" || layer == "lib" {
            continue;
        }
        let text = fs::read_to_string(file).unwrap();
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == layer) else {
            wrong.push(format!("{}: the layer `{layer}` is not in the table", file.display()));
            continue;
        };
        for (line, import) in imports(&text) {
            let own = import == layer;
            let known = MAY_IMPORT.iter().any(|(name, _)| *name == import);
            if known && !own && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{}:{line}: {layer} imports {import}", file.display()));
            }
        }
        for (_, crates) in MUST_NOT_TOUCH.iter().filter(|(name, _)| *name == layer) {
            for foreign in *crates {
                let touches =
                    |line: &str| line.trim_start().starts_with("use ") && line.contains(&format!("use {foreign}"));
                if text.lines().any(touches) {
                    wrong.push(format!("{}: {layer} touches {foreign}", file.display()));
                }
            }
        }
    }
    assert!(files.len() > 20, "the sources were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_use_lines_sees_what_it_should() {
    assert_eq!(imports("use crate::agent::Agent; // crate::cli\n"), [(1, "agent".to_owned())]);
    assert_eq!(imports("\nlet x = crate::cli::run();"), [(2, "cli".to_owned())]);
}

/// The face is what untrusted tools start: no vault, TLS or runtime code in it.
#[test]
fn the_face_links_no_runtime_no_sdk_and_no_keyring() {
    needs!("nm");
    let symbols = |binary: &str| {
        let nm = std::process::Command::new("nm")
            .arg(binary)
            .output()
            .expect("binutils, which the C compiler needs, has nm");
        String::from_utf8_lossy(&nm.stdout).into_owned()
    };
    let (face, agent) = (symbols(env!("CARGO_BIN_EXE_rolecall")), symbols(env!("CARGO_BIN_EXE_rolecalld")));
    for word in ["tokio", "aws_sdk_iam", "aws_sdk_sts", "rustls", "zbus", "argon2"] {
        assert!(agent.contains(word), "{word} is not even in the agent: the test looks for the wrong word");
        assert!(!face.contains(word), "{word} is in the face");
    }
}
