//! Routers, and servers with pages or a shell: the names of commands and fields are theirs.

use super::config_file::by_architecture;
use super::problem::{Netroot, Problem, Step, act, quoted, run, shown};
use crate::pxe::arch::Platform;

/// The sections `dnsmasq`, `boot` and `dhcp` of `/etc/config/dhcp`: `dhcp_boot`, `dhcp_option` and `dhcp_option_force` (lists),
/// `ignore`, `start`, `limit`, `dhcpv4`, `dynamicdhcp` and `dynamicdhcpv4`, as `dhcp_boot_add`, `dhcp_option_add` and `dhcp_add` in
/// OpenWrt's package/network/services/dnsmasq/files/dnsmasq.init read them. It includes `/etc/dnsmasq.conf`, or
/// `/etc/dnsmasq.SECTION.conf` where that is there.
pub(super) fn openwrt(problem: &Problem, netroot: &Netroot<'_>) -> Vec<Step> {
    let apply = || run("uci commit dhcp; service dnsmasq restart");
    match problem {
        Problem::ClaimsBoot { class } => {
            let option = quoted(&format!("60,{}", shown(class)));
            vec![
                run("uci show dhcp | grep dhcp_option    (which section has it: lan here)"),
                run(format!(
                    "uci -q del_list dhcp.lan.dhcp_option={option}; uci -q del_list dhcp.lan.dhcp_option_force={option}"
                )),
                run("sed -i '/^pxe-service/d; /^pxe-prompt/d' /etc/dnsmasq.conf"),
                apply(),
            ]
        }
        Problem::NamesFile { file } => {
            let option = quoted(&format!("67,{}", shown(file)));
            vec![
                run("uci show dhcp | grep -e =boot -e dhcp_boot -e \"'6[67],\""),
                run("while uci -q delete dhcp.@boot[0]; do :; done"),
                run("uci -q delete dhcp.@dnsmasq[0].dhcp_boot"),
                run(format!(
                    "uci -q del_list dhcp.lan.dhcp_option={option}    (and those that begin with 66)"
                )),
                run("sed -i '/^dhcp-boot/d' /etc/dnsmasq.conf"),
                apply(),
            ]
        }
        Problem::ForbidsProxy => vec![
            run("uci show dhcp | grep 175    (no-pxedhcp is encap:175,176,…)"),
            run("sed -i '/encap:175, *176,/d' /etc/dnsmasq.conf"),
            apply(),
        ],
        Problem::SecondServer => vec![run("uci set dhcp.lan.ignore='1'"), apply()],
        Problem::SecondProxy => Vec::new(),
        Problem::NoAddress => vec![
            run(
                "uci set dhcp.lan.start='100'; uci set dhcp.lan.limit='150'; uci set dhcp.lan.dhcpv4='server'; uci -q delete \
                 dhcp.lan.ignore; uci -q delete dhcp.lan.dynamicdhcp; uci -q delete dhcp.lan.dynamicdhcpv4",
            ),
            run(
                "uci set dhcp.lan.force='1'    (where it finds another DHCP server and does not start)",
            ),
            apply(),
        ],
        Problem::ProxyNotHeard => {
            let lines = super::config_file::dnsmasq(problem, netroot);
            let lines = lines.iter().filter_map(|step| match step {
                Step::Add(line) => Some(line.as_str()),
                _ => None,
            });
            let lines: Vec<&str> = lines.collect();
            vec![
                run(format!(
                    "cat >>/etc/dnsmasq.conf <<'END'\n{}\nEND",
                    lines.join("\n")
                )),
                run("service dnsmasq restart"),
            ]
        }
    }
}

