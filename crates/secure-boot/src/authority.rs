//! The certificate authorities whose certificates firmware is delivered with.

use std::fmt;

use crate::certificate::Certificate;

/// One of Microsoft's authorities for what is not Windows. Firmware has one of them in `db`, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Authority {
    /// "Microsoft Corporation UEFI CA 2011": in nearly every machine that was sold before 2024. It expired on
    /// 2026-06-27, which firmware ignores; nothing new is signed under it.
    Microsoft2011,
    /// "Microsoft UEFI CA 2023": in newer machines, in some of them alone, and in those that got it by an update.
    Microsoft2023,
}

impl Authority {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Microsoft2011, Self::Microsoft2023];

    /// SHA-256 of its public key: [`Certificate::key_digest`].
    const fn key(self) -> [u8; 32] {
        match self {
            Self::Microsoft2011 => MICROSOFT_2011,
            Self::Microsoft2023 => MICROSOFT_2023,
        }
    }

    /// The authority whose certificate this is.
    pub fn of(certificate: &Certificate) -> Option<Self> {
        let key = certificate.key_digest()?;
        Self::ALL
            .into_iter()
            .find(|authority| authority.key() == key)
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Microsoft2011 => "Microsoft Corporation UEFI CA 2011",
            Self::Microsoft2023 => "Microsoft UEFI CA 2023",
        })
    }
}

/// As in the certificates that are inside the signatures of Debian's shim.
const MICROSOFT_2011: [u8; 32] = [
    0x2c, 0x62, 0x7c, 0xcb, 0xb6, 0x90, 0x40, 0x95, 0x50, 0xad, 0x6e, 0x2d, 0x46, 0xa0, 0x3e, 0xb1,
    0x0a, 0xa6, 0xd6, 0x2d, 0x27, 0x2a, 0x5d, 0xc3, 0xc8, 0x6a, 0x88, 0x63, 0xae, 0x19, 0xb2, 0xbb,
];

/// As in the certificates that are inside the signatures of Debian's shim.
const MICROSOFT_2023: [u8; 32] = [
    0xf0, 0xf6, 0xd2, 0x3f, 0x74, 0x45, 0x74, 0x73, 0x74, 0x9a, 0x72, 0xd5, 0xaa, 0x55, 0xb9, 0xef,
    0xe4, 0x91, 0xdd, 0x0b, 0xc3, 0x06, 0x89, 0x05, 0xb0, 0x19, 0x94, 0x0a, 0xbe, 0x8b, 0x5c, 0xc3,
];
