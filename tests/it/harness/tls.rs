//! A TLS server in front of the sandbox, whose certificates a test chooses.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::{ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Returns a file of the certificates that `tests/it/certificates/make` makes.
pub(crate) fn certificate(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/certificates/testdata").join(name)
}

/// A server that decrypts and passes on.
pub(crate) struct TlsFront {
    pub(crate) port: u16,
    chain: Arc<Chain>,
}

/// The chain to present; not checked, as a real server would.
#[derive(Debug)]
struct Chain(Mutex<Arc<CertifiedKey>>);

impl ResolvesServerCert for Chain {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.lock().unwrap()))
    }
}

fn chain(name: &str) -> Arc<CertifiedKey> {
    let key = PrivateKeyDer::from_pem_file(certificate("server.key")).expect("PEM");
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("a key");
    let certificates = CertificateDer::pem_file_iter(certificate(&format!("{name}.pem"))).expect("PEM");
    Arc::new(CertifiedKey::new(certificates.map(|der| der.expect("PEM")).collect(), key))
}

impl TlsFront {
    /// Starts one in front of an address such as `http://127.0.0.1:4566`.
    pub(crate) fn start(upstream: &str, name: &str) -> Self {
        let chain = Arc::new(Chain(Mutex::new(chain(name))));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_cert_resolver(chain.clone());
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let upstream = upstream.trim_start_matches("http://").to_owned();
        std::thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let (config, upstream) = (Arc::clone(&config), upstream.clone());
                // A client that rejects the certificate is gone by then.
                std::thread::spawn(move || drop(pass_on(tcp, config, &upstream)));
            }
        });
        Self { port, chain }
    }

    /// Presents another chain from now on.
    pub(crate) fn present(&self, name: &str) {
        *self.chain.0.lock().unwrap() = chain(name);
    }
}

fn pass_on(tcp: TcpStream, config: Arc<ServerConfig>, upstream: &str) -> io::Result<()> {
    let session = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut client = StreamOwned::new(session, tcp);
    let mut server = TcpStream::connect(upstream)?;
    loop {
        server.write_all(&message(&mut client)?)?;
        client.write_all(&message(&mut server)?)?;
        client.flush()?;
    }
}

/// Reads one HTTP message with its body.
pub(crate) fn message(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let (mut whole, mut byte) = (Vec::new(), [0]);
    while !whole.ends_with(b"\r\n\r\n") {
        from.read_exact(&mut byte)?;
        whole.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&whole).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    whole.extend(body);
    Ok(whole)
}
