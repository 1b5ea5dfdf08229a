//! An EFI binary: its processor, its signatures, and the sections that Secure Boot looks at.

use std::fmt;

use authenticode::{AttributeCertificateIterator, PeTrait, WIN_CERT_TYPE_PKCS_SIGNED_DATA};
use object::pe::{IMAGE_FILE_MACHINE_AMD64, IMAGE_FILE_MACHINE_ARM64};
use object::read::pe::PeFile64;
use object::{LittleEndian, Object, ObjectSection};
use ring::digest;

use crate::certificate::Certificate;
use crate::sbat::{Levels, Sbat};
use crate::shim_names::default_loader;
use crate::signature::{Signature, SignatureError};
use crate::signature_list::{Listed, signature_list};

/// The processor that a binary is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// x86_64.
    X64,
    /// aarch64.
    Arm64,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X64 => "x86_64",
            Self::Arm64 => "aarch64",
        })
    }
}

/// Why a file is no EFI binary that could be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BinaryError {
    /// It is no such file.
    #[error("it is not an EFI binary: {0}")]
    Format(String),
    /// It is for a processor that netroot does not boot.
    #[error("it is for a processor of the kind {0:#06x}, neither x86_64 nor aarch64")]
    Processor(u16),
}

/// An EFI binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// The processor that it is for.
    pub architecture: Architecture,
    /// Its Authenticode SHA-256.
    pub digest: [u8; 32],
    /// Its signatures, each checked.
    pub signatures: Vec<Result<Signature, SignatureError>>,
    /// Its components.
    pub sbat: Sbat,
    /// The levels that it brings, if it is a shim.
    pub levels: Levels,
    /// What a shim starts.
    pub authorized: Vec<Listed>,
    /// What a shim never starts.
    pub deauthorized: Vec<Listed>,
    /// The name of the file that a shim starts, which it looks for beside itself: `grubx64.efi`. `None` for what is no
    /// shim, and for one that it is not found in.
    pub default_loader: Option<String>,
}

impl Binary {
    /// Reads the file's content.
    ///
    /// # Errors
    /// It is no EFI binary for a known processor.
    pub fn parse(bytes: &[u8]) -> Result<Self, BinaryError> {
        let format = |error: &dyn fmt::Display| BinaryError::Format(error.to_string());
        let pe = PeFile64::parse(bytes).map_err(|error| format(&error))?;
        let architecture = match pe.nt_headers().file_header.machine.get(LittleEndian) {
            IMAGE_FILE_MACHINE_AMD64 => Architecture::X64,
            IMAGE_FILE_MACHINE_ARM64 => Architecture::Arm64,
            other => return Err(BinaryError::Processor(other)),
        };
        // Each section is hashed: several of the same bytes would take for ever.
        let sections = pe.section_table().iter();
        let sizes = sections.map(|one| u64::from(one.size_of_raw_data.get(LittleEndian)));
        if sizes.fold(0, u64::saturating_add) > bytes.len() as u64 {
            return Err(BinaryError::Format(
                "its sections are longer than it is".to_owned(),
            ));
        }
        let mut hash = Hash(digest::Context::new(&digest::SHA256));
        authenticode::authenticode_digest(&pe, &mut hash)
            .map_err(|_| BinaryError::Format("its sections lie outside of it".to_owned()))?;
        let digest = hash.0.finish();
        let digest = digest.as_ref().try_into();
        let digest = digest.map_err(|_| BinaryError::Format("no SHA-256".to_owned()))?;

        let section = |name: &str| {
            let section = pe.section_by_name(name);
            section.and_then(|section| section.data().ok())
        };
        let (authorized, deauthorized) = section(".vendor_cert")
            .and_then(vendor_lists)
            .unwrap_or_default();
        let is_shim = !authorized.is_empty();
        Ok(Self {
            architecture,
            digest,
            default_loader: is_shim.then(|| default_loader(bytes)).flatten(),
            signatures: signatures(&pe, &digest),
            sbat: section(".sbat").map(Sbat::parse).unwrap_or_default(),
            levels: section(".sbatlevel").map(Levels::parse).unwrap_or_default(),
            authorized,
            deauthorized,
        })
    }

    /// Its valid signatures.
    pub fn valid_signatures(&self) -> impl Iterator<Item = &Signature> {
        self.signatures.iter().flatten()
    }

    /// Whether it is on this list: itself, or by who signed it.
    pub(crate) fn is_listed(&self, list: &[Listed]) -> bool {
        list.iter().any(|listed| match listed {
            Listed::Digest(digest) => *digest == self.digest,
            Listed::Certificate(certificate) => self
                .valid_signatures()
                .any(|signature| signature.is_under(certificate)),
        })
    }
}

struct Hash(digest::Context);

impl ::digest::Update for Hash {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

fn signatures(pe: &dyn PeTrait, digest: &[u8]) -> Vec<Result<Signature, SignatureError>> {
    let table = match AttributeCertificateIterator::new(pe) {
        Ok(Some(table)) => table,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![Err(SignatureError::Format(error.to_string()))],
    };
    let mut signatures = Vec::new();
    for entry in table {
        match entry {
            Ok(entry) if entry.certificate_type == WIN_CERT_TYPE_PKCS_SIGNED_DATA => {
                signatures.push(Signature::check(entry.data, digest));
            }
            Ok(_) => {}
            Err(error) => {
                signatures.push(Err(SignatureError::Format(error.to_string())));
                break;
            }
        }
    }
    signatures
}

/// What a shim starts, and what it never starts (shim's `cert.S`): two sizes, two offsets, the two lists. The first is
/// a certificate, or a list of several.
fn vendor_lists(section: &[u8]) -> Option<(Vec<Listed>, Vec<Listed>)> {
    let number = |at: usize| -> Option<usize> {
        let bytes = section.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let part = |size: usize, offset: usize| section.get(offset..offset.checked_add(size)?);
    let authorized = part(number(0)?, number(8)?)?;
    let deauthorized = part(number(4)?, number(12)?)?;
    let authorized = match Certificate::from_der(authorized) {
        Ok(certificate) => vec![Listed::Certificate(certificate)],
        Err(_) => signature_list(authorized).unwrap_or_default(),
    };
    Some((authorized, signature_list(deauthorized).unwrap_or_default()))
}
