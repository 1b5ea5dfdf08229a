//! The bytes of an NFS file handle: which export, which file, and a signature.
//!
//! ```text
//! byte 0        layout: 1 kernel handle, 2 place, 3 mount point
//! byte 1        kernel handle: the file system's type code; else 0
//! bytes 2..6    identity of the file system: of the export, or of one that is mounted below it
//! bytes 6..n    kernel handle | number, generation, parent (8 bytes each) | number
//! last 12       SipHash-2-4-128 of all before, cut to 96 bits
//! ```
//!
//! It contains no time and no counter: a file has the same handle for as long as the key is kept. SipHash is a
//! pseudo-random function for short inputs; 96 bits that can only be tried out on the server cannot be guessed.

use std::hash::{Hash, Hasher};

use netroot_sys::handle::KernelHandle;
use nfs3_types::nfs3::{NFS3_FHSIZE, nfs_fh3};
use nfs3_types::xdr_codec::Opaque;
use siphasher::sip128::{Hasher128, SipHasher24};

use crate::tree::handle_key::HandleKey;

const HEADER: usize = 6;
const SIGNATURE: usize = 12;

/// The longest kernel handle that fits. ext4 has 8 bytes, XFS up to 24, btrfs 20, overlayfs on any of them 44.
pub(crate) const MAX_KERNEL_HANDLE: usize = NFS3_FHSIZE - HEADER - SIGNATURE;

const KERNEL: u8 = 1;
const PLACE: u8 = 2;
const MOUNT_POINT: u8 = 3;

/// The file that a handle refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileId {
    /// A kernel file handle, where the file system has them and this process may open them.
    Kernel(KernelHandle),
    /// A file and where it was last seen, otherwise.
    Place(PlaceId),
    /// A directory that something is mounted on; only its number is known.
    MountPoint {
        /// The number of the directory below the mount, as its parent lists it.
        inode: u64,
    },
}

/// A file identified without a kernel handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlaceId {
    /// Its number in NFS ([`FileSystem`](crate::tree::file_system::FileSystem)).
    pub(crate) file: u64,
    /// Distinguishes successive uses of an inode number: the birth time in nanoseconds; 0 where the file system has
    /// none, or the number is made of something else.
    pub(crate) generation: u64,
    /// The number of its directory, for files with one name; 0 for directories and hard links, whose handle must not
    /// depend on the name that they were found by.
    pub(crate) parent: u64,
}

/// A handle as clients have it.
#[derive(Clone, Copy)]
pub(crate) struct Handle {
    length: u8,
    bytes: [u8; NFS3_FHSIZE],
}

impl Handle {
    fn empty() -> Self {
        Self {
            length: 0,
            bytes: [0; NFS3_FHSIZE],
        }
    }

    /// `None` for more bytes than NFSv3 allows.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut handle = Self::empty();
        handle.push(bytes)?;
        Some(handle)
    }

    fn push(&mut self, more: &[u8]) -> Option<()> {
        let start = usize::from(self.length);
        let end = start.checked_add(more.len())?;
        self.bytes.get_mut(start..end)?.copy_from_slice(more);
        self.length = u8::try_from(end).ok()?;
        Some(())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }

    pub(crate) fn to_xdr(self) -> nfs_fh3 {
        nfs_fh3 {
            data: Opaque::owned(self.as_bytes().to_vec()),
        }
    }

    /// Whether it looks like a handle of this program. One that does but is not valid belonged to a tree that is not
    /// exported any more: it is stale.
    pub(crate) fn has_known_layout(&self) -> bool {
        let layout = self.as_bytes().first();
        matches!(layout, Some(&(KERNEL | PLACE | MOUNT_POINT)))
            && usize::from(self.length) > HEADER + SIGNATURE
    }

    /// The export that the handle claims to belong to; not trusted before [`HandleSigner::verify`].
    pub(crate) fn claimed_export(&self) -> Option<u32> {
        let bytes = self.as_bytes().get(2..HEADER)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    }
}

impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Handle {}

/// By its end, which is part of the signature: as good as random where it was made here, and only such handles are kept.
impl Hash for Handle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let end = self.as_bytes().last_chunk().copied();
        state.write_u64(end.map_or(0, u64::from_ne_bytes));
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.as_bytes() {
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Why a handle is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HandleError {
    /// Too short, or of an unknown layout.
    #[error("not a handle of this server")]
    Layout,
    /// Made with another key or another export, or tampered with.
    #[error("the signature is wrong")]
    Signature,
}

/// Signs handles and checks them.
#[derive(Debug, Clone)]
pub(crate) struct HandleSigner {
    hasher: SipHasher24,
    export_id: u32,
}

impl HandleSigner {
    /// `identity` identifies the export; 32 bits of its keyed hash are in every handle.
    pub(crate) fn new(key: &HandleKey, identity: &[u8]) -> Self {
        let hasher = SipHasher24::new_with_key(key.bytes());
        let (export, _) = hasher.hash(identity).as_u64();
        Self {
            hasher,
            export_id: u32::try_from(export >> 32).unwrap_or_default(),
        }
    }

    pub(crate) fn export_id(&self) -> u32 {
        self.export_id
    }

    /// A number for a file of this export: never one of the inode numbers that file systems give out in order.
    pub(crate) fn number(&self, what: u8, number: u64, more: &[u8]) -> u64 {
        let mut hasher = self.hasher;
        // No handle begins like this.
        hasher.write(&[u8::MAX, what]);
        hasher.write(&self.export_id.to_be_bytes());
        hasher.write(&number.to_be_bytes());
        hasher.write(more);
        hasher.finish128().h1 | 1 << 63
    }

    /// `None` when the kernel handle does not fit (see [`MAX_KERNEL_HANDLE`]).
    pub(crate) fn sign(&self, file: &FileId) -> Option<Handle> {
        let (layout, kind) = match file {
            FileId::Kernel(kernel) => (KERNEL, u8::try_from(kernel.kind()).ok()?),
            FileId::Place(_) => (PLACE, 0),
            FileId::MountPoint { .. } => (MOUNT_POINT, 0),
        };
        let mut handle = Handle::empty();
        handle.push(&[layout, kind])?;
        handle.push(&self.export_id.to_be_bytes())?;
        match file {
            FileId::Kernel(kernel) => handle.push(kernel.bytes())?,
            FileId::Place(id) => {
                handle.push(&id.file.to_be_bytes())?;
                handle.push(&id.generation.to_be_bytes())?;
                handle.push(&id.parent.to_be_bytes())?;
            }
            FileId::MountPoint { inode } => handle.push(&inode.to_be_bytes())?,
        }
        let signature = self.signature(handle.as_bytes());
        handle.push(&signature)?;
        Some(handle)
    }

    pub(crate) fn verify(&self, handle: &Handle) -> Result<FileId, HandleError> {
        let bytes = handle.as_bytes();
        let (signed, signature) = bytes
            .split_at_checked(bytes.len().saturating_sub(SIGNATURE))
            .ok_or(HandleError::Layout)?;
        let (header, id) = signed
            .split_first_chunk::<HEADER>()
            .ok_or(HandleError::Layout)?;
        // Compared in constant time, so that timing does not reveal how much of a guess is right.
        let difference = self
            .signature(signed)
            .iter()
            .zip(signature)
            .fold(0, |difference, (ours, theirs)| difference | (ours ^ theirs));
        if difference != 0 || signature.len() != SIGNATURE {
            return Err(HandleError::Signature);
        }
        let [layout, kind, ..] = *header;
        match layout {
            KERNEL => KernelHandle::new(i32::from(kind), id)
                .map(FileId::Kernel)
                .ok_or(HandleError::Layout),
            PLACE => {
                let (words, rest) = id.as_chunks::<8>();
                match (words, rest) {
                    ([file, generation, parent], []) => Ok(FileId::Place(PlaceId {
                        file: u64::from_be_bytes(*file),
                        generation: u64::from_be_bytes(*generation),
                        parent: u64::from_be_bytes(*parent),
                    })),
                    _ => Err(HandleError::Layout),
                }
            }
            MOUNT_POINT => Ok(FileId::MountPoint {
                inode: u64::from_be_bytes(id.try_into().map_err(|_| HandleError::Layout)?),
            }),
            _ => Err(HandleError::Layout),
        }
    }

    fn signature(&self, bytes: &[u8]) -> [u8; SIGNATURE] {
        let full = self.hasher.hash(bytes).as_bytes();
        let mut cut = [0; SIGNATURE];
        for (to, from) in cut.iter_mut().zip(full) {
            *to = from;
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signer(key: u8, identity: &[u8]) -> HandleSigner {
        HandleSigner::new(&HandleKey::from_bytes([key; 16]), identity)
    }

    fn any_file() -> impl Strategy<Value = FileId> {
        prop_oneof![
            (
                0..=255_i32,
                proptest::collection::vec(any::<u8>(), 0..=MAX_KERNEL_HANDLE)
            )
                .prop_map(|(kind, bytes)| FileId::Kernel(KernelHandle::new(kind, &bytes).unwrap())),
            any::<[u64; 3]>().prop_map(|[file, generation, parent]| FileId::Place(PlaceId {
                file,
                generation,
                parent
            })),
            any::<u64>().prop_map(|inode| FileId::MountPoint { inode }),
        ]
    }

    proptest! {
        #[test]
        fn a_signed_handle_verifies_to_the_same_file_and_fits(file in any_file()) {
            let signer = signer(1, b"root");
            let handle = signer.sign(&file).unwrap();
            prop_assert!(handle.as_bytes().len() <= 64);
            prop_assert_eq!(handle.claimed_export(), Some(signer.export_id()));
            prop_assert_eq!(signer.verify(&Handle::from_bytes(handle.as_bytes()).unwrap()), Ok(file));
        }

        #[test]
        fn one_changed_bit_invalidates_a_handle(file in any_file(), position in any::<proptest::sample::Index>(), bit in 0..8_u8) {
            let signer = signer(1, b"root");
            let mut bytes = signer.sign(&file).unwrap().as_bytes().to_vec();
            let position = position.index(bytes.len());
            bytes[position] ^= 1_u8 << bit;
            prop_assert!(signer.verify(&Handle::from_bytes(&bytes).unwrap()).is_err());
        }

        #[test]
        fn a_truncated_handle_is_refused(file in any_file(), position in any::<proptest::sample::Index>()) {
            let signer = signer(1, b"root");
            let bytes = signer.sign(&file).unwrap().as_bytes().to_vec();
            let cut = &bytes[..position.index(bytes.len())];
            prop_assert!(signer.verify(&Handle::from_bytes(cut).unwrap()).is_err());
        }

        #[test]
        fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..=64)) {
            prop_assert!(signer(1, b"root").verify(&Handle::from_bytes(&bytes).unwrap()).is_err());
        }

        #[test]
        fn handles_of_another_key_or_export_are_refused(file in any_file()) {
            let handle = signer(1, b"root").sign(&file).unwrap();
            prop_assert!(signer(2, b"root").verify(&handle).is_err());
            // The claimed export differs as well, but the claim alone proves nothing.
            prop_assert_ne!(handle.claimed_export(), Some(signer(1, b"other").export_id()));
        }
    }

    #[test]
    fn more_than_64_bytes_are_refused() {
        assert!(Handle::from_bytes(&[0; 65]).is_none());
    }

    #[test]
    fn a_kernel_handle_that_does_not_fit_is_refused() {
        let long = KernelHandle::new(1, &[0; MAX_KERNEL_HANDLE + 1]).unwrap();
        assert!(signer(1, b"root").sign(&FileId::Kernel(long)).is_none());
    }
}
