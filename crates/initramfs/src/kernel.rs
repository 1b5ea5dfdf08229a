//! The kernels that a root holds, newest first, and what each of them is called.
//!
//! The version that counts is the one `uname -r` will print, because `lib/modules/<version>` is
//! named after it. A bzImage carries it in its header (Documentation/arch/x86/boot.rst,
//! `kernel_version`), which is what is read first: Arch's `/boot/vmlinuz-linux` and a hand-made
//! `/boot/bzImage` have no version in their names. Other formats are known by their names alone.

use std::cmp::Ordering;
use std::io::Read;
use std::path::PathBuf;

use crate::bytes::{u16_le, u32_le};
use crate::root::{Root, RootError};

/// The machine that a kernel or an init is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Architecture {
    /// `x86_64`: bzImage with a 64-bit entry point; ELF machine 62.
    X86_64,
    /// `aarch64`: an `Image`, plain, gzip-packed or as an EFI program; ELF machine 183.
    Aarch64,
}

impl Architecture {
    /// The name that `uname -m` and Rust's targets use.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86_64",
            Architecture::Aarch64 => "aarch64",
        }
    }

    /// The `e_machine` of its ELF files.
    pub fn elf_machine(self) -> u16 {
        match self {
            Architecture::X86_64 => 62,
            Architecture::Aarch64 => 183,
        }
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A kernel in a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// What `uname -r` will say, such as `6.1.0-50-amd64`.
    pub version: String,
    /// The image's path inside the root, such as `/boot/vmlinuz-6.1.0-50-amd64`; to be opened
    /// with [`Root::open_file`].
    pub path: String,
    /// The machine it runs on.
    pub architecture: Architecture,
    /// Its module tree inside the root, such as `/lib/modules/6.1.0-50-amd64`, where there is one.
    pub modules: Option<String>,
}

/// Why there is no kernel to boot.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// No file of the root looks like a kernel.
    #[error(
        "there is no kernel in {}: install one in the root (Debian: chroot into it and run \
         `apt install linux-image-amd64`){}", boot.display(), list_skipped(skipped)
    )]
    NoKernel {
        /// `DIR/boot`.
        boot: PathBuf,
        /// Files that are named like one, each with the reason why it is none.
        skipped: Vec<Skipped>,
    },
    /// Kernels, but not the one asked for.
    #[error("there is no kernel {wanted} in {}; it has {}", boot.display(), found.join(", "))]
    NotThatVersion {
        /// The version asked for.
        wanted: String,
        /// `DIR/boot`.
        boot: PathBuf,
        /// The versions that there are.
        found: Vec<String>,
    },
    /// `/boot` cannot be read.
    #[error(transparent)]
    Root(#[from] RootError),
}

/// A file that is named like a kernel and cannot be booted from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path inside the root.
    pub path: String,
    /// Why it was passed over.
    pub reason: &'static str,
}

fn list_skipped(list: &[Skipped]) -> String {
    list.iter()
        .map(|one| format!("; {}: {}", one.path, one.reason))
        .collect()
}

/// Finds the kernel `wanted` (a version, or the name of its file in `/boot`), or the newest one
/// that has a module tree, or else the newest.
///
/// # Errors
/// See [`KernelError`].
pub fn choose_kernel(root: &Root, wanted: Option<&str>) -> Result<Kernel, KernelError> {
    let (kernels, skipped) = search(root)?;
    let boot = root.host_path("/boot");
    if kernels.is_empty() {
        return Err(KernelError::NoKernel { boot, skipped });
    }
    let chosen = match wanted {
        None => kernels
            .iter()
            .find(|kernel| kernel.modules.is_some())
            .or(kernels.first()),
        Some(wanted) => kernels.iter().find(|kernel| {
            kernel.version == wanted || kernel.path.rsplit('/').next() == Some(wanted)
        }),
    };
    match (chosen, wanted) {
        (Some(kernel), _) => Ok(kernel.clone()),
        (None, wanted) => Err(KernelError::NotThatVersion {
            wanted: wanted.unwrap_or_default().to_owned(),
            boot,
            found: kernels.into_iter().map(|kernel| kernel.version).collect(),
        }),
    }
}

