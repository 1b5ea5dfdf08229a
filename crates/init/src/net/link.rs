//! The NICs of the machine: loads their drivers and sets their links up.

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::cmdline::{NetworkPlan, UdevNaming};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Dir, Mode, OFlags};

use crate::clock::{Moment, Wait, timespec};
use crate::console::{self, Level, debug, info, warn};
use crate::error_chain::causes;
use crate::modules::Loader;
use crate::net::by_index::ByIndex;
use crate::net::netlink::{Link, NetlinkError, RouteSocket, Uevent, UeventSocket};
use crate::net::nic::Nic;
use crate::net::udev_names::{self, UdevName};
use crate::net::virtual_links::VirtualLinks;
use crate::threads;

/// The stack of a thread that sets a link up, in bytes.
const STACK: usize = 128 << 10;
/// Timeout for the first NIC to appear, unless `rd.net.timeout.iflink=` sets it: USB adapters and firmware are slow.
const FIRST_NIC_TIMEOUT: Duration = Duration::from_secs(60);

/// The NICs as the kernel reports them, kept up to date by [`Nics::update`].
pub(crate) struct Nics {
    loader: Loader,
    uevents: UeventSocket,
    link_events: RouteSocket,
    links: ByIndex<Link>,
    /// NICs that were announced and set up.
    announced: ByIndex<()>,
    /// Which of udev's names count: none where nobody asks for one. To find them takes a hundred files of sysfs.
    udev_naming: UdevNaming,
    /// The names that udev would give the NICs.
    udev_names: Vec<(u32, Vec<UdevName>)>,
    /// The bonds, VLANs and bridges over them.
    virtual_links: VirtualLinks,
    /// NICs that are not set up yet because a bond needs them down.
    held_back: ByIndex<()>,
    /// A link was renamed: what was read before is out of date.
    stale: bool,
    /// Timeout for the first NIC to appear.
    first_nic_timeout: Duration,
}

/// Why there is no NIC to use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// None appeared.
    #[error("no network card appeared within {} s", waited.as_secs())]
    NoNic {
        /// How long was waited.
        waited: Duration,
    },
    /// Netlink.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
}

/// Waits for the first NIC, and for the virtual devices of the command line. Links are being set up when it returns,
/// also those of NICs that appear later.
pub(crate) fn bring_up(nics: &mut Nics) -> Result<(), LinkError> {
    let mut wait = Wait::start();
    let deadline = Moment::now().after(nics.first_nic_timeout);
    loop {
        nics.update();
        if nics.virtual_links.incomplete().is_none() && nics.iter().next().is_some() {
            return Ok(());
        }
        if deadline.remaining().is_zero() {
            nics.virtual_links.abandon_incomplete();
            nics.release_held();
            if nics.iter().next().is_some() {
                return Ok(());
            }
            return Err(LinkError::NoNic {
                waited: nics.first_nic_timeout,
            });
        }
        let next_log = wait.log_if_due(|| match nics.virtual_links.incomplete() {
            Some((name, origin)) => format!("the links of {name} ({origin})"),
            None => "a network card to appear".to_owned(),
        });
        nics.sleep_until(next_log.min(deadline), &[]);
    }
}

impl Nics {
    /// Subscribes to device and link events, and loads the drivers of all present devices in the background.
    pub(crate) fn open(loader: Loader, network: &NetworkPlan) -> Result<Self, LinkError> {
        let uevents = UeventSocket::open().map_err(NetlinkError::Open)?;
        let link_events = RouteSocket::subscribed_to_links()?;
        let mut nics = Nics {
            loader,
            uevents,
            link_events,
            links: ByIndex::new(),
            announced: ByIndex::new(),
            udev_naming: udev_naming(network),
            udev_names: Vec::new(),
            virtual_links: VirtualLinks::new(network),
            held_back: ByIndex::new(),
            stale: false,
            first_nic_timeout: first_nic_timeout(network),
        };
        nics.load_drivers();
        nics.refresh();
        Ok(nics)
    }

    /// Applies a new plan: devices that it does not ask for are removed.
    pub(crate) fn change(&mut self, network: &NetworkPlan) {
        self.first_nic_timeout = first_nic_timeout(network);
        self.udev_naming = udev_naming(network);
        self.virtual_links.change(network);
        self.refresh();
        for mut link in self.links.clone().into_values() {
            if link.loopback {
                continue;
            }
            let udev_names = udev_names::of(&link.name, self.udev_naming);
            self.stale |= self
                .virtual_links
                .reapply_name_and_address(&mut link, &udev_names);
            self.keep_udev_names(link.index, udev_names);
            if !link.up {
                self.held_back.insert(link.index, ());
            }
        }
        self.release_held();
        if std::mem::take(&mut self.stale) {
            self.refresh();
        }
    }