/// The fields of pfSense's src/usr/local/www/services_dhcp.php. Below "Other DHCP Options", each behind "Display Advanced", are
/// "TFTP" and "Network Booting"; options by number are there with ISC's server only, and Kea has text to be merged into
/// its configuration. `uefihttpboot` makes ISC's server send option 60 as well.
pub(super) fn pfsense(problem: &Problem) -> Vec<Step> {
    let save = || act("Save; Apply Changes");
    match problem {
        Problem::ClaimsBoot { .. } => vec![
            act(format!(
                "{PFSENSE_OPTIONS}: delete the row with the number 60"
            )),
            act(
                "with Kea: Custom Configuration, JSON Configuration: delete vendor-class-identifier, or the code 60",
            ),
            act("Network Booting: empty UEFI HTTPBoot URL, with which option 60 is sent"),
            save(),
        ],
        Problem::NamesFile { .. } => vec![
            act(
                "Network Booting: clear Enable Network Booting, or empty Default BIOS File Name, UEFI 32 bit File Name, UEFI 64 bit File Name, ARM 32 bit File Name, ARM 64 bit File Name and UEFI HTTPBoot URL",
            ),
            act("TFTP: empty TFTP Server"),
            act(format!(
                "{PFSENSE_OPTIONS}: delete the rows with the numbers 66 and 67"
            )),
            act(
                "with Kea: Custom Configuration, JSON Configuration: delete boot-file-name, next-server and tftp-server-name",
            ),
            save(),
        ],
        Problem::SecondServer => vec![act("clear Enable DHCP server on LAN interface"), save()],
        Problem::NoAddress => vec![
            act("tick Enable DHCP server on LAN interface, and widen Address Pool Range"),
            act("Deny Unknown Clients: Allow all clients"),
            act("Other DHCP Options: MAC Address Control: empty MAC Allow and MAC Deny"),
            save(),
        ],
        Problem::ForbidsProxy => vec![
            act(format!(
                "{PFSENSE_OPTIONS}: delete the row with the number 175"
            )),
            act(
                "with Kea: Custom Configuration, JSON Configuration: delete the option with the code 175",
            ),
            save(),
        ],
        Problem::ProxyNotHeard => vec![act(
            "nothing: its file names do not tell iPXE from the firmware that loaded it, so that iPXE would load itself for ever; let the \
             switch trust netroot's port (DHCP snooping), or have netroot give the addresses (--dhcp) in place of it",
        )],
        Problem::SecondProxy => Vec::new(),
    }
}

/// The name of the section in pfSense's newer versions and in older ones.
const PFSENSE_OPTIONS: &str = "Custom DHCP Options (older versions: Additional BOOTP/DHCP Options)";

/// The pages of its three servers: ISC's, Kea and dnsmasq.
pub(super) fn opnsense(problem: &Problem, netroot: &Netroot<'_>) -> Vec<Step> {
    let save = || act("Save, and Apply where there is such a button");
    match problem {
        Problem::ClaimsBoot { .. } => vec![
            act("with ISC: Additional Options: delete the row with the number 60"),
            act("with dnsmasq: DHCP options: delete vendor-class [60]"),
            save(),
        ],
        Problem::NamesFile { .. } => vec![
            act("with ISC: Network booting: clear Enable network booting, or empty the file names"),
            act("with ISC: TFTP server: empty Set TFTP hostname and Set Bootfile"),
            act("with Kea: Subnets: empty Next server, TFTP server and TFTP bootfile name"),
            act(
                "with dnsmasq: DHCP options: delete what is listed under Boot, and tftp-server [66] and bootfile-name [67]",
            ),
            save(),
        ],
        Problem::SecondServer => vec![
            act("with ISC: clear Enable DHCP server on the LAN interface"),
            act("with Kea: Settings: clear the interface"),
            act("with dnsmasq: DHCP ranges: delete that of this network"),
            save(),
        ],
        Problem::NoAddress => vec![
            act(
                "with ISC: tick Enable DHCP server on the LAN interface, widen Range, and clear Deny unknown clients",
            ),
            act("with Kea: Settings: choose the interface; Subnets: widen Pools"),
            act("with dnsmasq: DHCP ranges: widen that of this network, or add one"),
            save(),
        ],
        Problem::ForbidsProxy => vec![
            act("with ISC: Additional Options: delete the row with the number 175"),
            act("with dnsmasq: DHCP options: delete the option 175"),
            save(),
        ],
        Problem::SecondProxy => Vec::new(),
        Problem::ProxyNotHeard => {
            let named = |platform| {
                let loader = netroot.loaders.iter().find(|one| one.platform == platform);
                loader.map_or("", |one| one.first.as_str())
            };
            vec![
                act("with ISC: Network booting: tick Enable network booting"),
                act(format!("Set next-server IP: {}", netroot.address)),
                act(format!(
                    "Set default bios filename: {}",
                    named(Platform::Bios)
                )),
                act(format!(
                    "Set x64 UEFI/EBC (64-bit) filename: {}",
                    named(Platform::EfiX64)
                )),
                act(format!("Set iPXE boot filename: {}", netroot.script())),
                save(),
            ]
        }
    }
}

/// `/ip dhcp-server` of RouterOS.
pub(super) fn mikrotik(problem: &Problem) -> Vec<Step> {
    match problem {
        Problem::ClaimsBoot { .. } => vec![
            run("/ip dhcp-server option print where code=60"),
            run("/ip dhcp-server option remove [find code=60]"),
        ],
        Problem::NamesFile { .. } => vec![
            run("/ip dhcp-server network set [find] !boot-file-name !next-server"),
            run("/ip dhcp-server option remove [find code=66]"),
            run("/ip dhcp-server option remove [find code=67]"),
        ],
        Problem::SecondServer => vec![run(
            "/ip dhcp-server disable [find interface=bridge]    (the interface to this network)",
        )],
        Problem::NoAddress => vec![
            run("/ip dhcp-server print    (is one enabled on this network?)"),
            run("/ip pool print    (is the range of its address-pool long enough?)"),
        ],
        Problem::ForbidsProxy => vec![
            run("/ip dhcp-server option print where code=175"),
            run("/ip dhcp-server option remove [find code=175]"),
        ],
        Problem::SecondProxy | Problem::ProxyNotHeard => Vec::new(),
    }
}

