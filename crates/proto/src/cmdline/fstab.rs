//! `netroot.fstab=`: what happens to lines for disks in the root's `/etc/fstab`.

use super::word::{Notes, Word};

/// What happens to the lines of a root's `/etc/fstab` that name disks: a root copied from a disk has them, its init waits
/// for those disks and stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fstab {
    /// They are commented out in the writable layer; without one they are a warning.
    Mask,
    /// They are left as they are.
    Keep,
}

impl Fstab {
    /// `keep`, `mask`. `None` for anything else, which is noted.
    pub(super) fn read(word: &Word<'_>, notes: &mut Notes) -> Option<Self> {
        match word.value {
            Some("keep") => Some(Self::Keep),
            Some("mask") => Some(Self::Mask),
            _ => {
                notes.complain(word, "keep or mask", "lines for disks are masked");
                None
            }
        }
    }
}
