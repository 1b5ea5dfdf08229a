//! The interface: cable, speed of coming up, MTU, and what the kernel drops on it.

use std::fs;
use std::path::Path;

use crate::check::finding::Finding;
use crate::serve::listen::interface::{Candidate, Interface};

/// The MTU of Ethernet, which firmware expects.
const USUAL_MTU: u16 = 1500;

/// What /sys and /proc say about an interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Link {
    carrier: Option<bool>,
    wireless: bool,
    /// A bridge's: whether it runs the spanning tree protocol, and its forward delay in hundredths of a second.
    bridge: Option<(bool, u32)>,
    /// `rp_filter`, the stricter of that of all interfaces and its own.
    reverse_path: u8,
}

impl Link {
    fn read(name: &str) -> Self {
        let sys = Path::new("/sys/class/net").join(name);
        let text = |path: &Path| Some(fs::read_to_string(path).ok()?.trim().to_owned());
        let number = |path: &Path| text(path)?.parse::<u32>().ok();
        let filter = |name: &str| {
            let path = format!("/proc/sys/net/ipv4/conf/{name}/rp_filter");
            number(Path::new(&path)).and_then(|it| u8::try_from(it).ok())
        };
        let bridge = sys.join("bridge");
        Self {
            carrier: number(&sys.join("carrier")).map(|it| it != 0),
            wireless: sys.join("wireless").exists() || sys.join("phy80211").exists(),
            bridge: number(&bridge.join("stp_state")).map(|stp| {
                let delay = number(&bridge.join("forward_delay")).unwrap_or(0);
                (stp != 0, delay)
            }),
            // Documentation/networking/ip-sysctl: the maximum of both counts.
            reverse_path: filter("all").unwrap_or(0).max(filter(name).unwrap_or(0)),
        }
    }
}

/// Looks at the interface; `all` are those of the host.
pub(super) fn look(interface: &Interface, all: &[Candidate]) -> Vec<Finding> {
    let twins = twins(interface, all);
    judge(interface, &Link::read(&interface.name), &twins)
}

/// The other interfaces with an address in a network of this one.
fn twins(interface: &Interface, all: &[Candidate]) -> Vec<String> {
    let shares = |other: &&Candidate| {
        let mut networks = interface.networks();
        other.device().name != interface.name && networks.any(|network| other.is_in(network))
    };
    let names = all.iter().filter(shares);
    names.map(|other| other.device().name.to_owned()).collect()
}

fn judge(interface: &Interface, link: &Link, twins: &[String]) -> Vec<Finding> {
    let name = &interface.name;
    let mut findings = Vec::new();
    match link.carrier {
        Some(false) => findings.push(
            Finding::problem("interface", format!("{interface} has no carrier"))
                .cured_by("check the cable, and the switch's port"),
        ),
        _ => findings.push(Finding::ok("interface", interface.to_string())),
    }
    if link.wireless {
        findings.push(Finding::warning(
            "interface",
            format!("{name} is wireless: firmware boots by cable, and an access point may not pass on broadcasts"),
        ));
    }
    if !interface.has_frames {
        findings.push(Finding::problem(
            "interface",
            format!("{name} carries no Ethernet frames, so machines without an address cannot be answered"),
        ));
    }
    if let Some((stp, delay)) = link.bridge
        && (stp || delay > 0)
    {
        let text = match stp {
            true => format!(
                "the bridge {name} runs the spanning tree protocol: a port that comes up passes nothing for {} s, and \
                 firmware gives up before",
                delay / 50
            ),
            false => format!(
                "the bridge {name} has a forward delay of {} s for each port that comes up",
                delay / 100
            ),
        };
        findings.push(Finding::warning("interface", text).cured_by(format!(
            "ip link set {name} type bridge stp_state 0 forward_delay 0"
        )));
    }
    let mtu = interface.mtu;
    if mtu < USUAL_MTU {
        findings.push(
            Finding::warning(
                "mtu",
                format!(
                    "{name} carries packets of {mtu} bytes only, and firmware expects {USUAL_MTU}: TFTP uses shorter \
                     blocks then"
                ),
            )
            .cured_by(format!("ip link set {name} mtu {USUAL_MTU}")),
        );
    } else if mtu > USUAL_MTU {
        findings.push(Finding::note(
            "mtu",
            format!("{name} has an MTU of {mtu}: every switch on the way, and every machine, must have it too"),
        ));
    }
    if link.reverse_path == 1 && !twins.is_empty() {
        findings.push(
            Finding::warning(
                "rp_filter",
                format!(
                    "{name} and {} are in one network, and rp_filter is strict: the kernel drops machines' packets on \
                     one of them",
                    twins.join(", ")
                ),
            )
            .cured_by("sysctl -w net.ipv4.conf.all.rp_filter=2")
            .cured_by(format!("sysctl -w net.ipv4.conf.{name}.rp_filter=2")),
        );
    } else if !twins.is_empty() {
        findings.push(Finding::warning(
            "interface",
            format!(
                "{name} and {} are in one network: answers may leave by the other one",
                twins.join(", ")
            ),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::finding::Level;
    use crate::serve::listen::interface::tests::interface;

    fn found(link: &Link, twins: &[&str]) -> Vec<(Level, &'static str)> {
        let twins: Vec<String> = twins.iter().map(|twin| (*twin).to_owned()).collect();
        let all = judge(&interface(), link, &twins);
        all.iter().map(|one| (one.level, one.about)).collect()
    }

    #[test]
    fn a_usual_interface_is_fine() {
        let link = Link {
            carrier: Some(true),
            reverse_path: 1,
            bridge: Some((false, 0)),
            wireless: false,
        };
        assert_eq!(found(&link, &[]), [(Level::Ok, "interface")]);
    }

    #[test]
    fn a_cable_a_bridge_and_a_filter_are_looked_at() {
        let link = Link {
            carrier: Some(false),
            bridge: Some((true, 1500)),
            reverse_path: 1,
            wireless: true,
        };
        assert_eq!(
            found(&link, &["eth1"]),
            [
                (Level::Problem, "interface"),
                (Level::Warning, "interface"),
                (Level::Warning, "interface"),
                (Level::Warning, "rp_filter"),
            ]
        );
    }

    #[test]
    fn a_short_mtu_is_a_warning_and_a_long_one_a_note() {
        let with = |mtu| {
            let mut interface = interface();
            interface.mtu = mtu;
            let all = judge(&interface, &Link::default(), &[]);
            all.last().map(|one| (one.level, one.about))
        };
        assert_eq!(with(1400), Some((Level::Warning, "mtu")));
        assert_eq!(with(9000), Some((Level::Note, "mtu")));
        assert_eq!(with(1500), Some((Level::Ok, "interface")));
    }
}
