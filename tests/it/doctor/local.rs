//! What is broken on this machine, or on the way to AWS.

use super::{ONE, doctor};
use crate::harness::home::Home;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::TcpListener;
use std::sync::Arc;

fn bare(extra: &str) -> Home {
    Home::ready(&format!("{ONE}{extra}"))
}

#[test]
fn a_configuration_that_does_not_hold_or_lacks_the_name() {
    let home = bare("");
    let found = doctor(&home, "prdo");
    let finding = found.is_certainly("config");
    assert!(finding["fix"].as_str().unwrap().contains("did you mean `prod`?"), "{finding}");
    assert_eq!(found.code, 3);
    home.configure(&format!("{ONE}role_anr = \"x\"\n"));
    let found = doctor(&home, "prod");
    assert!(found.is_certainly("config")["what"].as_str().unwrap().contains("role_anr"));
    assert_eq!(found.code, 3);
}

#[test]
fn what_tools_take_before_they_ask_rolecall() {
    let mut home = bare("");
    home.set("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
    home.set("AWS_SECRET_ACCESS_KEY", "canary-of-the-environment");
    let found = doctor(&home, "prod");
    assert!(found.is_certainly("shadowed")["fix"].as_str().unwrap().contains("unset AWS_ACCESS_KEY_ID"));
    assert_eq!(found.code, 3);
    home.canaries.add("canary-of-the-environment");
    home.set("AWS_ACCESS_KEY_ID", "");
    home.set("AWS_SECRET_ACCESS_KEY", "");
    std::fs::create_dir(home.path(".aws")).unwrap();
    std::fs::write(home.path(".aws/credentials"), "[default]\naws_access_key_id = x\naws_secret_access_key = y\n")
        .unwrap();
    let found = doctor(&home, "prod");
    assert_eq!(found.is_certainly("shadowed")["fix"], "rolecall profiles sync");
    assert!(home.run(["profiles", "sync"]).status.success());
    assert_eq!(doctor(&home, "prod").code, 0, "a profile of its own comes before [default]");
    std::fs::write(home.path(".aws/credentials"), "[prod]\naws_access_key_id = x\naws_secret_access_key = y\n")
        .unwrap();
    doctor(&home, "prod").is_certainly("shadowed");
    std::fs::remove_file(home.path(".aws/credentials")).unwrap();
    home.set("AWS_VAULT", "other");
    let found = doctor(&home, "prod");
    let links = found.json["general"]["links"].as_array().unwrap();
    assert!(links.iter().any(|l| l["text"].as_str().unwrap().contains("AWS_VAULT")), "{links:#?}");
    assert_eq!(found.code, 0, "a variable that does no harm by itself is told, and breaks nothing");
}

#[test]
fn an_agent_that_does_not_run_is_started_or_missed() {
    let mut home = Home::ready(ONE);
    assert!(home.run(["agent", "stop"]).status.success());
    let found = doctor(&home, "prod");
    // The file vault is closed again with the new agent.
    assert_eq!((found.is_certainly("vault-locked")["fix"].as_str(), found.code), (Some("rolecall unlock --vault"), 4));
    let links = found.json["general"]["links"].as_array().unwrap();
    assert!(links.iter().any(|l| l["kind"] == "agent" && l["state"] == "holds"), "{links:#?}");
    assert!(home.run(["agent", "stop"]).status.success());
    home.set("ROLECALL_AUTOSTART", "0");
    let found = doctor(&home, "prod");
    found.is_certainly("agent-not-running");
    assert_eq!(found.code, 7);
}

#[test]
fn a_vault_without_the_key() {
    let home = bare("\n[identities.spare]\ntype = \"iam-user\"\n");
    let found = doctor(&home, "spare");
    assert!(found.is_certainly("key-missing")["fix"].as_str().unwrap().contains("rolecall identity add spare"));
    assert_eq!(found.code, 3);
}

#[test]
fn an_endpoint_that_nobody_listens_at() {
    let home = bare("");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = ONE.replace("ENDPOINT", &format!("http://127.0.0.1:{port}"));
    home.configure(&format!("[agent]\nvault = \"file\"\n{config}"));
    let found = doctor(&home, "prod");
    found.is_certainly("endpoint-unreachable");
    assert_eq!(found.code, 6);
}

#[test]
fn a_proxy_that_is_not_there() {
    let home = bare("");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = ONE.replace("endpoint_url = \"ENDPOINT\"", &format!("https_proxy = \"http://127.0.0.1:{port}\""));
    home.configure(&format!("[agent]\nvault = \"file\"\n{config}"));
    let found = doctor(&home, "prod");
    assert!(found.is_certainly("proxy-wrong")["fix"].as_str().unwrap().contains("https_proxy"));
    assert_eq!(found.code, 6);
}

#[test]
fn an_answer_that_is_not_awss() {
    let home = bare("");
    home.aws.fault(rolecall_sandbox::Fault {
        when: rolecall_sandbox::Match::any(),
        what: rolecall_sandbox::FaultKind::Garbage,
        skip: 0,
        times: None,
    });
    let found = doctor(&home, "prod");
    found.is_certainly("aws-unreachable");
    assert_eq!(found.code, 6);
}

#[test]
fn a_certificate_of_an_authority_that_nobody_knows() {
    let home = bare("");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends with the test's process; a handshake that is refused costs it nothing.
    std::thread::spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            let mut session = rustls::ServerConnection::new(server_config()).unwrap();
            let _ = session.complete_io(&mut tcp);
        }
    });
    let config = ONE.replace("ENDPOINT", &format!("https://localhost:{port}"));
    home.configure(&format!("[agent]\nvault = \"file\"\n{config}"));
    let found = doctor(&home, "prod");
    assert!(found.is_certainly("tls")["fix"].as_str().unwrap().contains("`ca_bundle`"));
    assert_eq!(found.code, 6);
}

fn server_config() -> Arc<rustls::ServerConfig> {
    let chain = CertificateDer::from_pem_slice(include_bytes!("../../../src/adapters/sts/testdata/localhost.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../../src/adapters/sts/testdata/localhost.key"));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(vec![chain.unwrap()], key.unwrap()).unwrap())
}
