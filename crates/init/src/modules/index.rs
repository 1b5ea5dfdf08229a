//! The module index: which module belongs to a device or a name, and which modules it depends on.
//!
//! Pure: the files are passed in as text. The formats are those of depmod(8); the text forms are used, since the `.bin`
//! forms save no time for the hundred modules of an initrd. The lines are kept as they are: a boot looks up a dozen of
//! thousands, and to make each a value of its own took longer than the network does.

use netroot_kmod::{fnmatch, module_name, module_stem};

/// The files of `/lib/modules/<version>/`, read once.
#[derive(Debug, Default)]
pub(crate) struct Index<'a> {
    modules: Vec<Module<'a>>,
    /// The aliases of each bus.
    buses: Vec<Bus<'a>>,
    softdep: &'a str,
    builtin: &'a str,
}

/// A line of `modules.dep`.
#[derive(Debug)]
struct Module<'a> {
    /// Relative to the version's directory.
    file: &'a str,
    /// The file's name without suffix.
    stem: &'a str,
    /// The files of what it depends on.
    needs: &'a str,
}

/// The aliases whose patterns begin alike, as those of the devices on a bus do. Most devices of a machine are on others than
/// `pci:` and `usb:`, which have nearly all aliases of an initrd.
#[derive(Debug)]
struct Bus<'a> {
    /// How they begin; `None` if by a wildcard, or if they are shorter.
    begin: Option<[u8; BEGIN]>,
    /// In file order.
    aliases: Vec<Alias<'a>>,
}

/// How many bytes of a pattern say which bus it is of.
const BEGIN: usize = 4;

/// A line of `modules.alias` after its first word: a pattern, a blank and a module.
#[derive(Debug, Clone, Copy)]
struct Alias<'a>(&'a str);

/// The texts of the index files; a missing file is an empty text.
#[derive(Debug, Default)]
pub(crate) struct Texts<'a> {
    /// `modules.dep`.
    pub(crate) dep: &'a str,
    /// `modules.alias`.
    pub(crate) alias: &'a str,
    /// `modules.softdep`.
    pub(crate) softdep: &'a str,
    /// `modules.builtin`.
    pub(crate) builtin: &'a str,
}

/// One module to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadStep {
    /// The module's name, with `_`.
    pub(crate) name: String,
    /// Its file, relative to the version's directory.
    pub(crate) file: String,
}

/// The result of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// Load these, in this order.
    Load(Vec<LoadStep>),
    /// It is built into the kernel.
    BuiltIn,
    /// The initrd does not have it.
    Absent,
}

impl<'a> Index<'a> {
    /// Parses the index. Invalid lines are skipped, so that with a damaged index as much as possible can be loaded.
    pub(crate) fn read(texts: &Texts<'a>) -> Self {
        let modules = texts.dep.lines().filter_map(|line| {
            let (file, needs) = line.split_once(':')?;
            let stem = file_stem(file);
            Some(Module { file, stem, needs })
        });
        Index {
            modules: modules.collect(),
            buses: buses(texts.alias),
            softdep: texts.softdep,
            builtin: texts.builtin,
        }
    }

    /// The modules whose alias matches a device's `modalias`, each once: in file order, but those last whose patterns begin
    /// with a wildcard.
    pub(crate) fn for_device(&self, modalias: &str) -> Vec<String> {
        let begin = modalias.as_bytes().first_chunk();
        let of_it = self.buses.iter().filter(|bus| bus.begin.as_ref() == begin);
        let of_all = self.buses.iter().filter(|bus| bus.begin.is_none());
        let is_plain = !modalias.as_bytes().iter().any(is_wild);
        let mut found: Vec<&str> = Vec::new();
        for alias in of_it.chain(of_all).flat_map(|bus| &bus.aliases) {
            if (!is_plain || may_match(alias.0.as_bytes(), modalias.as_bytes()))
                && let Some((pattern, module)) = alias.parts()
                && fnmatch(pattern, modalias)
                && !found.contains(&module)
            {
                found.push(module);
            }
        }
        found.into_iter().map(module_name).collect()
    }

    /// What has to be loaded for `name`, a module's name or an alias such as `fs-nfs`.
    pub(crate) fn resolve(&self, name: &str) -> Resolved {
        let name = module_name(name);
        let (mut steps, mut seen) = (Vec::new(), Vec::new());
        if self.module(&name).is_some() {
            self.add(&name, &mut steps, &mut seen);
            return Resolved::Load(steps);
        }
        let mut builtin = self.builtin.lines();
        if builtin.any(|line| is_same(file_stem(line), &name)) {
            return Resolved::BuiltIn;
        }
        let first = name.as_bytes().first();
        for alias in self.buses.iter().flat_map(|bus| &bus.aliases) {
            // Aliases are written with `-` (`fs-nfs`) or `_`; modprobe treats them alike.
            let begins = alias.0.as_bytes().first();
            let may = begins == first || begins.is_some_and(|b| b"*?[-_".contains(b));
            if may
                && let Some((pattern, module)) = alias.parts()
                && fnmatch(&pattern.replace('-', "_"), &name)
            {
                self.add(&module_name(module), &mut steps, &mut seen);
            }
        }
        if steps.is_empty() {
            Resolved::Absent
        } else {
            Resolved::Load(steps)
        }
    }

