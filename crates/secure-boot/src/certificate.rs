//! An X.509 certificate, as far as it signs others and binaries.

use std::fmt;

use der::asn1::BitString;
use der::{Decode, Encode};
use ring::digest;
use ring::signature::{self, RsaParameters, UnparsedPublicKey};

/// The algorithms of a signature, by the object identifier in a certificate (RFC 8017, appendix C).
const ALGORITHMS: [(&str, &RsaParameters); 3] = [
    (
        "1.2.840.113549.1.1.11",
        &signature::RSA_PKCS1_2048_8192_SHA256,
    ),
    (
        "1.2.840.113549.1.1.12",
        &signature::RSA_PKCS1_2048_8192_SHA384,
    ),
    (
        "1.2.840.113549.1.1.13",
        &signature::RSA_PKCS1_2048_8192_SHA512,
    ),
];

/// A certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    parsed: Box<x509_cert::Certificate>,
}

impl Certificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// It is none.
    pub fn from_der(bytes: &[u8]) -> Result<Self, der::Error> {
        let parsed = x509_cert::Certificate::from_der(bytes)?;
        Ok(Self::from(parsed))
    }

    /// It in DER.
    ///
    /// # Errors
    /// It is longer than DER can say.
    pub fn to_der(&self) -> Result<Vec<u8>, der::Error> {
        self.parsed.to_der()
    }

    /// The name of its owner: the common name, or all of it if there is none.
    pub fn subject(&self) -> String {
        name(&self.parsed.tbs_certificate.subject)
    }

    /// The name of who issued it.
    pub fn issuer(&self) -> String {
        name(&self.parsed.tbs_certificate.issuer)
    }

    /// SHA-256 of its public key with the key's algorithm (`SubjectPublicKeyInfo` in DER), which says whose it is.
    pub fn key_digest(&self) -> Option<[u8; 32]> {
        let key = &self.parsed.tbs_certificate.subject_public_key_info;
        let bytes = key.to_der().ok()?;
        digest::digest(&digest::SHA256, &bytes)
            .as_ref()
            .try_into()
            .ok()
    }

    /// Whether it issued `other`: by name, and by the signature on it.
    pub fn issued(&self, other: &Self) -> bool {
        let signed = &other.parsed;
        if self.parsed.tbs_certificate.subject != signed.tbs_certificate.issuer {
            return false;
        }
        let algorithm = signed.signature_algorithm.oid.to_string();
        let known = ALGORITHMS.iter().find(|(oid, _)| *oid == algorithm);
        let (Some((_, algorithm)), Ok(content)) = (known, signed.tbs_certificate.to_der()) else {
            return false;
        };
        let signature = signed.signature.as_bytes();
        signature.is_some_and(|signature| self.verifies(algorithm, &content, signature))
    }

    /// Whether its key made this signature of SHA-256 of `content`.
    pub(crate) fn signed(&self, content: &[u8], signature: &[u8]) -> bool {
        self.verifies(&signature::RSA_PKCS1_2048_8192_SHA256, content, signature)
    }

    fn verifies(
        &self,
        algorithm: &'static RsaParameters,
        content: &[u8],
        signature: &[u8],
    ) -> bool {
        let key = &self.parsed.tbs_certificate.subject_public_key_info;
        let key = BitString::as_bytes(&key.subject_public_key);
        key.is_some_and(|key| {
            UnparsedPublicKey::new(algorithm, key)
                .verify(content, signature)
                .is_ok()
        })
    }

    pub(crate) fn is_signer(&self, id: &cms::signed_data::SignerIdentifier) -> bool {
        let certificate = &self.parsed.tbs_certificate;
        match id {
            cms::signed_data::SignerIdentifier::IssuerAndSerialNumber(id) => {
                id.issuer == certificate.issuer && id.serial_number == certificate.serial_number
            }
            cms::signed_data::SignerIdentifier::SubjectKeyIdentifier(_) => false,
        }
    }
}

impl From<x509_cert::Certificate> for Certificate {
    fn from(parsed: x509_cert::Certificate) -> Self {
        let parsed = Box::new(parsed);
        Self { parsed }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({:?})", self.subject())
    }
}

/// The common name in a distinguished name (RFC 4514, `CN`).
fn name(name: &x509_cert::name::Name) -> String {
    let all = name.to_string();
    let parts = name.0.iter().flat_map(|part| part.0.iter());
    let common = parts
        .map(ToString::to_string)
        .find_map(|part| part.strip_prefix("CN=").map(str::to_owned));
    common.unwrap_or(all)
}
