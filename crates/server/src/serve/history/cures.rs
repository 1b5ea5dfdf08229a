//! What to change in another DHCP server, as programs and pages are told. Pure.

use std::net::{IpAddr, Ipv4Addr};

use netroot_net::Prefix;
use netroot_printable::Printable;
use netroot_proto::pxe::cures::{Cure, Netroot, Product, cure};
use netroot_proto::pxe::inputs::Loader;
use serde::Serialize;

use super::cause::CauseOfDeath;
use crate::serve::events::ReadyListener;

/// Those whose cures are shown; `netroot check` has the others'.
const PRODUCTS: [Product; 5] = [
    Product::Dnsmasq,
    Product::Kea,
    Product::IscDhcpd,
    Product::OpenWrt,
    Product::PfSense,
];

/// How one product is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ShownCure {
    /// Its name.
    product: String,
    /// The file, or the page.
    place: &'static str,
    /// What is done there, in this order.
    steps: Vec<ShownStep>,
}

/// One step of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ShownStep {
    /// `remove`, `add`, `run` or `do`.
    action: &'static str,
    /// The line, the command, or what is done on the page.
    text: String,
}

/// The cures of a cause for which another server is to blame; `listeners` are the interfaces that are served.
pub(super) fn of(cause: &CauseOfDeath, listeners: &[ReadyListener]) -> Vec<ShownCure> {
    let Some((server, problem)) = cause.problem() else {
        return Vec::new();
    };
    let (address, http_port) = own_address(server, listeners);
    let loaders: Vec<Loader> = cause.loader().into_iter().collect();
    let netroot = Netroot {
        address,
        http_port,
        loaders: &loaders,
    };
    let cures = PRODUCTS.into_iter();
    let cures = cures.filter_map(|product| cure(product, &problem, &netroot));
    cures.map(|cure| ShownCure::new(&cure)).collect()
}

/// Where this server is for the machines of that one's network, else of the first.
fn own_address(server: Option<IpAddr>, listeners: &[ReadyListener]) -> (Ipv4Addr, u16) {
    let own = listeners.iter().filter_map(|one| match one.address {
        IpAddr::V4(address) => Some((address, one)),
        IpAddr::V6(_) => None,
    });
    let near = |(address, one): &(Ipv4Addr, &ReadyListener)| match server {
        Some(server) => Prefix::clamped(*address, one.prefix).contains(server),
        None => true,
    };
    let found = own.clone().find(near).or_else(|| own.clone().next());
    found.map_or((Ipv4Addr::UNSPECIFIED, 0), |(address, one)| {
        (address, one.http_port)
    })
}

impl ShownCure {
    fn new(cure: &Cure) -> Self {
        let steps = cure.steps.iter().map(|step| ShownStep {
            action: step.word(),
            text: Printable(step.text()).to_string(),
        });
        Self {
            product: cure.product.to_string(),
            place: cure.product.place(),
            steps: steps.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use netroot_proto::pxe::arch::Platform;

    use super::*;
    use crate::serve::history::stage::Stage;

    #[test]
    fn the_cure_of_option_60_is_the_line_of_each_product() {
        let listener = |address: [u8; 4]| ReadyListener {
            interface: "eth0".to_owned(),
            address: Ipv4Addr::from(address).into(),
            prefix: 24,
            others: Vec::new(),
            ranges: Vec::new(),
            isolated: None,
            http_port: 8069,
        };
        let listeners = [listener([10, 1, 0, 1]), listener([10, 0, 0, 1])];
        let server = IpAddr::from([10, 0, 0, 254]);
        assert_eq!(
            own_address(Some(server), &listeners),
            (Ipv4Addr::new(10, 0, 0, 1), 8069)
        );
        let cause = CauseOfDeath::OtherClaimsBoot {
            server,
            class: b"PXEClient".to_vec(),
            loader: "snponly.efi".to_owned(),
            stage: Stage::Offer,
        };
        let shown = of(&cause, &listeners);
        let dnsmasq = shown.first().unwrap();
        assert_eq!(dnsmasq.product, "dnsmasq");
        assert!(dnsmasq.steps[0].text.contains("dhcp-option=60,PXEClient"));
        assert!(shown.len() >= 4, "{shown:?}");
        assert_eq!(of(&CauseOfDeath::KernelNotAsked, &listeners), []);
        let unheard = |proxied| CauseOfDeath::LoaderNotAsked {
            loader: "snponly.efi".to_owned(),
            proxied,
        };
        let shown = of(&unheard(Some(Platform::EfiX64)), &listeners);
        let dnsmasq = &shown.first().unwrap().steps;
        let names = |words: &str| dnsmasq.iter().any(|step| step.text.contains(words));
        assert!(names("dhcp-boot=tag:arch7,tag:!ipxe,snponly.efi,,10.1.0.1"));
        assert!(names(
            "dhcp-boot=tag:ipxe,http://10.1.0.1:8069/autoexec.ipxe"
        ));
        assert_eq!(of(&unheard(None), &listeners), []);
    }
}
