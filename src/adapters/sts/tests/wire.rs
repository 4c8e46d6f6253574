//! What goes over the wire: headers, TLS, proxies. The servers here are threads that read one request and answer.

use super::*;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

/// Serves every connection with one answer and hands out what was asked.
fn serve(answer: &'static str, tls: bool) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (asked, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut tcp = stream;
            let request = if tls {
                let mut session = rustls::ServerConnection::new(server_config()).expect("a session");
                converse(&mut rustls::Stream::new(&mut session, &mut tcp), answer)
            } else {
                converse(&mut tcp, answer)
            };
            if asked.send(request).is_err() {
                return;
            }
        }
    });
    (address, requests)
}

fn converse(stream: &mut (impl Read + Write), answer: &str) -> String {
    let mut request = vec![0; 16 * 1024];
    let read = stream.read(&mut request).unwrap_or(0);
    // A client that refused our certificate is gone by now.
    let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
    String::from_utf8_lossy(&request[..read]).to_lowercase()
}

fn server_config() -> Arc<rustls::ServerConfig> {
    let chain = vec![CertificateDer::from_pem_slice(include_bytes!("../testdata/localhost.pem")).expect("PEM")];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../testdata/localhost.key")).expect("PEM");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(builder.expect("versions").with_no_client_auth().with_single_cert(chain, key).expect("a pair"))
}

const REFUSED: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 99\r\nconnection: close\r\n\r\n\
    <ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>m</Message></Error></ErrorResponse>";

async fn ask(aws: AwsSettings) -> TokenError {
    let bench = Bench::new();
    bench.sts.caller_identity(&Arc::new(aws), &bench.key, REGION).await.expect_err("no answer of STS")
}

fn at(endpoint: String) -> AwsSettings {
    AwsSettings { sts_endpoint: Some(endpoint), ..AwsSettings::default() }
}

fn trusting(aws: AwsSettings) -> AwsSettings {
    let ca = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/sts/testdata/ca.pem"));
    AwsSettings { ca_bundle: Some(ca), ..aws }
}

#[tokio::test]
async fn a_call_says_who_we_are_and_nothing_of_the_environment() {
    let (address, requests) = serve(REFUSED, false);
    let error = ask(at(format!("http://{address}"))).await;
    assert_eq!(error.code.as_deref(), Some("InvalidClientTokenId"), "{error:?}");
    let request = requests.recv().expect("a request");
    assert!(request.contains(concat!("user-agent: rolecall/", env!("CARGO_PKG_VERSION"), "\r\n")), "{request}");
    assert!(!request.contains("aws-sdk-rust") && request.contains("action=getcalleridentity"), "{request}");
}

#[tokio::test]
async fn calls_with_different_keys_share_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (accepted, connections) = channel();
    std::thread::spawn(move || {
        let kept = REFUSED.replace("connection: close\r\n", "");
        for mut stream in listener.incoming().flatten() {
            if accepted.send(()).is_err() {
                return;
            }
            while !converse(&mut stream, &kept).is_empty() {}
        }
    });
    let bench = Bench::new();
    let aws = Arc::new(at(format!("http://{address}")));
    for id in ["AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"] {
        let key = AccessKey { id: id.into(), ..bench.key.clone() };
        let error = bench.sts.caller_identity(&aws, &key, REGION).await.expect_err("refused");
        assert!(error.report.message.contains(id), "{error:?}");
    }
    assert_eq!(connections.try_iter().count(), 1);
}

#[tokio::test]
async fn only_a_certificate_of_the_configured_authority_is_believed() {
    let (address, _requests) = serve(REFUSED, true);
    let endpoint = format!("https://localhost:{}", address.port());
    let unknown = ask(at(endpoint.clone())).await;
    assert!(unknown.report.message.contains("from an unknown authority"), "{unknown:?}");
    assert!(unknown.report.hint.expect("a hint").contains("`ca_bundle`"));

    let known = ask(trusting(at(endpoint))).await;
    assert_eq!(known.code.as_deref(), Some("InvalidClientTokenId"), "{known:?}");

    let by_number = trusting(at(format!("https://{address}")));
    let wrong_name = ask(by_number).await;
    assert!(wrong_name.report.message.contains("is valid for another host"), "{wrong_name:?}");
}

#[tokio::test]
async fn a_certificate_file_that_does_not_serve_is_a_matter_of_the_configuration() {
    let aws = AwsSettings { ca_bundle: Some("/nonexistent/ca.pem".into()), ..AwsSettings::default() };
    let error = ask(aws).await;
    assert_eq!((error.report.kind, error.outlook), (Kind::Config, Retryability::Permanent));
    assert!(error.report.message.contains("/nonexistent/ca.pem"), "{error:?}");
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to() {
    let (address, _requests) = serve(REFUSED, false);
    let error = ask(trusting(at(format!("https://localhost:{}", address.port())))).await;
    assert!(error.report.message.contains("the TLS handshake with localhost"), "{error:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (address, requests) =
        serve("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", false);
    let error = ask(at(format!("http://{address}"))).await;
    assert!(error.report.message.contains("is not STS (HTTP 302)"), "{error:?}");
    assert_eq!(requests.try_iter().count(), 1);
}

#[tokio::test]
async fn the_proxy_is_asked_for_awss_hosts_and_its_refusals_are_told() {
    let deaf = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
    let (address, requests) = serve(deaf, false);
    let through = |proxy: String| AwsSettings { https_proxy: Some(proxy), ..AwsSettings::default() };
    let error = ask(through(format!("http://{address}"))).await;
    assert!(error.report.message.contains("the proxy asks for a user and a password"), "{error:?}");
    let request = requests.recv().expect("a request");
    assert!(request.starts_with("connect sts.eu-central-1.amazonaws.com:443 "), "{request}");

    let (address, requests) = serve("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", false);
    let error = ask(through(format!("http://{address}"))).await;
    assert!(error.report.message.contains("the proxy does not connect to sts.eu-central-1"), "{error:?}");
    assert!(!requests.recv().expect("a request").contains("proxy-authorization"));
}

#[tokio::test]
async fn no_proxy_leads_to_this_machine() {
    let bench = Bench::new();
    let aws = AwsSettings { https_proxy: Some("http://127.0.0.1:1".into()), ..AwsSettings::clone(&bench.aws) };
    bench.sts.caller_identity(&Arc::new(aws), &bench.key, REGION).await.expect("known");
}

#[tokio::test]
async fn an_announced_size_beyond_the_cap_ends_the_call() {
    let (address, _requests) = serve("HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n<", false);
    let error = ask(at(format!("http://{address}"))).await;
    assert!(error.report.message.contains("larger than any of STS's"), "{error:?}");
}
