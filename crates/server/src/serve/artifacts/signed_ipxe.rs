//! iPXE's own signed pair: the shim that Microsoft signed for iPXE, and the iPXE that this shim starts.
//!
//! iPXE publishes both (`ipxeboot.tar.gz` of its releases since 2.0); they are looked for where iPXE's other binaries are. Machines
//! with Secure Boot that are given them have all that iPXE can do, which the root's GRUB has not: menus with disks and discs,
//! an initrd for their own network card, asking again. What starts the root's kernel is then the shim of its
//! distribution, by iPXE's command `shim`, since iPXE's own trusts nobody but iPXE.

mod files;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::inputs::SignedLoader;
use netroot_secure_boot::{
    Architecture, Authority, Binary, BinaryError, Chain, ChainError, Condition, Part,
};

pub(super) use self::files::paths;
use self::files::{PAIRS, Pair};
use super::FileKind;
use super::content::Content;
use super::signed_chain::{ChainFacts, FoundChain, SecondStage, SignedState};
use crate::error_chain::with_causes;

/// More bytes than any shim or iPXE has.
const LONGEST: u64 = 16 << 20;
/// An option of iPXE's command `shim`. Without that command iPXE starts no kernel that firmware would not start itself.
const SHIM_COMMAND: &[u8] = b"allow-sbat";
/// Names of iPXE beside its shim: the one that iPXE's own asks for, and those that shims are usually built with.
const BESIDE: [&str; 4] = ["ipxe.efi", "snponly.efi", "grubx64.efi", "grubaa64.efi"];
/// What mends a pair: a clause that begins with a verb.
const CURE: &str = "unpack the newest ipxeboot.tar.gz of https://github.com/ipxe/ipxe/releases into the folder of --ipxe, whose shim \
                    and iPXE belong together";
/// The same of a kernel or program of an image without a root, which no distribution's shim is beside.
const CURE_WITHOUT_ROOT: &str = "sign it with a key whose certificate is in the firmware's db (sbsign), or switch Secure Boot off in the \
                                 firmware's setup";

/// A pair that firmware can be given.
#[derive(Debug, Clone)]
pub(crate) struct SignedIpxe {
    /// The processor that it is for.
    pub(crate) architecture: Architecture,
    /// Who starts what, and where alone.
    pub(crate) checked: Chain,
    /// iPXE has the command that starts a distribution's kernel.
    has_shim_command: bool,
    /// Where the shim's file is, and iPXE's.
    shim: PathBuf,
    loader: PathBuf,
    /// Each file with the name that firmware or shim asks for.
    pub(super) files: Vec<(String, FileKind, Content)>,
}

/// What was found for a processor.
pub(crate) type FoundPair = Result<Arc<SignedIpxe>, SignedIpxeError>;

/// Why a pair is given to no machine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignedIpxeError {
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// Where it is.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file cannot be started by any firmware.
    #[error("{}: {error}; {CURE}", path.display())]
    Binary {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        error: BinaryError,
    },
    /// There is a shim, and nothing that it starts.
    #[error("there is a shim ({}), and no iPXE beside it (snponly.efi); {CURE}", shim.display())]
    NoLoader {
        /// Where the shim is.
        shim: PathBuf,
    },
    /// It is a shim for another loader.
    #[error("the shim {} starts a file called {name}, which is no name of iPXE's; {CURE}", path.display())]
    Name {
        /// Where the shim is.
        path: PathBuf,
        /// What it asks for.
        name: String,
    },
    /// The shim is for another processor than its name and place say.
    #[error("the shim {} is for {found}, not for {expected}; {CURE}", path.display())]
    Architecture {
        /// Where the shim is.
        path: PathBuf,
        /// Its processor.
        found: Architecture,
        /// That of its place.
        expected: Architecture,
    },
    /// They do not start one another.
    #[error("{error} ({}); {CURE}", path.display())]
    Chain {
        /// Where the file is that is not started.
        path: PathBuf,
        /// Why not.
        error: ChainError,
    },
}

#[cfg(test)]
impl SignedIpxe {
    /// One for x86_64 that Microsoft signed, with these files.
    pub(crate) fn with_files(files: Vec<(String, FileKind, Content)>) -> Self {
        Self {
            architecture: Architecture::X64,
            checked: Chain {
                architecture: Architecture::X64,
                authorities: Authority::ALL.to_vec(),
                vendors: Vec::new(),
                conditions: Vec::new(),
                loader: netroot_secure_boot::sbat::Sbat::default(),
            },
            has_shim_command: true,
            shim: PathBuf::new(),
            loader: PathBuf::new(),
            files,
        }
    }
}

