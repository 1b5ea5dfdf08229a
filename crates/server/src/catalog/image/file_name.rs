//! The names of an image's files over TFTP and HTTP.

use std::fmt::{self, Display, Formatter};

use netroot_secure_boot::Architecture;

/// One of the files that a script names. Displayed as its name below the image's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ImageFile {
    /// The kernel.
    Kernel,
    /// An initrd, counted from 0.
    Initrd(u8),
    /// The EFI program.
    Program,
    /// The disk's image.
    Disk,
    /// The CD's image.
    Iso,
    /// The signed shim for this processor.
    Shim(Architecture),
    /// The same shim for iPXE, whose command `shim` starts the kernel by it.
    KernelShim,
    /// The signed GRUB, under the name that shim asks for beside itself: one for each processor, or of openSUSE's the same
    /// for all.
    SignedGrub(Option<Architecture>),
    /// Whatever else shim asks for beside itself, if it is there: one of [`BESIDE_SHIM`].
    BesideShim(&'static str),
}

/// What changes the owner's keys (MOK) when that was asked for, lists of what is revoked, and certificates that shim trusts
/// as well (shim's `shim.c`).
const BESIDE_SHIM: [&str; 16] = [
    "mmx64.efi",
    "mmaa64.efi",
    "MokManager.efi",
    "revocations.efi",
    "revocations_sbat.efi",
    "revocations_sku.efi",
    "shim_certificate_0.efi",
    "shim_certificate_1.efi",
    "shim_certificate_2.efi",
    "shim_certificate_3.efi",
    "shim_certificate_4.efi",
    "shim_certificate_5.efi",
    "shim_certificate_6.efi",
    "shim_certificate_7.efi",
    "shim_certificate_8.efi",
    "shim_certificate_9.efi",
];

impl ImageFile {
    /// The first initrd, or the only one.
    pub(crate) const INITRD: Self = Self::Initrd(0);

    /// Whether it is of the signed chain, which shim begins.
    pub(crate) const fn is_signed(self) -> bool {
        matches!(
            self,
            Self::Shim(_) | Self::SignedGrub(_) | Self::BesideShim(_)
        )
    }

    /// The file with this name below its image's.
    pub(crate) fn named(name: &str) -> Option<Self> {
        if let Some(name) = BESIDE_SHIM.iter().find(|one| **one == name) {
            return Some(Self::BesideShim(name));
        }
        Some(match name {
            "vmlinuz" => Self::Kernel,
            "initrd.img" => Self::INITRD,
            "program.efi" => Self::Program,
            "disk.img" => Self::Disk,
            "cd.iso" => Self::Iso,
            "kernelshim.efi" => Self::KernelShim,
            "shimx64.efi" => Self::Shim(Architecture::X64),
            "shimaa64.efi" => Self::Shim(Architecture::Arm64),
            "grubx64.efi" => Self::SignedGrub(Some(Architecture::X64)),
            "grubaa64.efi" => Self::SignedGrub(Some(Architecture::Arm64)),
            "grub.efi" => Self::SignedGrub(None),
            _ => {
                let number = name.strip_prefix("initrd")?.strip_suffix(".img")?;
                let number: u8 = number.parse().ok()?;
                let file = Self::Initrd(number.checked_sub(1)?);
                return (file.to_string() == name).then_some(file);
            }
        })
    }
}

impl Display for ImageFile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::Kernel => "vmlinuz",
            Self::INITRD => "initrd.img",
            Self::Initrd(number) => return write!(f, "initrd{}.img", u16::from(number) + 1),
            Self::Program => "program.efi",
            Self::Disk => "disk.img",
            Self::Iso => "cd.iso",
            Self::KernelShim => "kernelshim.efi",
            Self::Shim(Architecture::X64) => "shimx64.efi",
            Self::Shim(Architecture::Arm64) => "shimaa64.efi",
            Self::SignedGrub(Some(Architecture::X64)) => "grubx64.efi",
            Self::SignedGrub(Some(Architecture::Arm64)) => "grubaa64.efi",
            Self::SignedGrub(None) => "grub.efi",
            Self::BesideShim(name) => name,
        })
    }
}

/// What a name over TFTP and HTTP says of an image's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NamedFile<'a> {
    /// The image's name; `None` for the only image.
    pub(crate) image: Option<&'a str>,
    /// Which file.
    pub(crate) file: ImageFile,
    /// The drivers of the network card that this initrd is for; `None` for every card, and for other files.
    pub(crate) nic: Option<&'a str>,
    /// The tag; empty for the newest.
    pub(crate) tag: &'a str,
}