    /// The line of a module. If two have the name, the last one counts.
    fn module(&self, name: &str) -> Option<&Module<'a>> {
        let mut lines = self.modules.iter().rev();
        lines.find(|module| is_same(module.stem, name))
    }

    /// Appends `name` after everything that it depends on. `seen` ends the circles that soft dependencies may form.
    fn add(&self, name: &str, steps: &mut Vec<LoadStep>, seen: &mut Vec<String>) {
        if seen.iter().any(|one| one == name) {
            return;
        }
        seen.push(name.to_owned());
        let Some(module) = self.module(name) else {
            return;
        };
        let (before, after) = self.soft(name);
        for before in before {
            self.add(&before, steps, seen);
        }
        // modules.dep lists direct dependencies first and theirs after them (modprobe loads from the end).
        for need in module.needs.split_ascii_whitespace().rev() {
            self.add(&module_name(need), steps, seen);
        }
        steps.push(LoadStep {
            name: name.to_owned(),
            file: module.file.to_owned(),
        });
        for after in after {
            self.add(&after, steps, seen);
        }
    }

    /// The soft dependencies of a module: what is loaded before it, and after it.
    fn soft(&self, name: &str) -> (Vec<String>, Vec<String>) {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for line in self.softdep.lines() {
            let mut words = line.split_ascii_whitespace();
            let is_about = words.next() == Some("softdep")
                && words.next().is_some_and(|of| is_same(file_stem(of), name));
            if !is_about {
                continue;
            }
            let mut list = &mut before;
            for word in words {
                match word {
                    "pre:" => list = &mut before,
                    "post:" => list = &mut after,
                    name => list.push(module_name(name)),
                }
            }
        }
        (before, after)
    }
}

impl<'a> Alias<'a> {
    /// The pattern, and the module.
    fn parts(self) -> Option<(&'a str, &'a str)> {
        let (pattern, module) = self.0.split_once(' ')?;
        Some((pattern, module.trim_end()))
    }
}

/// The lines of `modules.alias` by bus.
fn buses(text: &str) -> Vec<Bus<'_>> {
    let mut buses: Vec<Bus<'_>> = Vec::new();
    let mut last = 0;
    let aliases = text.lines().filter_map(|line| line.strip_prefix("alias "));
    for alias in aliases {
        let begin = alias.as_bytes().first_chunk();
        let begin = begin.filter(|begin| !begin.iter().any(ends_fixed));
        let begin = begin.copied();
        // Lines of a bus stand together, mostly.
        if buses.get(last).is_none_or(|bus| bus.begin != begin) {
            let at = buses.iter().position(|bus| bus.begin == begin);
            last = at.unwrap_or(buses.len());
            if at.is_none() {
                let aliases = Vec::new();
                buses.push(Bus { begin, aliases });
            }
        }
        if let Some(bus) = buses.get_mut(last) {
            bus.aliases.push(Alias(alias));
        }
    }
    buses
}