    /// The address of the device that is used instead of the NIC with the original address `mac`.
    pub(crate) fn top_mac(&self, mac: Mac) -> Mac {
        self.virtual_links.top_mac(mac, &self.links)
    }

    /// The Ethernet NICs in the order in which the kernel found them, with virtual devices instead of their ports.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Nic> {
        let usable = |l: &&Link| !l.loopback && !self.virtual_links.is_lower_device(l);
        self.links.values().filter(usable).filter_map(|l| {
            Some(Nic {
                index: l.index,
                name: l.name.clone(),
                mac: l.mac?,
                original_mac: self.virtual_links.original_mac(l.index).or(l.mac)?,
                udev_names: self.udev_names_of(l.index),
                carrier: l.carrier && l.up,
                running: l.running,
                mtu: l.mtu,
            })
        })
    }

    /// Processes the kernel's events: loads drivers of new devices, sets new NICs up, logs carrier changes.
    pub(crate) fn update(&mut self) {
        let mut buffer = vec![0; 8 << 10];
        loop {
            match self.uevents.receive(&mut buffer) {
                Ok(None) => break,
                Ok(Some(datagram)) => {
                    if let Some(Uevent {
                        action: "add",
                        modalias: Some(modalias),
                        path,
                    }) = Uevent::read(datagram)
                    {
                        debug!("device {path}");
                        self.loader.load_for_device(modalias);
                    }
                }
                Err(e) if e.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error()) => {
                    self.load_drivers()
                }
                Err(_) => break,
            }
        }
        match self.link_events.changed_links() {
            Ok(links) => links.into_iter().for_each(|link| self.apply(link)),
            // Events were lost: list all links.
            Err(_) => self.refresh(),
        }
        while std::mem::take(&mut self.stale)
            || self
                .virtual_links
                .run_next_action(&self.links, &self.loader)
        {
            self.refresh();
        }
        self.release_held();
    }

    /// Sets up the NICs that were held back for a device that cannot be created.
    fn release_held(&mut self) {
        let (links, virtual_links) = (&self.links, &self.virtual_links);
        self.held_back.retain(|index, ()| {
            let Some(link) = links.get(index) else {
                return false;
            };
            let stays = virtual_links.manages(link);
            if !stays && !link.up {
                set_up(link.clone());
            }
            stays
        });
    }

    /// Processes the kernel's events. Returns whether a NIC gained a carrier.
    pub(crate) fn carrier_appeared(&mut self) -> bool {
        let carriers = |nics: &Self| -> Vec<u32> {
            let there = nics.iter().filter(|nic| nic.carrier);
            there.map(|nic| nic.index).collect()
        };
        let before = carriers(self);
        self.update();
        carriers(self).iter().any(|index| !before.contains(index))
    }

    /// Sleeps until the kernel has events, one of `others` is readable, or the moment has come.
    pub(crate) fn sleep_until(&self, moment: Moment, others: &[BorrowedFd<'_>]) {
        let own = [self.uevents.as_fd(), self.link_events.as_fd()];
        let mut fds: Vec<PollFd<'_>> = own
            .iter()
            .chain(others)
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        let timeout = timespec(moment.remaining());
        // A signal or an error ends the sleep early: every caller checks the clock.
        let _ = poll(&mut fds, Some(&timeout));
    }

    fn load_drivers(&self) {
        for modalias in modaliases(Path::new("/sys/bus")) {
            self.loader.load_for_device(&modalias);
        }
    }

    fn refresh(&mut self) {
        // Pending events are older than the list: they would mark links as down that have come up since.
        let _ = self.link_events.changed_links();
        match RouteSocket::open().and_then(|mut socket| socket.links()) {
            Ok(links) => {
                let is_there = |index: u32| links.iter().any(|link| link.index == index);
                let gone: Vec<u32> = self.links.indices().filter(|i| !is_there(*i)).collect();
                gone.into_iter().for_each(|index| self.forget(index));
                links.into_iter().for_each(|link| self.apply(link));
            }
            Err(e) => warn!("{e}: {}", causes(&e)),
        }
    }

    fn udev_names_of(&self, index: u32) -> Vec<String> {
        let names = self.udev_names.iter().find(|(of, _)| *of == index);
        let names = names.map_or(&[][..], |(_, names)| names);
        names.iter().map(|name| name.name.clone()).collect()
    }

    fn keep_udev_names(&mut self, index: u32, names: Vec<UdevName>) {
        self.udev_names.retain(|(of, _)| *of != index);
        self.udev_names.push((index, names));
    }

    /// A link disappeared.
    fn forget(&mut self, index: u32) {
        let link = self.links.remove(index);
        if self.announced.remove(index).is_some()
            && let Some(link) = link
        {
            info!("{}: gone", link.name);
        }
        self.udev_names.retain(|(of, _)| *of != index);
        self.virtual_links.forget(index);
    }

    fn apply(&mut self, mut link: Link) {
        if link.gone {
            return self.forget(link.index);
        }
        if link.loopback || link.mac.is_none() {
            if link.loopback && self.announced.insert(link.index, ()) {
                set_up(link);
            }
            return;
        }
        let had_carrier = self
            .links
            .get(link.index)
            .is_some_and(|l| l.carrier && l.up);
        let has_carrier = link.carrier && link.up;
        if self.announced.insert(link.index, ()) {
            let udev_names = udev_names::of(&link.name, self.udev_naming);
            self.stale |= self
                .virtual_links
                .apply_name_and_address(&mut link, &udev_names);
            self.keep_udev_names(link.index, udev_names);
            let names = self.udev_names_of(link.index).join(" ");
            if !names.is_empty() {
                debug!("{}: called by udev: {names}", link.name);
            }
            match driver(&link.name) {
                Some(driver) => info!("{}: driver {driver}", link.name),
                None => debug!("{}: no driver of its own", link.name),
            }
            match link.up {
                true => {}
                false if self.virtual_links.manages(&link) => {
                    self.held_back.insert(link.index, ());
                }
                false => set_up(link.clone()),
            }
        }
        match (had_carrier, has_carrier) {
            (false, true) => info!("{}: link up", link.name),
            (true, false) => info!("{}: link down", link.name),
            _ => {}
        }
        self.links.insert(link.index, link);
    }
}

