//! `bond=`: several NICs that act as one (dracut).

use std::net::Ipv4Addr;

use super::device::{device_field, device_list, no_more_than};
use super::ip_fields::{self, split};
use crate::address::dotted_quad;
use crate::reading::Reading;

/// How a bond spreads frames over its ports (Linux `Documentation/networking/bonding.rst`).
/// The discriminants are the kernel's own numbers, for `IFLA_BOND_MODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum BondMode {
    /// `balance-rr`, 0: one port after the other.
    BalanceRoundRobin = 0,
    /// `active-backup`, 1: one port, until it fails.
    ActiveBackup = 1,
    /// `balance-xor`, 2: the port by a hash of the frame.
    BalanceXor = 2,
    /// `broadcast`, 3: every frame on every port.
    Broadcast = 3,
    /// `802.3ad`, 4: LACP with the switch.
    Lacp = 4,
    /// `balance-tlb`, 5: the port by its load, outgoing only.
    BalanceTransmitLoad = 5,
    /// `balance-alb`, 6: the port by its load, both ways.
    BalanceAdaptiveLoad = 6,
}

impl BondMode {
    /// Every mode, by the kernel's number.
    const ALL: [Self; 7] = [
        Self::BalanceRoundRobin,
        Self::ActiveBackup,
        Self::BalanceXor,
        Self::Broadcast,
        Self::Lacp,
        Self::BalanceTransmitLoad,
        Self::BalanceAdaptiveLoad,
    ];

    /// The mode's name, as `bond=` and the kernel have it: `802.3ad`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::BalanceRoundRobin => "balance-rr",
            Self::ActiveBackup => "active-backup",
            Self::BalanceXor => "balance-xor",
            Self::Broadcast => "broadcast",
            Self::Lacp => "802.3ad",
            Self::BalanceTransmitLoad => "balance-tlb",
            Self::BalanceAdaptiveLoad => "balance-alb",
        }
    }
}

/// An attribute of a bond that is a number. The discriminants are the kernel's own
/// (`include/uapi/linux/if_link.h`, `IFLA_BOND_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum BondAttribute {
    /// `miimon`, milliseconds between two looks at the carrier.
    MiiMonitor = 3,
    /// `updelay`, milliseconds.
    UpDelay = 4,
    /// `downdelay`, milliseconds.
    DownDelay = 5,
    /// `use_carrier`, 0 or 1.
    UseCarrier = 6,
    /// `arp_interval`, milliseconds.
    ArpInterval = 7,
    /// `arp_validate`, a number or its word.
    ArpValidate = 9,
    /// `arp_all_targets`: `any` 0, `all` 1.
    ArpAllTargets = 10,
    /// `primary_reselect`: `always` 0, `better` 1, `failure` 2.
    PrimaryReselect = 12,
    /// `fail_over_mac`: `none` 0, `active` 1, `follow` 2.
    FailOverMac = 13,
    /// `xmit_hash_policy`: `layer2` 0, `layer3+4` 1, `layer2+3` 2, `encap2+3` 3,
    /// `encap3+4` 4, `vlan+srcmac` 5.
    TransmitHashPolicy = 14,
    /// `resend_igmp`, a count.
    ResendIgmp = 15,
    /// `num_grat_arp`, `num_unsol_na`: how often peers are notified of a new active port.
    PeerNotifications = 16,
    /// `all_slaves_active`, 0 or 1.
    AllPortsActive = 17,
    /// `min_links`, a count.
    MinLinks = 18,
    /// `lp_interval`, seconds.
    LearningInterval = 19,
    /// `packets_per_slave`, a count.
    PacketsPerPort = 20,
    /// `lacp_rate`: `slow` 0, `fast` 1.
    LacpRate = 21,
    /// `ad_select`: `stable` 0, `bandwidth` 1, `count` 2.
    AggregatorSelect = 22,
    /// `tlb_dynamic_lb`, 0 or 1.
    DynamicLoadBalance = 27,
}

