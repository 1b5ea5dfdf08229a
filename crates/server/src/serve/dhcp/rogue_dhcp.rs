//! Other DHCP servers on this network, and what follows from them.
//!
//! Two DHCP servers that do not know of each other give one address to two machines; a proxy without a DHCP server
//! beside it boots no machine. Both are detected by probes before the first machine asks.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use netroot_proto::dhcp::CLIENT_PORT;
use netroot_proto::pxe::cures::{self, Cure, Netroot, Problem, Product};
use netroot_proto::pxe::probe::{Asker, OtherServer};
use netroot_sys::packet::PacketSocket;

use crate::serve::dhcp::{frame, probing};
use crate::serve::events::Warning;
use crate::serve::listen::allowed::Allowed;
use crate::serve::listen::interface::Interface;

/// When DISCOVERs are sent, in seconds after the start, and as which client: a plain one, or UEFI x64 firmware, since
/// a server claims to know PXE only to PXE clients.
const PROBES: [(u64, Asker); 3] = [
    (0, Asker::Plain),
    (1, Asker::Firmware(7)),
    (2, Asker::Plain),
];
/// How long answers are awaited: some servers ping an address for three seconds before they offer it.
const TIMEOUT: Duration = Duration::from_millis(4500);
/// How long further answers are awaited after the first one. The answer to the probe as firmware has to be among them.
const AFTER_FIRST: Duration = Duration::from_millis(1500);
/// How many servers are reported at most.
const MOST_SERVERS: usize = 8;
/// How often the socket is polled.
const PAUSE: Duration = Duration::from_millis(10);

/// Probes the network, and returns the servers that answered. `meanwhile` is called every few milliseconds.
///
/// # Errors
/// The interface's, if nothing can be sent.
pub(crate) fn find_others(
    interface: &Interface,
    frames: &PacketSocket,
    mut meanwhile: impl FnMut(),
) -> io::Result<Vec<OtherServer>> {
    let probe = |(second, asker)| {
        (
            Duration::from_secs(second),
            probing::probe(interface, asker),
        )
    };
    let probes = PROBES.map(probe);
    let began = Instant::now();
    let mut end = began + TIMEOUT;
    let mut sent = 0;
    let mut others: Vec<OtherServer> = Vec::new();
    let mut buffer = [0; 2048];
    while Instant::now() < end {
        while let Some((at, probe)) = probes.get(sent)
            && began.elapsed() >= *at
        {
            probing::send(interface, frames, probe)?;
            sent += 1;
        }
        let Some(length) = frames.receive(&mut buffer)? else {
            meanwhile();
            std::thread::sleep(PAUSE);
            continue;
        };
        let Some((from, CLIENT_PORT, payload)) = buffer.get(..length).and_then(frame::decode)
        else {
            continue;
        };
        let own: Vec<_> = interface.ipv4_addresses().map(|(own, _)| own).collect();
        let answer = probes
            .iter()
            .find_map(|(_, probe)| probe.answer(payload, from.address, &own));
        if let Some(answer) = answer {
            if others.is_empty() {
                end = end
                    .min(Instant::now() + AFTER_FIRST)
                    .max(began + AFTER_FIRST);
            }
            remember(&mut others, answer);
        }
    }
    Ok(others)
}

/// Merges the answers of one server into one.
fn remember(others: &mut Vec<OtherServer>, answer: OtherServer) {
    if let Some(known) = others
        .iter_mut()
        .find(|known| known.server == answer.server)
    {
        known.offers = known.offers.or(answer.offers);
        known.claims_boot |= answer.claims_boot;
        known.class = known.class.take().or(answer.class);
        known.boot_file = known.boot_file.take().or(answer.boot_file);
        known.root_path = known.root_path.take().or(answer.root_path);
    } else if others.len() < MOST_SERVERS {
        others.push(answer);
    }
}

/// Which addresses this server gives on a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    /// None: it is a proxy.
    Nothing,
    /// Those of `--dhcp`.
    Addresses,
    /// The same, beside another server (`--dhcp-anyway`).
    AddressesAnyway,
    /// Those of an isolated network.
    Isolated,
}

