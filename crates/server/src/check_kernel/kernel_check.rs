//! What a kernel has of what it needs, as text and as JSON.

use std::fmt::{self, Write as _};

use netroot_printable::Printable;
use serde::Serialize;

use super::config::{KernelConfig, Presence};
use super::fragment::{Requirement, Section, Weight};

/// How a requirement is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// In the kernel itself.
    BuiltIn,
    /// A module, which has to be in the initrd.
    Module,
    /// Not set.
    Missing,
    /// Set, and should not be.
    Unwanted,
    /// Not set, as it should be.
    Absent,
}

/// One symbol of the check.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    symbol: String,
    state: State,
    who: String,
    /// The consequence if the state is missing or unwanted.
    #[serde(rename = "else")]
    otherwise: String,
    module: Option<String>,
}

/// One section of the check.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    title: String,
    weight: Weight,
    symbols: Vec<Line>,
}

/// The whole check.
#[derive(Debug, Serialize)]
pub(super) struct KernelCheck {
    kernel: String,
    /// Whether everything essential is set.
    pub(super) boots: bool,
    /// Why it does not boot: `NFS_V3 is missing: …`.
    pub(super) reasons: Vec<String>,
    parts: Vec<Part>,
}

impl KernelCheck {
    /// Checks a kernel against the requirements.
    pub(super) fn new(config: &KernelConfig, sections: &[Section]) -> Self {
        let mut reasons = Vec::new();
        let mut parts = Vec::new();
        for section in sections {
            let applies = |requirement: &&Requirement| match (&requirement.arch, config.arch()) {
                (Some(only), Some(this)) => only == this,
                _ => true,
            };
            let symbols: Vec<Line> = section
                .requirements
                .iter()
                .filter(applies)
                .map(|requirement| line(requirement, config))
                .collect();
            let failed = |line: &&Line| matches!(line.state, State::Missing | State::Unwanted);
            match section.weight {
                Weight::Essential => {
                    let sentence = |l: &Line| format!("{} is missing: {}", l.symbol, l.otherwise);
                    reasons.extend(symbols.iter().filter(failed).map(sentence));
                }
                Weight::Any if symbols.iter().all(|line| failed(&line)) => {
                    reasons.push(format!("none of the {} is set", section.title));
                }
                Weight::Any | Weight::Useful => {}
            }
            parts.push(Part {
                title: section.title.clone(),
                weight: section.weight,
                symbols,
            });
        }
        let kernel = config.kernel.clone();
        Self {
            kernel,
            boots: reasons.is_empty(),
            reasons,
            parts,
        }
    }
}

fn line(requirement: &Requirement, config: &KernelConfig) -> Line {
    let state = match (config.presence(&requirement.symbol), requirement.set) {
        (Presence::BuiltIn, true) => State::BuiltIn,
        (Presence::Module, true) => State::Module,
        (Presence::Missing, true) => State::Missing,
        (Presence::BuiltIn | Presence::Module, false) => State::Unwanted,
        (Presence::Missing, false) => State::Absent,
    };
    Line {
        symbol: requirement.symbol.clone(),
        state,
        who: requirement.who.clone(),
        otherwise: requirement.otherwise.clone(),
        module: requirement.module.clone(),
    }
}

impl fmt::Display for KernelCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.kernel.is_empty() {
            writeln!(f, "{}", Printable(&self.kernel))?;
        }
        for part in &self.parts {
            writeln!(f, "\n{}", part.title)?;
            part.fmt_list(f, "built in", State::BuiltIn)?;
            part.fmt_list(f, "module", State::Module)?;
            if part.weight == Weight::Any {
                // Who needs each driver is of no interest; which ones are missing is.
                part.fmt_list(f, "missing", State::Missing)?;
            } else {
                part.fmt_failed(f, "missing", State::Missing)?;
            }
            part.fmt_failed(f, "unwanted", State::Unwanted)?;
        }
        let modules = |line: &Line| line.state == State::Module;
        if self
            .parts
            .iter()
            .flat_map(|part| &part.symbols)
            .any(modules)
        {
            f.write_str(MODULES_ADVICE)?;
        }
        if self.boots {
            return writeln!(f, "\nThis kernel can boot from NFS.");
        }
        writeln!(f, "\nThis kernel cannot boot from NFS:")?;
        self.reasons
            .iter()
            .try_for_each(|reason| writeln!(f, "  {reason}"))
    }
}