impl BondAttribute {
    /// The attribute's type in `IFLA_INFO_DATA`.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// How many bytes its value takes there: 1 or 4.
    pub fn width(self) -> u8 {
        match self {
            Self::UseCarrier
            | Self::PrimaryReselect
            | Self::FailOverMac
            | Self::TransmitHashPolicy
            | Self::PeerNotifications
            | Self::AllPortsActive
            | Self::LacpRate
            | Self::AggregatorSelect
            | Self::DynamicLoadBalance => 1,
            _ => 4,
        }
    }
}

/// A bond (`bond=<name>[:<ports>[:<options>[:<mtu>]]]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bond {
    /// The name of the device to make.
    pub name: String,
    /// The NICs that become its ports, at least one.
    pub ports: Vec<String>,
    /// How frames are spread over them.
    pub mode: BondMode,
    /// Numbers to set, in the order written, each attribute once. They fit their
    /// [`width`](BondAttribute::width).
    pub attributes: Vec<(BondAttribute, u32)>,
    /// `primary=`: the port that is preferred; one of [`ports`](Self::ports).
    pub primary: Option<String>,
    /// `arp_ip_target=`, at most 16.
    pub arp_targets: Vec<Ipv4Addr>,
    /// The MTU of the bond and its ports, 68 to 65535.
    pub mtu: Option<u16>,
}

impl Bond {
    /// dracut's defaults: `bond0` over `eth0` and `eth1`, `mode=balance-rr`.
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ports: vec!["eth0".to_owned(), "eth1".to_owned()],
            mode: BondMode::BalanceRoundRobin,
            attributes: Vec::new(),
            primary: None,
            arp_targets: Vec::new(),
            mtu: None,
        }
    }

    /// Reads `<name>[:<ports>[:<options>[:<mtu>]]]`; nothing at all is `bond0`.
    pub(super) fn read(value: Option<&str>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(value) = value else {
            return Some(Self::named("bond0"));
        };
        let fields = split(value);
        let mut bond = Self::named(device_field(&fields, 0, value, reading)?);
        if let Some(list) = fields.get(1).filter(|list| !list.text.is_empty()) {
            bond.ports = device_list(list, reading);
            if bond.ports.is_empty() {
                let expected = "the NICs of the bond";
                reading.complain(list.position, expected, list.text, "no bond is made");
                return None;
            }
        }
        if let Some(options) = fields.get(2) {
            let mut position = options.position;
            for option in options.text.split(',') {
                if !option.is_empty() {
                    bond.read_option(option, position, reading);
                }
                position += option.len() + 1;
            }
        }
        if let Some(mtu) = fields.get(3).filter(|mtu| !mtu.text.is_empty()) {
            bond.mtu = ip_fields::mtu(mtu, reading);
        }
        no_more_than(&fields, 4, reading);
        Some(bond)
    }

    fn read_option(&mut self, option: &str, position: usize, reading: &mut Reading<'_>) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let at = (position + key.len() + 1).min(position + option.len());
        match key {
            "mode" => match mode(value) {
                Some(mode) => self.mode = mode,
                None => {
                    let expected = "a mode such as active-backup or 802.3ad, or its number 0 to 6";
                    reading.complain(at, expected, value, "left out: balance-rr holds");
                }
            },
            "primary" if self.ports.iter().any(|port| port == value) => {
                self.primary = Some(value.to_owned());
            }
            "primary" => reading.complain(at, "one of the bond's NICs", value, LEFT_OUT),
            "arp_ip_target" => self.read_targets(value, at, reading),
            _ => match attribute(key) {
                Some((attribute, words)) => match number(attribute, words, value) {
                    Some(number) => {
                        self.attributes.retain(|(earlier, _)| *earlier != attribute);
                        self.attributes.push((attribute, number));
                    }
                    None => {
                        let expected = match words {
                            [] => "a number".to_owned(),
                            words => format!("one of {}, or its number", words.join(", ")),
                        };
                        reading.complain(at, expected, value, LEFT_OUT);
                    }
                },
                None => {
                    let expected = "an option of the bonding driver";
                    reading.complain(position, expected, option, LEFT_OUT);
                }
            },
        }
    }

    /// Addresses with `;` between, as dracut writes them, since `,` separates options.
    fn read_targets(&mut self, list: &str, position: usize, reading: &mut Reading<'_>) {
        let mut at = position;
        for text in list.split(';') {
            match dotted_quad(text) {
                // BOND_MAX_ARP_TARGETS
                Some(address) if self.arp_targets.len() < 16 => self.arp_targets.push(address),
                Some(_) => reading.complain(at, "at most 16 addresses", text, LEFT_OUT),
                None => reading.complain(at, "an IPv4 address", text, LEFT_OUT),
            }
            at += text.len() + 1;
        }
    }
}