/// Every kernel of the root, newest first; one per version.
///
/// Looked for in `/boot` (Debian, Ubuntu, Arch, Alpine), and as `vmlinuz` in the module trees,
/// where Fedora and image-based systems keep theirs.
///
/// # Errors
/// [`RootError`] where a directory cannot be read; an absent one is no error.
pub fn find_kernels(root: &Root) -> Result<Vec<Kernel>, RootError> {
    Ok(search(root)?.0)
}

const MODULE_TREES: [&str; 2] = ["/lib/modules", "/usr/lib/modules"];

fn search(root: &Root) -> Result<(Vec<Kernel>, Vec<Skipped>), RootError> {
    let mut candidates = Vec::new();
    for name in names_or_none(root, "/boot")? {
        if let Some(version) = version_in_name(&name) {
            candidates.push((format!("/boot/{name}"), version.to_owned()));
        }
    }
    for tree in MODULE_TREES {
        for version in names_or_none(root, tree)? {
            let path = format!("{tree}/{version}/vmlinuz");
            candidates.push((path, version));
        }
    }
    let mut kernels: Vec<Kernel> = Vec::new();
    let mut skipped = Vec::new();
    for (path, named) in candidates {
        let start = match root.read_start(&path, HEADER_LENGTH) {
            Ok(start) => start,
            Err(error) if error.is_absent() && !path.starts_with("/boot") => continue,
            Err(error) if error.is_absent() => {
                let reason = "a link to nothing in this root";
                skipped.push(Skipped { path, reason });
                continue;
            }
            Err(RootError::NotAFile { .. }) => continue,
            Err(error) => return Err(error),
        };
        let header = match read_header(&start) {
            Ok(header) => header,
            Err(reason) => {
                skipped.push(Skipped { path, reason });
                continue;
            }
        };
        let version = header.version.unwrap_or(named);
        if !is_version(&version) {
            let reason = "nothing says which version it is: name it vmlinuz-<version>";
            skipped.push(Skipped { path, reason });
            continue;
        }
        // `/boot/vmlinuz` is often a link to `/boot/vmlinuz-<version>`, which sorts after it, and
        // the longer name is the better one to show.
        if let Some(known) = kernels.iter_mut().find(|known| known.version == version) {
            if path.ends_with(&version) && !known.path.ends_with(&version) {
                known.path = path;
            }
            continue;
        }
        let modules = MODULE_TREES
            .iter()
            .map(|tree| format!("{tree}/{version}"))
            .find(|tree| root.has_directory(tree));
        kernels.push(Kernel {
            version,
            path,
            architecture: header.architecture,
            modules,
        });
    }
    kernels.sort_by(|a, b| compare_versions(&b.version, &a.version));
    Ok((kernels, skipped))
}

fn names_or_none(root: &Root, directory: &str) -> Result<Vec<String>, RootError> {
    match root.names_in(directory) {
        Err(error) if error.is_absent() => Ok(Vec::new()),
        other => other,
    }
}

/// What follows `vmlinuz-` and the like (empty for a bare `vmlinuz`); `None` for other files.
fn version_in_name(name: &str) -> Option<&str> {
    // `.old` and `.bak` are copies that installkernel and people keep.
    if [".old", ".bak", ".hmac", ".sig"]
        .iter()
        .any(|end| name.ends_with(end))
    {
        return None;
    }
    ["vmlinuz", "bzImage", "Image", "vmlinux", "kernel"]
        .iter()
        .find_map(|stem| match name.strip_prefix(stem)? {
            "" => Some(""),
            rest => rest.strip_prefix('-'),
        })
}

/// A version is a directory's name below `lib/modules`, so it may hold no slash.
fn is_version(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.len() <= 128
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'/')
}

/// As much of a kernel as is read: `kernel_version` points at most 0xffff + 0x200 bytes in.
const HEADER_LENGTH: u64 = 0x1_0400;

/// What the first bytes of a kernel say.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    architecture: Architecture,
    version: Option<String>,
}

