//! What an initrd could follow and this init does not, with the reason.

use super::ip::Method;
use super::plan::BootPlan;
use super::program::InitProgram;
use super::root::RootRequest;
use super::stage::Rescue;
use crate::mount::path_has_tokens;

/// A parameter that belongs to this init and that it does not follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The parameter as written.
    pub parameter: String,
    /// Why it changes nothing.
    pub why: &'static str,
}

/// Something that the plan holds and that the init has to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// `vlan=`: [`Network::vlans`](super::Network::vlans).
    Vlan,
    /// `bond=`: [`Network::bonds`](super::Network::bonds).
    Bond,
    /// `bridge=`: [`Network::bridges`](super::Network::bridges).
    Bridge,
    /// `ifname=`: [`Network::renames`](super::Network::renames).
    Rename,
    /// `rd.route=`: [`Network::routes`](super::Network::routes).
    Route,
    /// `rd.peerdns=0`: [`Network::peer_dns`](super::Network::peer_dns).
    PeerDns,
    /// `rd.net.timeout.dhcp=`, `rd.net.dhcp.retry=`: [`super::Patience`].
    DhcpPatience,
    /// `rd.net.timeout.iflink=`, `rd.net.timeout.ifup=`: [`super::Patience`].
    LinkPatience,
    /// `rd.net.timeout.route=`: [`super::Patience`].
    RoutePatience,
    /// `ip=dhcp,<type>,<value>`: [`IpRequest::client_identifier`](super::IpRequest::client_identifier).
    ClientIdentifier,
    /// `ip=<address>:…:dhcp`: the address to ask for.
    RequestedAddress,
    /// `ip=bootp`: [`Method::Bootp`].
    Bootp,
    /// `ip=<if>:dhcp:<mtu>:<address>`: [`IpRequest::link_address`](super::IpRequest::link_address).
    LinkAddress,
    /// The tenth field of `ip=`: [`IpRequest::ntp`](super::IpRequest::ntp).
    TimeServer,
    /// `rd.break`, `break=`: [`BootPlan::breaks`].
    Break,
    /// `rd.shell`: [`BootPlan::rescue`].
    Rescue,
    /// `rootwait=<s>`: [`BootPlan::root_wait`].
    RootWait,
    /// `netroot.report=`: [`BootPlan::report`].
    Report,
    /// `gnu.load=`, `gnu.system=`: [`InitProgram::GuixSystem`].
    GuixSystem,
    /// Servers after the first one: [`RootChoice::others`](crate::mount::RootChoice::others).
    ServerList,
    /// `%{mac}` and its like: [`choose_root_of`](crate::mount::choose_root_of).
    PathTokens,
}

/// What the init does not act on yet. Whoever makes it act takes the line away, and with it
/// the notice on the console and in `netroot explain`.
pub(crate) const PENDING: &[(Feature, &str)] = &[
    (
        Feature::RoutePatience,
        "there is no wait for it: routes are set with the address",
    ),
    (Feature::Bootp, "its bootp: a DHCP server is asked"),
    (
        Feature::TimeServer,
        "its time server: the root's own settings hold",
    ),
];

/// Why `feature` has no effect; `None` once the init acts on it.
pub fn pending(feature: Feature) -> Option<&'static str> {
    PENDING
        .iter()
        .find_map(|(pending, why)| (*pending == feature).then_some(*why))
}

/// What of `plan` the init does not act on yet.
pub(super) fn not_acted_on(plan: &BootPlan) -> Vec<Ignored> {
    features(plan)
        .into_iter()
        .filter_map(|(feature, parameter)| {
            let why = pending(feature)?;
            Some(Ignored { parameter, why })
        })
        .collect()
}