/// Another DHCP server answers.
#[derive(Debug, thiserror::Error)]
#[error(
    "another DHCP server, {server}, answers on {interface} (it offers {offers}): {}",
    why(*gives)
)]
pub(crate) struct AlreadyServed {
    server: IpAddr,
    offers: IpAddr,
    interface: String,
    gives: Gives,
}

fn why(gives: Gives) -> &'static str {
    match gives {
        Gives::Isolated => {
            "it is not a network of its own, and two would give one address to two machines; switch that server off, or \
             serve the interface without --isolated"
        }
        _ => {
            "two would give one address to two machines; leave --dhcp out, and netroot adds the boot part to its answers, \
             or switch it off, or use --dhcp-anyway"
        }
    }
}

/// Those whose cures are told at start; `netroot check` shows the others'.
const PRODUCTS: [Product; 4] = [
    Product::Dnsmasq,
    Product::Kea,
    Product::IscDhcpd,
    Product::OpenWrt,
];

/// What follows from the servers that answered.
///
/// # Errors
/// This server would give addresses beside another one.
pub(crate) fn judge(
    others: &[OtherServer],
    interface: &Interface,
    http_port: u16,
    gives: Gives,
) -> Result<Vec<Warning>, AlreadyServed> {
    let mut warnings = Vec::new();
    let named = interface.name.clone();
    if gives == Gives::Nothing && !others.iter().any(OtherServer::is_dhcp_server) {
        warnings.push(Warning::NoDhcpServer {
            interface: named.clone(),
        });
    }
    let cures = |problem: Problem| -> Vec<Cure> {
        let netroot = Netroot {
            address: interface.address_for([]).0,
            http_port,
            loaders: &[],
        };
        let all = PRODUCTS.iter();
        all.filter_map(|product| cures::cure(*product, &problem, &netroot))
            .collect()
    };
    let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    for other in others {
        let server = IpAddr::from(other.server);
        match (other.offers, gives) {
            (Some(offers), Gives::Addresses | Gives::Isolated) => {
                return Err(AlreadyServed {
                    server,
                    offers: offers.into(),
                    interface: named,
                    gives,
                });
            }
            (Some(_), Gives::AddressesAnyway) => {
                warnings.push(Warning::TwoDhcpServers { server });
            }
            (Some(_), Gives::Nothing) => {
                if other.claims_boot {
                    let class = other.class.clone().unwrap_or_default();
                    warnings.push(Warning::ClaimsBoot {
                        server,
                        class: shown(&class),
                        cures: cures(Problem::ClaimsBoot { class }),
                    });
                }
                if let Some(file) = other.boot_file.as_ref().filter(|file| !file.is_empty()) {
                    warnings.push(Warning::NamesFile {
                        server,
                        file: shown(file),
                        cures: cures(Problem::NamesFile { file: file.clone() }),
                    });
                }
            }
            (None, _) => warnings.push(Warning::OtherProxy { server }),
        }
    }
    Ok(warnings)
}

