//! A unified kernel image (UAPI.5): one EFI program that is systemd's stub with a kernel, an initrd and a command line as
//! its sections, so that one signature covers all of them.
//!
//! [`lay_out`] says what is where, from the parts' beginnings and lengths; [`Image::write`] writes it, the kernel and the
//! initrd from wherever they are, without holding them: an initrd with all firmware has hundreds of megabytes. The same
//! input gives the same image. It does what `ukify` of systemd does with `--linux`, `--initrd`, `--cmdline`,
//! `--os-release` and `--uname`. That is not in Debian 12, and is a Python program that would have to run in the root; this
//! runs where netroot does, in a confined process.
//!
//! Writing it also tells what the stub will measure into a TPM ([`Pcr`]).
//!
//! Not included: the signature (`netroot-secure-boot`), and the sections `.splash`, `.dtb`, `.ucode` and `.pcrsig`.
//!
//! Sources: UAPI.5 (unified kernel image); systemd's `src/boot/efi/stub.c` and `src/ukify/ukify.py`; Microsoft's "PE Format".

#![forbid(unsafe_code)]

mod error;
mod image;
mod measurement;
mod program;

pub use error::UkiError;
pub use image::{Image, WriteError};
pub use measurement::{KNOWN_STUBS, Pcr};

use error::LONGEST_COMMAND_LINE;
use image::{INITRD, LINUX};
use program::{Program, machine_of};

/// As much of a kernel as [`Parts::kernel_start`] needs, in bytes: its headers are in the first page or two.
pub const KERNEL_START: u64 = 64 << 10;

/// What an image is made of.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// systemd's stub, such as `linuxx64.efi.stub`.
    pub stub: &'a [u8],
    /// The beginning of the kernel, which has to be an EFI program itself (`CONFIG_EFI_STUB`): [`KERNEL_START`] bytes, or
    /// all of a shorter one.
    pub kernel_start: &'a [u8],
    /// The length of the kernel in bytes.
    pub kernel_length: u64,
    /// The length of the initrd in bytes; several may follow one another.
    pub initrd_length: u64,
    /// The kernel's command line, without an end.
    pub command_line: &'a str,
    /// What `uname -r` prints.
    pub version: &'a str,
    /// The root's `/etc/os-release`.
    pub os_release: &'a [u8],
}