/// Which of udev's names are to be found out for this plan.
fn udev_naming(network: &NetworkPlan) -> UdevNaming {
    if network.asked_names().is_empty() && !console::shows(Level::Debug) {
        UdevNaming::Off
    } else {
        network.udev_naming
    }
}

/// Timeout for the first NIC to appear.
fn first_nic_timeout(network: &NetworkPlan) -> Duration {
    let given = network.timeouts.link.as_ref();
    given.map_or(FIRST_NIC_TIMEOUT, |limit| limit.value)
}

/// Sets a link up in the background: its driver may load firmware first, and the other NICs should not wait.
fn set_up(link: Link) {
    let work = move || {
        if let Err(e) = RouteSocket::open().and_then(|mut socket| socket.set_up(link.index)) {
            warn!("{}: {e}: {}", link.name, causes(&e));
        }
    };
    if let Err(e) = threads::start(STACK, work) {
        warn!("cannot start a thread to set a link up: {e}");
    }
}

/// The module that drives a NIC, or the driver's name if it is part of the kernel.
pub(crate) fn driver(name: &str) -> Option<String> {
    let driver = format!("/sys/class/net/{name}/device/driver");
    let link = fs::read_link(format!("{driver}/module"))
        .or_else(|_| fs::read_link(driver))
        .ok()?;
    Some(link.file_name()?.to_string_lossy().into_owned())
}

/// The modalias of every device on every bus.
fn modaliases(buses: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for bus in names(buses) {
        let devices = buses.join(bus).join("devices");
        for device in names(&devices) {
            let path = devices.join(device).join("modalias");
            let modalias = fs::read_to_string(path).unwrap_or_default();
            let modalias = modalias.trim_end();
            if !modalias.is_empty() {
                found.push(modalias.to_owned());
            }
        }
    }
    found
}

/// The names in a directory; none if it cannot be listed.
fn names(directory: &Path) -> Vec<OsString> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let listing = rustix::fs::open(directory, flags, Mode::empty()).and_then(Dir::new);
    let Ok(listing) = listing else {
        return Vec::new();
    };
    let names = listing
        .flatten()
        .map(|entry| entry.file_name().to_bytes().to_vec());
    let names = names.filter(|name| !matches!(name.as_slice(), b"." | b".."));
    names.map(OsString::from_vec).collect()
}
