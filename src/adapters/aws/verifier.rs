//! Verifies the certificates of a server by webpki. What webpki rejects is named: the certificate, its issuer, the fault.

use super::certificate::CertificateFault;
use super::policies::{Restoring, soft, softened};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use std::sync::{Arc, LazyLock};

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// The same, for certificates that `policies` has softened. Its algorithms live as long as the process, as rustls wants.
static SOFT_PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    let strict = PROVIDER.signature_verification_algorithms;
    let restoring = strict.all.iter().map(|algorithm| {
        let restoring: &'static dyn SignatureVerificationAlgorithm = Box::leak(Box::new(Restoring(*algorithm)));
        restoring
    });
    let all: &'static [_] = Box::leak(restoring.collect::<Vec<_>>().into_boxed_slice());
    let algorithms = WebPkiSupportedAlgorithms { all, mapping: strict.mapping };
    Arc::new(CryptoProvider { signature_verification_algorithms: algorithms, ..aws_lc_rs::default_provider() })
});

/// Makes the TLS configuration for a set of trusted authorities; with none, no server is trusted.
pub(super) fn client_config(roots: RootCertStore) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER)).with_safe_default_protocol_versions()?;
    if roots.is_empty() {
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    }
    let roots = Arc::new(roots);
    let verifier = |provider: &Arc<CryptoProvider>| {
        WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider)).build()
    };
    let failed = |_| Error::General("no verifier of certificates".to_owned());
    let strict = verifier(&PROVIDER).map_err(failed)?;
    let soft = verifier(&SOFT_PROVIDER).map_err(failed)?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(Verifier { strict, soft })).with_no_client_auth())
}

#[derive(Debug)]
struct Verifier {
    strict: Arc<WebPkiServerVerifier>,
    soft: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = match softened(leaf, intermediates) {
            None => self.strict.verify_server_cert(leaf, intermediates, name, ocsp, now),
            Some(soft) => self.soft.verify_server_cert(&soft.leaf, &soft.intermediates, name, ocsp, now),
        };
        verdict.map_err(|error| named(error, leaf, intermediates))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verdict = self.strict.verify_tls12_signature(message, &soft(leaf), signature);
        verdict.map_err(|error| named(error, leaf, &[]))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verdict = self.strict.verify_tls13_signature(message, &soft(leaf), signature);
        verdict.map_err(|error| named(error, leaf, &[]))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}

fn named(error: Error, leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Error {
    match CertificateFault::of(&error, leaf, intermediates) {
        Some(fault) => Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(fault)))),
        None => error,
    }
}