fn read_header(start: &[u8]) -> Result<Header, &'static str> {
    // x86: boot.rst, "HdrS" at 0x202, protocol at 0x206, kernel_version at 0x20e, xloadflags 0x236.
    if start.get(0x202..0x206) == Some(b"HdrS") {
        let protocol = u16_le(start, 0x206).unwrap_or(0);
        let xloadflags = u16_le(start, 0x236).unwrap_or(0);
        if protocol >= 0x20c && xloadflags & 1 == 0 {
            return Err("a 32-bit x86 kernel, and there is no init for those");
        }
        return Ok(Header {
            architecture: Architecture::X86_64,
            version: bzimage_version(start),
        });
    }
    // A gzip-packed arm64 Image (Debian's older ones, Alpine): look at what is inside.
    if start.starts_with(&[0x1f, 0x8b]) {
        let mut inner = Vec::new();
        // The input is cut off, so the error at its end says nothing.
        let _ = flate2::read::GzDecoder::new(start)
            .take(4096)
            .read_to_end(&mut inner);
        return match arm64_image(&inner) {
            true => Ok(Header {
                architecture: Architecture::Aarch64,
                version: None,
            }),
            false => Err("gzip-packed, and not an arm64 kernel"),
        };
    }
    if arm64_image(start) || pe_machine(start) == Some(0xaa64) {
        return Ok(Header {
            architecture: Architecture::Aarch64,
            version: None,
        });
    }
    Err("not a kernel for x86_64 or arm64")
}

/// Documentation/arch/arm64/booting.rst: magic "ARM\x64" at 56.
fn arm64_image(start: &[u8]) -> bool {
    start.get(56..60) == Some(b"ARM\x64")
}

/// The machine of an EFI program (a zboot kernel is one): "PE\0\0" where 0x3c points, then the
/// COFF header's machine.
fn pe_machine(start: &[u8]) -> Option<u16> {
    if !start.starts_with(b"MZ") {
        return None;
    }
    let at = usize::try_from(u32_le(start, 0x3c)?).ok()?;
    if start.get(at..at.checked_add(4)?) != Some(b"PE\0\0") {
        return None;
    }
    u16_le(start, at.checked_add(4)?)
}

/// The first word of the text that the header points to: what `uname -r` says.
fn bzimage_version(start: &[u8]) -> Option<String> {
    let pointer = usize::from(u16_le(start, 0x20e)?);
    if pointer == 0 {
        return None;
    }
    let text = start.get(pointer.checked_add(0x200)?..)?;
    let text = text.split(|&byte| byte == 0 || byte == b' ').next()?;
    let text = std::str::from_utf8(text).ok()?;
    is_version(text).then(|| text.to_owned())
}

/// Orders kernel versions: runs of digits as numbers, `-rc1` before the release, and of one
/// release the plain flavour after the special ones, so that `amd64` is newer than `cloud-amd64`
/// and `rt-amd64`, whose drivers are fewer.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let (a_release, a_flavour) = split_flavour(a);
    let (b_release, b_flavour) = split_flavour(b);
    compare_releases(a_release, b_release)
        .then_with(|| {
            b_flavour
                .matches('-')
                .count()
                .cmp(&a_flavour.matches('-').count())
        })
        .then_with(|| words(b_flavour).cmp(words(a_flavour)))
        // Arch's `arch1-2` after `arch1-1`.
        .then_with(|| compare_releases(a_flavour, b_flavour))
        // Total: `6.01` and `6.1` are the same number, and not the same version.
        .then_with(|| a.cmp(b))
}

/// `6.1.0-50-cloud-amd64` is `6.1.0-50` and `cloud-amd64`: the flavour starts at the first part
/// after a hyphen that is a word other than `rc1`.
fn split_flavour(version: &str) -> (&str, &str) {
    let mut at = 0;
    for part in version.split('-') {
        let word = part.starts_with(|c: char| c.is_ascii_alphabetic());
        if at > 0 && word && !is_candidate(part) {
            let (release, flavour) = version.split_at(at);
            return (release.trim_end_matches('-'), flavour);
        }
        at += part.len() + 1;
    }
    (version, "")
}

/// A flavour without its numbers.
fn words(flavour: &str) -> impl Iterator<Item = char> {
    flavour.chars().filter(|c| !c.is_ascii_digit())
}

