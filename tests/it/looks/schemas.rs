//! What `--json` prints is what `docs/json` says, for every command that has it.
//!
//! The schemas are made from the types; `ROLECALL_BLESS=1 cargo test --test it looks::schemas` writes them anew. The check
//! is stricter than a validator's: what is printed must also be described, key by key.

use super::chain_up;
use crate::harness::home::{CHAIN, Home, text};
use rolecall::{agent, cli};
use rolecall_sandbox::tutorials::{AUTH_ADMIN_ARN, USER_ARN, WORKLOAD_ADMIN_ARN};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the schema of a command lies: `identity show` is `identity-show.schema.json`.
fn file_of(command: &str) -> PathBuf {
    let name = format!("docs/json/{}.schema.json", command.replace(' ', "-"));
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Gives the schemas of the types: the face's, and the log's, whose lines the agent writes.
fn schemas() -> BTreeMap<&'static str, Value> {
    cli::json_schemas().into_iter().chain([("log", agent::log_schema())]).collect()
}

/// Names the commands that have `--json`, as clap knows them.
fn commands(command: &clap::Command, path: &str, found: &mut BTreeSet<String>) {
    if command.get_arguments().any(|arg| arg.get_long() == Some("json")) {
        found.insert(path.to_owned());
    }
    for below in command.get_subcommands() {
        commands(below, format!("{path} {}", below.get_name()).trim_start(), found);
    }
}

/// Lists what of a value its schema does not say.
fn flaws(value: &Value, schema: &Value, root: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let Some(rules) = schema.as_object() else {
        return if schema == &Value::Bool(true) { found } else { vec![format!("{at}: nothing is allowed here")] };
    };
    let object = value.as_object();
    for (rule, says) in rules {
        match (rule.as_str(), says) {
            ("$schema" | "$defs" | "title" | "description" | "default" | "properties" | "additionalProperties", _) => {}
            ("$ref", Value::String(path)) => {
                let target = root.pointer(path.strip_prefix('#').expect("of this file")).expect("it is defined");
                found.extend(flaws(value, target, root, at));
            }
            ("anyOf" | "oneOf", Value::Array(ways)) => {
                let each: Vec<Vec<String>> = ways.iter().map(|way| flaws(value, way, root, at)).collect();
                if each.iter().all(|flaws| !flaws.is_empty()) {
                    found.extend(each.into_iter().min_by_key(Vec::len).unwrap_or_default());
                }
            }
            ("type", kinds) => {
                let kind = match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(number) if number.is_f64() => "number",
                    Value::Number(_) => "integer",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                };
                if kinds != kind && !kinds.as_array().is_some_and(|kinds| kinds.iter().any(|k| k == kind)) {
                    found.push(format!("{at}: it is {kind}, not {kinds}"));
                }
            }
            ("enum", Value::Array(words)) => {
                if !words.contains(value) {
                    found.push(format!("{at}: {value} is none of {words:?}"));
                }
            }
            ("const", word) => {
                if word != value {
                    found.push(format!("{at}: {value} is not {word}"));
                }
            }
            ("required", Value::Array(keys)) => {
                let missing = keys.iter().filter(|key| object.is_some_and(|o| !o.contains_key(key.as_str().unwrap())));
                found.extend(missing.map(|key| format!("{at}: {key} is missing")));
            }
            ("items", items) => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(flaws(item, items, root, &format!("{at}/{place}")));
                }
            }
            ("minimum", least) => {
                if value.as_f64().is_some_and(|v| v < least.as_f64().unwrap()) {
                    found.push(format!("{at}: {value} is less than {least}"));
                }
            }
            ("maximum", most) => {
                if value.as_f64().is_some_and(|v| v > most.as_f64().unwrap()) {
                    found.push(format!("{at}: {value} is more than {most}"));
                }
            }
            ("format", Value::String(format)) => {
                if format == "date-time"
                    && value.as_str().is_some_and(|v| chrono::DateTime::parse_from_rfc3339(v).is_err())
                {
                    found.push(format!("{at}: {value} is no time"));
                }
            }
            (other, _) => panic!("the check does not know the rule `{other}` at {at}"),
        }
    }
    // Only where the keys are told one by one: elsewhere they are a person's own words.
    if let (Some(object), true) =
        (object, rules.contains_key("properties") || rules.contains_key("additionalProperties"))
    {
        let empty = Map::new();
        let known = rules.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        for (key, value) in object {
            match (known.get(key), rules.get("additionalProperties")) {
                (Some(schema), _) | (None, Some(schema)) => {
                    found.extend(flaws(value, schema, root, &format!("{at}/{key}")));
                }
                (None, None) => found.push(format!("{at}/{key}: nobody has described it")),
            }
        }
    }
    found
}

#[test]
fn every_schema_on_disk_is_the_one_of_the_types() {
    let made = schemas();
    for (command, schema) in &made {
        let file = file_of(command);
        let mut wanted = serde_json::to_string_pretty(schema).unwrap();
        wanted.push('\n');
        if std::env::var_os("ROLECALL_BLESS").is_some() {
            fs::write(&file, &wanted).unwrap();
        }
        let found = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            found == wanted,
            "{} is out of date: `ROLECALL_BLESS=1 cargo test --test it looks::schemas` writes it anew",
            file.display()
        );
    }
    let on_disk = fs::read_dir(file_of("x").parent().unwrap()).unwrap().count();
    assert_eq!(on_disk, made.len(), "a schema of no command lies there");
}

