//! The PCI devices that modules are for, as `modules.alias` has them.

use std::collections::BTreeSet;

use netroot_net::PciId;

use super::alias::Alias;
use super::index::Index;

/// The devices that one alias of a module is for. What it says of the board that the chip is on (the subsystem) and of the
/// device's class counts only as far as it excludes a network card: a boot loader tells neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PciPattern {
    /// `None` for any.
    pub(crate) vendor: Option<u16>,
    /// `None` for any.
    pub(crate) device: Option<u16>,
}

impl PciPattern {
    /// Reads `pci:v00008086d000010D3sv*sd*bc*sc*i*` (`do_pci_entry`, scripts/mod/file2alias.c); `None` for what cannot be
    /// a network card, or is for devices of every vendor and number.
    fn parse(alias: &str) -> Option<Self> {
        let rest = alias.strip_prefix("pci:v")?;
        let (vendor, rest) = rest.split_once('d')?;
        let (device, rest) = rest.split_once("sv")?;
        let (_, class) = rest.split_once("bc")?;
        let (class, _) = class.split_once("sc")?;
        // 02: network controller.
        let may_be_a_nic = matches!(class, "*" | "02");
        let pattern = Self {
            vendor: number(vendor)?,
            device: number(device)?,
        };
        let names_a_device = pattern.vendor.is_some() || pattern.device.is_some();
        (may_be_a_nic && names_a_device).then_some(pattern)
    }

    /// Whether it is for `id`.
    pub(crate) fn matches(self, id: PciId) -> bool {
        self.vendor.is_none_or(|vendor| vendor == id.vendor)
            && self.device.is_none_or(|device| device == id.device)
    }
}

/// Eight hexadecimal digits, of which the first four are zero for every real device, or `*`.
fn number(text: &str) -> Option<Option<u16>> {
    match text {
        "*" => Some(None),
        digits => u16::from_str_radix(digits.strip_prefix("0000")?, 16)
            .ok()
            .map(Some),
    }
}

impl Index {
    /// What modules, built-in ones included, are for on the PCI bus, as far as it may be a network card.
    pub(crate) fn pci_patterns(&self) -> impl Iterator<Item = (PciPattern, &str)> {
        let all = self.aliases.iter().chain(&self.builtin_aliases);
        all.filter_map(
            |Alias {
                 pattern, module, ..
             }| { Some((PciPattern::parse(pattern)?, module.as_str())) },
        )
    }

    /// The names of the modules that may drive this network card, built-in ones included.
    pub(crate) fn modules_for(&self, nic: PciId) -> BTreeSet<&str> {
        let patterns = self.pci_patterns();
        let for_it = patterns.filter(|(pattern, _)| pattern.matches(nic));
        for_it.map(|(_, module)| module).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_counts_whatever_board_or_revision_it_is_for() {
        let of = |vendor, device| Some(PciPattern { vendor, device });
        for (alias, pattern) in [
            (
                "pci:v00008086d000010D3sv*sd*bc*sc*i*",
                of(Some(0x8086), Some(0x10d3)),
            ),
            (
                "pci:v*d00008139sv000010ECsd00008139bc*sc*i*",
                of(None, Some(0x8139)),
            ),
            ("pci:v00001AF4d*sv*sd*bc*sc*i*", of(Some(0x1af4), None)),
            ("pci:v000010DEd*sv*sd*bc02sc00i*", of(Some(0x10de), None)),
            // A graphics card, a disk, and a class of devices.
            ("pci:v000010DEd*sv*sd*bc03sc*i*", None),
            ("pci:v00008086d00002822sv*sd*bc01sc04i*", None),
            ("pci:v*d*sv*sd*bc02sc00i*", None),
            ("pci:v00018086d000010D3sv*sd*bc*sc*i*", None),
            ("pci:v8086", None),
            ("usb:v0BDAp8153d*dc*dsc*dp*ic*isc*ip*in*", None),
        ] {
            assert_eq!(PciPattern::parse(alias), pattern, "{alias}");
        }
    }
}