impl SignedIpxe {
    /// The platform whose firmware loads it.
    pub(crate) fn platform(&self) -> Platform {
        match self.architecture {
            Architecture::X64 => Platform::EfiX64,
            Architecture::Arm64 => Platform::EfiArm64,
        }
    }

    /// It as a loader.
    pub(super) fn as_loader(&self) -> SignedLoader {
        SignedLoader {
            file: Pair::of(self.architecture).shim.to_owned(),
            // iPXE loads what follows by HTTP, from the server that its script or DHCP names.
            over_http: true,
            by_proxy: true,
        }
    }

    /// Whether machines that boot a root with these files are given the pair, and not the root's own shim and GRUB.
    pub(crate) fn is_for(&self, found: &FoundChain) -> bool {
        let own = found.chain.as_ref();
        let replaces = |own: &Vec<Authority>| self.may_replace(own);
        self.is_for_processor_of(found)
            && own.is_none_or(|own| replaces(&own.facts.checked.authorities))
    }

    /// Whether a machine that has loaded it may be told to boot that root: by a menu, or when it has waited.
    pub(crate) fn is_for_processor_of(&self, found: &FoundChain) -> bool {
        found.kernel.architecture == self.architecture
    }

    /// Whether it takes the place of a shim and GRUB that are signed under these authorities. Who starts those must start the
    /// pair, too: firmware may trust one of Microsoft's authorities alone. A pair that Microsoft did not sign is the
    /// administrator's own, whose machines trust it. One that is known not to boot a machine as it was delivered takes
    /// nothing's place.
    fn may_replace(&self, own: &[Authority]) -> bool {
        let is_strange = |condition: &Condition| condition.part() == Part::Loader;
        let boots = self.has_shim_command && !self.checked.conditions.iter().any(is_strange);
        let pair = &self.checked.authorities;
        boots && (pair.is_empty() || own.iter().all(|authority| pair.contains(authority)))
    }

    /// Whether it is for the same processor as another.
    pub(crate) fn is_of_processor_of(&self, other: &Self) -> bool {
        self.architecture == other.architecture
    }

    /// The names of both files among the loaders'.
    pub(crate) fn names(&self) -> [&'static str; 2] {
        let pair = Pair::of(self.architecture);
        [pair.shim, pair.loader]
    }

    /// What is known of it together with what starts a root's kernel.
    pub(crate) fn state_with(&self, found: &FoundChain) -> SignedState {
        let kernel = &found.kernel;
        let mut facts = self.facts(&kernel.cure);
        match &kernel.starts {
            Ok(chain) => {
                let of_kernel = chain.conditions.iter();
                let of_kernel = of_kernel.filter(|condition| condition.part() == Part::Kernel);
                facts.checked.conditions.extend(of_kernel.cloned());
            }
            Err(why) => facts.no_kernel = Some(why.clone()),
        }
        if !self.has_shim_command {
            facts.no_kernel = Some(format!(
                "{} is older than iPXE's command `shim`, which starts a distribution's kernel; {CURE}",
                self.loader.display()
            ));
        }
        SignedState::Usable(Arc::new(facts))
    }

    fn facts(&self, kernel_cure: &str) -> ChainFacts {
        ChainFacts {
            checked: self.checked.clone(),
            second: SecondStage::Ipxe,
            over_http: true,
            by_proxy: true,
            cure: CURE.to_owned(),
            kernel_cure: kernel_cure.to_owned(),
            no_kernel: None,
        }
    }

    /// What it is, in a clause.
    pub(crate) fn description(&self) -> String {
        let authorities: Vec<String> = self
            .checked
            .authorities
            .iter()
            .map(ToString::to_string)
            .collect();
        let where_ = match authorities.is_empty() {
            true => String::new(),
            false => format!(", where firmware has {} in db", authorities.join(" or ")),
        };
        format!(
            "found iPXE's signed files for {}: shim and iPXE start one another{where_}",
            self.architecture
        )
    }

    /// What is wrong with it for some machines, each a sentence with what to do.
    pub(crate) fn conditions(&self) -> Vec<String> {
        let conditions = self.checked.conditions.iter();
        let conditions = conditions.map(|condition| {
            let file = match condition.part() {
                Part::Shim => &self.shim,
                Part::Loader | Part::Kernel => &self.loader,
            };
            format!("{condition} ({}); {CURE}", file.display())
        });
        conditions.collect()
    }
}

