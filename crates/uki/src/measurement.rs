//! What systemd's stub measures of an image before it starts the kernel: PCR 11 of a TPM 2.0, in the bank for SHA-256.
//!
//! The stub extends the PCR, which is zero before, by the name of each section with its final zero byte, and then by the
//! section's content. The order is that of [`MEASURED`], whatever the order in the file. This is what
//! `systemd-measure calculate --bank=sha256` computes for the empty phase; what systemd in the root extends the PCR by
//! later (`enter-initrd`, `sysinit`, …, systemd-pcrphase.service(8)) is not in it.
//!
//! Sources: systemd-stub(7), "TPM PCR notes"; systemd's `src/boot/efi/stub.c` and `src/fundamental/uki.h` ("canonical
//! order"); TPM 2.0 Library, Part 1, "Extend of a PCR".

use std::fmt;
use std::ops::RangeInclusive;

use ring::digest::{Context, SHA256, digest};

use crate::program::Program;

/// The sections that a stub measures, in its order, each with the first version of systemd that does.
const MEASURED: [(&str, u16); 10] = [
    (".linux", 252),
    (".osrel", 252),
    (".cmdline", 252),
    (".initrd", 252),
    (".ucode", 256),
    (".splash", 252),
    (".dtb", 252),
    (".uname", 255),
    (".sbat", 255),
    (".pcrpkey", 252),
];
/// Sections with which the value depends on the machine, or on the profile that it starts.
const CHOSEN_BY_MACHINE: [&str; 4] = [".profile", ".dtbauto", ".hwids", ".efifw"];
/// The versions of which it is known what they measure. Earlier ones use other PCRs; 254 measures some of what 255 does;
/// from 261 on, a separator and parts of SMBIOS are measured, too.
const KNOWN: [RangeInclusive<u16>; 2] = [252..=253, 255..=260];
/// The same in words.
pub const KNOWN_STUBS: &str = "systemd 252, 253 and 255 to 260";

/// A digest (SHA-256).
pub(crate) type Digest = [u8; 32];

/// The value of a PCR in the bank for SHA-256. It is shown as `systemd-measure` shows it, in 64 lowercase hexadecimal
/// digits; those in the kernel's `/sys/class/tpm/tpm0/pcr-sha256/` are uppercase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pcr(Digest);

impl Pcr {
    /// The digest that the PCR has after this one is extended into it.
    fn extended(self, by: Digest) -> Self {
        let mut hash = Context::new(&SHA256);
        hash.update(&self.0);
        hash.update(&by);
        Self(finished(hash))
    }
}

impl fmt::Display for Pcr {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(to, "{byte:02x}"))
    }
}

/// The digest of all that was hashed.
pub(crate) fn finished(hash: Context) -> Digest {
    array(hash.finish().as_ref())
}

/// PCR 11 once the stub has measured this image. `written` are the digests of the sections whose content is not in
/// `program`. `None` if what its stub measures is not known.
pub(crate) fn pcr_11(program: &Program, written: &[(&str, Digest)]) -> Option<Pcr> {
    let version = program.stub_version()?;
    let is_known = KNOWN.iter().any(|range| range.contains(&version));
    if !is_known || CHOSEN_BY_MACHINE.iter().any(|name| program.has(name)) {
        return None;
    }
    let measured = MEASURED.iter().filter(|(_, since)| *since <= version);
    let mut pcr = Pcr::default();
    for (name, _) in measured {
        let known = written.iter().find(|(written, _)| written == name);
        let content = match known {
            Some((_, digest)) => *digest,
            None if !program.has(name) => continue,
            None => match program.content(name)? {
                // The stub takes an empty one for an absent one.
                [] => continue,
                content => sha256(content),
            },
        };
        let name = [name.as_bytes(), &[0]].concat();
        pcr = pcr.extended(sha256(&name)).extended(content);
    }
    Some(pcr)
}

fn sha256(bytes: &[u8]) -> Digest {
    array(digest(&SHA256, bytes).as_ref())
}

fn array(bytes: &[u8]) -> Digest {
    let mut array = Digest::default();
    for (to, from) in array.iter_mut().zip(bytes) {
        *to = *from;
    }
    array
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::fixture::{AMD64, program};

    const KERNEL: &[u8] = b"a kernel";
    const INITRD: &[u8] = b"an initrd";

    /// Of a stub of this version with these sections besides, a kernel and an initrd.
    fn predicted(version: &str, sections: &[(&str, &[u8])]) -> Option<Pcr> {
        let magic = format!("#### LoaderInfo: systemd-stub {version} ####");
        let magic = (".sdmagic", magic.as_bytes());
        let stub = program(AMD64, 0x400, &[&[magic], sections].concat());
        let program = Program::of_stub(&stub).unwrap();
        let written = [(".initrd", sha256(INITRD)), (".linux", sha256(KERNEL))];
        pcr_11(&program, &written)
    }

    /// Extended by these names and contents, in this order, as the TPM does it.
    fn extended(by: &[(&str, &[u8])]) -> Pcr {
        let mut value = [0; 32];
        for (name, content) in by {
            for event in [[name.as_bytes(), &[0]].concat(), content.to_vec()] {
                value = sha256(&[value, sha256(&event)].concat());
            }
        }
        Pcr(value)
    }

    #[test]
    fn sections_count_in_the_stubs_order_with_their_names() {
        let texts: [(&str, &[u8]); 3] =
            [(".uname", b"6.1"), (".cmdline", b"ro"), (".osrel", b"ID=x")];
        let [uname, cmdline, osrel] = texts;
        let (linux, initrd) = ((".linux", KERNEL), (".initrd", INITRD));
        let old = extended(&[linux, osrel, cmdline, initrd]);
        assert_eq!(predicted("252.39-1~deb12u2", &texts), Some(old));
        let new = extended(&[linux, osrel, cmdline, initrd, uname]);
        assert_eq!(predicted("257.13-1~deb13u1", &texts), Some(new));
        let other_line = predicted("252", &[uname, (".cmdline", b"rw"), osrel]);
        assert_ne!(other_line, Some(old));
    }

    #[test]
    fn the_stubs_own_generations_count_since_systemd_255() {
        let sbat: (&str, &[u8]) = (".sbat", b"sbat,1,SBAT Version");
        let (linux, initrd) = ((".linux", KERNEL), (".initrd", INITRD));
        let with = extended(&[linux, initrd, sbat]);
        assert_eq!(predicted("257.13", &[sbat]), Some(with));
        assert_eq!(predicted("253", &[sbat]), Some(extended(&[linux, initrd])));
    }

    #[test]
    fn nothing_is_predicted_of_a_stub_that_is_not_known() {
        for version in ["", "251.4", "254.26", "261", "99999", "25x"] {
            assert_eq!(predicted(version, &[]), None, "{version}");
        }
        for name in CHOSEN_BY_MACHINE {
            assert_eq!(predicted("257", &[(name, b"content")]), None, "{name}");
        }
    }

    #[test]
    fn a_value_is_shown_in_hexadecimal_digits() {
        let shown = Pcr::default().extended(sha256(b"x")).to_string();
        assert_eq!(shown.len(), 64);
        assert!(
            shown
                .bytes()
                .all(|digit| digit.is_ascii_digit() || digit.is_ascii_lowercase())
        );
    }
}
