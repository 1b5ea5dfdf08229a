//! How much an address helps to find a root: the score of an offer, and what is known about the root of a lease. Pure,
//! except for reading the firmware's data about the machine.

use netroot_net::Host;
use netroot_proto::cmdline::{BootPlan, Method, NetworkPlan};
use netroot_proto::dhcp::offers::Score;
use netroot_proto::mount::Evidence;
use netroot_proto::root::choose_root_of;

use super::nic_selection::RootKnown;
use crate::clock::Moment;
use crate::identity;
use crate::net::address::Address;

/// What is known about the root that an address leads to. `failed` is when an attempt with its NIC failed.
pub(crate) fn root_known(plan: &BootPlan, address: &Address, failed: Option<Moment>) -> RootKnown {
    if address.lease.is_none() && failed.is_none() && is_all_static(&plan.network) {
        // What it lacks is requested once it is set, and no other NIC would provide more.
        return RootKnown::Named;
    }
    let Ok(choice) = choose_root_of(plan, &address.facts(), &identity::of(address.nic.mac)) else {
        return RootKnown::None;
    };
    let within_reach = choice.servers().any(|server| match server {
        Host::Address(server) => address.reaches(*server),
        Host::Name(_) => !address.dns.is_empty(),
    });
    let guessed = choice.path_from == Evidence::KernelDefault;
    if failed.is_some() || guessed || !within_reach {
        RootKnown::Doubtful
    } else {
        RootKnown::Named
    }
}

/// The score of an offer of such an address.
pub(crate) fn score(root: RootKnown) -> Score {
    match root {
        RootKnown::Named => Score::Root,
        RootKnown::Doubtful => Score::Guess,
        RootKnown::None => Score::Nothing,
    }
}

/// The protocol by which addresses are requested, for messages.
pub(crate) fn protocol(network: &NetworkPlan) -> &'static str {
    let mut methods = network.addressing.iter().map(|request| request.method);
    let bootp = methods.clone().any(|method| method == Method::Bootp);
    if bootp && methods.all(|method| method == Method::Bootp || is_fixed(method)) {
        "BOOTP"
    } else {
        "DHCP"
    }
}

/// Whether every address is on the command line.
fn is_all_static(network: &NetworkPlan) -> bool {
    let mut methods = network.addressing.iter().map(|request| request.method);
    !network.addressing.is_empty() && methods.all(is_fixed)
}

/// Whether no server is asked for an address.
fn is_fixed(method: Method) -> bool {
    matches!(method, Method::Static | Method::Off | Method::Unreadable)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;
    use crate::net::address::tests::nic;
    use netroot_proto::dhcp::lease::Lease;

    /// What a lease with this root path is good for.
    fn leased(cmdline: &str, root_path: Option<&str>, failed: bool) -> RootKnown {
        let plan = BootPlan::parse(cmdline);
        let lease = Lease {
            root_path: root_path.map(|path| path.as_bytes().to_vec()),
            server_id: Some(Ipv4Addr::new(10, 0, 0, 1)),
            ..Lease::of_address(Ipv4Addr::new(10, 0, 0, 9), 24)
        };
        let request = plan.network.addressing.first();
        let address = Address::leased(nic(), lease, request, &plan.network);
        let failed = failed.then(|| Moment::at(Duration::from_secs(9)));
        root_known(&plan, &address, failed)
    }

    /// What the first address of a command line is good for.
    fn fixed(cmdline: &str, failed: bool) -> RootKnown {
        let plan = BootPlan::parse(cmdline);
        let requests = &plan.network.addressing;
        let request = requests
            .iter()
            .find(|r| r.method == Method::Static)
            .unwrap();
        let address = Address::fixed(nic(), request, &plan.network).unwrap();
        let failed = failed.then(|| Moment::at(Duration::from_secs(9)));
        root_known(&plan, &address, failed)
    }

    #[test]
    fn a_lease_is_scored_by_what_it_leads_to() {
        assert_eq!(
            leased("root=dhcp", Some("/srv/root"), false),
            RootKnown::Named
        );
        assert_eq!(
            leased("root=dhcp", Some("/srv/root"), true),
            RootKnown::Doubtful
        );
        assert_eq!(leased("root=dhcp", None, false), RootKnown::None);
        assert_eq!(
            leased("root=dhcp", Some("\u{1b}[2J"), false),
            RootKnown::None
        );
        // The kernel's /tftpboot/%s, a server in another network, and a name that cannot be resolved.
        assert_eq!(leased("root=/dev/nfs", None, false), RootKnown::Doubtful);
        let elsewhere = Some("192.0.2.1:/srv/root");
        assert_eq!(leased("root=dhcp", elsewhere, false), RootKnown::Doubtful);
        assert_eq!(
            leased("root=dhcp", Some("nas:/r"), false),
            RootKnown::Doubtful
        );
        let resolved = "root=dhcp nameserver=10.0.0.53";
        assert_eq!(leased(resolved, Some("nas:/r"), false), RootKnown::Named);
    }

    #[test]
    fn a_static_address_does_not_wait_unless_another_nic_uses_dhcp() {
        let written = "root=dhcp ip=10.0.0.9:::24::eth0:off";
        assert_eq!(fixed(written, false), RootKnown::Named);
        assert_eq!(fixed(written, true), RootKnown::None, "another NIC's turn");
        let beside = format!("{written} ip=eth1:dhcp");
        assert_eq!(
            fixed(&beside, false),
            RootKnown::None,
            "eth1 may bring the root"
        );
        let whole = "root=10.0.0.1:/r ip=10.0.0.9:::24::eth0:off ip=eth1:dhcp";
        assert_eq!(fixed(whole, false), RootKnown::Named);
    }

    #[test]
    fn the_protocol_is_bootp_only_if_nothing_else_is_used() {
        for (cmdline, expected) in [
            ("", "DHCP"),
            ("ip=dhcp", "DHCP"),
            ("ip=any", "DHCP"),
            ("ip=bootp", "BOOTP"),
            ("ip=eth0:bootp ip=10.0.0.9:::24::eth1:off", "BOOTP"),
            ("ip=eth0:bootp ip=eth1:dhcp", "DHCP"),
            ("ip=10.0.0.9:::24::eth1:off", "DHCP"),
        ] {
            assert_eq!(
                protocol(&BootPlan::parse(cmdline).network),
                expected,
                "{cmdline}"
            );
        }
    }
}
