//! What to change in another DHCP server, so that machines boot from netroot: lines of its configuration, commands, or
//! the fields of its pages, by product and problem.
//!
//! Nothing in an answer tells for certain which product sent it, so a caller shows the cures of all products, or of those
//! that a person names. Who made the network card that it came from tells what is probable ([`maker`]).

mod config_file;
pub mod maker;
mod problem;
mod router;

use std::fmt;

pub use problem::{Netroot, Problem, Step};

/// A DHCP server, or the device that has one inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Product {
    /// dnsmasq, with a configuration file of its own.
    Dnsmasq,
    /// ISC Kea.
    Kea,
    /// ISC dhcpd.
    IscDhcpd,
    /// OpenWrt, whose dnsmasq is configured by `uci`.
    OpenWrt,
    /// pfSense.
    PfSense,
    /// OPNsense.
    OpnSense,
    /// MikroTik RouterOS.
    MikroTik,
    /// Ubiquiti UniFi.
    UniFi,
    /// Windows Server, with or without Windows Deployment Services.
    WindowsServer,
    /// AVM Fritz!Box.
    FritzBox,
}

impl Product {
    /// Every product, in the order in which cures are shown.
    pub const ALL: [Self; 10] = [
        Self::Dnsmasq,
        Self::Kea,
        Self::IscDhcpd,
        Self::OpenWrt,
        Self::PfSense,
        Self::OpnSense,
        Self::MikroTik,
        Self::UniFi,
        Self::WindowsServer,
        Self::FritzBox,
    ];

    /// The name as a word for `--json`: `isc-dhcpd`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dnsmasq => "dnsmasq",
            Self::Kea => "kea",
            Self::IscDhcpd => "isc-dhcpd",
            Self::OpenWrt => "openwrt",
            Self::PfSense => "pfsense",
            Self::OpnSense => "opnsense",
            Self::MikroTik => "mikrotik",
            Self::UniFi => "unifi",
            Self::WindowsServer => "windows-server",
            Self::FritzBox => "fritzbox",
        }
    }

    /// The configuration file, or the page.
    pub fn place(self) -> &'static str {
        match self {
            Self::Dnsmasq => "/etc/dnsmasq.conf and /etc/dnsmasq.d/",
            Self::Kea => "/etc/kea/kea-dhcp4.conf",
            Self::IscDhcpd => "/etc/dhcp/dhcpd.conf",
            Self::OpenWrt => "in a shell on the router",
            Self::PfSense => "Services > DHCP Server > LAN",
            Self::OpnSense => {
                "Services > ISC DHCPv4 > [LAN], Kea DHCP > Kea DHCPv4, or Dnsmasq DNS & DHCP"
            }
            Self::MikroTik => "in a terminal of RouterOS",
            Self::UniFi => "Settings > Networks > (the network) > DHCP",
            Self::WindowsServer => "in PowerShell as an administrator",
            Self::FritzBox => "Home Network > Network > Network Settings > IPv4 Settings",
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dnsmasq => "dnsmasq",
            Self::Kea => "Kea",
            Self::IscDhcpd => "ISC dhcpd",
            Self::OpenWrt => "OpenWrt",
            Self::PfSense => "pfSense",
            Self::OpnSense => "OPNsense",
            Self::MikroTik => "MikroTik",
            Self::UniFi => "UniFi",
            Self::WindowsServer => "Windows Server",
            Self::FritzBox => "Fritz!Box",
        })
    }
}

/// How one product is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cure {
    /// The product.
    pub product: Product,
    /// The steps, in order; at least one.
    pub steps: Vec<Step>,
}

impl fmt::Display for Cure {
    /// The product and its place, then a line for each step.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.product, self.product.place())?;
        for step in &self.steps {
            let word = match step {
                Step::Do(_) => "",
                other => other.word(),
            };
            for (number, line) in step.text().lines().enumerate() {
                let word = if number == 0 { word } else { "" };
                write!(f, "\n  {word:<8}{line}")?;
            }
        }
        Ok(())
    }
}

/// How `product` is cured of `problem`; `None` if it cannot have the problem, or cannot be cured of it.
pub fn cure(product: Product, problem: &Problem, netroot: &Netroot<'_>) -> Option<Cure> {
    let steps = match product {
        Product::Dnsmasq => config_file::dnsmasq(problem, netroot),
        Product::Kea => config_file::kea(problem, netroot),
        Product::IscDhcpd => config_file::isc_dhcpd(problem, netroot),
        Product::OpenWrt => router::openwrt(problem, netroot),
        Product::PfSense => router::pfsense(problem),
        Product::OpnSense => router::opnsense(problem, netroot),
        Product::MikroTik => router::mikrotik(problem),
        Product::UniFi => router::unifi(problem),
        Product::WindowsServer => router::windows_server(problem, netroot),
        Product::FritzBox => router::fritzbox(problem),
    };
    (!steps.is_empty()).then_some(Cure { product, steps })
}

/// The cures of every product that has one.
pub fn cures(problem: &Problem, netroot: &Netroot<'_>) -> Vec<Cure> {
    let all = Product::ALL.into_iter();
    all.filter_map(|product| cure(product, problem, netroot))
        .collect()
}

#[cfg(test)]
mod tests;