const LEFT_OUT: &str = "left out";

fn mode(text: &str) -> Option<BondMode> {
    let is_it = |mode: &BondMode| match text.as_bytes() {
        [number @ b'0'..=b'9'] => number - b'0' == *mode as u8,
        _ => text == mode.word(),
    };
    BondMode::ALL.into_iter().find(is_it)
}

/// The attribute of an option, and the words for its numbers from 0 on.
fn attribute(key: &str) -> Option<(BondAttribute, &'static [&'static str])> {
    use BondAttribute as A;
    const OFF_OR_ON: &[&str] = &["off", "on"];
    Some(match key {
        "miimon" => (A::MiiMonitor, &[]),
        "updelay" => (A::UpDelay, &[]),
        "downdelay" => (A::DownDelay, &[]),
        "use_carrier" => (A::UseCarrier, OFF_OR_ON),
        "arp_interval" => (A::ArpInterval, &[]),
        "arp_validate" => (
            A::ArpValidate,
            &[
                "none",
                "active",
                "backup",
                "all",
                "filter",
                "filter_active",
                "filter_backup",
            ],
        ),
        "arp_all_targets" => (A::ArpAllTargets, &["any", "all"]),
        "primary_reselect" => (A::PrimaryReselect, &["always", "better", "failure"]),
        "fail_over_mac" => (A::FailOverMac, &["none", "active", "follow"]),
        "xmit_hash_policy" => (
            A::TransmitHashPolicy,
            &[
                "layer2",
                "layer3+4",
                "layer2+3",
                "encap2+3",
                "encap3+4",
                "vlan+srcmac",
            ],
        ),
        "resend_igmp" => (A::ResendIgmp, &[]),
        "num_grat_arp" | "num_unsol_na" => (A::PeerNotifications, &[]),
        "all_slaves_active" => (A::AllPortsActive, OFF_OR_ON),
        "min_links" => (A::MinLinks, &[]),
        "lp_interval" => (A::LearningInterval, &[]),
        "packets_per_slave" => (A::PacketsPerPort, &[]),
        "lacp_rate" => (A::LacpRate, &["slow", "fast"]),
        "ad_select" => (A::AggregatorSelect, &["stable", "bandwidth", "count"]),
        "tlb_dynamic_lb" => (A::DynamicLoadBalance, OFF_OR_ON),
        _ => return None,
    })
}

/// A word's number, or a number that the attribute can hold.
fn number(attribute: BondAttribute, words: &[&str], text: &str) -> Option<u32> {
    if let Some(at) = words.iter().position(|word| *word == text) {
        return u32::try_from(at).ok();
    }
    let decimal = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number: u32 = text.parse().ok().filter(|_| decimal)?;
    let most = match (words, attribute.width()) {
        ([], 1) => u8::MAX.into(),
        ([], _) => i32::MAX.unsigned_abs(),
        (words, _) => u32::try_from(words.len()).ok()?.checked_sub(1)?,
    };
    (number <= most).then_some(number)
}

#[cfg(test)]
mod tests;
