//! Why a boot failed, in one sentence: what, why, and what to do.
//!
//! The sentence has the form `<what>: <why>; <what to do>`. It names the machine, path and port, because it may be all
//! that a person sees, on a photograph of a screen.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use netroot_proto::cmdline::{BootPlan, Concern};
use netroot_proto::root::NoRoot;

use crate::diagnosis::{PacketLoss, UnclaimedCard, no_nic_advice};
use crate::error_chain::with_causes;
use crate::net::address::Address;
use crate::net::configure::ConfigureError;
use crate::net::lease::LeaseError;
use crate::net::netlink::NetlinkError;
use crate::net::next_hop::NextHop;
use crate::root::nfs::NfsFault;
use crate::root::nfs::export::FindError;
use crate::root::ready::Unfit;
use crate::root::source::MountError;
use crate::root::switch::SwitchError;

/// Why a boot failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// `/proc/cmdline` cannot be read.
    #[error(
        "cannot read the command line: /proc/cmdline is not readable; enable CONFIG_PROC_FS in the kernel"
    )]
    CommandLine(#[source] io::Error),
    /// Nothing failed: a parameter was changed at the prompt.
    #[error("a parameter was changed; the boot starts over")]
    Changed,
    /// No network card.
    #[error("no network card: none appeared within {} s; {}", waited.as_secs(), no_nic_advice(devices))]
    NoNic {
        /// How long the init waited.
        waited: Duration,
        /// Network controllers without a driver.
        devices: Vec<UnclaimedCard>,
    },
    /// No NIC has an address.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// Netlink.
    #[error("cannot set up the network: {0}; the kernel needs CONFIG_NET and CONFIG_INET")]
    Network(#[from] NetlinkError),
    /// The address cannot be set.
    #[error(
        "cannot configure {interface}: {source}; check the settings of the DHCP server or of ip="
    )]
    Configure {
        /// The NIC.
        interface: String,
        /// What failed.
        source: ConfigureError,
    },
    /// Nothing names a root.
    #[error("no root: {}", with_causes(reason))]
    NoRoot {
        /// What is missing.
        reason: NoRoot,
    },
    /// The NFS server.
    #[error("cannot mount the root {root}: {fault}; {}", loss.map_or_else(|| fault.advice(), |loss| loss.advice()))]
    Nfs {
        /// `server:path`.
        root: String,
        /// What went wrong at the server.
        fault: Box<NfsFault>,
        /// Packet loss that was measured afterwards, and is then what has to be fixed.
        loss: Option<PacketLoss>,
    },
    /// The name of the NFS server cannot be resolved.
    #[error(transparent)]
    Unresolved(FindError),
    /// The kernel did not mount it.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// The root cannot be switched to: it has no init, or that could not run.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The switch of roots.
    #[error("cannot switch to the root {root}: {source}; {}", source.advice())]
    Switch {
        /// `server:path`.
        root: String,
        /// What failed.
        source: SwitchError,
    },
}

impl Failure {
    /// The failure, with what the command line says about it and this init passes over.
    pub(crate) fn sentence(&self, plan: &BootPlan) -> String {
        let mut sentence = self.to_string();
        for more in self
            .concern()
            .map_or_else(Vec::new, |c| plan.explanations(c))
        {
            if !sentence.contains(&more) {
                sentence.push_str("; ");
                sentence.push_str(&more);
            }
        }
        sentence
    }

    /// Whether another attempt follows whatever `panic=` says. After a reboot a server with a reservation would grant the
    /// same address again, and the count of conflicts, which ends them, would be lost.
    pub(crate) fn is_tried_again(&self) -> bool {
        matches!(self, Self::Lease(LeaseError::InUse { .. }))
    }

    /// What parameters could have changed it.
    fn concern(&self) -> Option<Concern> {
        match self {
            Self::NoNic { .. } | Self::Lease(_) | Self::Configure { .. } => Some(Concern::Network),
            Self::NoRoot { .. }
            | Self::Nfs { .. }
            | Self::Unresolved(_)
            | Self::Mount(_)
            | Self::Unfit(_) => Some(Concern::Root),
            Self::CommandLine(_) | Self::Changed | Self::Network(_) | Self::Switch { .. } => None,
        }
    }