const MODULES_ADVICE: &str = "
A module that is needed before the root is mounted has to be in the initrd: `netroot initrd` adds the
NFS client and the overlay automatically, and NIC drivers according to `--modules`.
";

/// The column of the lists, and the column at which they are wrapped.
const INDENT: usize = 12;
const WIDTH: usize = 100;

impl Part {
    fn in_state(&self, state: State) -> impl Iterator<Item = &Line> {
        self.symbols.iter().filter(move |line| line.state == state)
    }

    /// The symbols of one state as a list, modules with their names.
    fn fmt_list(&self, f: &mut fmt::Formatter<'_>, word: &str, state: State) -> fmt::Result {
        let mut column = INDENT;
        let mut text = String::new();
        for (index, line) in self.in_state(state).enumerate() {
            let named = line.module.as_ref().filter(|_| state == State::Module);
            let item = match named {
                Some(module) => format!("{} ({module})", line.symbol),
                None => line.symbol.clone(),
            };
            if index > 0 {
                text.push(',');
                column += 1;
                if column + 1 + item.len() > WIDTH {
                    write!(text, "\n{:INDENT$}", "")?;
                    column = INDENT;
                } else {
                    text.push(' ');
                    column += 1;
                }
            }
            column += item.len();
            text.push_str(&item);
        }
        if text.is_empty() {
            Ok(())
        } else {
            writeln!(f, "  {word:<10}{text}")
        }
    }