/// Reads `images/<name>/vmlinuz`, `images/<name>/vmlinuz-<tag>` and `vmlinuz`, and the same for the other files, among them
/// `initrd-<drivers>.img`.
pub(crate) fn file_of_image(name: &str) -> Option<NamedFile<'_>> {
    let (image, file) = match name.strip_prefix("images/") {
        Some(rest) => rest
            .split_once('/')
            .map(|(image, file)| (Some(image), file))?,
        None => (None, name),
    };
    let (file, nic, tag) = match (drivers_in(file), file.split_once('-')) {
        (Some((drivers, tag)), _) => (ImageFile::INITRD, Some(drivers), tag),
        (None, Some((file, tag))) => (ImageFile::named(file)?, None, Some(tag)),
        (None, None) => (ImageFile::named(file)?, None, None),
    };
    let tag = match tag {
        Some(tag) => Some(tag).filter(|tag| is_tag(tag))?,
        None => "",
    };
    Some(NamedFile {
        image,
        file,
        nic,
        tag,
    })
}

/// The name below its image's of the initrd for network cards with these drivers.
pub(super) fn initrd_name(drivers: &str) -> String {
    format!("{STEM}-{drivers}{END}")
}

/// What [`initrd_name`] and a tag make: the drivers, and the tag if there is one.
fn drivers_in(name: &str) -> Option<(&str, Option<&str>)> {
    let rest = name.strip_prefix(STEM)?.strip_prefix('-')?;
    let (drivers, after) = rest.split_once(END)?;
    let is_usual = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
    let is_one = !drivers.is_empty() && drivers.bytes().all(is_usual);
    let tag = match after {
        "" => None,
        after => Some(after.strip_prefix('-')?),
    };
    is_one.then_some((drivers, tag))
}

/// The name of the initrd for every card in two parts.
const STEM: &str = "initrd";
const END: &str = ".img";

fn is_tag(tag: &str) -> bool {
    !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_file_of_which_image_it_is() {
        for (name, expected) in [
            (
                "images/debian/vmlinuz",
                Some((Some("debian"), ImageFile::Kernel, "")),
            ),
            (
                "images/debian/vmlinuz-0a",
                Some((Some("debian"), ImageFile::Kernel, "0a")),
            ),
            ("vmlinuz", Some((None, ImageFile::Kernel, ""))),
            (
                "images/a/initrd.img-0b",
                Some((Some("a"), ImageFile::INITRD, "0b")),
            ),
            (
                "images/a/initrd2.img",
                Some((Some("a"), ImageFile::Initrd(1), "")),
            ),
            ("images/a/initrd256.img", None),
            ("images/a/initrd1.img", None),
            ("images/a/initrd0.img", None),
            ("images/a/initrd+2.img", None),
            ("images/a/initrd02.img", None),
            (
                "images/a/program.efi-ff",
                Some((Some("a"), ImageFile::Program, "ff")),
            ),
            ("images/a/disk.img", Some((Some("a"), ImageFile::Disk, ""))),
            ("images/a/cd.iso", Some((Some("a"), ImageFile::Iso, ""))),
            ("images/a/b/cd.iso", None),
            (
                "images/a/grub.efi",
                Some((Some("a"), ImageFile::SignedGrub(None), "")),
            ),
            (
                "images/a/mmx64.efi",
                Some((Some("a"), ImageFile::BesideShim("mmx64.efi"), "")),
            ),
            (
                "images/a/kernelshim.efi-0a",
                Some((Some("a"), ImageFile::KernelShim, "0a")),
            ),
            ("images/a/fbx64.efi", None),
            ("vmlinuz-", None),
            ("vmlinuz-0x", None),
            ("images/vmlinuz", None),
        ] {
            let found = file_of_image(name);
            let found = found.map(|found| (found.image, found.file, found.tag));
            assert_eq!(found, expected, "{name}");
        }
        for number in 0..=u8::MAX {
            let file = ImageFile::Initrd(number);
            let name = file.to_string();
            let read = file_of_image(&name).map(|found| found.file);
            assert_eq!(read, (number < u8::MAX).then_some(file), "{name}");
        }
    }

    #[test]
    fn the_initrd_for_one_card_has_a_name_of_its_own() {
        assert_eq!(ImageFile::INITRD.to_string(), format!("{STEM}{END}"));
        for (name, expected) in [
            ("initrd-e1000e.img", Some(("e1000e", ""))),
            ("initrd-e1000e.img-0a", Some(("e1000e", "0a"))),
            (
                "initrd-8139cp-8139too.img-0a1b",
                Some(("8139cp-8139too", "0a1b")),
            ),
            ("initrd-.img", None),
            ("initrd-e1000e.img-", None),
            ("initrd-e1000e.img-x", None),
            ("initrd-e1000e", None),
            ("initrd-E1000e.img", None),
            ("initrd-a.b.img", None),
        ] {
            let name = format!("images/debian/{name}");
            let found = file_of_image(&name);
            let found = found.map(|found| {
                assert_eq!(found.file, ImageFile::INITRD);
                (found.nic.unwrap(), found.tag)
            });
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(file_of_image("initrd.img").unwrap().nic, None);
    }
}
