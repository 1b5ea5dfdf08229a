//! The machine's NICs: their drivers, and their links set up.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::thread;
use std::time::Duration;

use netroot_proto::cmdline::Network;
use netroot_proto::dhcp::Mac;
use rustix::event::{PollFd, PollFlags, poll};

use crate::causes::causes;
use crate::clock::{Moment, Wait, timespec};
use crate::console::{debug, info, warn};
use crate::modules::Loader;
use crate::net::netlink::{Link, NetlinkError, RouteSocket, Uevent, UeventSocket};
use crate::net::nic::Nic;
use crate::net::virtual_links::VirtualLinks;

/// How long the first NIC may take to appear, unless `rd.net.timeout.iflink=` says so: USB adapters and firmware take
/// their time.
const FIRST_NIC: Duration = Duration::from_secs(60);

/// The NICs as the kernel reports them, kept up to date by [`Nics::update`].
pub(crate) struct Nics {
    loader: Loader,
    uevents: UeventSocket,
    news: RouteSocket,
    links: BTreeMap<u32, Link>,
    /// NICs that were announced and set up.
    known: HashSet<u32>,
    /// What is made of them.
    made: VirtualLinks,
    /// NICs that are not set up because something is to be made of them.
    held: HashSet<u32>,
    /// A link was renamed: what was read before is out of date.
    stale: bool,
    /// How long the first NIC may take.
    patience: Duration,
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

/// Finds the drivers of the machine's NICs and waits for the first NIC, and for what the command line wants made of
/// NICs. Its link is then on its way up, as are
/// those of NICs that come later.
pub(crate) fn bring_up(nics: &mut Nics) -> Result<(), LinkError> {
    let mut wait = Wait::start();
    let deadline = Moment::now().after(nics.patience);
    loop {
        nics.update();
        let missing = nics
            .made
            .missing()
            .map(|(name, origin)| format!("what {name} is made of ({origin})"));
        if missing.is_none() && nics.iter().next().is_some() {
            return Ok(());
        }
        if deadline.remaining().is_zero() {
            nics.made.give_up();
            nics.let_go();
            if nics.iter().next().is_some() {
                return Ok(());
            }
            return Err(LinkError::NoNic {
                waited: nics.patience,
            });
        }
        let what = missing.unwrap_or_else(|| "a network card to appear".to_owned());
        let speak = wait.log_if_due(what);
        nics.sleep_until(speak.min(deadline), &[]);
    }
}

impl Nics {
    /// Starts to listen, walks through the devices that are there, and loads their drivers in the background.
    pub(crate) fn open(loader: Loader, network: &Network) -> Result<Self, LinkError> {
        let uevents = UeventSocket::open().map_err(NetlinkError::Open)?;
        let news = RouteSocket::subscribed_to_links()?;
        let mut nics = Nics {
            loader,
            uevents,
            news,
            links: BTreeMap::new(),
            known: HashSet::new(),
            made: VirtualLinks::new(network),
            held: HashSet::new(),
            stale: false,
            patience: patience(network),
        };
        nics.walk();
        nics.list();
        Ok(nics)
    }

    /// Takes another plan: what was made for the old one is undone where the new one wants something else.
    pub(crate) fn change(&mut self, network: &Network) {
        self.patience = patience(network);
        self.made.change(network);
        self.list();
        for mut link in self.links.clone().into_values() {
            if link.loopback {
                continue;
            }
            self.stale |= self.made.greet_again(&mut link);
            if !link.up {
                self.held.insert(link.index);
            }
        }
        self.let_go();
        if std::mem::take(&mut self.stale) {
            self.list();
        }
    }

    /// The address of what is used in place of the NIC that came with `mac`.
    pub(crate) fn stand_in(&self, mac: Mac) -> Mac {
        self.made.stand_in(mac, &self.links)
    }

    /// The Ethernet NICs, in the order that the kernel found them, and what is made of them in place of its ports.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Nic> {
        let usable = |l: &&Link| !l.loopback && !self.made.is_below(l);
        self.links.values().filter(usable).filter_map(|l| {
            Some(Nic {
                index: l.index,
                name: l.name.clone(),
                mac: l.mac?,
                carrier: l.carrier && l.up,
                running: l.running,
                mtu: l.mtu,
            })
        })
    }

