//! What the server tells about itself: `/` for people, `/status` for programs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddrV4;
use std::time::Instant;

use serde::Serialize;

use crate::cli::ServeArgs;
use crate::serve::artifacts::script::Boot;
use crate::serve::artifacts::store::Shelf;
use crate::serve::counters;
use crate::serve::events::{Ready, ReadyImage, ReadyListener};
use crate::serve::listen::interface::Interface;
use crate::serve::reports::{Last, Reports};

/// What does not change while the server runs.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    /// The image's name.
    pub(crate) image: String,
    /// The kernel's version.
    pub(crate) kernel: String,
    /// Where the root is, for people.
    pub(crate) root: String,
    /// The interface.
    pub(crate) listener: ReadyListener,
    /// The HTTP server.
    pub(crate) http: SocketAddrV4,
    /// When it started.
    pub(crate) started: Instant,
}

#[derive(Serialize)]
struct Json<'a> {
    version: &'static str,
    image: &'a str,
    kernel: &'a str,
    mode: String,
    root: &'a str,
    interface: String,
    uptime_seconds: u64,
    counters: BTreeMap<&'static str, u64>,
    reports: BTreeMap<String, Last>,
}

impl Status {
    /// What the options and the wire come to.
    pub(crate) fn new(args: &ServeArgs, boot: &Boot, interface: &Interface) -> Self {
        let Interface {
            name,
            address,
            prefix,
            ..
        } = interface;
        Self {
            image: boot.image.clone(),
            kernel: boot.kernel.clone(),
            root: boot.nfsroot(*address),
            listener: ReadyListener {
                interface: name.clone(),
                address: *address,
                prefix: *prefix,
                range: args.dhcp.map(|range| (range.first, range.last)),
                http_port: args.http_port,
            },
            http: SocketAddrV4::new(*address, args.http_port),
            started: Instant::now(),
        }
    }

    /// What is served, for the event that says that machines may boot.
    pub(crate) fn ready(&self) -> Ready {
        Ready {
            images: vec![ReadyImage {
                name: self.image.clone(),
                linux: self.kernel.clone(),
                root: self.root.clone(),
            }],
            listeners: vec![self.listener.clone()],
        }
    }

    /// A page of text.
    pub(crate) fn text(
        &self,
        shelf: &Shelf,
        counted: BTreeMap<&'static str, u64>,
        reports: &Reports,
    ) -> String {
        let Self {
            image,
            kernel,
            root,
            listener,
            started,
            ..
        } = self;
        let (mode, interface) = (listener.mode(), listener.place());
        let mut page = format!(
            "netroot {} serves {image} with Linux {kernel}\n\n{mode} on {interface}\nroot {root}\nup {} s\n{}\n\nnames:\n",
            env!("CARGO_PKG_VERSION"),
            started.elapsed().as_secs(),
            counters::text(counted),
        );
        for name in shelf
            .names()
            .chain(["autoexec.ipxe", "boot.ipxe", "boot/<mac>.ipxe"])
        {
            let _ = writeln!(page, "  {name}");
        }
        let reports = reports.text();
        if !reports.is_empty() {
            let _ = write!(page, "\nmachines:\n{reports}");
        }
        page
    }

    /// The same as JSON.
    pub(crate) fn json(&self, counters: BTreeMap<&'static str, u64>, reports: &Reports) -> String {
        let json = Json {
            version: env!("CARGO_PKG_VERSION"),
            image: &self.image,
            kernel: &self.kernel,
            mode: self.listener.mode(),
            root: &self.root,
            interface: self.listener.place(),
            uptime_seconds: self.started.elapsed().as_secs(),
            counters,
            reports: reports.last(),
        };
        serde_json::to_string(&json).unwrap_or_default() + "\n"
    }
}
