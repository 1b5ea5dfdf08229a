//! A unified kernel image (UAPI.5): one EFI program that is systemd's stub with a kernel, an initrd and a command line as
//! its sections, so that one signature covers all of them.
//!
//! [`assemble`] takes bytes and returns bytes: the same input gives the same image. It does what `ukify` of systemd does
//! with `--linux`, `--initrd`, `--cmdline`, `--os-release` and `--uname`. That is not in Debian 12, and is a Python program
//! that would have to run in the root; this runs where netroot does, in a confined process.
//!
//! Not included: the signature (`netroot-secure-boot`), and the sections `.splash`, `.dtb`, `.ucode` and `.pcrsig`.
//!
//! Sources: UAPI.5 (unified kernel image); systemd's `src/boot/efi/stub.c` and `src/ukify/ukify.py`; Microsoft's "PE Format".

#![forbid(unsafe_code)]

mod error;
mod program;

pub use error::UkiError;

use error::LONGEST_COMMAND_LINE;
use program::{Program, machine_of};

/// What an image is made of.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// systemd's stub, such as `linuxx64.efi.stub`.
    pub stub: &'a [u8],
    /// The kernel, which has to be an EFI program itself (`CONFIG_EFI_STUB`).
    pub kernel: &'a [u8],
    /// The initrd; several may follow one another.
    pub initrd: &'a [u8],
    /// The kernel's command line, without an end.
    pub command_line: &'a str,
    /// What `uname -r` prints.
    pub version: &'a str,
    /// The root's `/etc/os-release`.
    pub os_release: &'a [u8],
}

