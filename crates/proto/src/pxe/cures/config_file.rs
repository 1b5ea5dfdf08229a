//! Servers that are configured by a file.

use std::net::Ipv4Addr;

use super::problem::{Netroot, Problem, Step, add, remove, run, shown};
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
fn by_architecture<'a>(netroot: &'a Netroot<'_>) -> impl Iterator<Item = (u16, &'a str)> {
    netroot.loaders.iter().flat_map(|loader| {
        let all = architectures(loader.platform).iter();
        all.map(|number| (*number, loader.first.as_str()))
    })
}

/// dnsmasq(8). It sends option 60 itself where `pxe-service` makes it a PXE server, or where `dhcp-option=vendor:` gives
/// options to that class.
pub(super) fn dnsmasq(problem: &Problem, netroot: &Netroot<'_>) -> Vec<Step> {
    let restart = || run("systemctl restart dnsmasq");
    match problem {
        Problem::ClaimsBoot { class } => {
            let class = shown(class);
            vec![
                remove(format!(
                    "dhcp-option=60,{class}    (or dhcp-option-force=…)"
                )),
                remove(format!("dhcp-option=vendor:{class},…")),
                remove("pxe-service=…, pxe-prompt=…"),
                restart(),
            ]
        }
        Problem::NamesFile { file } => vec![
            remove(format!("dhcp-boot={}…", shown(file))),
            remove(
                "dhcp-option=66,…, dhcp-option=67,…    (or option:tftp-server, option:bootfile-name)",
            ),
            restart(),
        ],
        Problem::SecondServer => vec![
            remove("dhcp-range=…    (of this network)"),
            add("no-dhcp-interface=eth0    (the interface to this network)"),
            restart(),
        ],
        Problem::SecondProxy => vec![remove("dhcp-range=…,proxy, pxe-service=…"), restart()],
        Problem::NoAddress => {
            let [first, last] = range(netroot);
            vec![
                add(format!("dhcp-range={first},{last},1h")),
                remove(
                    "dhcp-ignore=…, dhcp-range=…,static    (if machines that it does not know get no address)",
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

/// Kea's administrator reference manual. Options are in `option-data` of the whole server, a client class, a shared
/// network, a subnet, a pool or a host.
pub(super) fn kea(problem: &Problem, netroot: &Netroot<'_>) -> Vec<Step> {
    let restart = || run("systemctl restart kea-dhcp4-server");
    match problem {
        Problem::ClaimsBoot { class } => vec![
            remove(format!(
                "{{ \"name\": \"vendor-class-identifier\", \"data\": \"{}\" }}    (in option-data; it may have \"code\": 60)",
                shown(class)
            )),
            restart(),
        ],
        Problem::NamesFile { file } => vec![
            remove(format!("\"boot-file-name\": \"{}\"", shown(file))),
            remove("\"next-server\": \"…\", \"server-hostname\": \"…\""),
            remove(
                "{ \"name\": \"boot-file-name\", … }, { \"name\": \"tftp-server-name\", … }    (in option-data)",
            ),
            restart(),
        ],
        Problem::SecondServer => vec![
            remove("the \"subnet4\" of this network, or its interface from \"interfaces-config\""),
            restart(),
        ],
        Problem::SecondProxy => Vec::new(),
        Problem::NoAddress => {
            let [first, last] = range(netroot);
            vec![
                add(format!(
                    "\"pools\": [ {{ \"pool\": \"{first} - {last}\" }} ]    (in this network's subnet4)"
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
    let restart = || run("systemctl restart isc-dhcp-server    (dhcpd on Fedora and Arch)");
    match problem {
        Problem::ClaimsBoot { class } => vec![
            remove(format!(
                "option vendor-class-identifier \"{}\";",
                shown(class)
            )),
            remove("option vendor-encapsulated-options …;, option space PXE;"),
            restart(),
        ],
        Problem::NamesFile { file } => vec![
            remove(format!("filename \"{}\";", shown(file))),
            remove("next-server …;, server-name …;"),
            remove("option bootfile-name …;, option tftp-server-name …;"),
            restart(),
        ],
        Problem::SecondServer => vec![
            remove(
                "the subnet { … } of this network, or its interface from INTERFACESv4= in /etc/default/isc-dhcp-server",
            ),
            restart(),
        ],
        Problem::SecondProxy => Vec::new(),
        Problem::NoAddress => {
            let [first, last] = range(netroot);
            vec![
                add(format!(
                    "range {first} {last};    (in this network's subnet)"
                )),
                remove(
                    "deny unknown-clients;    (if machines that it does not know get no address)",
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
            vec![add(lines.join("\n")), restart()]
        }
    }
}

/// An example of a range, in netroot's network of 256 addresses.
fn range(netroot: &Netroot<'_>) -> [Ipv4Addr; 2] {
    let [a, b, c, _] = netroot.address.octets();
    [100, 250].map(|host| Ipv4Addr::new(a, b, c, host))
}