/// The network's page in UniFi Network, and its options by number ("UniFi DHCP Server", help.ui.com).
pub(super) fn unifi(problem: &Problem) -> Vec<Step> {
    let apply = || act("Apply Changes");
    match problem {
        Problem::ClaimsBoot { .. } => vec![
            act("Custom DHCP Options: delete the option with the code 60"),
            apply(),
        ],
        Problem::NamesFile { .. } => vec![
            act("clear Network Boot and TFTP Server"),
            act("Custom DHCP Options: delete those with the codes 66 and 67"),
            apply(),
        ],
        Problem::SecondServer => vec![act("DHCP Mode: None"), apply()],
        Problem::NoAddress => vec![act("DHCP Mode: DHCP Server; widen DHCP Range"), apply()],
        Problem::ForbidsProxy => vec![
            act("Custom DHCP Options: delete the option with the code 175"),
            apply(),
        ],
        Problem::SecondProxy | Problem::ProxyNotHeard => Vec::new(),
    }
}

/// The module DhcpServer, and wdsutil of Windows Deployment Services, which sets option 60 where both run on one machine. Of
/// several policies that a client fulfils, the one with the lowest processing order counts (Add-DhcpServerv4Policy).
pub(super) fn windows_server(problem: &Problem, netroot: &Netroot<'_>) -> Vec<Step> {
    match problem {
        Problem::ClaimsBoot { .. } => vec![
            run("Get-DhcpServerv4Scope | Remove-DhcpServerv4OptionValue -OptionId 60"),
            run("Remove-DhcpServerv4OptionValue -OptionId 60"),
            run(
                "wdsutil /Set-Server /DhcpOption60:No    (where Windows Deployment Services is installed)",
            ),
        ],
        Problem::NamesFile { .. } => vec![
            run("Get-DhcpServerv4Scope | Remove-DhcpServerv4OptionValue -OptionId 66,67"),
            run("Remove-DhcpServerv4OptionValue -OptionId 66,67"),
        ],
        Problem::SecondServer => vec![run(
            "Set-DhcpServerv4Scope -ScopeId 10.0.0.0 -State Inactive    (this network)",
        )],
        Problem::SecondProxy => vec![run("wdsutil /Set-Server /AnswerClients:None")],
        Problem::NoAddress => vec![run(
            "Get-DhcpServerv4ScopeStatistics    (is an address of this network's scope free, and the scope active?)",
        )],
        Problem::ForbidsProxy => vec![
            run("Get-DhcpServerv4Scope | Remove-DhcpServerv4OptionValue -OptionId 175"),
            run("Remove-DhcpServerv4OptionValue -OptionId 175"),
        ],
        Problem::ProxyNotHeard => {
            let mut steps = vec![
                run("Add-DhcpServerv4Class -Name iPXE -Type User -Data iPXE"),
                run(
                    "Add-DhcpServerv4Policy -Name netroot-iPXE -Condition OR -UserClass EQ,iPXE -ProcessingOrder 1",
                ),
                run(format!(
                    "Set-DhcpServerv4OptionValue -PolicyName netroot-iPXE -OptionId 67 -Value {}",
                    netroot.script()
                )),
            ];
            let all = by_architecture(netroot).zip(2..);
            for ((number, loader), order) in all {
                let class = format!("PXEClient:Arch:{number:05}");
                steps.extend([
                    run(format!(
                        "Add-DhcpServerv4Class -Name PXE-{number} -Type Vendor -Data {class}"
                    )),
                    run(format!(
                        "Add-DhcpServerv4Policy -Name netroot-{number} -Condition OR -VendorClass EQ,PXE-{number}* -ProcessingOrder {order}"
                    )),
                    run(format!(
                        "Set-DhcpServerv4OptionValue -PolicyName netroot-{number} -OptionId 66 -Value {}",
                        netroot.address
                    )),
                    run(format!(
                        "Set-DhcpServerv4OptionValue -PolicyName netroot-{number} -OptionId 67 -Value {loader}"
                    )),
                ]);
            }
            steps
        }
    }
}

/// It sends no boot options, and cannot be told to.
pub(super) fn fritzbox(problem: &Problem) -> Vec<Step> {
    match problem {
        Problem::SecondServer => vec![act("clear Enable DHCP server; Apply")],
        Problem::NoAddress => vec![act("tick Enable DHCP server, and widen its range; Apply")],
        Problem::ClaimsBoot { .. }
        | Problem::NamesFile { .. }
        | Problem::ForbidsProxy
        | Problem::SecondProxy
        | Problem::ProxyNotHeard => Vec::new(),
    }
}