/// Checks the pairs that are among the loaders' files, each with the name of [`paths`]. A processor without a shim has none.
pub(super) fn check<'a>(
    folders: &[PathBuf],
    files: impl Fn(&str) -> Option<&'a Content>,
) -> Vec<FoundPair> {
    let found = PAIRS.iter().filter_map(|pair| {
        let shim = files(pair.shim)?;
        let (shim_path, loader_path) = pair.found_in(folders)?;
        let loader = files(pair.loader).zip(loader_path);
        Some(checked(pair, (shim, &shim_path), loader).map(Arc::new))
    });
    found.collect()
}

fn checked(
    pair: &Pair,
    (shim, shim_path): (&Content, &Path),
    loader: Option<(&Content, PathBuf)>,
) -> Result<SignedIpxe, SignedIpxeError> {
    let (_, shim_binary) = read(shim, shim_path)?;
    if shim_binary.architecture != pair.architecture {
        return Err(SignedIpxeError::Architecture {
            path: shim_path.to_owned(),
            found: shim_binary.architecture,
            expected: pair.architecture,
        });
    }
    let Some((loader, loader_path)) = loader else {
        let shim = shim_path.to_owned();
        return Err(SignedIpxeError::NoLoader { shim });
    };
    let (bytes, loader_binary) = read(loader, &loader_path)?;
    let checked = netroot_secure_boot::check(&shim_binary, &loader_binary, None);
    let checked = checked.map_err(|error| {
        let path = match error.part() {
            Part::Shim => shim_path.to_owned(),
            Part::Loader | Part::Kernel => loader_path.clone(),
        };
        SignedIpxeError::Chain { path, error }
    })?;
    let mut names = vec![pair.loader.to_owned()];
    // iPXE's own shim asks for a name that is made from its own. Others ask for the one that they were built with.
    if let Some(name) = shim_binary.default_loader {
        if !BESIDE.contains(&name.as_str()) {
            let path = shim_path.to_owned();
            return Err(SignedIpxeError::Name { path, name });
        }
        let beside = pair.beside(&name);
        if !names.contains(&beside) {
            names.push(beside);
        }
    }
    let names = names.into_iter();
    let loaders = names.map(|name| (name, FileKind::Other, loader.clone()));
    let first = (pair.shim.to_owned(), FileKind::Loader, shim.clone());
    Ok(SignedIpxe {
        architecture: pair.architecture,
        checked,
        has_shim_command: contains(&bytes, SHIM_COMMAND),
        files: std::iter::once(first).chain(loaders).collect(),
        shim: shim_path.to_owned(),
        loader: loader_path,
    })
}

fn read(content: &Content, path: &Path) -> Result<(Vec<u8>, Binary), SignedIpxeError> {
    let bytes = content.all(LONGEST);
    let bytes = bytes.map_err(|source| SignedIpxeError::File {
        path: path.to_owned(),
        source,
    })?;
    let binary = Binary::parse(&bytes).map_err(|error| SignedIpxeError::Binary {
        path: path.to_owned(),
        error,
    })?;
    Ok((bytes, binary))
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// What is wrong with the pairs that were found, each a sentence with what to do.
pub(crate) fn faults(found: &[FoundPair]) -> Vec<String> {
    let faults = found.iter().flat_map(|pair| match pair {
        Ok(pair) => pair.conditions(),
        Err(error) => vec![with_causes(error)],
    });
    faults.collect()
}

/// What machines with this firmware have for an image without a root: the pair, which starts what firmware itself starts.
pub(crate) fn state_without_root(
    pairs: &[Arc<SignedIpxe>],
    platform: Option<Platform>,
) -> SignedState {
    let mut pairs = pairs.iter();
    let is_for = |pair: &&Arc<SignedIpxe>| platform.is_none_or(|it| it == pair.platform());
    match pairs.find(is_for) {
        Some(pair) => SignedState::Usable(Arc::new(pair.facts(CURE_WITHOUT_ROOT))),
        None => SignedState::Nothing {
            cure: CURE.to_owned(),
        },
    }
}

/// What mends a boot by a pair's shim, of which nothing more is known: a clause that begins with a verb.
pub(crate) fn cure(of: Part) -> &'static str {
    match of {
        Part::Shim | Part::Loader => CURE,
        Part::Kernel => CURE_WITHOUT_ROOT,
    }
}

/// Whether it is the name of a pair's shim.
pub(crate) fn is_shim(name: &str) -> bool {
    PAIRS.iter().any(|pair| pair.shim == name)
}

/// Whether it is a name of a pair's iPXE.
pub(crate) fn is_loader(name: &str) -> bool {
    let folder_and_file = name.rsplit_once('/');
    folder_and_file.is_some_and(|(folder, file)| {
        PAIRS.iter().any(|pair| pair.folder == folder) && BESIDE.contains(&file)
    })
}

