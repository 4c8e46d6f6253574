//! Certificates as TLS-inspecting proxies make them: what is wrong with one is named, with its subject and issuer, and a
//! critical policy extension is nothing wrong.

use crate::doctor::doctor;
use crate::harness::home::{Home, text};
use crate::harness::inside::TUTORIAL;
use crate::harness::tls::{TlsFront, certificate};

/// Makes a home whose STS is behind TLS.
fn behind_tls(chain: &str) -> (Home, TlsFront) {
    let config = format!("[agent]\nvault = \"file\"\n{TUTORIAL}");
    let home = Home::ready(TUTORIAL);
    let front = TlsFront::start(&home.aws.url(), chain);
    let bundle = certificate("root.pem");
    let secured =
        format!("endpoint_url_sts = \"https://localhost:{}\"\nca_bundle = \"{}\"", front.port, bundle.display());
    home.run(["agent", "stop"]);
    home.configure(&config.replace("endpoint_url_sts = \"ENDPOINT\"", &secured));
    home.open_vault();
    (home, front)
}

const LEAF: &str = "CN=localhost, issued by ";

/// Of each chain: what is said, and what the hint holds.
const FAULTS: [(&str, &[&str], &str); 15] = [
    ("version-1", &[LEAF, "is of version 1; only version 3 is accepted"], "Example Corp Root"),
    ("common-name", &[LEAF, "has no subject alternative name"], "as a subject alternative name"),
    ("other-name", &["CN=elsewhere", "is valid for another host", "elsewhere.example.com"], "network"),
    ("critical", &[LEAF, "unknown critical extension: 1.3.6.1.4.1.99999.2"], "without extension"),
    ("policy-unknown", &[LEAF, "unknown critical extension: 1.3.6.1.4.1.99999.2"], "without extension"),
    ("policy-demanded", &["CN=Example Corp Demanding", "requires an explicit policy"], "requireExplicitPolicy"),
    ("policy-forged", &[LEAF, "CN=Other Corp Root is not trusted"], "`ca_bundle`"),
    ("expired", &[LEAF, "ended on 20"], "clock"),
    ("expired-middle", &["the CA certificate CN=Example Corp Old", "ended on 20"], "clock"),
    ("name-constraints", &[LEAF, "name constraints"], "name constraints allow"),
    ("weak-key", &["CN=Example Corp Weak", "RSA key of 1024 bits"], "RSA 2048"),
    ("sha1", &[LEAF, "signed with SHA-1"], "SHA-256"),
    ("authority", &[LEAF, "is a CA certificate"], "CA:TRUE"),
    ("purpose", &[LEAF, "is not for TLS servers"], "serverAuth"),
    ("missing-middle", &[LEAF, "CN=Example Corp Inspection is not trusted"], "the server or proxy must send it"),
];

#[test]
fn rejected_certificate_is_named_with_issuer_and_fault() {
    let (home, front) = behind_tls("good");
    for (chain, words, hint) in FAULTS {
        front.present(chain);
        let output = home.run(["get", "prod"]);
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(6), true), "{chain}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{chain} lacks `{word}`: {stderr}");
        }
        assert!(stderr.lines().any(|line| line.starts_with("hint: ") && line.contains(hint)), "{chain}: {stderr}");
    }
    front.present("not-an-authority");
    assert_eq!(home.run(["get", "prod"]).status.code(), Some(6), "no chain over a certificate that is no CA's");
    assert_eq!(home.aws.count("AssumeRole"), 0, "nothing was sent");
    front.present("good");
    let output = home.run(["get", "prod"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn critical_certificate_policies_are_accepted() {
    let (home, _front) = behind_tls("policy");
    let output = home.run(["get", "prod"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn doctor_names_the_certificate() {
    let (home, _front) = behind_tls("version-1");
    let finding = doctor(&home, "prod").is_certainly("tls");
    let what = finding["what"].as_str().unwrap();
    assert!(
        what.contains("CN=localhost") && what.contains("Example Corp Root") && what.contains("version 1"),
        "{what}"
    );
}
