//! Servers that are configured by a file.

use std::net::Ipv4Addr;

use super::problem::{Netroot, Problem, Step, act, add, remove, run, shown};
use crate::pxe::arch::Platform;

/// The architectures of option 93 that load the loaders of a platform by TFTP.
fn architectures(platform: Platform) -> &'static [u16] {
    match platform {
        Platform::Bios => &[0],
        Platform::EfiX64 => &[7, 9],
        Platform::EfiArm64 => &[11],
        _ => &[],
    }
}

/// The platforms that have a loader and are told apart by option 93: its architectures, and the loader's name.
pub(super) fn by_architecture<'a>(
    netroot: &'a Netroot<'_>,
) -> impl Iterator<Item = (u16, &'a str)> {
    netroot.loaders.iter().flat_map(|loader| {
        let all = architectures(loader.platform).iter();
        all.map(|number| (*number, loader.first.as_str()))
    })
}

/// dnsmasq(8). It sends option 60 itself where `pxe-service` makes it a PXE server, and where `dhcp-option=vendor:` gives
/// options to a class: then it is the client's own, `PXEClient:Arch:00007:UNDI:003001`.
pub(super) fn dnsmasq(problem: &Problem, netroot: &Netroot<'_>) -> Vec<Step> {
    let restart = || run("dnsmasq --test && systemctl restart dnsmasq");
    match problem {
        Problem::ClaimsBoot { class } => {
            let class = shown(class);
            let name = class.split(':').next().unwrap_or_default();
            vec![
                remove(format!(
                    "dhcp-option=60,{class}, dhcp-option-force=60,{class}    (or dhcp-option=option:vendor-class,{class}, \
                     dhcp-option-force=option:vendor-class,{class})"
                )),
                remove(format!(
                    "dhcp-option=vendor:{name},…, dhcp-option-force=vendor:{name},…"
                )),
                remove("pxe-service=…, pxe-prompt=…"),
                restart(),
            ]
        }
        Problem::NamesFile { file } => vec![
            remove(format!(
                "dhcp-boot={}…    (and every other dhcp-boot=…)",
                shown(file)
            )),
            remove(
                "dhcp-option=66,…, dhcp-option=67,…    (or dhcp-option=option:tftp-server,…, \
                 dhcp-option=option:bootfile-name,…)",
            ),
            remove(NO_PROXY_OF_DNSMASQ),
            restart(),
        ],
        Problem::ForbidsProxy => vec![remove(NO_PROXY_OF_DNSMASQ), restart()],
        Problem::SecondServer => vec![
            add("no-dhcp-interface=eth0    (the interface to this network)"),
            restart(),
        ],
        Problem::SecondProxy => vec![remove("dhcp-range=…,proxy…, pxe-service=…"), restart()],
        Problem::NoAddress => {
            let [first, last] = range(netroot);
            vec![
                add(format!("dhcp-range={first},{last},1h")),
                remove(
                    "dhcp-ignore=…, dhcp-range=…,static…    (if machines that it does not know get no address)",
                ),
                restart(),
            ]
        }
        Problem::ProxyNotHeard => {
            let mut steps = vec![add("dhcp-match=set:ipxe,175")];
            for (number, loader) in by_architecture(netroot) {
                steps.push(add(format!(
                    "dhcp-match=set:arch{number},option:client-arch,{number}"
                )));
                steps.push(add(format!(
                    "dhcp-boot=tag:arch{number},tag:!ipxe,{loader},,{}",
                    netroot.address
                )));
            }
            steps.push(add(format!("dhcp-boot=tag:ipxe,{}", netroot.script())));
            steps.push(restart());
            steps
        }
    }
}

/// iPXE's no-pxedhcp, as dnsmasq's example configuration has it.
const NO_PROXY_OF_DNSMASQ: &str = "dhcp-option=encap:175,176,…, dhcp-option-force=encap:175,176,…";