    /// The symbols of one state with who needs them and the consequence, a line each.
    fn fmt_failed(&self, f: &mut fmt::Formatter<'_>, word: &str, state: State) -> fmt::Result {
        for line in self.in_state(state) {
            write!(f, "  {word:<10}{}", line.symbol)?;
            if state == State::Missing {
                write!(f, " (for {})", line.who)?;
            }
            writeln!(f, ": {}", line.otherwise)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FRAGMENTS, fragment};
    use super::*;

    /// The symbols of the fragments in the configuration of Debian 12's kernel 6.1.0-50-amd64.
    const DEBIAN: &str = include_str!("configurations/debian-12-amd64.config");

    fn check(config: &str) -> KernelCheck {
        let config = KernelConfig::parse(config).unwrap();
        KernelCheck::new(&config, &fragment::parse_all(&FRAGMENTS).unwrap())
    }

    /// What Debian does not set: its signatures are made elsewhere, and a user may load drivers of their own.
    const SIGNATURES: [&str; 2] = ["MODULE_SIG_ALL", "MODULE_SIG_FORCE"];
    const DEBIAN_LACKS: [&str; 3] = ["USB_XHCI_PCI_RENESAS", "MODULE_SIG_ALL", "MODULE_SIG_FORCE"];

    /// The symbols that are missing, but for the drivers of cards, of which one suffices.
    fn missing(check: &KernelCheck) -> Vec<&str> {
        let parts = check.parts.iter().filter(|part| part.weight != Weight::Any);
        let lines = parts.flat_map(|part| part.in_state(State::Missing));
        lines.map(|line| line.symbol.as_str()).collect()
    }

    /// The cards' drivers that are missing.
    fn missing_drivers(check: &KernelCheck) -> usize {
        let mut parts = check.parts.iter();
        let drivers = parts.find(|part| part.title == "NIC drivers").unwrap();
        drivers.in_state(State::Missing).count()
    }

    #[test]
    fn the_kernels_of_distributions_boot_and_lack_what_they_lack() {
        let usb = [
            "USB_SUPPORT",
            "USB",
            "USB_USBNET",
            "USB_XHCI_HCD",
            "USB_XHCI_PCI_RENESAS",
            "USB_XHCI_PCI",
            "USB_EHCI_HCD",
            "USB_EHCI_PCI",
        ];
        let phys = ["REALTEK_PHY", "BROADCOM_PHY"];
        let fedora = [
            "MODULE_SIG_FORCE",
            "MODULE_SIG_SHA256",
            "INIT_ON_ALLOC_DEFAULT_ON",
        ];
        let arch = [
            "MODULE_SIG_FORCE",
            "MODULE_SIG_SHA256",
            "SECURITY_LOCKDOWN_LSM_EARLY",
        ];
        // The same for Alpine's and Guix's kernels, by processor and purpose.
        let alpine = [
            "MODULE_SIG_FORCE",
            "SECURITY_LOCKDOWN_LSM",
            "SECURITY_LOCKDOWN_LSM_EARLY",
            "SLAB_FREELIST_HARDENED",
        ];
        let no_cards = [
            "REALTEK_PHY",
            "BROADCOM_PHY",
            "USB_USBNET",
            "USB_XHCI_PCI_RENESAS",
        ];
        let guix = [
            "USB_XHCI_PCI_RENESAS",
            "MODULE_SIG",
            "MODULE_SIG_ALL",
            "MODULE_SIG_FORCE",
            "MODULE_SIG_SHA256",
            "SECURITY_LANDLOCK",
            "SECURITY_LOCKDOWN_LSM",
            "SECURITY_LOCKDOWN_LSM_EARLY",
        ];
        let kernels: [(&str, &str, usize, Vec<&str>); 13] = [
            ("debian-12-amd64", DEBIAN, 0, DEBIAN_LACKS.into()),
            (
                "debian-12-cloud-amd64",
                include_str!("configurations/debian-12-cloud-amd64.config"),
                21,
                [&phys[..], &usb, &SIGNATURES].concat(),
            ),
            (
                "debian-12-arm64",
                include_str!("configurations/debian-12-arm64.config"),
                1,
                DEBIAN_LACKS.into(),
            ),
            (
                "debian-12-cloud-arm64",
                include_str!("configurations/debian-12-cloud-arm64.config"),
                21,
                [&usb[..], &SIGNATURES].concat(),
            ),
            (
                "fedora-40-x86_64",
                include_str!("configurations/fedora-40-x86_64.config"),
                0,
                fedora.into(),
            ),
            (
                "fedora-40-aarch64",
                include_str!("configurations/fedora-40-aarch64.config"),
                1,
                [&["XEN"], &fedora[..]].concat(),
            ),
            (
                "arch-x86_64",
                include_str!("configurations/arch-x86_64.config"),
                0,
                arch.into(),
            ),
            (
                "alpine-3.19-lts-x86_64",
                include_str!("configurations/alpine-3.19-lts-x86_64.config"),
                0,
                [&["NFS_V3_ACL"], &alpine[..]].concat(),
            ),
            (
                "alpine-3.19-lts-aarch64",
                include_str!("configurations/alpine-3.19-lts-aarch64.config"),
                1,
                vec![
                    "NFS_V3_ACL",
                    "FHANDLE",
                    "RTC_DRV_PL031",
                    "USB_XHCI_PCI_RENESAS",
                    "MODULE_SIG_FORCE",
                    "SECURITY_LOCKDOWN_LSM",
                    "SECURITY_LOCKDOWN_LSM_EARLY",
                    "RANDOMIZE_BASE",
                    "SLAB_FREELIST_HARDENED",
                ],
            ),
            (
                "alpine-3.19-virt-x86_64",
                include_str!("configurations/alpine-3.19-virt-x86_64.config"),
                19,
                [
                    &["NFS_V3_ACL"],
                    &no_cards[..],
                    &[
                        "MODULE_SIG_FORCE",
                        "SECURITY_YAMA",
                        "SECURITY_LOCKDOWN_LSM_EARLY",
                        "SLAB_FREELIST_HARDENED",
                    ],
                ]
                .concat(),
            ),
            (
                "alpine-3.19-virt-aarch64",
                include_str!("configurations/alpine-3.19-virt-aarch64.config"),
                20,
                [
                    &["NFS_V3_ACL", "XEN"],
                    &no_cards[..],
                    &[
                        "MODULE_SIG_FORCE",
                        "SECURITY_YAMA",
                        "SECURITY_LOCKDOWN_LSM",
                        "SECURITY_LOCKDOWN_LSM_EARLY",
                        "RANDOMIZE_BASE",
                        "FORTIFY_SOURCE",
                        "SLAB_FREELIST_HARDENED",
                    ],
                ]
                .concat(),
            ),
            (
                "guix-1.2-x86_64",
                include_str!("configurations/guix-1.2-x86_64.config"),
                0,
                [&guix[..], &["SECURITY_DMESG_RESTRICT"]].concat(),
            ),
            (
                "guix-1.2-arm64",
                include_str!("configurations/guix-1.2-arm64.config"),
                5,
                [&["HYPERV"], &guix[..], &["FORTIFY_SOURCE"]].concat(),
            ),
        ];
        for (name, config, drivers, lacks) in kernels {
            let check = check(config);
            assert!(check.boots, "{name}: {:?}", check.reasons);
            assert_eq!(missing(&check), lacks, "{name}");
            assert_eq!(missing_drivers(&check), drivers, "{name}");
        }
    }

    #[test]
    fn debians_kernel_boots_and_its_modules_are_listed() {
        let check = check(DEBIAN);
        assert!(check.boots, "{:?}", check.reasons);
        let text = check.to_string();
        assert!(
            text.contains("module    NFS_FS (nfs), NFS_V3 (nfsv3), SUNRPC (sunrpc), LOCKD (lockd)"),
            "{text}"
        );
        assert!(text.contains("VIRTIO_NET (virtio_net)"), "{text}");
        assert_eq!(missing(&check), DEBIAN_LACKS, "{text}");
        assert!(text.ends_with("This kernel can boot from NFS.\n"), "{text}");
    }

    #[test]
    fn a_kernel_without_an_essential_symbol_does_not_boot() {
        let without = DEBIAN.replace("CONFIG_NFS_V3=m", "# CONFIG_NFS_V3 is not set");
        let check = check(&without);
        assert!(!check.boots);
        assert_eq!(check.reasons.len(), 1);
        assert!(check.reasons[0].starts_with("NFS_V3 is missing: only NFSv4 servers"));
        assert!(
            check
                .to_string()
                .contains("\nThis kernel cannot boot from NFS:\n  NFS_V3 is missing")
        );
    }

    #[test]
    fn a_kernel_without_zstd_boots_and_one_without_any_initrd_format_does_not() {
        let without = DEBIAN.replace("CONFIG_RD_ZSTD=y\n", "");
        assert!(check(&without).boots);
        let check = check(&without.replace("CONFIG_RD_GZIP=y\n", ""));
        assert_eq!(check.reasons, ["none of the formats of the initrd is set"]);
    }

    #[test]
    fn one_nic_driver_suffices() {
        let only_virtio: String = DEBIAN
            .lines()
            .filter(|line| {
                let (_, nics) = FRAGMENTS
                    .iter()
                    .find(|(file, _)| file.ends_with("nics.config"))
                    .unwrap();
                let nic = nics.contains(line.split('=').next().unwrap());
                !nic || line.contains("VIRTIO") || line.starts_with('#')
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        assert!(check(&only_virtio).boots);
        let none = check(&only_virtio.replace("CONFIG_VIRTIO_NET=m", ""));
        assert_eq!(none.reasons, ["none of the NIC drivers is set"]);
    }

    #[test]
    fn a_missing_useful_symbol_is_shown_and_the_kernel_still_boots() {
        let config = DEBIAN.replace("CONFIG_OVERLAY_FS=m", "") + "CONFIG_IP_PNP=y\n";
        let check = check(&config);
        assert!(check.boots);
        let text = check.to_string();
        assert!(text.contains("missing   OVERLAY_FS (for rd.overlay, which `netroot serve` asks for): the root stays"), "{text}");
        assert!(
            text.contains("unwanted  IP_PNP: the network is configured twice"),
            "{text}"
        );
    }

    #[test]
    fn a_symbol_of_another_architecture_is_not_required() {
        let arm64 = DEBIAN
            .replace("Linux/x86", "Linux/arm64")
            .replace("CONFIG_HYPERVISOR_GUEST=y\n", "");
        assert!(!check(&arm64).to_string().contains("HYPERVISOR_GUEST"));
        let x86 = arm64.replace("Linux/arm64", "Linux/x86");
        assert!(
            check(&x86)
                .to_string()
                .contains("missing   HYPERVISOR_GUEST")
        );
    }

    #[test]
    fn the_json_has_every_symbol_and_the_result() {
        let json = serde_json::to_value(check(DEBIAN)).unwrap();
        assert_eq!(json["boots"], true);
        assert_eq!(json["kernel"], "Linux/x86 6.1.176");
        let nfs = json["parts"]
            .as_array()
            .unwrap()
            .iter()
            .find(|p| p["title"] == "the root over NFS");
        let symbols = nfs.unwrap()["symbols"].as_array().unwrap();
        let nfs_fs = symbols.iter().find(|s| s["symbol"] == "NFS_FS").unwrap();
        assert_eq!(
            (nfs_fs["state"].as_str(), nfs_fs["module"].as_str()),
            (Some("module"), Some("nfs"))
        );
    }
}
