//! One Authenticode signature of a binary (PKCS#7 in the certificate table).

use authenticode::SpcIndirectDataContent;
use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerInfo};
use der::asn1::{ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode, SliceReader};
use ring::digest;

use crate::authority::Authority;
use crate::certificate::Certificate;

/// SHA-256 (RFC 5754 §2.2).
const SHA_256: &str = "2.16.840.1.101.3.4.2.1";
/// The attribute that holds the digest of what is signed (RFC 5652 §11.2).
const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
/// More issuers than any chain has.
const LONGEST_CHAIN: usize = 8;

/// Why a signature is none that firmware would accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is no Authenticode signature.
    #[error("a signature cannot be read: {0}")]
    Format(String),
    /// It uses another digest than SHA-256, such as SHA-1.
    #[error("a signature uses the digest {0}, not SHA-256")]
    Digest(String),
    /// The certificate that it was made with is not inside.
    #[error("a signature does not contain the certificate of its signer")]
    NoSigner,
    /// The binary is not what was signed.
    #[error("its content was changed after it was signed")]
    Changed,
    /// The key of the certificate did not make it.
    #[error("a signature was not made by its signer {0}")]
    Forged(String),
}

/// A signature that was checked: the signer's key made it, for this content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The signer's certificate, then who issued it, and so on, as far as they are inside.
    certificates: Vec<Certificate>,
}

impl Signature {
    /// Reads `pkcs7` and checks it against `digest`, the Authenticode SHA-256 of the binary.
    pub(crate) fn check(pkcs7: &[u8], digest: &[u8]) -> Result<Self, SignatureError> {
        let format = |error: der::Error| SignatureError::Format(error.to_string());
        // Padding may follow.
        let mut reader = SliceReader::new(pkcs7).map_err(format)?;
        let content = ContentInfo::decode(&mut reader).map_err(format)?;
        let signed: SignedData = content.content.decode_as().map_err(format)?;
        let content = signed.encap_content_info.econtent.as_ref();
        let content = content.ok_or_else(|| SignatureError::Format("it signs nothing".into()))?;
        let indirect: SpcIndirectDataContent = content.decode_as().map_err(format)?;
        sha256(&indirect.message_digest.digest_algorithm.oid)?;
        if indirect.message_digest.digest.as_bytes() != digest {
            return Err(SignatureError::Changed);
        }
        let [signer] = signed.signer_infos.0.as_slice() else {
            return Err(SignatureError::Format("it has not one signer".into()));
        };
        sha256(&signer.digest_alg.oid)?;

        let inside: Vec<Certificate> = certificates(&signed);
        let certificate = inside.iter().find(|one| one.is_signer(&signer.sid));
        let certificate = certificate.ok_or(SignatureError::NoSigner)?;
        let message = signed_message(signer, content.value()).ok_or(SignatureError::Changed)?;
        if !certificate.signed(&message, signer.signature.as_bytes()) {
            return Err(SignatureError::Forged(certificate.subject()));
        }
        Ok(Self {
            certificates: chain(certificate, &inside),
        })
    }

    /// The certificates: the signer's, then who issued it, and so on, as far as they are inside.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The name of who signed.
    pub fn signer(&self) -> String {
        let signer = self.certificates.first();
        signer.map(Certificate::subject).unwrap_or_default()
    }

    /// The name of the last known issuer.
    pub fn issuer(&self) -> String {
        let last = self.certificates.last();
        last.map(Certificate::issuer).unwrap_or_default()
    }

    /// The authority whose certificate it ends at.
    pub fn authority(&self) -> Option<Authority> {
        self.certificates.iter().find_map(Authority::of)
    }

    /// Whether who trusts `certificate` accepts it.
    pub fn is_under(&self, certificate: &Certificate) -> bool {
        self.certificates
            .iter()
            .any(|one| one == certificate || certificate.issued(one))
    }
}

fn sha256(oid: &ObjectIdentifier) -> Result<(), SignatureError> {
    let oid = oid.to_string();
    if oid == SHA_256 {
        Ok(())
    } else {
        Err(SignatureError::Digest(oid))
    }
}

fn certificates(signed: &SignedData) -> Vec<Certificate> {
    let all = signed.certificates.iter().flat_map(|set| set.0.iter());
    all.filter_map(|one| match one {
        CertificateChoices::Certificate(certificate) => {
            Some(Certificate::from(certificate.clone()))
        }
        CertificateChoices::Other(_) => None,
    })
    .collect()
}

/// What the signer's key has signed: the attributes, which must contain the digest of `content`, or `content` itself
/// (RFC 5652 §5.4).
fn signed_message(signer: &SignerInfo, content: &[u8]) -> Option<Vec<u8>> {
    let Some(attributes) = &signer.signed_attrs else {
        return Some(content.to_vec());
    };
    let found = attributes
        .iter()
        .find(|attribute| attribute.oid.to_string() == MESSAGE_DIGEST)?;
    let value = found.values.iter().next()?;
    let claimed: OctetStringRef<'_> = value.decode_as().ok()?;
    let actual = digest::digest(&digest::SHA256, content);
    (claimed.as_bytes() == actual.as_ref()).then_some(())?;
    attributes.to_der().ok()
}

/// `first` and its issuers among `inside`.
fn chain(first: &Certificate, inside: &[Certificate]) -> Vec<Certificate> {
    let mut chain = vec![first.clone()];
    while chain.len() < LONGEST_CHAIN
        && let Some(last) = chain.last()
        && let Some(issuer) = inside.iter().find(|one| *one != last && one.issued(last))
        && !chain.contains(issuer)
    {
        chain.push(issuer.clone());
    }
    chain
}
