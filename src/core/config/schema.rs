//! The JSON schema of config.toml, for editors that complete and check while one types.
//!
//! It is made from the `raw` types and says less than `parse`: an editor helps, the agent decides. The copy in `config/`
//! is what users point their editors to; `ROLECALL_BLESS=1 cargo test -p rolecall-core schema` writes it anew.

use super::schema_types::Configuration;

/// Gives the schema as it lies in `config/config.schema.json`.
pub fn schema_json() -> String {
    let mut schema = schemars::schema_for!(Configuration);
    schema.insert("title".to_owned(), "rolecall config.toml".into());
    let mut text = serde_json::to_string_pretty(schema.as_value()).expect("a schema is made of JSON values");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::path::Path;

    #[test]
    fn the_schema_on_disk_is_the_one_of_the_types() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/config.schema.json");
        #[expect(clippy::disallowed_methods, reason = "a test's switch, and a file of the source tree")]
        if std::env::var_os("ROLECALL_BLESS").is_some() {
            std::fs::write(&file, schema_json()).expect("written");
        }
        let on_disk = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            on_disk == schema_json(),
            "out of date: `ROLECALL_BLESS=1 cargo test -p rolecall-core schema` writes it anew"
        );
    }

    #[test]
    fn the_schema_knows_the_keys_that_are_read_each_with_a_description() {
        let schema: Value = serde_json::from_str(&schema_json()).expect("json");
        for (section, mut keys) in super::super::sections::keys() {
            let table = match section {
                "" => &schema,
                "agent" => &schema["$defs"]["AgentSection"],
                "aws" => &schema["$defs"]["AwsSection"],
                "identities" => &schema["$defs"]["IdentitySection"],
                "accounts" => &schema["$defs"]["AccountSection"],
                "defaults" => &schema["$defs"]["DefaultsSection"],
                "templates" => &schema["$defs"]["TemplateSection"],
                "sockets" => &schema["$defs"]["SocketSection"],
                _ => &schema["$defs"]["RoleSection"],
            };
            let properties = table["properties"].as_object().expect("properties");
            let mut described: Vec<&str> = properties.keys().map(String::as_str).collect();
            keys.sort_unstable();
            described.sort_unstable();
            assert_eq!(described, keys, "[{section}]");
            assert_eq!(table["additionalProperties"], Value::Bool(false), "[{section}]");
            for (key, property) in properties {
                assert!(property["description"].as_str().is_some_and(|d| !d.is_empty()), "{section}.{key}");
            }
        }
    }
}
