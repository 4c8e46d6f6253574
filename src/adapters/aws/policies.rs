//! Critical policy extensions of certificates, which webpki rejects because it evaluates no policies.
//!
//! By RFC 5280 section 6.1, with any initial policy and no explicit policy required, certificatePolicies, policyMappings
//! and inhibitAnyPolicy cannot make a path invalid: they matter only if a certificate sets requireExplicitPolicy. So their
//! critical flag alone is cleared in a copy, and webpki verifies the copy; each signature is verified over the original
//! bytes. A chain with requireExplicitPolicy is left as it is, and so is every other critical extension: webpki rejects it.

use rustls::pki_types::{AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm};
use std::ops::Range;

/// id-ce-certificatePolicies, id-ce-policyMappings, id-ce-inhibitAnyPolicy (2.5.29.32, 33, 54).
const POLICIES: [&[u8]; 3] = [&[0x55, 0x1d, 0x20], &[0x55, 0x1d, 0x21], &[0x55, 0x1d, 0x36]];
/// id-ce-policyConstraints (2.5.29.36).
const CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x24];

const BOOLEAN: u8 = 0x01;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// The tag of `extensions` in a TBSCertificate.
const EXTENSIONS: u8 = 0xa3;
/// The tag of requireExplicitPolicy in PolicyConstraints.
const EXPLICIT: u8 = 0x80;

/// A chain whose policy extensions are not critical, for webpki alone.
pub(super) struct Softened {
    pub(super) leaf: CertificateDer<'static>,
    pub(super) intermediates: Vec<CertificateDer<'static>>,
}