/// Makes the image.
///
/// # Errors
/// See [`UkiError`].
pub fn assemble(parts: &Parts<'_>) -> Result<Vec<u8>, UkiError> {
    let length = parts.command_line.len();
    if length > LONGEST_COMMAND_LINE {
        return Err(UkiError::LongCommandLine { length });
    }
    if parts.command_line.chars().any(char::is_control) {
        return Err(UkiError::CommandLine);
    }
    if parts.initrd.is_empty() {
        return Err(UkiError::NoInitrd);
    }
    let mut image = Program::of_stub(parts.stub)?;
    let kernel = machine_of(parts.kernel).ok_or(UkiError::Kernel)?;
    let stub = image.machine();
    if stub != kernel {
        return Err(UkiError::Processor { stub, kernel });
    }
    let sections: [(&'static str, &[u8]); 5] = [
        (".osrel", parts.os_release),
        (".cmdline", parts.command_line.as_bytes()),
        (".uname", parts.version.as_bytes()),
        (".initrd", parts.initrd),
        // The long ones last, so that tools which print the others find them near the start.
        (".linux", parts.kernel),
    ];
    let needed = sections.iter().filter(|(_, content)| !content.is_empty());
    image.make_room_for(needed.clone().count())?;
    for (name, content) in needed {
        image.add(name, content)?;
    }
    Ok(image.finish())
}

#[cfg(test)]
mod tests {
    use object::read::pe::PeFile64;
    use object::{Object, ObjectSection};
    use proptest::prelude::*;

    use super::*;
    use crate::program::fixture::{AMD64, ARM64, program};

    fn parts<'a>(stub: &'a [u8], kernel: &'a [u8]) -> Parts<'a> {
        Parts {
            stub,
            kernel,
            initrd: b"an initrd",
            command_line: "root=/dev/nfs ip=dhcp",
            version: "6.1.0-50-amd64",
            os_release: b"ID=debian\n",
        }
    }

    fn stub() -> Vec<u8> {
        program(
            AMD64,
            0x400,
            &[
                (".text", b"code"),
                (".sdmagic", b"#### LoaderInfo: systemd-stub 252 ####"),
            ],
        )
    }

    fn kernel() -> Vec<u8> {
        program(AMD64, 0x200, &[(".text", &[0x90; 700])])
    }

    #[test]
    fn another_reader_finds_every_part_at_its_length() {
        let (stub, kernel) = (stub(), kernel());
        let image = assemble(&parts(&stub, &kernel)).unwrap();
        let pe = PeFile64::parse(&*image).unwrap();
        let content = |name| pe.section_by_name(name).unwrap();
        for (name, expected) in [
            (".text", &b"code"[..]),
            (".osrel", b"ID=debian\n"),
            (".cmdline", b"root=/dev/nfs ip=dhcp"),
            (".uname", b"6.1.0-50-amd64"),
            (".initrd", b"an initrd"),
            (".linux", &kernel),
        ] {
            let section = content(name);
            assert_eq!(section.data().unwrap(), expected, "{name}");
            assert_eq!(section.size(), expected.len() as u64, "{name}");
            assert_eq!(
                section.address() % 4096,
                if name == ".text" { 0x400 } else { 0 },
                "{name}"
            );
        }
        assert_eq!(assemble(&parts(&stub, &kernel)).unwrap(), image);
    }

    #[test]
    fn a_header_without_room_grows() {
        let sections: Vec<(String, Vec<u8>)> =
            (0..14).map(|n| (format!(".s{n}"), vec![n; 10])).collect();
        let mut sections: Vec<(&str, &[u8])> = sections
            .iter()
            .map(|(name, content)| (name.as_str(), &content[..]))
            .collect();
        sections.push((".sdmagic", b"#### LoaderInfo: systemd-stub 257 ####"));
        let stub = program(AMD64, 0x400, &sections);
        let kernel = kernel();
        let image = assemble(&parts(&stub, &kernel)).unwrap();
        let pe = PeFile64::parse(&*image).unwrap();
        for (name, expected) in &sections {
            assert_eq!(
                pe.section_by_name(name).unwrap().data().unwrap(),
                *expected,
                "{name}"
            );
        }
        assert_eq!(
            pe.section_by_name(".linux").unwrap().data().unwrap(),
            kernel
        );
    }

    #[test]
    fn what_would_not_boot_is_refused_with_its_reason() {
        let (good, kernel) = (stub(), kernel());
        let told = |parts: &Parts<'_>| assemble(parts).unwrap_err();
        let arm64 = program(ARM64, 0x200, &[(".text", b"code")]);
        let wrong = UkiError::Processor {
            stub: AMD64,
            kernel: ARM64,
        };
        assert_eq!(told(&parts(&good, &arm64)), wrong);
        assert_eq!(
            told(&parts(&good, b"\x1f\x8b, compressed")),
            UkiError::Kernel
        );
        let image = assemble(&parts(&good, &kernel)).unwrap();
        assert_eq!(told(&parts(&image, &kernel)), UkiError::Taken(".osrel"));
        let foreign = program(AMD64, 0x400, &[(".text", b"code")]);
        assert!(matches!(told(&parts(&foreign, &kernel)), UkiError::Stub(_)));
        let long = "x".repeat(2048);
        let with_line = |command_line| Parts {
            command_line,
            ..parts(&good, &kernel)
        };
        assert_eq!(
            told(&with_line(&long)),
            UkiError::LongCommandLine { length: 2048 }
        );
        assert_eq!(told(&with_line("quiet\nroot=x")), UkiError::CommandLine);
        assert_eq!(
            told(&Parts {
                initrd: b"",
                ..parts(&good, &kernel)
            }),
            UkiError::NoInitrd
        );
    }

    proptest! {
        #[test]
        fn a_damaged_stub_does_not_panic(at in 0_usize..0x400, value: u8, cut in 0_usize..0x800) {
            let mut damaged = stub();
            damaged[at] = value;
            let kernel = kernel();
            let _ = assemble(&parts(&damaged, &kernel));
            damaged.truncate(cut);
            let _ = assemble(&parts(&damaged, &kernel));
            let _ = assemble(&parts(&stub(), &damaged));
        }
    }
}
