//! edk2's variable store, as far as what Secure Boot starts is written to it before a machine starts.
//!
//! The layout is edk2's (`MdeModulePkg/Include/Guid/VariableFormat.h`): a firmware volume, the header of the store, and
//! one variable after the other, each at a multiple of four bytes, until the first two bytes that are no start of one.
//! A variable is written as firmware does it: the old one is marked as deleted, and the new one is put behind the last.

use anyhow::{Context, Result, ensure};

/// Lists of what firmware trusts or refuses (`EFI_SIGNATURE_LIST`, UEFI 2.10 §32.4.1): the content of `db` and `dbx`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignatureLists(Vec<u8>);

impl SignatureLists {
    /// Adds a certificate, in DER: what it, or a certificate that it issued, has signed.
    #[must_use]
    pub fn certificate(self, der: &[u8]) -> Self {
        self.list(X509, der)
    }

    /// Adds an EFI binary, by its Authenticode SHA-256.
    #[must_use]
    pub fn binary(self, digest: &[u8; 32]) -> Self {
        self.list(SHA256, digest)
    }

    /// Their bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// A list with one signature: those with several have to be of the same length.
    fn list(mut self, kind: [u8; 16], content: &[u8]) -> Self {
        let signature = OWNER.len() + content.len();
        let sizes = [LIST_HEADER + signature, 0, signature];
        self.0.extend(kind);
        for size in sizes {
            self.0
                .extend(u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
        }
        self.0.extend(OWNER);
        self.0.extend(content);
        self
    }
}

/// A variable of Secure Boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    /// What may be started: signature lists.
    Db,
    /// What may not, although `db` has it: the same.
    Dbx,
    /// The least generations that shim starts: lines as in a section `.sbat`.
    SbatLevel,
}

impl Variable {
    fn name(self) -> Vec<u8> {
        let name = match self {
            Self::Db => "db\0",
            Self::Dbx => "dbx\0",
            Self::SbatLevel => "SbatLevel\0",
        };
        name.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    const fn vendor(self) -> &'static [u8; 16] {
        match self {
            Self::Db | Self::Dbx => &VENDOR,
            Self::SbatLevel => &SHIM,
        }
    }

    const fn attributes(self) -> u32 {
        match self {
            Self::Db | Self::Dbx => AUTHENTICATED,
            Self::SbatLevel => BOOT_SERVICES_ALONE,
        }
    }
}

/// `EFI_CERT_X509_GUID` and `EFI_CERT_SHA256_GUID`, as their bytes are stored.
const X509: [u8; 16] = 0xa159_c0a5_e494_a74a_87b5_ab15_5c2b_f072_u128.to_be_bytes();
const SHA256: [u8; 16] = 0x2616_c4c1_4c50_9240_aca9_41f9_3693_4328_u128.to_be_bytes();
/// The type of a list, and the sizes of it, of its header and of each signature.
const LIST_HEADER: usize = 28;
/// Who wrote the signatures: nobody asks.
const OWNER: [u8; 16] = [0x11; 16];

/// `EFI_IMAGE_SECURITY_DATABASE_GUID`, the vendor of `db` and `dbx`.
const VENDOR: [u8; 16] = 0xcbb2_19d7_3a3d_9645_a3bc_dad0_0e67_656f_u128.to_be_bytes();
/// `gEfiAuthenticatedVariableGuid`: the store's variables have times and keys in their headers.
const STORE: [u8; 16] = 0x782c_f3aa_7b94_9a43_a180_2e14_4ec3_7792_u128.to_be_bytes();
/// Shim's own.
const SHIM: [u8; 16] = 0x50ab_5d60_46e0_0043_abb6_3dd8_10dd_8b23_u128.to_be_bytes();
/// Non-volatile, for the boot services and at run time, and authenticated by time.
const AUTHENTICATED: u32 = 0x27;
/// Non-volatile, for the boot services alone: shim takes no other `SbatLevel`.
const BOOT_SERVICES_ALONE: u32 = 3;
/// The lengths of the headers.
const STORE_HEADER: usize = 28;
const VARIABLE_HEADER: usize = 60;
/// The first bytes of a variable.
const START: [u8; 2] = [0xaa, 0x55];
/// States of a variable: bits are cleared, since this is flash.
const ADDED: u8 = 0x3f;
const DELETED: u8 = 0xfd;