/// Whether a byte begins the variable part of a pattern.
fn is_wild(byte: &u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[')
}

/// Whether a byte of an alias is the first after the fixed part of its pattern: a blank ends the pattern.
fn ends_fixed(byte: &u8) -> bool {
    is_wild(byte) || *byte == b' '
}

/// Whether an alias may be that of a modalias, which has no wildcards itself: whether they are the same up to the first
/// wildcard, or as far as they are looked at. That rules nearly all out, by eight bytes at a time, and costs less than to
/// find out for each alias where its first wildcard is.
fn may_match(alias: &[u8], modalias: &[u8]) -> bool {
    let (patterns, _) = alias.as_chunks::<8>();
    let (texts, _) = modalias.as_chunks::<8>();
    for (pattern, text) in patterns.iter().zip(texts) {
        let differing = u64::from_le_bytes(*pattern) ^ u64::from_le_bytes(*text);
        if differing != 0 {
            let first = differing.trailing_zeros() / 8;
            let first = usize::try_from(first).ok().and_then(|at| pattern.get(at));
            return first.is_none_or(ends_fixed);
        }
    }
    true
}

/// The name of a path's file without its suffix.
fn file_stem(path: &str) -> &str {
    let stem = module_stem(path);
    stem.rsplit('/').next().unwrap_or(stem)
}

/// Whether a module's file, by its name without suffix, is called `name`, which has `_` for each `-`.
fn is_same(stem: &str, name: &str) -> bool {
    stem.len() == name.len()
        && stem
            .bytes()
            .zip(name.bytes())
            .all(|(one, other)| one == other || (one == b'-' && other == b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "\
kernel/fs/nfs/nfsv3.ko: kernel/fs/nfs_common/nfs_acl.ko kernel/fs/nfs/nfs.ko kernel/net/sunrpc/sunrpc.ko
kernel/fs/nfs/nfs.ko: kernel/net/sunrpc/sunrpc.ko
kernel/fs/nfs_common/nfs_acl.ko: kernel/net/sunrpc/sunrpc.ko
kernel/net/sunrpc/sunrpc.ko:
kernel/drivers/net/ethernet/realtek/r8169.ko: kernel/drivers/net/phy/libphy.ko
kernel/drivers/net/phy/libphy.ko:
kernel/drivers/net/phy/realtek.ko: kernel/drivers/net/phy/libphy.ko
kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko
kernel/drivers/net/net_failover.ko:
";
    const ALIAS: &str = "\
# Aliases extracted from modules themselves.
alias pci:v000010ECd00008168sv*sd*bc*sc*i* r8169
alias virtio:d00000001v* virtio-net
alias fs-nfs nfs
alias mdio:0000000000011100110010???????????? realtek
";
    const SOFTDEP: &str = "softdep r8169 pre: realtek\nsoftdep realtek post: r8169\n";

    fn index() -> Index<'static> {
        let builtin = "kernel/fs/overlayfs/overlay.ko\n";
        Index::read(&Texts {
            dep: DEP,
            alias: ALIAS,
            softdep: SOFTDEP,
            builtin,
        })
    }

    fn order(resolved: Resolved) -> Vec<String> {
        match resolved {
            Resolved::Load(steps) => steps.into_iter().map(|s| s.name).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_module_comes_after_its_dependencies_and_nothing_comes_twice() {
        assert_eq!(
            order(index().resolve("nfsv3")),
            ["sunrpc", "nfs", "nfs_acl", "nfsv3"]
        );
    }

    #[test]
    fn a_soft_dependency_comes_first_and_a_circle_of_them_ends() {
        assert_eq!(
            order(index().resolve("r8169")),
            ["libphy", "realtek", "r8169"]
        );
    }

    #[test]
    fn a_device_is_matched_to_its_driver_by_modalias() {
        let index = index();
        assert_eq!(
            index.for_device("pci:v000010ECd00008168sv00001043sd00008554bc02sc00i00"),
            ["r8169"]
        );
        assert_eq!(
            index.for_device("virtio:d00000001v00001AF4"),
            ["virtio_net"]
        );
        assert!(
            index
                .for_device("pci:v00008086d00001237sv00001AF4sd00001100bc06sc00i00")
                .is_empty()
        );
    }

    #[test]
    fn what_rules_an_alias_out_rules_no_match_out() {
        let devices = [
            "pci:v000010ECd00008168sv00001043sd00008554bc02sc00i00",
            "acpi:PNP0501:",
            "acpi:QEMU0002:PNP0C02:",
            "fs",
            "virtio:d00000001v00001AF4",
            "usb:v0B95p1790d0100dc00dsc00dp00icFFiscFFip00in*0",
            "x",
        ];
        let patterns = [
            "pci:v000010ECd00008168sv*sd*bc*sc*i*",
            "pci:v000010EC*",
            "pci:v*",
            "pc*:v000010ECd00008168sv*",
            "*",
            "acpi*:PNP0501:*",
            "acpi*:PNP0C02:*",
            "acpi:PNP0501:",
            "acpi:PNP050?:",
            "acpi:PNP05[0-9]1:",
            "fs",
            "fs*",
            "virtio:d00000001v*",
            "usb:v0B95p1790d*dc*dsc*dp*ic*isc*ip*in*0",
            "x",
            "[a-z]",
        ];
        let text: String = patterns
            .iter()
            .enumerate()
            .map(|(number, pattern)| format!("alias {pattern} m{number}\n"))
            .collect();
        let index = Index::read(&Texts {
            alias: &text,
            ..Texts::default()
        });
        for device in devices {
            let mut expected = Vec::new();
            for (number, pattern) in patterns.iter().enumerate() {
                if fnmatch(pattern, device) {
                    expected.push(format!("m{number}"));
                }
            }
            let mut found = index.for_device(device);
            found.sort_by_key(|name| name[1..].parse::<usize>().unwrap());
            assert_eq!(found, expected, "{device}");
            assert!(!expected.is_empty());
        }
    }

    #[test]
    fn names_aliases_and_built_in_modules_are_resolved() {
        assert_eq!(order(index().resolve("fs-nfs")), ["sunrpc", "nfs"]);
        assert_eq!(
            order(index().resolve("virtio-net")),
            ["net_failover", "virtio_net"]
        );
        assert_eq!(index().resolve("overlay"), Resolved::BuiltIn);
        assert_eq!(index().resolve("btrfs"), Resolved::Absent);
        assert_eq!(
            order(index().resolve("mdio:0000000000011100110010010001001100")),
            ["libphy", "realtek", "r8169"]
        );
    }

    #[test]
    fn a_damaged_index_yields_what_it_can() {
        let index = Index::read(&Texts {
            dep: "no colon\na.ko: missing.ko\n",
            ..Texts::default()
        });
        assert_eq!(order(index.resolve("a")), ["a"]);
    }
}