/// Clears the critical flag of the policy extensions of a chain; returns `None` if no flag is set, or if a certificate
/// requires an explicit policy.
pub(super) fn softened(leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Option<Softened> {
    let chain = || std::iter::once(leaf).chain(intermediates);
    if !chain().any(|der| has_critical_policy(der)) || chain().any(|der| requires_explicit_policy(der)) {
        return None;
    }
    Some(Softened { leaf: soft(leaf), intermediates: intermediates.iter().map(soft).collect() })
}

/// Clears the flags of one certificate.
pub(super) fn soft(der: &CertificateDer<'_>) -> CertificateDer<'static> {
    let mut copy = der.as_ref().to_vec();
    if let Some(tbs) = tbs(&copy) {
        for at in flags(&copy[tbs.clone()], 0xff) {
            copy[tbs.start + at] = 0x00;
        }
    }
    CertificateDer::from(copy)
}

/// Returns whether a certificate has a policy extension that is critical.
pub(super) fn has_critical_policy(der: &[u8]) -> bool {
    tbs(der).is_some_and(|tbs| !flags(&der[tbs], 0xff).is_empty())
}

/// Returns whether a certificate requires an explicit policy of the path.
pub(super) fn requires_explicit_policy(der: &[u8]) -> bool {
    let Some(tbs) = tbs(der) else { return false };
    let tbs = &der[tbs];
    extensions(tbs).iter().any(|extension| {
        let constraints = element(tbs, extension.value.start).filter(|_| tbs[extension.id.clone()] == *CONSTRAINTS);
        let first = constraints.filter(|(tag, _)| *tag == SEQUENCE).and_then(|(_, inner)| element(tbs, inner.start));
        first.is_some_and(|(tag, _)| tag == EXPLICIT)
    })
}

/// Verifies signatures of softened certificates over the original bytes.
#[derive(Debug)]
pub(super) struct Restoring(pub(super) &'static dyn SignatureVerificationAlgorithm);

impl SignatureVerificationAlgorithm for Restoring {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.0.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.0.signature_alg_id()
    }

    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        self.0.verify_signature(public_key, message, signature).or_else(|invalid| {
            let mut original = message.to_vec();
            let cleared = flags(message, 0x00);
            if cleared.is_empty() {
                return Err(invalid);
            }
            for at in cleared {
                original[at] = 0xff;
            }
            self.0.verify_signature(public_key, &original, signature)
        })
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

/// Returns where the TBSCertificate of a certificate lies, its header included.
fn tbs(der: &[u8]) -> Option<Range<usize>> {
    let (_, certificate) = element(der, 0).filter(|(tag, _)| *tag == SEQUENCE)?;
    let (_, content) = element(der, certificate.start).filter(|(tag, _)| *tag == SEQUENCE)?;
    Some(certificate.start..content.end)
}

/// Returns where the critical flags of policy extensions lie that have a value.
fn flags(tbs: &[u8], value: u8) -> Vec<usize> {
    let policies = extensions(tbs).into_iter().filter(|extension| POLICIES.contains(&&tbs[extension.id.clone()]));
    policies.filter_map(|extension| extension.flag).filter(|at| tbs[*at] == value).collect()
}

struct Extension {
    id: Range<usize>,
    /// Where the flag lies, if there is one.
    flag: Option<usize>,
    value: Range<usize>,
}

fn extensions(tbs: &[u8]) -> Vec<Extension> {
    read(tbs).unwrap_or_default()
}

fn read(tbs: &[u8]) -> Option<Vec<Extension>> {
    let (_, content) = element(tbs, 0).filter(|(tag, _)| *tag == SEQUENCE)?;
    let (_, tagged) = elements(tbs, content)?.into_iter().find(|(tag, _)| *tag == EXTENSIONS)?;
    let (_, list) = element(tbs, tagged.start).filter(|(tag, _)| *tag == SEQUENCE)?;
    let mut found = Vec::new();
    for (_, extension) in elements(tbs, list)? {
        let parts = elements(tbs, extension)?;
        let (id, flag, value) = match parts.as_slice() {
            [(OID, id), (OCTETS, value)] => (id, None, value),
            [(OID, id), (BOOLEAN, flag), (OCTETS, value)] if flag.len() == 1 => (id, Some(flag.start), value),
            _ => return None,
        };
        found.push(Extension { id: id.clone(), flag, value: value.clone() });
    }
    Some(found)
}

/// Splits a range into its elements.
fn elements(der: &[u8], range: Range<usize>) -> Option<Vec<(u8, Range<usize>)>> {
    let (der, mut at) = (der.get(..range.end)?, range.start);
    let mut found = Vec::new();
    while at < range.end {
        let (tag, content) = element(der, at)?;
        at = content.end;
        found.push((tag, content));
    }
    Some(found)
}

/// Reads the header of an element: its tag, and where its content lies. No certificate that webpki reads has longer ones.
pub(super) fn element(der: &[u8], at: usize) -> Option<(u8, Range<usize>)> {
    let byte = |at: usize| der.get(at).copied().map(usize::from);
    let tag = *der.get(at)?;
    let (length, start) = match byte(at + 1)? {
        short @ 0..=0x7f => (short, at + 2),
        0x81 => (byte(at + 2)?, at + 3),
        0x82 => ((byte(at + 2)? << 8) | byte(at + 3)?, at + 4),
        _ => return None,
    };
    (start + length <= der.len()).then_some((tag, start..start + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(der in proptest::collection::vec(any::<u8>(), 0..300)) {
            let certificate = CertificateDer::from(der.clone());
            let copy = soft(&certificate);
            prop_assert_eq!(copy.len(), der.len());
            requires_explicit_policy(&der);
        }
    }

    /// A TBSCertificate with one extension.
    fn with(oid: &[u8], flag: Option<u8>, value: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| {
            let mut out = vec![tag, u8::try_from(content.len()).expect("short")];
            out.extend(content);
            out
        };
        let flag = flag.map(|flag| wrap(BOOLEAN, &[flag])).unwrap_or_default();
        let extension = wrap(SEQUENCE, &[wrap(OID, oid), flag, wrap(OCTETS, value)].concat());
        wrap(SEQUENCE, &wrap(SEQUENCE, &wrap(EXTENSIONS, &wrap(SEQUENCE, &extension))))
    }

    #[test]
    fn only_policy_extensions_lose_their_flag() {
        for (oid, is_softened) in [
            (POLICIES[0], true),
            (POLICIES[1], true),
            (POLICIES[2], true),
            (CONSTRAINTS, false),
            (&[0x55, 0x1d, 0x13][..], false),
            (&[0x2a, 0x03, 0x04][..], false),
        ] {
            let der = with(oid, Some(0xff), &[0x30, 0x00]);
            let copy = soft(&CertificateDer::from(der.clone()));
            assert_eq!(copy.as_ref() != der, is_softened, "{oid:02x?}");
            let changed = der.iter().zip(copy.as_ref()).filter(|(old, new)| old != new).count();
            assert_eq!(changed, usize::from(is_softened));
        }
    }

    #[test]
    fn required_explicit_policy_keeps_the_chain_as_it_is() {
        let leaf = CertificateDer::from(with(POLICIES[0], Some(0xff), &[0x30, 0x00]));
        assert!(softened(&leaf, &[]).is_some());
        let constraints = |value: &[u8]| CertificateDer::from(with(CONSTRAINTS, None, value));
        assert!(softened(&leaf, &[constraints(&[0x30, 0x03, 0x80, 0x01, 0x00])]).is_none());
        assert!(softened(&leaf, &[constraints(&[0x30, 0x03, 0x81, 0x01, 0x00])]).is_some());
    }
}