/// Writes `data` to a variable of the store, in place of what it has.
///
/// # Errors
/// It is no store of edk2's, or full.
pub(super) fn write(store: &mut [u8], variable: Variable, data: &[u8]) -> Result<()> {
    let name = variable.name();
    let mut at = first_variable(store)?;
    while store.get(at..at + 2) == Some(&START) {
        let (name_size, data_size) = (number(store, at + 36)?, number(store, at + 40)?);
        let own = at + VARIABLE_HEADER..at + VARIABLE_HEADER + name_size;
        let is_same = store.get(own) == Some(&name)
            && store.get(at + 44..at + VARIABLE_HEADER) == Some(variable.vendor());
        let state = store.get_mut(at + 2).context("a state")?;
        if is_same && *state == ADDED {
            *state &= DELETED;
        }
        at = (at + VARIABLE_HEADER + name_size + data_size).next_multiple_of(4);
    }
    let mut written = Vec::from(START);
    written.extend([ADDED, 0]);
    written.extend(variable.attributes().to_le_bytes());
    // A counter that nothing uses any more, the time (2026-01-01), and the number of a key, likewise.
    written.extend([0; 8]);
    written.extend(2026_u16.to_le_bytes());
    written.extend([1, 1]);
    written.extend([0; 12 + 4]);
    for part in [name.as_slice(), data] {
        written.extend(u32::try_from(part.len())?.to_le_bytes());
    }
    written.extend(variable.vendor());
    written.extend(&name);
    written.extend(data);
    let place = store.get_mut(at..at + written.len());
    let place = place.filter(|place| place.iter().all(|byte| *byte == 0xff));
    place
        .context("the variable store is full")?
        .copy_from_slice(&written);
    Ok(())
}

fn first_variable(store: &[u8]) -> Result<usize> {
    let header = store.get(48..50).context("it is too short")?;
    let header = usize::from(u16::from_le_bytes(header.try_into()?));
    ensure!(
        store.get(40..44) == Some(b"_FVH") && store.get(header..header + 16) == Some(&STORE),
        "it is no variable store of edk2's"
    );
    Ok((header + STORE_HEADER).next_multiple_of(4))
}

fn number(store: &[u8], at: usize) -> Result<usize> {
    let bytes = store.get(at..at + 4).context("a variable that is cut")?;
    Ok(usize::try_from(u32::from_le_bytes(bytes.try_into()?))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store without variables.
    fn empty() -> Vec<u8> {
        let mut store = vec![0xff; 2048];
        store[40..44].copy_from_slice(b"_FVH");
        store[48..50].copy_from_slice(&72_u16.to_le_bytes());
        store[72..88].copy_from_slice(&STORE);
        store
    }

    /// The states and the contents of the variables.
    fn variables(store: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut at = first_variable(store).unwrap();
        let mut found = Vec::new();
        while store[at..at + 2] == START {
            let data = at + VARIABLE_HEADER + number(store, at + 36).unwrap();
            let end = data + number(store, at + 40).unwrap();
            found.push((store[at + 2], store[data..end].to_vec()));
            at = end.next_multiple_of(4);
        }
        found
    }

    #[test]
    fn a_variable_replaces_the_one_of_its_name() {
        let mut store = empty();
        let [one, two] = [1, 2].map(|number| SignatureLists::default().binary(&[number; 32]));
        let certificate = SignatureLists::default().certificate(b"a certificate");
        write(&mut store, Variable::Db, &one.0).unwrap();
        write(&mut store, Variable::Dbx, &two.0).unwrap();
        write(&mut store, Variable::Db, &certificate.0).unwrap();
        let expected = [
            (ADDED & DELETED, one.0),
            (ADDED, two.0),
            (ADDED, certificate.0),
        ];
        assert_eq!(variables(&store), expected);
    }

    #[test]
    fn a_full_store_and_another_file_are_refused() {
        let mut store = empty();
        let lists = SignatureLists::default().certificate(&[0; 4000]);
        let told = write(&mut store, Variable::Db, &lists.0).unwrap_err();
        assert_eq!(told.to_string(), "the variable store is full");
        let told = write(&mut [0; 600], Variable::Db, &lists.0).unwrap_err();
        assert_eq!(told.to_string(), "it is no variable store of edk2's");
    }
}
