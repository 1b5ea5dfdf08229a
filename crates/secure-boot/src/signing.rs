//! Signing EFI binaries with the administrator's own key, as firmware that has its certificate in `db` checks it.
//!
//! The signature has no time, so that the same binary, key and certificate give the same bytes (RSA with PKCS #1 v1.5 is
//! deterministic).

use std::fmt;

use authenticode::{
    DigestInfo, SPC_INDIRECT_DATA_OBJID, SpcAttributeTypeAndOptionalValue, SpcIndirectDataContent,
};
use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use der::asn1::{BitString, ObjectIdentifier, OctetString, SetOfVec};
use der::{Any, Decode, Encode};
use ring::digest;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::attr::Attribute;
use x509_cert::spki::AlgorithmIdentifierOwned;

/// `SPC_PE_IMAGE_DATA_OBJID` of Authenticode.
const PE_IMAGE_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.15");
/// `SpcPeImageData` as every signer writes it: no flags, and the text `<<<Obsolete>>>` in place of a file's name.
const NO_PAGE_HASHES: &[u8] = b"\x30\x25\x03\x01\x00\xa0\x20\xa2\x1e\x80\x1c\
    \0<\0<\0<\0O\0b\0s\0o\0l\0e\0t\0e\0>\0>\0>";
/// RFC 5652: signed data, and the two attributes that it has to have.
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
/// RFC 5754 §2.2, RFC 8017.
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `WIN_CERT_REVISION_2_0` and `WIN_CERT_TYPE_PKCS_SIGNED_DATA`, behind the length of an entry of the certificate table.
const ENTRY_KIND: [u8; 4] = [0x00, 0x02, 0x02, 0x00];
const ENTRY_HEADER: usize = 8;

/// Why a key and its certificate do not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// The key's file has none.
    #[error("there is no private key in it: it has to be PEM (-----BEGIN PRIVATE KEY-----)")]
    NoKey,
    /// It takes a password.
    #[error(
        "the key is encrypted, and nobody is there to give its password: write it without one (openssl pkey -in KEY -out FILE), for root alone"
    )]
    Encrypted,
    /// It is of another kind, or too short or too long.
    #[error(
        "the key cannot be used ({0}): it has to be RSA with 2048 to 4096 bits, which is what firmware checks"
    )]
    Unusable(String),
    /// The certificate's file has none.
    #[error(
        "there is no certificate in it that can be read: it has to be PEM (-----BEGIN CERTIFICATE-----)"
    )]
    NoCertificate,
    /// They do not belong together.
    #[error("the certificate of {0} is for another key")]
    OtherKey(String),
}

/// Why there is no signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signature cannot be made: {0}")]
pub struct SignError(String);

/// A private key with its certificate.
pub struct SigningKey {
    key: KeyPair,
    /// The key's first, then those of its issuers.
    certificates: Vec<x509_cert::Certificate>,
}

impl fmt::Debug for SigningKey {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.signer())
    }
}

impl SigningKey {
    /// Reads a key and its certificate from PEM files; certificates of its issuers may follow the key's own.
    ///
    /// # Errors
    /// See [`SigningKeyError`].
    pub fn from_pem(key: &[u8], certificates: &[u8]) -> Result<Self, SigningKeyError> {
        let key = match PrivateKeyDer::from_pem_slice(key) {
            Ok(PrivateKeyDer::Pkcs8(key)) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
            Ok(PrivateKeyDer::Pkcs1(key)) => KeyPair::from_der(key.secret_pkcs1_der()),
            Ok(_) => return Err(SigningKeyError::Unusable("it is not RSA".to_owned())),
            Err(_) if contains(key, b"ENCRYPTED") => return Err(SigningKeyError::Encrypted),
            Err(_) => return Err(SigningKeyError::NoKey),
        };
        let key = key.map_err(|error| SigningKeyError::Unusable(error.to_string()))?;
        let read: Result<Vec<_>, SigningKeyError> = CertificateDer::pem_slice_iter(certificates)
            .map(|one| {
                let one = one.map_err(|_| SigningKeyError::NoCertificate)?;
                x509_cert::Certificate::from_der(&one).map_err(|_| SigningKeyError::NoCertificate)
            })
            .collect();
        let certificates = read?;
        let first = certificates.first().ok_or(SigningKeyError::NoCertificate)?;
        let certified = &first.tbs_certificate.subject_public_key_info;
        if BitString::as_bytes(&certified.subject_public_key) != Some(key.public().as_ref()) {
            let name = first.tbs_certificate.subject.to_string();
            return Err(SigningKeyError::OtherKey(name));
        }
        Ok(Self { key, certificates })
    }

