//! The server's status: `/` as text, `/status` as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use netroot_printable::Printable;
use serde::Serialize;

use crate::catalog::{Catalog, Image};
use crate::serve::artifacts::ArtifactStore;
use crate::serve::counters;
use crate::serve::events::{Ready, ReadyImage, ReadyListener, ReadyRange};
use crate::serve::listen::interface::Interface;
use crate::serve::listen::known_address;
use crate::serve::listen::role::DhcpRole;
use crate::serve::reports::{Last, Reports};

/// What the server shows of itself beside what it serves.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    /// The interfaces that are served now; clones share them.
    listeners: Arc<RwLock<Vec<ReadyListener>>>,
    /// When it started.
    pub(crate) started: Instant,
}

/// `image` to `interface` are those of the first image and the first interface: a server of one directory has no
/// others.
#[derive(Serialize)]
struct Json<'a> {
    version: &'static str,
    image: &'a str,
    kernel: &'a str,
    mode: String,
    root: &'a str,
    interface: String,
    images: Vec<JsonImage<'a>>,
    listeners: Vec<JsonListener<'a>>,
    uptime_seconds: u64,
    counters: BTreeMap<&'static str, u64>,
    reports: BTreeMap<String, Last>,
}

#[derive(Serialize)]
struct JsonImage<'a> {
    name: &'a str,
    kind: &'static str,
    kernel: Option<&'a str>,
    root: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonListener<'a> {
    interface: &'a str,
    address: String,
    mode: String,
}

impl Status {
    /// Of a server with these listeners.
    pub(crate) fn new(listeners: Vec<ReadyListener>) -> Self {
        Self {
            listeners: Arc::new(RwLock::new(listeners)),
            started: Instant::now(),
        }
    }

    /// A listener as it is shown.
    pub(crate) fn listener(
        role: &DhcpRole,
        interface: &Interface,
        http_port: u16,
    ) -> ReadyListener {
        let own = known_address(role, interface);
        let ranges = role.ranges();
        let ranges = ranges.map(|(first, last, relayed)| ReadyRange {
            first: first.into(),
            last: last.into(),
            relayed,
        });
        ReadyListener {
            interface: interface.name.clone(),
            address: own.address(),
            prefix: own.length(),
            others: interface.others(own.address()),
            ranges: ranges.collect(),
            isolated: role.isolated(),
            http_port,
        }
    }

    /// What is served now.
    pub(crate) fn listeners(&self) -> Vec<ReadyListener> {
        let listeners = self.listeners.read();
        listeners.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is served from now on.
    pub(crate) fn set_listeners(&self, listeners: Vec<ReadyListener>) {
        *self
            .listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner) = listeners;
    }

    /// The images; the first is the default. The roots are shown as machines on the first interface mount them.
    fn images(&self, catalog: &Catalog) -> Vec<ReadyImage> {
        let server = self.listeners().first().map(|first| first.address);
        let server = server.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let image = |image: &Image| ReadyImage {
            name: image.name.clone(),
            kind: image.kind.word(),
            linux: image.linux().map(str::to_owned),
            root: image.nfsroot(server),
        };
        catalog.images().map(image).collect()
    }

    /// What is served, for the event that says that machines may boot.
    pub(crate) fn ready(&self, catalog: &Catalog) -> Ready {
        Ready {
            images: self.images(catalog),
            listeners: self.listeners(),
        }
    }

    /// A page of text.
    pub(crate) fn text(
        &self,
        artifacts: &ArtifactStore,
        counted: BTreeMap<&'static str, u64>,
        reports: &Reports,
    ) -> String {
        let mut page = format!("netroot {} serves ", env!("CARGO_PKG_VERSION"));
        let all = self.images(&artifacts.catalog());
        let images = all.iter();
        let images: Vec<_> = images
            .map(|image| Printable(&image.to_string()).to_string())
            .collect();
        page += &images.join(", ");
        page += "\n\n";
        for listener in &self.listeners() {
            let _ = writeln!(page, "{} on {}", listener.mode(), listener.place());
        }
        for root in all.iter().filter_map(|image| image.root.as_ref()) {
            let _ = writeln!(page, "root {}", Printable(root));
        }
        let _ = write!(
            page,
            "up {} s\n{}\n\nnames:\n",
            self.started.elapsed().as_secs(),
            counters::text(counted),
        );
        let names = artifacts.names();
        let names = names.iter().map(String::as_str);
        for name in names.chain(["autoexec.ipxe", "boot.ipxe", "boot/<mac>.ipxe"]) {
            let _ = writeln!(page, "  {}", Printable(name));
        }
        let reports = reports.text();
        if !reports.is_empty() {
            let _ = write!(page, "\nmachines:\n{reports}");
        }
        page
    }

    /// The same as JSON.
    pub(crate) fn json(
        &self,
        artifacts: &ArtifactStore,
        counters: BTreeMap<&'static str, u64>,
        reports: &Reports,
    ) -> String {
        let all = self.images(&artifacts.catalog());
        let images = all.iter().map(|image| JsonImage {
            name: &image.name,
            kind: image.kind,
            kernel: image.linux.as_deref(),
            root: image.root.as_deref(),
        });
        let images: Vec<_> = images.collect();
        let now = self.listeners();
        let listeners = now.iter().map(|listener| JsonListener {
            interface: &listener.interface,
            address: format!("{}/{}", listener.address, listener.prefix),
            mode: listener.mode(),
        });
        let listeners: Vec<_> = listeners.collect();
        let first = now.first();
        let json = Json {
            version: env!("CARGO_PKG_VERSION"),
            image: images.first().map_or("", |image| image.name),
            kernel: images
                .first()
                .and_then(|image| image.kernel)
                .unwrap_or_default(),
            mode: first.map(ReadyListener::mode).unwrap_or_default(),
            root: images
                .first()
                .and_then(|image| image.root)
                .unwrap_or_default(),
            interface: first.map(ReadyListener::place).unwrap_or_default(),
            images,
            listeners,
            uptime_seconds: self.started.elapsed().as_secs(),
            counters,
            reports: reports.last(),
        };
        crate::json::to_string(&json).unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use netroot_net::Prefix;

    use super::*;
    use crate::catalog::tests::one;
    use crate::serve::events::Event;

    #[test]
    fn the_root_is_shown_at_the_address_of_the_listener() {
        // The second address of its interface, in whose network the range is.
        let listener = ReadyListener {
            interface: "eth0".to_owned(),
            address: Ipv4Addr::new(10, 0, 1, 1).into(),
            prefix: 24,
            others: vec![Prefix::clamped(Ipv4Addr::new(10, 0, 0, 1), 24)],
            ranges: Vec::new(),
            isolated: None,
            http_port: 8069,
        };
        let status = Status::new(vec![listener]);
        let ready = Event::Ready(status.ready(&one("debian"))).to_string();
        assert!(
            ready.contains(
                "on eth0 (10.0.1.1/24, 10.0.0.1/24): ProxyDHCP, TFTP, http://10.0.1.1:8069/, root 10.0.1.1:/debian,"
            ),
            "{ready}"
        );
    }
}
