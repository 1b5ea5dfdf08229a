//! Whether a shim, a boot loader and a kernel start one another.

use std::fmt;

use crate::authority::Authority;
use crate::binary::{Architecture, Binary};
use crate::sbat::{Revoked, Sbat};
use crate::signature_list::Listed;

/// A file of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What firmware starts.
    Shim,
    /// What shim starts: GRUB, or iPXE.
    Loader,
    /// What the loader starts, after it has asked shim.
    Kernel,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shim => "shim",
            Self::Loader => "the boot loader",
            Self::Kernel => "the kernel",
        })
    }
}

/// Three files that start one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The processor that they are for.
    pub architecture: Architecture,
    /// What firmware must have in `db`: one of these.
    pub authorities: Vec<Authority>,
    /// Who shim starts binaries of without anybody's help: the names in its certificates.
    pub vendors: Vec<String>,
    /// What must have been enrolled on a machine that is to boot them.
    pub conditions: Vec<Condition>,
    /// The loader's generations: a machine whose least ones are higher refuses it. Empty where there is none.
    pub loader: Sbat,
}

/// A certificate that firmware is not delivered with, nor shim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Condition {
    /// Firmware starts this shim only with it.
    #[error(
        "shim is signed under {issuer}, not under one of Microsoft's authorities: firmware starts it only where that \
         certificate was enrolled (db)"
    )]
    NotMicrosoft {
        /// The last known issuer.
        issuer: String,
    },
    /// Shim starts this file only with it: it also trusts what the machine's `db` and its owner's list (MOK) have.
    #[error(
        "{part} is signed by {signer}, and not under {vendors}: shim starts it only where its certificate was enrolled \
         (db or MOK)"
    )]
    Stranger {
        /// The file.
        part: Part,
        /// Who signed it.
        signer: String,
        /// Whom shim trusts by itself.
        vendors: String,
    },
}

impl Condition {
    /// The file that it is about.
    pub const fn part(&self) -> Part {
        match self {
            Self::NotMicrosoft { .. } => Part::Shim,
            Self::Stranger { part, .. } => *part,
        }
    }
}

/// Why they do not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// One is for another processor.
    #[error("{part} is for {found}, shim for {expected}")]
    Architecture {
        /// The file.
        part: Part,
        /// Its processor.
        found: Architecture,
        /// Shim's.
        expected: Architecture,
    },
    /// One has no signature.
    #[error("{0} is not signed")]
    Unsigned(Part),
    /// One has no valid signature.
    #[error("{part} has no valid signature: {why}")]
    Invalid {
        /// The file.
        part: Part,
        /// What is wrong with its first one.
        why: String,
    },
    /// The first file has no certificate inside.
    #[error("shim has no certificate of its own inside: it is not a shim")]
    NoShim,
    /// Shim has it, or its signer, on its own list.
    #[error("{0} is on the list of what this shim never starts")]
    Listed(Part),
    /// Its generation is too old.
    #[error("{part} is revoked (SBAT): {revoked}")]
    Generation {
        /// The file.
        part: Part,
        /// What is too old.
        revoked: Revoked,
    },
    /// The loader says no generation, which shim refuses.
    #[error("the boot loader has no SBAT section, without which shim refuses it")]
    NoSbat,
}

impl ChainError {
    /// The file that it is about.
    pub const fn part(&self) -> Part {
        match self {
            Self::Architecture { part, .. }
            | Self::Invalid { part, .. }
            | Self::Generation { part, .. }
            | Self::Unsigned(part)
            | Self::Listed(part) => *part,
            Self::NoShim => Part::Shim,
            Self::NoSbat => Part::Loader,
        }
    }
}

/// Checks that firmware starts `shim`, that one `loader`, and that one, if given, `kernel`.
///
/// # Errors
/// The first of them that every machine would refuse, and why.
pub fn check(shim: &Binary, loader: &Binary, kernel: Option<&Binary>) -> Result<Chain, ChainError> {
    let mut chain = beginning(shim)?;
    let condition = starts(shim, Part::Loader, loader, &chain.vendors)?;
    chain.conditions.extend(condition);
    if loader.sbat.is_empty() {
        return Err(ChainError::NoSbat);
    }
    chain.loader = loader.sbat.clone();
    if let Some(kernel) = kernel {
        let condition = starts(shim, Part::Kernel, kernel, &chain.vendors)?;
        chain.conditions.extend(condition);
    }
    Ok(chain)
}

/// Checks that firmware starts `shim`, and that one `kernel`, as where iPXE starts a kernel by its distribution's shim. There
/// is no loader between them, and a kernel says no generation: iPXE has shim look for none.
///
/// # Errors
/// As of [`check`].
pub fn check_kernel(shim: &Binary, kernel: &Binary) -> Result<Chain, ChainError> {
    let mut chain = beginning(shim)?;
    let condition = starts(shim, Part::Kernel, kernel, &chain.vendors)?;
    chain.conditions.extend(condition);
    Ok(chain)
}

/// The chain up to `shim`, which firmware starts.
fn beginning(shim: &Binary) -> Result<Chain, ChainError> {
    require_signature(Part::Shim, shim)?;
    if shim.authorized.is_empty() {
        return Err(ChainError::NoShim);
    }
    let mut authorities: Vec<Authority> = shim
        .valid_signatures()
        .filter_map(super::Signature::authority)
        .collect();
    authorities.sort_unstable();
    authorities.dedup();
    let mut conditions = Vec::new();
    if authorities.is_empty() {
        let signature = shim.valid_signatures().next();
        let issuer = signature.map(super::Signature::issuer).unwrap_or_default();
        conditions.push(Condition::NotMicrosoft { issuer });
    }
    Ok(Chain {
        architecture: shim.architecture,
        authorities,
        vendors: vendors(&shim.authorized),
        conditions,
        loader: Sbat::default(),
    })
}

/// Whether `shim` starts `binary`, and where alone.
fn starts(
    shim: &Binary,
    part: Part,
    binary: &Binary,
    vendors: &[String],
) -> Result<Option<Condition>, ChainError> {
    if binary.architecture != shim.architecture {
        return Err(ChainError::Architecture {
            part,
            found: binary.architecture,
            expected: shim.architecture,
        });
    }
    if binary.is_listed(&shim.deauthorized) {
        return Err(ChainError::Listed(part));
    }
    // A level that shim sets when it starts.
    if let Some(revoked) = binary.sbat.revoked_by(&shim.levels.automatic) {
        return Err(ChainError::Generation { part, revoked });
    }
    if binary.is_listed(&shim.authorized) {
        return Ok(None);
    }
    require_signature(part, binary)?;
    let signature = binary.valid_signatures().next();
    Ok(Some(Condition::Stranger {
        part,
        signer: signature.map(super::Signature::signer).unwrap_or_default(),
        vendors: vendors.join(", "),
    }))
}

fn require_signature(part: Part, binary: &Binary) -> Result<(), ChainError> {
    if binary.valid_signatures().next().is_some() {
        return Ok(());
    }
    let wrong = binary.signatures.iter().find_map(|one| one.as_ref().err());
    Err(match wrong {
        Some(error) => ChainError::Invalid {
            part,
            why: error.to_string(),
        },
        None => ChainError::Unsigned(part),
    })
}

fn vendors(authorized: &[Listed]) -> Vec<String> {
    let certificates = authorized.iter().filter_map(|listed| match listed {
        Listed::Certificate(certificate) => Some(certificate.subject()),
        Listed::Digest(_) => None,
    });
    certificates.collect()
}