/// Kea's administrator reference manual. Options are in `option-data` of the whole server, a client class, a shared
/// network, a subnet, a pool or a host; `boot-file-name` and `next-server` are in each of them but a pool.
pub(super) fn kea(problem: &Problem, netroot: &Netroot<'_>) -> Vec<Step> {
    let restart = || {
        run(
            "kea-dhcp4 -t /etc/kea/kea-dhcp4.conf && systemctl restart kea-dhcp4-server    (kea-dhcp4 on Fedora and \
             Arch, isc-kea-dhcp4-server with ISC's packages)",
        )
    };
    match problem {
        Problem::ClaimsBoot { class } => {
            let class = shown(class);
            vec![
                remove(format!(
                    "{{ \"name\": \"vendor-class-identifier\", \"data\": \"{class}\" }}    (or {{ \"code\": 60, \"data\": \
                     \"{class}\" }}; in option-data, also of client-classes)"
                )),
                restart(),
            ]
        }
        Problem::NamesFile { file } => vec![
            remove(format!(
                "\"boot-file-name\": \"{}\"    (and every other \"boot-file-name\": \"…\"; also in client-classes)",
                shown(file)
            )),
            remove("\"next-server\": \"…\", \"server-hostname\": \"…\""),
            remove(
                "{ \"name\": \"boot-file-name\", … }, { \"name\": \"tftp-server-name\", … }    (or { \"code\": 67, … }, \
                 { \"code\": 66, … }; in option-data)",
            ),
            restart(),
        ],
        Problem::ForbidsProxy => vec![
            remove("{ \"code\": 176, … }    (in option-data, of the space of option 175)"),
            restart(),
        ],
        Problem::SecondServer => vec![
            remove(
                "\"subnet4\": [ … ]    (of it only this network's, if there are others; or its interface from \
                 \"interfaces-config\")",
            ),
            restart(),
        ],
        Problem::SecondProxy => Vec::new(),
        Problem::NoAddress => {
            let [first, last] = range(netroot);
            vec![
                act("\"interfaces-config\": name the interface to this network in \"interfaces\""),
                add(format!(
                    "\"subnet4\": [ {{ \"id\": 1, \"subnet\": \"{}/24\", \"pools\": [ {{ \"pool\": \"{first} - {last}\" }} ] \
                     }} ]    (or only its pools, if this network has a subnet4)",
                    network(netroot)
                )),
                restart(),
            ]
        }
        Problem::ProxyNotHeard => {
            let mut classes = vec![format!(
                "  {{ \"name\": \"netroot-ipxe\", \"test\": \"option[175].exists\",\n    \"boot-file-name\": \"{}\" }}",
                netroot.script()
            )];
            classes.extend(by_architecture(netroot).map(|(number, loader)| {
                format!(
                    "  {{ \"name\": \"netroot-{number}\", \"test\": \"option[93].hex == 0x{number:04x} and not option[175].exists\",\n    \
                     \"next-server\": \"{}\", \"boot-file-name\": \"{loader}\" }}",
                    netroot.address
                )
            }));
            vec![
                act("in \"Dhcp4\", or into the \"client-classes\" that it has:"),
                add(format!(
                    "\"client-classes\": [\n{}\n],",
                    classes.join(",\n")
                )),
                restart(),
            ]
        }
    }
}

/// dhcpd.conf(5) and dhcp-options(5).
pub(super) fn isc_dhcpd(problem: &Problem, netroot: &Netroot<'_>) -> Vec<Step> {
    let restart = || {
        run("dhcpd -t && systemctl restart isc-dhcp-server    (dhcpd on Fedora, dhcpd4 on Arch)")
    };
    match problem {
        Problem::ClaimsBoot { class } => vec![
            remove(format!(
                "option vendor-class-identifier \"{}\";    (also in class {{ … }})",
                shown(class)
            )),
            restart(),
        ],
        Problem::NamesFile { file } => vec![
            remove(format!(
                "filename \"{}\";    (and every other filename …;)",
                shown(file)
            )),
            remove("next-server …;, server-name …;"),
            remove("option bootfile-name …;, option tftp-server-name …;"),
            remove(NO_PROXY_OF_DHCPD),
            restart(),
        ],
        Problem::ForbidsProxy => vec![remove(NO_PROXY_OF_DHCPD), restart()],
        Problem::SecondServer => vec![
            remove(
                "the subnet { … } of this network, or its interface from INTERFACESv4= in /etc/default/isc-dhcp-server",
            ),
            restart(),
            run(
                "systemctl disable --now isc-dhcp-server    (instead, if it has no other network: without one it does not \
                 start)",
            ),
        ],
        Problem::SecondProxy => Vec::new(),
        Problem::NoAddress => {
            let [first, last] = range(netroot);
            vec![
                add(format!(
                    "subnet {} netmask 255.255.255.0 {{ range {first} {last}; }}    (or only its range, if this network \
                     has a subnet)",
                    network(netroot)
                )),
                remove(
                    "deny unknown-clients;, ignore unknown-clients;    (if machines that it does not know get no address)",
                ),
                act(
                    "Debian and Ubuntu: name the interface in INTERFACESv4= in /etc/default/isc-dhcp-server",
                ),
                restart(),
            ]
        }
        Problem::ProxyNotHeard => {
            let mut lines = vec![
                "option client-architecture code 93 = unsigned integer 16;".to_owned(),
                format!("next-server {};", netroot.address),
                format!(
                    "if exists user-class and option user-class = \"iPXE\" {{\n  filename \"{}\";\n}}",
                    netroot.script()
                ),
            ];
            for (number, loader) in by_architecture(netroot) {
                lines.push(format!(
                    "elsif option client-architecture = 00:{number:02x} {{\n  filename \"{loader}\";\n}}"
                ));
            }
            vec![
                act("above the subnets, for all of them:"),
                add(lines.join("\n")),
                restart(),
            ]
        }
    }
}

/// iPXE's no-pxedhcp, by the name in iPXE's own instructions.
const NO_PROXY_OF_DHCPD: &str = "option ipxe.no-pxedhcp …;";

/// An example of a range, in netroot's network of 256 addresses.
fn range(netroot: &Netroot<'_>) -> [Ipv4Addr; 2] {
    let [a, b, c, _] = netroot.address.octets();
    [100, 250].map(|host| Ipv4Addr::new(a, b, c, host))
}

/// That network.
fn network(netroot: &Netroot<'_>) -> Ipv4Addr {
    let [a, b, c, _] = netroot.address.octets();
    Ipv4Addr::new(a, b, c, 0)
}