/// The servers whose machines would be refused the root: what they are offered here would be of no use.
pub(crate) fn refused(
    others: &[OtherServer],
    interface: &Interface,
    allowed: &Allowed,
) -> impl Iterator<Item = Warning> {
    others.iter().filter_map(|other| {
        let offers = other.offers.filter(|offers| !allowed.mounts(*offers))?;
        Some(Warning::LeasesNotAllowed {
            server: other.server.into(),
            offers: offers.into(),
            interface: interface.name.clone(),
            networks: interface.networks_listed(),
        })
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::serve::listen::interface::tests::interface;

    pub(crate) const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

    /// A DHCP server that says nothing of booting.
    pub(crate) fn router() -> OtherServer {
        OtherServer {
            server: OTHER,
            offers: Some(Ipv4Addr::new(10, 0, 0, 77)),
            claims_boot: false,
            class: None,
            boot_file: None,
            root_path: None,
        }
    }

    #[test]
    fn a_second_dhcp_server_is_an_error_that_names_it_and_three_remedies() {
        let error = judge(&[router()], &interface(), 8069, Gives::Addresses)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("another DHCP server, 10.0.0.254, answers on eth0"),
            "{error}"
        );
        assert!(
            error.contains("leave --dhcp out") && error.contains("--dhcp-anyway"),
            "{error}"
        );
        let warnings = judge(&[router()], &interface(), 8069, Gives::AddressesAnyway).unwrap();
        assert_eq!(
            warnings,
            [Warning::TwoDhcpServers {
                server: OTHER.into()
            }]
        );
    }

    #[test]
    fn a_proxy_without_a_dhcp_server_gets_a_warning_that_names_the_option_dhcp() {
        let warnings = judge(&[], &interface(), 8069, Gives::Nothing).unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].to_string().contains("--dhcp FIRST-LAST"));
        // Another proxy gives no addresses either.
        let proxy = OtherServer {
            offers: None,
            claims_boot: true,
            ..router()
        };
        let warnings = judge(&[proxy], &interface(), 8069, Gives::Nothing).unwrap();
        assert_eq!(warnings.len(), 2);
        assert_eq!(
            judge(&[], &interface(), 8069, Gives::Addresses).unwrap(),
            []
        );
    }

    #[test]
    fn a_dhcp_server_that_overrides_a_proxys_answer_is_reported_at_start() {
        assert_eq!(
            judge(&[router()], &interface(), 8069, Gives::Nothing).unwrap(),
            []
        );
        let overriding = OtherServer {
            claims_boot: true,
            class: Some(b"PXEClient".to_vec()),
            boot_file: Some(b"pxelinux.0".to_vec()),
            ..router()
        };
        let warnings = judge(&[overriding], &interface(), 8069, Gives::Nothing).unwrap();
        assert_eq!(warnings.len(), 2);
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        for line in [
            "10.0.0.254 gives addresses",
            "option 60 is PXEClient",
            "dnsmasq: remove dhcp-option=60,PXEClient",
            "Kea: remove { \"name\": \"vendor-class-identifier\", \"data\": \"PXEClient\" }",
            "ISC dhcpd: remove option vendor-class-identifier \"PXEClient\";",
            "OpenWrt: ",
        ] {
            assert!(told[0].contains(line), "{line}: {}", told[0]);
        }
        assert!(told[1].contains("dhcp-boot=pxelinux.0"), "{}", told[1]);
    }

    #[test]
    fn an_isolated_network_has_no_other_dhcp_server() {
        let error = judge(&[router()], &interface(), 8069, Gives::Isolated).unwrap_err();
        let text = error.to_string();
        assert!(
            text.ends_with("or serve the interface without --isolated"),
            "{text}"
        );
        assert_eq!(judge(&[], &interface(), 8069, Gives::Isolated).unwrap(), []);
    }

    #[test]
    fn a_server_whose_machines_may_not_mount_is_told_of_with_the_network_to_allow() {
        let allowed = |networks: &[&str]| Allowed {
            mount: networks.iter().map(|it| it.parse().unwrap()).collect(),
            load: Vec::new(),
        };
        let warnings = |networks: &[&str]| -> Vec<String> {
            let (others, interface, allowed) = ([router()], interface(), allowed(networks));
            let all = refused(&others, &interface, &allowed);
            all.map(|warning| warning.to_string()).collect()
        };
        assert_eq!(warnings(&["10.0.0.0/24"]), [""; 0]);
        let told = warnings(&["10.1.0.0/24"]);
        assert!(told[0].ends_with("--allow 10.0.0.0/24"), "{told:?}");
    }

    #[test]
    fn several_answers_of_one_server_are_merged() {
        let mut others = Vec::new();
        remember(&mut others, router());
        remember(
            &mut others,
            OtherServer {
                claims_boot: true,
                offers: None,
                ..router()
            },
        );
        assert_eq!(others.len(), 1);
        assert!(others[0].claims_boot && others[0].is_dhcp_server());
        for last in 0..100 {
            remember(
                &mut others,
                OtherServer {
                    server: Ipv4Addr::new(10, 0, 1, last),
                    ..router()
                },
            );
        }
        assert_eq!(others.len(), MOST_SERVERS);
    }
}