/// Whether it is the name of a pair's file.
pub(crate) fn is_of_pair(name: &str) -> bool {
    is_shim(name) || is_loader(name)
}

/// The name beside a pair's `shim` of the iPXE that is asked for by `name` alone; `None` of other names, and other shims.
pub(super) fn beside(shim: &str, name: &str) -> Option<String> {
    let pair = PAIRS.iter().find(|pair| pair.shim == shim)?;
    is_loader_alone(name).then(|| pair.beside(name))
}

/// Whether it is a name of a pair's iPXE without its folder, which is that of another loader, too.
pub(crate) fn is_loader_alone(name: &str) -> bool {
    BESIDE.contains(&name)
}

/// A name without the folder of a pair, from which iPXE asks for its first script.
pub(crate) fn without_folder(name: &str) -> Option<&str> {
    let (folder, file) = name.split_once('/')?;
    let is_pairs = PAIRS.iter().any(|pair| pair.folder == folder);
    is_pairs.then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_pair_are_told_from_others() {
        for (name, shim, loader) in [
            ("x86_64-sb/ipxe-shim.efi", true, false),
            ("arm64-sb/ipxe-shim.efi", true, false),
            ("x86_64-sb/ipxe.efi", false, true),
            ("x86_64-sb/snponly.efi", false, true),
            ("snponly.efi", false, false),
            ("images/x86_64-sb/ipxe.efi", false, false),
            ("x86_64-sb/vmlinuz", false, false),
        ] {
            assert_eq!((is_shim(name), is_loader(name)), (shim, loader), "{name}");
        }
        assert_eq!(
            without_folder("arm64-sb/autoexec.ipxe"),
            Some("autoexec.ipxe")
        );
        assert_eq!(without_folder("images/autoexec.ipxe"), None);
        for (shim, name, found) in [
            (
                "arm64-sb/ipxe-shim.efi",
                "snponly.efi",
                Some("arm64-sb/snponly.efi"),
            ),
            ("arm64-sb/ipxe-shim.efi", "vmlinuz", None),
            ("arm64-sb/ipxe-shim.efi", "x86_64-sb/ipxe.efi", None),
            ("images/debian/shimx64.efi", "grubx64.efi", None),
        ] {
            assert_eq!(beside(shim, name).as_deref(), found, "{shim} {name}");
        }
    }

    #[test]
    fn a_pair_replaces_what_no_machine_needs_more() {
        use Authority::{Microsoft2011, Microsoft2023};

        let pair = |authorities: &[Authority], conditions, has_shim_command| {
            let good = SignedIpxe::with_files(Vec::new());
            SignedIpxe {
                checked: Chain {
                    authorities: authorities.to_vec(),
                    conditions,
                    ..good.checked.clone()
                },
                has_shim_command,
                ..good
            }
        };
        let stranger = |part| {
            vec![Condition::Stranger {
                part,
                signer: "somebody".to_owned(),
                vendors: "iPXE".to_owned(),
            }]
        };
        let both = [Microsoft2011, Microsoft2023];
        for (pair, own, replaces) in [
            (pair(&both, Vec::new(), true), &both[..], true),
            (pair(&both, Vec::new(), true), &[Microsoft2023], true),
            (pair(&[Microsoft2011], Vec::new(), true), &both, false),
            (
                pair(&[Microsoft2011], Vec::new(), true),
                &[Microsoft2011],
                true,
            ),
            // The administrator's own.
            (pair(&[], Vec::new(), true), &both, true),
            // The root's is the administrator's own.
            (pair(&both, Vec::new(), true), &[], true),
            (pair(&both, stranger(Part::Loader), true), &both, false),
            (pair(&[], stranger(Part::Loader), true), &both, false),
            (pair(&both, Vec::new(), false), &both, false),
        ] {
            assert_eq!(pair.may_replace(own), replaces, "{pair:?} for {own:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_program_is_named_with_what_mends_it() {
        let folder = tempfile::tempdir().unwrap();
        let shim = folder.path().join("snponly-shimx64.efi");
        std::fs::write(&shim, "no program").unwrap();
        let content = Content::open(&shim).unwrap();
        let found = check(&[folder.path().to_owned()], |name| {
            (name == "x86_64-sb/ipxe-shim.efi").then_some(&content)
        });
        let [fault] = &faults(&found)[..] else {
            panic!("{found:?}");
        };
        for part in [
            &*shim.display().to_string(),
            "not an EFI binary",
            "ipxeboot.tar.gz",
        ] {
            assert!(fault.contains(part), "{fault}");
        }
    }
}
