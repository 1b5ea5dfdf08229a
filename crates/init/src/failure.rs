//! Why a boot failed, in one sentence: what, why, and what to do.
//!
//! The sentence reads `<what>: <why>; <what to do>`. It names the machine, the place and the number, because it
//! may be all that a person sees, on a photograph of a screen.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use netroot_proto::mount::NoRoot;

use crate::causes::with_causes;
use crate::diagnosis::{PacketLoss, UnclaimedCard, Unfit, no_nic_advice};
use crate::net::address::Address;
use crate::net::configure::ConfigureError;
use crate::net::lease::LeaseError;
use crate::net::netlink::NetlinkError;
use crate::net::next_hop::NextHop;
use crate::root::nfs::NfsFault;
use crate::root::nfs::export::FindError;
use crate::root::programs::NoInit;
use crate::root::source::MountError;
use crate::root::switch::SwitchError;

/// Why a boot failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// `/proc/cmdline` cannot be read.
    #[error("no command line: /proc/cmdline cannot be read; give the kernel CONFIG_PROC_FS")]
    CommandLine(#[source] io::Error),
    /// Nothing failed: a parameter was changed at the prompt.
    #[error("a parameter was changed; the boot starts anew")]
    Changed,
    /// No network card.
    #[error("no network card: none appeared within {} s; {}", waited.as_secs(), no_nic_advice(devices))]
    NoNic {
        /// How long was waited.
        waited: Duration,
        /// Network controllers without a driver.
        devices: Vec<UnclaimedCard>,
    },
    /// No NIC has an address.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// Netlink.
    #[error("the network cannot be set up: {0}; the kernel needs CONFIG_NET and CONFIG_INET")]
    Network(#[from] NetlinkError),
    /// The address cannot be set.
    #[error("{interface} cannot be set up: {source}; check what the DHCP server or ip= says")]
    Configure {
        /// The NIC.
        interface: String,
        /// What failed.
        source: ConfigureError,
    },
    /// Nothing says what to mount.
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
        /// What the server did.
        fault: Box<NfsFault>,
        /// Frames that were counted as lost after it, which is what to mend then.
        loss: Option<PacketLoss>,
    },
    /// The name of the NFS server cannot be resolved.
    #[error(transparent)]
    Unresolved(FindError),
    /// The kernel did not mount it.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// No init.
    #[error(transparent)]
    NoInit(#[from] NoInit),
    /// An init that cannot run.
    #[error("no init: {program} of the root {root} {unfit}; {}", unfit.advice())]
    Unfit {
        /// `server:path`.
        root: String,
        /// The init.
        program: String,
        /// Why.
        unfit: Unfit,
    },
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
    /// Looks whether it is the wire's fault, where it may be: for a second, and only if a server was silent.
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

    fn nfs(fault: NfsFault) -> String {
        Failure::Nfs {
            root: "10.0.0.1:/srv/x".into(),
            fault: Box::new(fault),
            loss: None,
        }
        .to_string()
    }

    #[test]
    fn a_refused_client_reads_which_address_was_refused_and_where_to_allow_it() {
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
    fn an_absent_path_reads_what_there_is_instead() {
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
    fn a_dead_server_reads_which_port_is_silent_or_closed() {
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
    fn no_dhcp_answer_reads_where_it_was_asked() {
        let text = Failure::Lease(LeaseError::NoDhcp {
            protocol: "DHCP",
            interfaces: "eth0".into(),
            waited: Duration::from_secs(90),
        })
        .to_string();
        assert!(text.contains("no DHCP server answered on eth0"), "{text}");
    }

    #[test]
    fn a_root_without_an_init_reads_what_was_looked_for() {
        let text = Failure::NoInit(NoInit {
            root: "10.0.0.1:/srv/x".into(),
            tried: "/sbin/init, /etc/init, /bin/init or /bin/sh".into(),
            advice: "x",
        })
        .to_string();
        assert!(
            text.contains(
                "the root 10.0.0.1:/srv/x has no /sbin/init, /etc/init, /bin/init or /bin/sh"
            ),
            "{text}"
        );
    }
}