/// Lays the image out.
///
/// # Errors
/// See [`UkiError`].
pub fn lay_out(parts: &Parts<'_>) -> Result<Image, UkiError> {
    let length = parts.command_line.len();
    if length > LONGEST_COMMAND_LINE {
        return Err(UkiError::LongCommandLine { length });
    }
    if parts.command_line.chars().any(char::is_control) {
        return Err(UkiError::CommandLine);
    }
    if parts.initrd_length == 0 {
        return Err(UkiError::NoInitrd);
    }
    let mut program = Program::of_stub(parts.stub)?;
    let kernel = machine_of(parts.kernel_start).ok_or(UkiError::Kernel)?;
    let stub = program.machine();
    if stub != kernel {
        return Err(UkiError::Processor { stub, kernel });
    }
    let texts: [(&'static str, &[u8]); 3] = [
        (".osrel", parts.os_release),
        (".cmdline", parts.command_line.as_bytes()),
        (".uname", parts.version.as_bytes()),
    ];
    // One that the stub had would be in the place of one that is left out, too.
    for name in texts
        .map(|(name, _)| name)
        .into_iter()
        .chain([INITRD, LINUX])
    {
        program.lacks(name)?;
    }
    let texts = texts.iter().filter(|(_, content)| !content.is_empty());
    program.make_room_for(texts.clone().count() + 2)?;
    for (name, content) in texts {
        program.add(name, content)?;
    }
    // The long ones last, so that tools which print the others find them near the start.
    let initrd = program.reserve(INITRD, parts.initrd_length)?;
    let kernel = program.reserve(LINUX, parts.kernel_length)?;
    Ok(Image::new(program, initrd, kernel))
}

#[cfg(test)]
mod tests {
    use std::io;

    use object::read::pe::PeFile64;
    use object::{Object, ObjectSection};
    use proptest::prelude::*;

    use super::*;
    use crate::program::fixture::{
        AMD64, ARM64, OPTIONAL as OPTIONAL_OF_FIXTURE, TABLE as TABLE_OF_FIXTURE, program,
    };

    const CONTENT: &[u8] = b"an initrd";

    fn parts<'a>(stub: &'a [u8], kernel: &'a [u8]) -> Parts<'a> {
        Parts {
            stub,
            kernel_start: kernel,
            kernel_length: kernel.len() as u64,
            initrd_length: CONTENT.len() as u64,
            command_line: "root=/dev/nfs ip=dhcp",
            version: "6.1.0-50-amd64",
            os_release: b"ID=debian\n",
        }
    }

    /// The whole image of [`parts`].
    fn assemble(parts: &Parts<'_>) -> Result<Vec<u8>, UkiError> {
        let image = lay_out(parts)?;
        let mut file = Vec::new();
        image
            .write(&mut file, &mut { CONTENT }, &mut { parts.kernel_start })
            .unwrap();
        assert_eq!(file.len() as u64, image.length());
        Ok(file)
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
        let own_line = program(
            AMD64,
            0x400,
            &[
                (".cmdline", b"init=/bin/sh"),
                (".sdmagic", b"#### LoaderInfo: systemd-stub 252 ####"),
            ],
        );
        let without_line = Parts {
            command_line: "",
            ..parts(&own_line, &kernel)
        };
        assert_eq!(told(&without_line), UkiError::Taken(".cmdline"));
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
                initrd_length: 0,
                ..parts(&good, &kernel)
            }),
            UkiError::NoInitrd
        );
    }

    #[test]
    fn a_section_without_bytes_in_the_file_needs_no_room_there() {
        let mut stub = program(
            AMD64,
            0x400,
            &[
                (".bss", b""),
                (".sdmagic", b"#### LoaderInfo: systemd-stub 252 ####"),
            ],
        );
        let offset = TABLE_OF_FIXTURE + 20;
        stub[offset..offset + 4].fill(0);
        assemble(&parts(&stub, &kernel())).unwrap();
    }

    #[test]
    fn what_firmware_and_signers_hash_differently_is_no_stub() {
        // A gap: the second section begins 512 bytes later, and the file is as much longer.
        let mut gap = stub();
        let offset = TABLE_OF_FIXTURE + 40 + 20;
        assert_eq!(gap[offset..offset + 4], 0x600_u32.to_le_bytes());
        gap[offset + 1] = 0x08;
        let content = gap.split_off(0x600);
        gap.extend([0; 0x200]);
        gap.extend(content);
        // Headers that end before the first section begins, and alignments that no linker writes.
        let mut headers = stub();
        headers[OPTIONAL_OF_FIXTURE + 60 + 1] = 0x02;
        let [mut coarse, mut fine] = [stub(), stub()];
        coarse[OPTIONAL_OF_FIXTURE + 36..][..4].copy_from_slice(&0x2_0000_u32.to_le_bytes());
        fine[OPTIONAL_OF_FIXTURE + 36..][..4].copy_from_slice(&1_u32.to_le_bytes());
        for (name, wrong) in [
            ("gap", gap),
            ("headers", headers),
            ("coarse", coarse),
            ("fine", fine),
        ] {
            let told = assemble(&parts(&wrong, &kernel()));
            assert!(matches!(told, Err(UkiError::Stub(_))), "{name}: {told:?}");
        }
    }

    #[test]
    fn a_part_that_is_shorter_than_announced_is_named() {
        let (stub, kernel) = (stub(), kernel());
        let image = lay_out(&parts(&stub, &kernel)).unwrap();
        let written = |mut initrd: &[u8], mut kernel: &[u8]| {
            let to = &mut io::sink();
            image.write(to, &mut initrd, &mut kernel).unwrap_err()
        };
        let short = written(b"an", &kernel);
        assert!(matches!(short, WriteError::Initrd(_)), "{short}");
        let short = written(CONTENT, &kernel[1..]);
        assert!(matches!(short, WriteError::Kernel(_)), "{short}");
    }

    #[test]
    fn a_certificate_table_is_where_the_headers_say() {
        let (stub, kernel) = (stub(), kernel());
        let mut image = lay_out(&parts(&stub, &kernel)).unwrap();
        let before = image.length();
        image.reserve_certificates(64).unwrap();
        let mut file = Vec::new();
        image
            .write(&mut file, &mut { CONTENT }, &mut &*kernel)
            .unwrap();
        let [_, entry] = image.unsigned();
        let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        assert_eq!(u64::from(number(entry.start)), before);
        assert_eq!(number(entry.start + 4), 64);
        assert_eq!(image.length(), before, "it is written behind the image");
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