    /// The name of who signs.
    pub fn signer(&self) -> String {
        let certificate = self.certificates.first();
        let name = certificate.map(|one| one.tbs_certificate.subject.to_string());
        name.unwrap_or_default()
    }

    /// The certificate table of a binary with this Authenticode SHA-256 (see [`Hashing`](crate::Hashing)): what follows its last byte, at a
    /// multiple of eight. It is as long for every digest, a multiple of eight bytes.
    ///
    /// # Errors
    /// The key does not sign, or there are more certificates than a signature can have.
    pub fn certificate_table(&self, digest: &[u8; 32]) -> Result<Vec<u8>, SignError> {
        let failed = |error: &dyn fmt::Display| SignError(error.to_string());
        let mut signature = self.signature(digest).map_err(|error| failed(&error))?;
        signature.resize(signature.len().next_multiple_of(8), 0);
        let length = u32::try_from(ENTRY_HEADER + signature.len());
        let length = length.map_err(|error| failed(&error))?;
        Ok([&length.to_le_bytes(), &ENTRY_KIND[..], &signature].concat())
    }

    /// The length of every such table, in bytes.
    ///
    /// # Errors
    /// See [`SigningKey::certificate_table`].
    pub fn table_length(&self) -> Result<u64, SignError> {
        Ok(self.certificate_table(&[0; 32])?.len() as u64)
    }

    /// The PKCS #7 of a binary with this Authenticode SHA-256.
    fn signature(&self, authenticode: &[u8]) -> der::Result<Vec<u8>> {
        let sha256 = AlgorithmIdentifierOwned {
            oid: SHA_256,
            parameters: Some(Any::null()),
        };
        let content = Any::encode_from(&SpcIndirectDataContent {
            data: SpcAttributeTypeAndOptionalValue {
                value_type: PE_IMAGE_DATA,
                value: Any::from_der(NO_PAGE_HASHES)?,
            },
            message_digest: DigestInfo {
                digest_algorithm: sha256.clone(),
                digest: OctetString::new(authenticode)?,
            },
        })?;
        // Without its tag and length, unlike in CMS (RFC 2315 §9.3).
        let digest = digest::digest(&digest::SHA256, content.value());
        let attributes = SetOfVec::try_from(vec![
            attribute(CONTENT_TYPE, &SPC_INDIRECT_DATA_OBJID)?,
            attribute(MESSAGE_DIGEST, &OctetString::new(digest.as_ref())?)?,
        ])?;
        let signature = self.signed(&attributes.to_der()?)?;
        let certificate = self.certificates.first();
        let certificate = &certificate.ok_or(der::ErrorKind::Failed)?.tbs_certificate;
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: certificate.issuer.clone(),
                serial_number: certificate.serial_number.clone(),
            }),
            digest_alg: sha256.clone(),
            signed_attrs: Some(attributes),
            signature_algorithm: AlgorithmIdentifierOwned {
                oid: RSA,
                parameters: Some(Any::null()),
            },
            signature: OctetString::new(signature)?,
            unsigned_attrs: None,
        };
        let certificates = self.certificates.iter().cloned();
        let certificates: Vec<_> = certificates.map(CertificateChoices::Certificate).collect();
        let signed = SignedData {
            version: CmsVersion::V1,
            digest_algorithms: SetOfVec::try_from(vec![sha256])?,
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: SPC_INDIRECT_DATA_OBJID,
                econtent: Some(content),
            },
            certificates: Some(CertificateSet(SetOfVec::try_from(certificates)?)),
            crls: None,
            signer_infos: SignerInfos(SetOfVec::try_from(vec![signer])?),
        };
        ContentInfo {
            content_type: SIGNED_DATA,
            content: Any::encode_from(&signed)?,
        }
        .to_der()
    }

    fn signed(&self, message: &[u8]) -> der::Result<Vec<u8>> {
        let mut signature = vec![0; self.key.public().modulus_len()];
        // Its random numbers hide the key from who measures times; the signature has none.
        let random = SystemRandom::new();
        let done = self
            .key
            .sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
        done.map_err(|_| der::ErrorKind::Failed)?;
        Ok(signature)
    }
}

fn attribute<T: der::EncodeValue + der::Tagged>(
    oid: ObjectIdentifier,
    value: &T,
) -> der::Result<Attribute> {
    Ok(Attribute {
        oid,
        values: SetOfVec::try_from(vec![Any::encode_from(value)?])?,
    })
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
