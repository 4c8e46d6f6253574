//! The bytes of every request, and what must not be in them or come of them.

use super::*;
use rolecall_core::domain::question::Device;

/// One request of each kind, as bytes that every later version must still read or refuse politely.
const WIRE: [&str; 24] = [
    r#"{"version":4,"request":{"do":"get","name":"prod"},"context":{}}"#,
    r#"{"version":4,"request":{"do":"console","name":"prod","destination":null,"duration_seconds":900,"by_browser":true},"context":{}}"#,
    r#"{"version":4,"request":{"do":"endpoint","name":"prod","form":"container","owner":"parent","port":null},"context":{}}"#,
    r#"{"version":4,"request":{"do":"forget","name":"prod"},"context":{}}"#,
    r#"{"version":4,"request":{"do":"glance","name":"prod"},"context":{}}"#,
    r#"{"version":4,"request":{"do":"names"},"context":{}}"#,
    r#"{"version":4,"request":{"do":"device","name":null},"context":{}}"#,
    r#"{"version":4,"request":{"do":"identity-add","name":"a","access_key_id":"AKIA","secret_access_key":"s","region":null,"replace":false},"context":{}}"#,
    r#"{"version":4,"request":{"do":"identity-remove","name":"a"},"context":{}}"#,
    r#"{"version":4,"request":{"do":"identity-rotate","name":"a","delete":null},"context":{}}"#,
    r#"{"version":4,"request":{"do":"identity-totp","name":"a","secret":"GEZDGNBVGY3TQOJQ"},"context":{}}"#,
    r#"{"version":4,"request":{"do":"keys"},"context":{}}"#,
    r#"{"version":4,"request":{"do":"lock"},"context":{}}"#,
    r#"{"version":4,"request":{"do":"reload"},"context":{}}"#,
    r#"{"version":4,"request":{"do":"status"},"context":{"display":":0"}}"#,
    r#"{"version":4,"request":{"do":"unlock","name":null,"code":"123456"},"context":{}}"#,
    r#"{"version":4,"request":{"do":"unlock-vault","passphrase":null},"context":{}}"#,
    r#"{"version":4,"request":{"do":"foreign-entries"},"context":{}}"#,
    r#"{"version":4,"request":{"do":"identity-add","name":"a","access_key_id":"AKIA","secret_access_key":"s","region":null,"replace":false,"imported":true},"context":{}}"#,
    r#"{"version":4,"request":{"do":"identity-adopt","name":"a","tool":"aws-vault","entry":"b","region":null},"context":{}}"#,
    r#"{"version":4,"request":{"do":"identity-add","name":"a","access_key_id":"AKIA","secret_access_key":"s","region":null,"arns":["arn"],"replace":false},"context":{}}"#,
    r#"{"version":4,"request":{"do":"identity-adopt","name":"a","tool":"aws-vault","entry":"b","region":null,"arns":["arn"]},"context":{}}"#,
    r#"{"version":4,"request":{"do":"proxy-password","password":"p"},"context":{}}"#,
    r#"{"version":4,"request":{"do":"identity-take-back","name":"a","access_key_id":"AKIA"},"context":{}}"#,
];

#[test]
fn every_request_reads_and_writes_as_the_same_bytes() {
    for wire in WIRE {
        let call: Call = serde_json::from_str(wire).expect(wire);
        assert_eq!(serde_json::to_string(&call).expect("written"), wire);
    }
}

#[test]
fn of_the_callers_words_only_plain_names_reach_a_program() {
    for (word, is_taken) in [
        ("xterm-256color", true),
        ("de_DE.UTF-8@euro", true),
        ("", false),
        ("../../tmp/x", false),
        ("/etc/terminfo/x", false),
        (".hidden", false),
        ("-x", false),
        ("xterm\nGETPIN", false),
        (&"x".repeat(65), false),
    ] {
        let context = Context { term: Some(word.to_owned()), lang: Some(word.to_owned()), ..Context::default() };
        let found = context.surroundings(Some(Device { path: "/dev/pts/0".into(), number: (136, 0) }));
        assert_eq!((found.lang.is_some(), found.terminal.unwrap().kind.is_some()), (is_taken, is_taken), "{word:?}");
    }
}

#[test]
fn the_debug_form_of_a_request_hides_its_secrets() {
    let call: Call = serde_json::from_str(&WIRE[6].replace("\"s\"", "\"canary-1\"")).expect("read");
    assert!(!format!("{call:?}").contains("canary-1"));
}