    /// Takes the kernel's news: loads drivers of devices that appeared, sets new NICs up, tells of carriers.
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
                    self.walk()
                }
                Err(_) => break,
            }
        }
        match self.news.changed_links() {
            Ok(links) => links.into_iter().for_each(|link| self.take(link)),
            // News were lost: look at everything.
            Err(_) => self.list(),
        }
        while std::mem::take(&mut self.stale) || self.made.advance(&self.links, &self.loader) {
            self.list();
        }
        self.let_go();
    }

    /// Sets up the NICs that were held back for something that cannot be made, and are now used as they are.
    fn let_go(&mut self) {
        let (links, made) = (&self.links, &self.made);
        self.held.retain(|index| {
            let Some(link) = links.get(index) else {
                return false;
            };
            let stays = made.sets_up(link);
            if !stays && !link.up {
                set_up(link.clone());
            }
            stays
        });
    }

    /// Takes the kernel's news; true if a carrier came that was not there before.
    pub(crate) fn carrier_came(&mut self) -> bool {
        let carriers = |nics: &Self| -> HashSet<u32> {
            let there = nics.iter().filter(|nic| nic.carrier);
            there.map(|nic| nic.index).collect()
        };
        let before = carriers(self);
        self.update();
        !carriers(self).is_subset(&before)
    }

    /// Sleeps until the kernel has news, one of `others` can be read, or the moment has come.
    pub(crate) fn sleep_until(&self, moment: Moment, others: &[BorrowedFd<'_>]) {
        let own = [self.uevents.as_fd(), self.news.as_fd()];
        let mut fds: Vec<PollFd<'_>> = own
            .iter()
            .chain(others)
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        let timeout = timespec(moment.remaining());
        // A signal or an error ends the sleep early: every caller looks at the clock again.
        let _ = poll(&mut fds, Some(&timeout));
    }

    fn walk(&self) {
        for modalias in modaliases(Path::new("/sys/bus")) {
            self.loader.load_for_device(&modalias);
        }
    }

    fn list(&mut self) {
        // What was said before is older than the list: it would set a link down again that has come up since.
        let _ = self.news.changed_links();
        match RouteSocket::open().and_then(|mut socket| socket.links()) {
            Ok(links) => {
                let is_there = |index: &u32| links.iter().any(|link| link.index == *index);
                let gone: Vec<u32> = self
                    .links
                    .keys()
                    .copied()
                    .filter(|i| !is_there(i))
                    .collect();
                gone.into_iter().for_each(|index| self.forget(index));
                links.into_iter().for_each(|link| self.take(link));
            }
            Err(e) => warn!("{e}: {}", causes(&e)),
        }
    }

    /// A link went away.
    fn forget(&mut self, index: u32) {
        let link = self.links.remove(&index);
        if self.known.remove(&index)
            && let Some(link) = link
        {
            info!("{}: gone", link.name);
        }
        self.made.forget(index);
    }

    fn take(&mut self, mut link: Link) {
        if link.gone {
            return self.forget(link.index);
        }
        if link.loopback || link.mac.is_none() {
            if link.loopback && self.known.insert(link.index) {
                set_up(link);
            }
            return;
        }
        let had_carrier = self
            .links
            .get(&link.index)
            .is_some_and(|l| l.carrier && l.up);
        let has_carrier = link.carrier && link.up;
        if self.known.insert(link.index) {
            self.stale |= self.made.greet(&mut link);
            match driver(&link.name) {
                Some(driver) => info!("{}: driver {driver}", link.name),
                None => debug!("{}: no driver of its own", link.name),
            }
            match link.up {
                true => {}
                false if self.made.sets_up(&link) => {
                    self.held.insert(link.index);
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

/// How long the first NIC may take.
fn patience(network: &Network) -> Duration {
    let told = network.patience.link.as_ref();
    told.map_or(FIRST_NIC, |limit| limit.value)
}

/// Sets a link up in the background: a driver may load firmware first, and the other NICs need not wait.
fn set_up(link: Link) {
    let work = move || {
        if let Err(e) = RouteSocket::open().and_then(|mut socket| socket.set_up(link.index)) {
            warn!("{}: {e}: {}", link.name, causes(&e));
        }
    };
    if let Err(e) = thread::Builder::new().stack_size(128 << 10).spawn(work) {
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
    let entries = |path: &Path| -> Vec<std::path::PathBuf> {
        let found: io::Result<Vec<_>> =
            fs::read_dir(path).map(|all| all.flatten().map(|entry| entry.path()).collect());
        found.unwrap_or_default()
    };
    let devices = entries(buses)
        .into_iter()
        .flat_map(|bus| entries(&bus.join("devices")));
    devices
        .filter_map(|device| fs::read_to_string(device.join("modalias")).ok())
        .map(|modalias| modalias.trim_end().to_owned())
        .filter(|modalias| !modalias.is_empty())
        .collect()
}
