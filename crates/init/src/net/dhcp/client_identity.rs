//! How the machine describes itself to DHCP servers: as its firmware did before, so that servers see one client in
//! firmware, init and operating system.

use std::fs;
use std::net::IpAddr;

use netroot_proto::cmdline::{IpRequest, Method, NetworkPlan};
use netroot_proto::dhcp::client_identity::{ClientIdentity, Protocol, uuid_as_firmware_sends_it};

use crate::identity::is_efi;

/// The machine's UUID, if it has SMBIOS (`drivers/firmware/dmi-id.c`). Readable by root only.
const UUID: &str = "/sys/class/dmi/id/product_uuid";

/// The options about this machine in every message. `request` is the `ip=` of the NIC.
pub(crate) fn identity(network: &NetworkPlan, request: Option<&IpRequest>) -> ClientIdentity {
    let mut identity = ClientIdentity {
        client_id: request
            .and_then(|request| request.client_identifier.as_ref())
            .map(|id| [&[id.kind][..], &id.value].concat()),
        requested: request
            .and_then(|request| request.client)
            .and_then(|client| match client {
                IpAddr::V4(client) => Some(client),
                IpAddr::V6(_) => None,
            }),
        uuid: fs::read_to_string(UUID)
            .ok()
            .and_then(|text| uuid_as_firmware_sends_it(&text)),
        architecture: architecture(is_efi()),
        protocol: request.map_or(Protocol::Dhcp, |request| protocol(request.method)),
        ..ClientIdentity::default()
    };
    // An option holds up to 255 bytes, and an empty class is meaningless.
    let class = network.dhcp_class.as_ref().map(|class| &class.value);
    if let Some(class) = class.filter(|class| (1..=255).contains(&class.len())) {
        identity.class = class.as_bytes().to_vec();
    }
    identity
}

const fn protocol(method: Method) -> Protocol {
    match method {
        Method::Bootp => Protocol::Bootp,
        Method::Any => Protocol::Either,
        Method::Dhcp | Method::Static | Method::Off | Method::Unreadable => Protocol::Dhcp,
    }
}

/// The value that firmware of this kind sends in option 93 (IANA, "Processor Architecture Types").
const fn architecture(efi: bool) -> Option<u16> {
    match (
        efi,
        cfg!(target_arch = "x86_64"),
        cfg!(target_arch = "aarch64"),
    ) {
        (false, true, _) => Some(0),
        (true, true, _) => Some(7),
        (true, _, true) => Some(11),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use netroot_proto::cmdline::BootPlan;
    use netroot_proto::dhcp::INIT_VENDOR_CLASS;

    #[test]
    fn the_command_line_may_name_class_and_client() {
        let plan = BootPlan::parse("ip=10.0.0.9::::::dhcp,0,box-7 dhcpclass=lab");
        let request = &plan.network.addressing[0];
        let said = identity(&plan.network, Some(request));
        assert_eq!(said.class, b"lab");
        assert_eq!(said.requested, Some(Ipv4Addr::new(10, 0, 0, 9)));
        assert_eq!(said.client_id.as_deref(), Some(&b"\0box-7"[..]));
        let said = identity(&BootPlan::parse("").network, None);
        assert_eq!(
            (said.class.as_slice(), said.client_id),
            (INIT_VENDOR_CLASS, None)
        );
    }

    #[test]
    fn a_class_that_no_option_holds_is_not_sent() {
        for class in ["", &"x".repeat(256)] {
            let plan = BootPlan::parse(&format!("dhcpclass={class}"));
            assert_eq!(identity(&plan.network, None).class, INIT_VENDOR_CLASS);
        }
    }

    #[test]
    fn the_command_line_selects_bootp() {
        for (ip, expected) in [
            ("ip=dhcp", Protocol::Dhcp),
            ("ip=bootp", Protocol::Bootp),
            ("ip=both", Protocol::Bootp),
            ("ip=any", Protocol::Either),
            ("ip=:::::eth0:on", Protocol::Either),
        ] {
            let network = BootPlan::parse(ip).network;
            let said = identity(&network, network.addressing.first());
            assert_eq!(said.protocol, expected, "{ip}");
        }
        let network = BootPlan::parse("").network;
        assert_eq!(identity(&network, None).protocol, Protocol::Dhcp);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_pc_reports_how_it_was_booted() {
        assert_eq!(architecture(false), Some(0));
        assert_eq!(architecture(true), Some(7));
    }
}