#[test]
fn every_command_with_json_has_a_schema_and_a_line_in_the_document() {
    let mut found = BTreeSet::new();
    commands(&cli::command_line(), "", &mut found);
    let described: BTreeSet<String> = schemas().keys().map(ToString::to_string).collect();
    assert_eq!(found, described, "a command with `--json` needs a schema: `json_schemas` in src/cli/json.rs");
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md")).unwrap();
    for command in &found {
        let link = format!("json/{}.schema.json", command.replace(' ', "-"));
        assert!(document.contains(&link), "docs/json.md does not name {link}");
    }
}

#[test]
fn what_is_described_has_words_for_every_key() {
    fn look(schema: &Value, at: &str, wrong: &mut Vec<String>) {
        let Some(fields) = schema.as_object() else { return };
        for (name, property) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if property.get("description").is_none() {
                wrong.push(format!("{at}/{name}"));
            }
        }
        for (name, below) in fields {
            look(below, &format!("{at}/{name}"), wrong);
        }
    }
    let mut wrong = Vec::new();
    for (command, schema) in schemas() {
        look(&schema, command, &mut wrong);
    }
    assert!(wrong.is_empty(), "without a description: {wrong:#?}");
}

#[test]
fn what_the_programs_print_is_what_the_schemas_say() {
    let config = CHAIN.replace("endpoint_url_sts", "endpoint_url");
    let home = Home::ready(&format!(
        "{config}\n[sockets.far]\nroles = [\"prod\"]\n\n[roles.lost]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/Lost\"\n"
    ));
    chain_up(&home);
    let own_keys = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iam:*AccessKey*", "Resource": "arn:aws:iam::111111111111:user/${aws:username}"}]});
    home.aws.world(|world| world.user(USER_ARN).permissions.inline.insert("OwnKeys".to_owned(), own_keys.into()));
    let admin = |arn| home.aws.access_key(arn);
    home.aws.world(|world| *world = world.clone().with_admins());
    let keys = [("auth", admin(AUTH_ADMIN_ARN)), ("workload", admin(WORKLOAD_ADMIN_ARN))].map(|(name, key)| {
        format!("[{name}]\naws_access_key_id = {}\naws_secret_access_key = {}\n", key.id, key.secret)
    });
    fs::create_dir_all(home.path(".aws")).unwrap();
    fs::write(home.path(".aws/credentials"), keys.concat()).unwrap();
    let schemas = schemas();
    let mut seen = BTreeSet::new();
    let mut check = |command: &str, args: &[&str]| {
        let words: Vec<&str> = command.split(' ').chain(args.iter().copied()).chain(["--json"]).collect();
        let output = home.run(&words);
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        let shown = text(&output.stdout);
        let values: Vec<Value> = serde_json::Deserializer::from_str(&shown).into_iter().map(Result::unwrap).collect();
        assert!(!values.is_empty(), "{words:?} printed nothing");
        for value in &values {
            let wrong = flaws(value, &schemas[command], &schemas[command], "");
            assert!(wrong.is_empty(), "{words:?}: {wrong:#?}\n{value:#}");
        }
        seen.insert(command.to_owned());
    };
    check("status", &[]);
    assert!(home.run(["get", "data"]).status.success());
    assert!(!home.run(["get", "lost"]).status.success());
    assert!(!home.run(["get", "nobody"]).status.success());
    check("status", &[]);
    check("identity list", &[]);
    check("identity show", &["auth"]);
    check("role list", &[]);
    check("agent socket list", &[]);
    check("role show", &["data"]);
    check("roles", &[]);
    check("doctor", &["data"]);
    check("profiles diff", &[]);
    check("profiles sync", &[]);
    check("profiles sync", &[]);
    check("import", &["--dry-run"]);
    check("identity rotate", &["auth", "--yes"]);
    check("log", &[]);
    check(
        "setup plan",
        &["--auth-account", "111111111111", "--workload-account", "222222222222", "--external-id", "auto"],
    );
    check("setup plan", &["--auth-account=111111111111", "--workload-account=222222222222", "--application", "ec2"]);
    let profiles = ["--auth-profile=auth", "--workload-profile=workload", "--name=made", "--yes"];
    check(
        "setup apply",
        &[&profiles[..], &["--user=ci", "--policy-arn=AmazonS3ReadOnlyAccess", "--role=Made"]].concat(),
    );
    check("setup destroy", &profiles);
    assert!(home.run(["agent", "stop"]).status.success());
    check("status", &[]);
    let all: BTreeSet<String> = schemas.keys().map(ToString::to_string).collect();
    assert_eq!(seen, all, "the output of a command with `--json` is looked at nowhere");
}

#[test]
fn the_check_finds_what_is_wrong() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"],
        "properties": {"a": {"type": ["string", "null"], "format": "date-time"}, "b": {"$ref": "#/$defs/B"}, "c": {"type": "array", "items": {"enum": ["x"]}}},
        "$defs": {"B": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]}}
    });
    for (value, count) in [
        (serde_json::json!({"a": "2026-11-22T00:00:00Z", "b": 1, "c": ["x"]}), 0),
        (serde_json::json!({"a": null, "b": null}), 0),
        (serde_json::json!({"b": -1}), 2),
        (serde_json::json!({"a": "yesterday", "c": ["x", "y"], "d": 1}), 3),
        (serde_json::json!([]), 1),
    ] {
        assert_eq!(flaws(&value, &schema, &schema, "").len(), count, "{value}");
    }
}
