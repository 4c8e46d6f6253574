//! What the documents say is held to the code: tests that are named exist, keys are explained, examples are real.

use crate::harness::home::{Home, text};
use crate::harness::programs::ROLECALL;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(below: &str) -> String {
    fs::read_to_string(root().join(below)).unwrap_or_else(|e| panic!("{below}: {e}"))
}

/// Gives what stands between backticks in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Gives the references to tests in a line, as `path/to/file.rs::test_name`.
fn tests_named(line: &str) -> Vec<(&str, &str)> {
    quoted(line)
        .filter_map(|word| word.split_once("::"))
        .filter(|(file, _)| file.rsplit('.').next() == Some("rs"))
        .collect()
}

/// Tells whether a source text has a test of this name that is run.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_fn = |line: &str| line.split_once(&format!("fn {name}(")).is_some_and(|(before, _)| !before.contains("//"));
    lines.iter().enumerate().any(|(at, line)| {
        let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
        let attributes: Vec<&&str> = attributes.collect();
        let is_test = |a: &&&str| a.starts_with("#[test") || a.starts_with("#[tokio::test");
        is_fn(line) && attributes.iter().any(is_test) && !attributes.iter().any(|a| a.starts_with("#[ignore"))
    })
}

#[test]
fn every_claim_of_the_security_model_names_tests_that_exist() {
    let document = read("docs/security-model.md");
    let (mut claims, mut wrong, mut in_claims) = (0, Vec::new(), false);
    for (at, line) in document.lines().enumerate() {
        if !line.starts_with('|') {
            in_claims = false;
        } else if line.contains("held by") {
            in_claims = true;
        } else if in_claims && !line.starts_with("|--") {
            claims += 1;
            if tests_named(line).is_empty() {
                wrong.push(format!("line {}: no test is named: {line}", at + 1));
            }
        }
        for (file, name) in tests_named(line) {
            if !root().join(file).is_file() || !has_test(&read(file), name) {
                wrong.push(format!("line {}: there is no test {file}::{name}", at + 1));
            }
        }
    }
    assert!(claims > 20, "the claims were found: {claims}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_claims_sees_what_it_should() {
    assert_eq!(tests_named("| x | `src/a.rs::b`, `c::d` and `e` |"), [("src/a.rs", "b")]);
    let source = "#[test]\n#[cfg(unix)]\nfn good() {}\nfn helper() {}\n#[test]\n#[ignore]\nfn skipped() {}\n";
    assert!(has_test(source, "good"));
    assert!(!has_test(source, "helper") && !has_test(source, "skipped") && !has_test(source, "goo"));
}

#[test]
fn every_key_of_the_configuration_is_explained() {
    let schema: serde_json::Value = serde_json::from_str(&read("config/config.schema.json")).unwrap();
    let mut keys = BTreeSet::new();
    collect(&schema, &mut keys);
    let document = read("docs/configuration.md");
    let explained: BTreeSet<&str> = document.lines().filter(|l| l.starts_with("| `")).flat_map(quoted).collect();
    let missing: Vec<&String> = keys.iter().filter(|key| !explained.contains(key.as_str())).collect();
    assert!(keys.len() > 20 && missing.is_empty(), "not in docs/configuration.md: {missing:?}");
}

/// Gathers the names of all properties that hold a value; sections are described, not listed.
fn collect(schema: &serde_json::Value, keys: &mut BTreeSet<String>) {
    let Some(fields) = schema.as_object() else { return };
    for (name, value) in fields {
        if let ("properties", Some(properties)) = (name.as_str(), value.as_object()) {
            let sections = ["agent", "aws", "defaults", "identities", "include", "roles", "sockets", "templates"];
            keys.extend(properties.keys().filter(|key| !sections.contains(&key.as_str())).cloned());
        }
        collect(value, keys);
    }
}

#[test]
fn every_link_leads_to_a_file() {
    let mut wrong = Vec::new();
    for document in documents() {
        // A program's text between fences has brackets of its own.
        let prose: String = read(&document).split("```").step_by(2).collect();
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let base = root().join(&document);
            if !file.is_empty() && !link.contains("://") && !base.parent().unwrap().join(file).exists() {
                wrong.push(format!("{document}: {link}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_example_of_the_aws_config_is_what_sync_writes() {
    let example = read("config/aws-config.example");
    let above = &example[..example.find("# >>> rolecall >>>").expect("the block")];
    let home = Home::bare(&read("config/config.example.toml"));
    fs::create_dir(home.path(".aws")).unwrap();
    fs::write(home.path(".aws/config"), above).unwrap();
    let output = home.run(["profiles", "sync"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let written = fs::read_to_string(home.path(".aws/config")).unwrap();
    let program = Path::new(ROLECALL).canonicalize().unwrap();
    let written = written.replace(&program.display().to_string(), "/usr/local/bin/rolecall");
    assert_eq!(written, example);
}

/// Gives the documents that people read on a web page.
fn documents() -> Vec<String> {
    let in_docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let in_docs = in_docs.map(|name| format!("docs/{}", name.to_string_lossy()));
    let in_docs = in_docs.filter(|name| Path::new(name).extension().is_some_and(|kind| kind == "md"));
    let beside = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "RELEASING.md"];
    in_docs.chain(beside.map(str::to_owned)).collect()
}

/// Names the rows that a page does not show as rows: without a header above them, or with another number of cells.
fn flaws_of_tables(text: &str) -> Vec<String> {
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let is_rule = |line: &str| line.starts_with('|') && line.chars().all(|c| "|-: ".contains(c));
    let (mut wrong, mut columns, mut in_code, mut before) = (Vec::new(), 0, false, "");
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        in_code ^= line.starts_with("```");
        if in_code || !line.starts_with('|') {
            columns = 0;
        } else if columns == 0 {
            columns = cells(line);
            if !lines.get(at + 1).is_some_and(|next| is_rule(next) && cells(next) == columns) {
                wrong.push(format!("line {}: no header is above: {line}", at + 1));
            } else if !before.trim().is_empty() {
                wrong.push(format!("line {}: no blank line is above: {line}", at + 1));
            }
        } else if cells(line) != columns {
            wrong.push(format!("line {}: {} cells instead of {}: {line}", at + 1, cells(line) - 1, columns - 1));
        }
        before = line;
    }
    wrong
}

#[test]
fn every_table_is_whole() {
    let mut wrong = Vec::new();
    for document in documents() {
        wrong.extend(flaws_of_tables(&read(&document)).into_iter().map(|flaw| format!("{document}: {flaw}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(flaws_of_tables("x\n\n| a | b |\n|---|---|\n| 1 | 2 |\n").is_empty());
    for broken in [
        "| a |\n|---|\n| 1 |\n\n| 2 |\n",
        "| a | b |\n|---|---|\n| 1 |\n",
        "| a | b |\n|---|---|\n| `x|y` | 2 |\n",
        "| a |\n| 1 |\n",
        "text\n| a |\n|---|\n",
    ] {
        assert_eq!(flaws_of_tables(broken).len(), 1, "{broken}");
    }
}

/// Gives the files and folders that a text names, each with the word in it that is named after `::`.
fn files_named(text: &str) -> Vec<(&str, Option<&str>)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-./:".contains(c);
    let words = text.split(|c: char| !is_part(c)).map(|word| word.trim_end_matches(['.', ':']));
    let named = words.map(|word| word.split_once("::").map_or((word, None), |(file, item)| (file, Some(item))));
    let is_file = |word: &str| Path::new(word).extension().is_some_and(|kind| kind == "rs") && !word.contains("//");
    named.filter(|(word, _)| is_file(word)).collect()
}

#[test]
fn every_source_file_that_is_named_is_there() {
    let mut wrong = Vec::new();
    let mut named = 0;
    for document in documents().into_iter().filter(|document| document != "CHANGELOG.md") {
        let text = read(&document);
        for (file, item) in files_named(&text) {
            named += 1;
            // Beside the whole path: as seen from `src`, and the siblings in a list of steps.
            let places = ["", "src/", "src/core/config/", "tests/it/", "src/adapters/aws/"]
                .map(|place| format!("{place}{file}"));
            match places.iter().find(|place| root().join(place).is_file()) {
                None => wrong.push(format!("{document}: there is no {file}")),
                Some(place) => {
                    if item.is_some_and(|item| !read(place).contains(item)) {
                        wrong.push(format!("{document}: {place} has no {}", item.unwrap_or_default()));
                    }
                }
            }
        }
    }
    assert!(named > 100, "the names were found: {named}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let found = files_named("`agent/a.rs::B`, src/c.rs. (`d.rs`) x.rsx");
    assert_eq!(found, [("agent/a.rs", Some("B")), ("src/c.rs", None), ("d.rs", None)]);
}
