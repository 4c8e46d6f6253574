//! What is linked into the client.

/// Untrusted tools start the client: it contains no vault, TLS or runtime code.
#[test]
fn client_links_no_runtime_sdk_or_keyring() {
    needs!("nm");
    let symbols = |binary: &str| {
        let nm = std::process::Command::new("nm")
            .arg(binary)
            .output()
            .expect("binutils, which the C compiler needs, has nm");
        String::from_utf8_lossy(&nm.stdout).into_owned()
    };
    let (client, agent) = (symbols(env!("CARGO_BIN_EXE_rolecall")), symbols(env!("CARGO_BIN_EXE_rolecalld")));
    for word in ["tokio", "aws_sdk_iam", "aws_sdk_sts", "rustls", "zbus", "argon2"] {
        assert!(agent.contains(word), "{word} is not even in the agent: the test looks for the wrong word");
        assert!(!client.contains(word), "{word} is in the client");
    }
}