/// Every feature that `plan` makes use of, with the parameter that asks for it.
fn features(plan: &BootPlan) -> Vec<(Feature, String)> {
    let mut found: Vec<(Feature, String)> = Vec::new();
    let mut add = |feature, origin: &dyn ToString| found.push((feature, origin.to_string()));
    let network = &plan.network;
    network
        .vlans
        .iter()
        .for_each(|s| add(Feature::Vlan, &s.origin));
    network
        .bonds
        .iter()
        .for_each(|s| add(Feature::Bond, &s.origin));
    network
        .bridges
        .iter()
        .for_each(|s| add(Feature::Bridge, &s.origin));
    network
        .renames
        .iter()
        .for_each(|s| add(Feature::Rename, &s.origin));
    network
        .routes
        .iter()
        .for_each(|s| add(Feature::Route, &s.origin));
    if !network.peer_dns.value {
        add(Feature::PeerDns, &network.peer_dns.origin);
    }
    let patience = &network.patience;
    if let Some(limit) = &patience.dhcp {
        add(Feature::DhcpPatience, &limit.origin);
    }
    if let Some(tries) = &patience.dhcp_tries {
        add(Feature::DhcpPatience, &tries.origin);
    }
    for limit in [&patience.link, &patience.up].into_iter().flatten() {
        add(Feature::LinkPatience, &limit.origin);
    }
    if let Some(limit) = &patience.route {
        add(Feature::RoutePatience, &limit.origin);
    }
    for request in &network.addressing {
        let asks = matches!(request.method, Method::Dhcp | Method::Bootp);
        for (used, feature) in [
            (
                request.client_identifier.is_some(),
                Feature::ClientIdentifier,
            ),
            (asks && request.client.is_some(), Feature::RequestedAddress),
            (request.method == Method::Bootp, Feature::Bootp),
            (request.link_address.is_some(), Feature::LinkAddress),
            (request.ntp.is_some(), Feature::TimeServer),
        ] {
            if used {
                add(feature, &request.origin);
            }
        }
    }
    if let RootRequest::Nfs(request) = &plan.root {
        if !request.others.is_empty() {
            add(Feature::ServerList, &request.origin);
        }
        if request.path.as_deref().is_some_and(path_has_tokens) {
            add(Feature::PathTokens, &request.origin);
        }
    }
    if let Some(wait) = &plan.root_wait
        && wait.value.is_some()
    {
        add(Feature::RootWait, &wait.origin);
    }
    if matches!(plan.program.value, InitProgram::GuixSystem { .. }) {
        add(Feature::GuixSystem, &plan.program.origin);
    }
    plan.breaks
        .iter()
        .for_each(|s| add(Feature::Break, &s.origin));
    if plan.rescue.value != Rescue::OnKey {
        add(Feature::Rescue, &plan.rescue.origin);
    }
    if let Some(report) = &plan.report {
        add(Feature::Report, &report.origin);
    }
    found
}

/// Why a parameter asks for nothing: what it asks for happens anyway. In `name`, every `-`
/// is a `_`.
pub(super) fn why_granted(name: &str, value: Option<&str>) -> Option<&'static str> {
    let on = !matches!(value, Some("0" | "no" | "off"));
    Some(match name {
        "rdinit" => "the kernel has followed it: it started this init",
        "boot" if value == Some("nfs") => "an NFS root is all that this init mounts",
        "rd.neednet" if on => "the network always comes up",
        "rd.bootif" if on => "BOOTIF= is followed in any case",
        _ => return None,
    })
}

/// Why a parameter of an initrd's is never followed; `None` for those of the kernel and of
/// the root's own init. In `name`, every `-` is a `_`.
pub(super) fn why_not(name: &str) -> Option<&'static str> {
    Some(match name {
        "boot" => "only boot=nfs has a meaning here",
        "rd.neednet" => "an NFS root cannot do without the network",
        "rootfstype" => "the root is NFS",
        "nfsrootdebug" => "it is about the kernel's own mount of the root",
        "ip6" | "rd.net.timeout.ipv6dad" | "rd.net.timeout.ipv6auto" => {
            "an NFS root over IPv6 is not supported"
        }
        "team" => "this init makes no teams; a bond= does the same",
        "rd.overlay.readonly"
        | "rd.live.overlay.readonly"
        | "rd.overlay.reset"
        | "rd.live.overlay.reset" => "it is about an overlay that is kept, and this one is not",
        "rd.live.overlay" | "rd.live.overlay.size" => {
            "it is about a live image; rd.overlay= puts an overlay over an NFS root"
        }
        "overlayroot_cfgdisk" => "overlays are not configured from a disk",
        "ltsp.image" => "the root is the NFS export itself, not an image within it",
        "gnu.repl" => "there is no Guile before the root is mounted",
        "rd.bootif" => "there is no BOOTIF= to leave out",
        "rd.timeout" | "rd.retry" => "it is about devices; rootwait= limits the wait for the root",
        _ if name.starts_with("netroot.") => "this init has no such parameter",
        _ if name.starts_with("rd.") => "it is dracut's, and nothing here answers to it",
        _ => return None,
    })
}