    /// Measures packet loss, for about a second, if a server did not answer.
    pub(crate) fn measure_packet_loss(&mut self, address: Option<&Address>) {
        let Self::Nfs { fault, loss, .. } = self else {
            return;
        };
        let Some((server, address)) = fault.silent().zip(address) else {
            return;
        };
        let neighbour = match address.next_hop(server) {
            NextHop::Direct => server,
            NextHop::Router { gateway, .. } => gateway,
            NextHop::NoRoute => return,
        };
        // It is measured by ARP.
        let IpAddr::V4(neighbour) = neighbour else {
            return;
        };
        *loss = PacketLoss::measure(address.nic.index, address.nic.mac, neighbour);
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::diagnosis::{Neighbour, Reachability};
    use crate::root::nfs::NfsFault;
    use crate::root::programs::{NoInit, ProgramError};

    fn nfs(fault: NfsFault) -> String {
        Failure::Nfs {
            root: "10.0.0.1:/srv/x".into(),
            fault: Box::new(fault),
            loss: None,
        }
        .to_string()
    }

    #[test]
    fn a_refusal_names_the_refused_address_and_the_allowed_ones() {
        let fault = NfsFault::NotToThisMachine {
            server: IpAddr::from([10, 0, 0, 1]),
            path: "/srv/x".into(),
            own: IpAddr::from([10, 0, 0, 9]),
            allowed: vec!["10.1.0.0/16".into()],
        };
        let text = nfs(fault);
        assert!(
            text.contains("10.0.0.1 exports /srv/x, but not to this machine's address 10.0.0.9"),
            "{text}"
        );
        assert!(text.contains("10.1.0.0/16"), "{text}");
    }

    #[test]
    fn a_missing_path_is_reported_with_the_available_ones() {
        let server = IpAddr::from([10, 0, 0, 1]);
        let exports = vec!["/srv/a".to_owned(), "/srv/b".to_owned()];
        let text = nfs(NfsFault::NotExported {
            server,
            path: "/srv/x".into(),
            own: IpAddr::from([10, 0, 0, 9]),
            exports,
        });
        assert!(
            text.contains("10.0.0.1 does not export /srv/x; it exports /srv/a, /srv/b"),
            "{text}"
        );
    }

    #[test]
    fn a_dead_server_is_reported_with_its_silent_or_closed_port() {
        let server = IpAddr::from([10, 0, 0, 1]);
        let silent = nfs(NfsFault::Silent {
            server,
            port: 2049,
            what: "NFS server, version 3",
            reachability: Reachability {
                own: IpAddr::from([10, 0, 0, 9]),
                hop: NextHop::Direct,
                neighbour: Neighbour::Unknown,
            },
        });
        assert!(
            silent.contains("nothing answers at 10.0.0.1 port 2049"),
            "{silent}"
        );
        let closed = nfs(NfsFault::Closed {
            server,
            port: 111,
            what: "portmapper",
        });
        assert!(
            closed.contains("10.0.0.1 refuses connections on port 111"),
            "{closed}"
        );
    }

    #[test]
    fn a_missing_dhcp_answer_is_reported_with_the_interface() {
        let text = Failure::Lease(LeaseError::NoDhcp {
            protocol: "DHCP",
            interfaces: "eth0".into(),
            waited: Duration::from_secs(90),
        })
        .to_string();
        assert!(text.contains("no DHCP server answered on eth0"), "{text}");
    }

    #[test]
    fn a_late_conflict_does_not_reboot_the_machine() {
        let in_use = LeaseError::InUse {
            address: std::net::Ipv4Addr::new(10, 0, 0, 9),
            owner: netroot_net::Mac([2, 0, 0, 0, 0, 9]),
        };
        assert!(Failure::Lease(in_use).is_tried_again());
        let no_carrier = LeaseError::NoCarrier {
            interfaces: "eth0".into(),
            waited: Duration::from_secs(9),
        };
        assert!(!Failure::Lease(no_carrier).is_tried_again());
    }

    #[test]
    fn what_the_init_passed_over_is_part_of_the_sentence() {
        let plan = BootPlan::parse("boot=casper ksdevice=bootif ip=10.0.0.999 quiet");
        let no_root = Failure::NoRoot {
            reason: NoRoot::Unnamed,
        };
        let text = no_root.sentence(&plan);
        assert!(
            text.contains("on the DHCP server; boot=casper was passed over: it starts casper"),
            "{text}"
        );
        assert!(!text.contains("ksdevice") && !text.contains("10.0.0.999"));
        let no_lease = Failure::Lease(LeaseError::NoCarrier {
            interfaces: "eth0".into(),
            waited: Duration::from_secs(9),
        });
        let text = no_lease.sentence(&plan);
        assert!(
            text.contains("; ksdevice=bootif was passed over") && !text.contains("casper"),
            "{text}"
        );
        assert!(text.contains("; ip=10.0.0.999: at position 0"), "{text}");
    }

    #[test]
    fn a_root_without_an_init_is_reported_with_what_was_tried() {
        let text = ProgramError::NoInit(NoInit {
            root: "10.0.0.1:/srv/x".into(),
            tried: "/sbin/init, /etc/init, /bin/init or /bin/sh".into(),
            instead: ": it is empty".into(),
            advice: "x".into(),
        });
        let text = Failure::Unfit(text.into()).to_string();
        assert!(
            text.contains(
                "the root 10.0.0.1:/srv/x has no /sbin/init, /etc/init, /bin/init or /bin/sh: it is empty; x"
            ),
            "{text}"
        );
    }
}
