//! KMS. Pages: AWS KMS API Reference, "Encrypt", "Decrypt", "Common Error Types".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN, WORKLOAD_ACCOUNT};
use serde_json::{Value, json};

use crate::client::Client;
use crate::tutorials;

fn call(client: &Client, operation: &str, body: &Value) -> (u16, Value) {
    let request = client.signed("POST", "kms", "/", &body.to_string());
    let target = format!("\r\nx-amz-target: TrentService.{operation}\r\n\r\n");
    let reply = client.exchange(&request.replacen("\r\n\r\n", &target, 1)).expect("the sandbox answers");
    (reply.status, serde_json::from_str(&reply.body).expect("JSON"))
}

fn key(account: &str) -> String {
    format!("arn:aws:kms:eu-west-1:{account}:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f")
}

#[test]
fn a_data_key_is_decrypted_by_its_account_only() {
    let (_aws, richard) = tutorials();
    let session = richard.with(&richard.assume(ROLE_ARN, &[]));
    let plain = STANDARD.encode("a data key");
    let (status, hidden) = call(&session, "Encrypt", &json!({"KeyId": key(WORKLOAD_ACCOUNT), "Plaintext": plain}));
    assert_eq!((status, &hidden["KeyId"]), (200, &key(WORKLOAD_ACCOUNT).into()));
    let blob = STANDARD.decode(hidden["CiphertextBlob"].as_str().unwrap()).unwrap();
    assert!(!String::from_utf8_lossy(&blob).contains("a data key"));
    let (status, shown) = call(&session, "Decrypt", &json!({"CiphertextBlob": hidden["CiphertextBlob"]}));
    assert_eq!((status, &shown["Plaintext"]), (200, &plain.as_str().into()));
    let (status, refused) = call(&richard, "Decrypt", &json!({"CiphertextBlob": hidden["CiphertextBlob"]}));
    assert_eq!((status, &refused["__type"]), (400, &"AccessDeniedException".into()));
    let (_, refused) = call(&session, "Encrypt", &json!({"KeyId": key(AUTH_ACCOUNT), "Plaintext": plain}));
    assert_eq!(refused["__type"], "AccessDeniedException");
}

#[test]
fn requests_without_a_good_signature_are_refused() {
    let (_aws, richard) = tutorials();
    let body = json!({"KeyId": key(AUTH_ACCOUNT), "Plaintext": STANDARD.encode("x")});
    let (mut wrong, mut unknown) = (richard.clone(), richard.clone());
    "wrong".clone_into(&mut wrong.secret);
    "AKIAUNKNOWN".clone_into(&mut unknown.key);
    assert_eq!(call(&wrong, "Encrypt", &body).1["__type"], "InvalidSignatureException");
    assert_eq!(call(&unknown, "Encrypt", &body).1["__type"], "UnrecognizedClientException");
    assert_eq!(call(&richard, "CreateKey", &body).1["__type"], "UnknownOperationException");
}