/// `rc1`, `rc12`.
fn is_candidate(part: &str) -> bool {
    part.strip_prefix("rc")
        .is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
}

fn compare_releases(a: &str, b: &str) -> Ordering {
    let mut a = Tokens(a);
    let mut b = Tokens(b);
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            // `6.2` is newer than `6.2-rc3` and `6.2~rc3`; `6.2.1` is newer than `6.2`.
            (Some(token), None) => {
                return if token == Token::Candidate {
                    Ordering::Less
                } else {
                    Ordering::Greater
                };
            }
            (None, Some(token)) => {
                return if token == Token::Candidate {
                    Ordering::Greater
                } else {
                    Ordering::Less
                };
            }
            (Some(x), Some(y)) => match x.cmp(&y) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
        }
    }
}

/// The order of the variants is the order of the versions.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token<'a> {
    /// `rc`, or Debian's `~`: before everything, the end included.
    Candidate,
    /// Any other word.
    Word(&'a str),
    /// A number: its digits without leading zeroes, ordered by length and then by value.
    Number(usize, &'a str),
}

struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let text = self
            .0
            .trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && c != '~');
        let first = text.chars().next()?;
        let same_kind = |c: char| {
            if first.is_ascii_digit() {
                c.is_ascii_digit()
            } else {
                c.is_ascii_alphabetic()
            }
        };
        let end = if first == '~' {
            1
        } else {
            text.find(|c: char| !same_kind(c)).unwrap_or(text.len())
        };
        let (token, rest) = text.split_at(end);
        self.0 = rest;
        Some(if first.is_ascii_digit() {
            let digits = token.trim_start_matches('0');
            Token::Number(digits.len(), digits)
        } else if token == "rc" || token == "~" {
            Token::Candidate
        } else {
            Token::Word(token)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A bzImage's header and nothing else.
    pub(crate) fn bzimage(version: &str) -> Vec<u8> {
        let mut image = vec![0; 0x400];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        image[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        image[0x236] = 1;
        let text = format!("{version} (someone@somewhere) #1 SMP\0");
        image[0x300..0x300 + text.len()].copy_from_slice(text.as_bytes());
        image
    }

    fn root_with(files: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn versions_are_ordered_as_people_read_them() {
        let ordered = [
            "5.10.0-9-amd64",
            "5.10.0-33-amd64",
            "6.1-rc7",
            "6.1",
            "6.1.0-9-amd64",
            "6.1.0-50-rt-amd64",
            "6.1.0-50-cloud-amd64",
            "6.1.0-50-amd64",
            "6.9.12",
            "6.12.0~rc1-amd64",
            "6.12.0-amd64",
            "6.12.1-arch1-1",
            "6.12.1-arch1-2",
            "6.100.0",
        ];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                assert_eq!(compare_versions(a, b), i.cmp(&j), "{a} against {b}");
            }
        }
    }

    #[test]
    fn the_newest_kernel_with_modules_is_chosen() {
        let (_dir, root) = root_with(&[
            ("boot/vmlinuz-6.1.0-9-amd64", bzimage("6.1.0-9-amd64")),
            ("boot/vmlinuz-6.1.0-50-amd64", bzimage("6.1.0-50-amd64")),
            ("boot/vmlinuz-6.9.0-1-amd64", bzimage("6.9.0-1-amd64")),
            ("boot/config-6.9.0-1-amd64", vec![]),
            ("lib/modules/6.1.0-9-amd64/modules.dep", vec![]),
            ("lib/modules/6.1.0-50-amd64/modules.dep", vec![]),
        ]);
        let kernel = choose_kernel(&root, None).unwrap();
        assert_eq!(kernel.version, "6.1.0-50-amd64");
        assert_eq!(kernel.path, "/boot/vmlinuz-6.1.0-50-amd64");
        assert_eq!(
            kernel.modules.as_deref(),
            Some("/lib/modules/6.1.0-50-amd64")
        );
        let all = find_kernels(&root).unwrap();
        assert_eq!(all.first().unwrap().version, "6.9.0-1-amd64");
        assert_eq!(all.len(), 3);
        let asked = choose_kernel(&root, Some("6.1.0-9-amd64")).unwrap();
        assert_eq!(asked.path, "/boot/vmlinuz-6.1.0-9-amd64");
    }

    #[test]
    fn a_kernel_without_a_version_in_its_name_is_read() {
        let (_dir, root) = root_with(&[
            ("boot/vmlinuz-linux", bzimage("6.12.1-arch1-1")),
            ("usr/lib/modules/6.12.1-arch1-1/modules.dep", vec![]),
        ]);
        let kernel = choose_kernel(&root, None).unwrap();
        assert_eq!(kernel.version, "6.12.1-arch1-1");
        assert_eq!(
            kernel.modules.as_deref(),
            Some("/usr/lib/modules/6.12.1-arch1-1")
        );
        assert_eq!(choose_kernel(&root, Some("vmlinuz-linux")).unwrap(), kernel);
    }

    #[test]
    fn a_kernel_in_the_module_tree_is_found() {
        let (_dir, root) = root_with(&[(
            "lib/modules/6.11.4-300.fc41.x86_64/vmlinuz",
            bzimage("6.11.4-300.fc41.x86_64"),
        )]);
        let kernel = choose_kernel(&root, None).unwrap();
        assert_eq!(kernel.version, "6.11.4-300.fc41.x86_64");
        assert_eq!(kernel.path, "/lib/modules/6.11.4-300.fc41.x86_64/vmlinuz");
    }

    #[test]
    fn a_root_without_a_kernel_is_told_what_to_install() {
        let (dir, root) = root_with(&[("boot/vmlinuz-x", b"not a kernel".to_vec())]);
        let text = choose_kernel(&root, None).unwrap_err().to_string();
        assert!(
            text.contains(&format!("{}/boot", dir.path().display())),
            "{text}"
        );
        assert!(text.contains("linux-image-amd64"), "{text}");
        assert!(text.contains("/boot/vmlinuz-x: not a kernel"), "{text}");
    }

    #[test]
    fn an_unknown_version_is_answered_with_those_there_are() {
        let (_dir, root) = root_with(&[("boot/vmlinuz-6.1.0-50-amd64", bzimage("6.1.0-50-amd64"))]);
        let text = choose_kernel(&root, Some("6.1")).unwrap_err().to_string();
        assert!(text.contains("no kernel 6.1 in"), "{text}");
        assert!(text.contains("it has 6.1.0-50-amd64"), "{text}");
    }

    #[test]
    fn arm64_kernels_are_told_by_their_magic() {
        let mut image = vec![0; 64];
        image[56..60].copy_from_slice(b"ARM\x64");
        let header = read_header(&image).unwrap();
        assert_eq!(header.architecture, Architecture::Aarch64);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, &image).unwrap();
        let mut packed = packed.finish().unwrap();
        packed.truncate(packed.len() - 4);
        assert_eq!(
            read_header(&packed).unwrap().architecture,
            Architecture::Aarch64
        );
    }

    #[test]
    fn a_32_bit_kernel_is_refused() {
        let mut image = bzimage("6.1.0-50-686");
        image[0x236] = 0;
        assert!(read_header(&image).unwrap_err().contains("32-bit"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_header_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            let _ = read_header(&bytes);
        }

        #[test]
        fn a_damaged_header_does_not_panic(at in 0_usize..0x400, value: u8, cut in 0_usize..0x400) {
            let mut image = bzimage("6.1.0-50-amd64");
            image[at] = value;
            let _ = read_header(&image);
            let _ = read_header(&image[..cut]);
        }

        #[test]
        fn comparing_versions_is_an_order(a in "[0-9a-z.~_-]{0,12}", b in "[0-9a-z.~_-]{0,12}", c in "[0-9a-z.~_-]{0,12}") {
            prop_assert_eq!(compare_versions(&a, &b), compare_versions(&b, &a).reverse());
            prop_assert_eq!(compare_versions(&a, &b) == Ordering::Equal, a == b);
            if compare_versions(&a, &b).is_le() && compare_versions(&b, &c).is_le() {
                prop_assert!(compare_versions(&a, &c).is_le());
            }
        }
    }
}
