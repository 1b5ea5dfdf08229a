//! Orders: what machines are told to boot while the server runs, by `netroot boot-once` (for one boot), `netroot assign`
//! (until another order), or the API.
//!
//! An image for one boot is taken when the machine itself fetches its script, exactly once: the file that keeps it no
//! longer has it before the script is handed out (over TFTP before it is sent behind the first ACK), so that no restart
//! boots it twice. Where the file cannot be written, the order is not taken, and waits.
//!
//! A machine that is given a unified kernel image fetches no script: that image is its loader and its script in one.
//!
//! Until that boot ends, the machine gets the same answer however often it fetches its script: it ends when the init
//! reports that it failed, or with what the machine itself fetches after its firmware asked DHCP again: its loader, or
//! its script where it does not load one from here; an iPXE that had its script by the URL in an answer of DHCP, by that
//! of another answer. A DHCP message alone ends nothing: anybody can send it. iPXE asks DHCP within the boot of the
//! firmware that loaded it; where iPXE is the firmware, its own question counts.
//!
//! An image that was ordered until another order is on trial until the init has reported that it runs. After three failed
//! attempts that the init reports of it, in one boot or several, the machine goes back to what it booted before. A boot of
//! which nothing is heard is no failure: its machine may have been turned off.

mod file;
mod order;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netroot_net::Mac;
use netroot_proto::pxe::client::Client;

pub(crate) use self::file::FileError;
use self::file::OrdersFile;
use self::order::{Boot, Trial};
pub(crate) use self::order::{FetchedBy, Order, Ordered, WentBack};
use super::file_of_machines::Unread;

/// The most machines that have an order.
const MOST: usize = 4096;

/// The orders of all machines.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    all: Mutex<BTreeMap<Mac, Order>>,
    file: Option<OrdersFile>,
    /// Held from a change until it is on the disk, by those who undo it where it cannot be.
    writing: Arc<tokio::sync::Mutex<()>>,
}

/// Nobody else changes something that may have to be undone.
pub(crate) type Alone = tokio::sync::OwnedMutexGuard<()>;

/// Who asks what a machine boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// The machine.
    Itself,
    /// The machine, unless its address is invented: what it is sent is not handed out before it has answered.
    MaybeItself,
    /// Somebody else.
    Another,
}

/// The orders on the disk, for a look at them without a server.
///
/// # Errors
/// The system's; the file makes no sense.
pub(crate) fn read(state: &Path) -> io::Result<BTreeMap<Mac, Order>> {
    file::read(state)
}

/// There are too many orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "images are assigned to {MOST} machines already; clear some of them, or write machines into the configuration"
)]
pub(crate) struct TooMany;

impl Orders {
    /// Those in the folder for the server's state. What cannot be read is said.
    pub(crate) fn open(state: &Path) -> (Self, Option<Unread>) {
        let (file, all, unread) = OrdersFile::open(state);
        let orders = Self {
            all: Mutex::new(all),
            file: Some(file),
            writing: Arc::default(),
        };
        (orders, unread)
    }

    /// The machine boots `image` next time, and only then. [`Self::save`] makes it last.
    ///
    /// # Errors
    /// [`TooMany`].
    pub(crate) fn set_once(&self, mac: Mac, image: &str) -> Result<(), TooMany> {
        self.change(mac, |order| {
            order.once = Some(image.to_owned());
            order.unwritable = false;
            // The next fetch is a new boot, whether or not firmware asks before it.
            order.boot.once = None;
        })
    }

    /// The machine boots `image` from now on. [`Self::save`] makes it last.
    ///
    /// # Errors
    /// [`TooMany`].
    pub(crate) fn set_image(&self, mac: Mac, image: &str) -> Result<(), TooMany> {
        self.change(mac, |order| {
            let before = order.image.replace(image.to_owned());
            if before.as_deref() == Some(image) {
                return;
            }
            // What is on trial itself is nothing to go back to.
            let before = match order.trial.take() {
                Some(trial) => trial.before,
                None => before,
            };
            order.trial = Some(Trial {
                before,
                ..Trial::default()
            });
            order.failed = None;
        })
    }

    /// The machine boots nothing else for once. [`Self::save`] makes it last.
    pub(crate) fn clear_once(&self, mac: Mac) {
        self.take_away(mac, |order| {
            order.once = None;
            order.unwritable = false;
        });
    }

    /// The machine boots what the configuration says, once its order for one boot is used up. [`Self::save`] makes it
    /// last.
    pub(crate) fn clear_image(&self, mac: Mac) {
        self.take_away(mac, |order| {
            order.image = None;
            order.trial = None;
            order.failed = None;
        });
    }

    fn take_away(&self, mac: Mac, change: impl FnOnce(&mut Order)) {
        let mut all = self.all();
        if let Some(order) = all.get_mut(&mac) {
            change(order);
            let nothing = Order {
                boot: Boot::default(),
                ..order.clone()
            };
            if nothing == Order::default() && order.boot.once.is_none() {
                all.remove(&mac);
            }
        }
    }

    /// The order for a machine, to be restored; `None` if there is none.
    pub(crate) fn before(&self, mac: Mac) -> Option<Order> {
        self.all().get(&mac).cloned()
    }

    /// The machines for which something is ordered.
    pub(crate) fn machines(&self) -> Vec<Mac> {
        let all = self.all();
        let ordered = all
            .iter()
            .filter(|(_, order)| order.once.is_some() || order.image.is_some());
        ordered.map(|(mac, _)| *mac).collect()
    }

    /// The images that machines are ordered to boot, or boot by an order.
    pub(crate) fn images(&self) -> Vec<(Mac, String)> {
        let all = self.all();
        let images = all.iter().flat_map(|(mac, order)| {
            let images = [&order.once, &order.image, &order.boot.once];
            let images = images.into_iter().flatten();
            images.map(|image| (*mac, image.clone()))
        });
        images.collect()
    }

    /// The order for a machine.
    pub(crate) fn of(&self, mac: Mac) -> Order {
        self.all().get(&mac).cloned().unwrap_or_default()
    }

    /// What this machine is ordered to boot, for an answer that takes nothing: what its script has if it fetches it by this
    /// now. Where nobody knows by what, a boot goes on as it does for the script itself ([`FetchedBy::IpxeUrl`]).
    pub(crate) fn expected(&self, mac: Option<Mac>, by: FetchedBy) -> Ordered {
        self.view(mac, |it| it.taken(by).or(it.once.as_ref()))
    }

    /// The same for a DHCP message of this client, which has this number if it is iPXE: firmware asks for the boot that
    /// begins.
    pub(crate) fn expected_by(
        &self,
        mac: Option<Mac>,
        client: Client,
        number: Option<u32>,
    ) -> Ordered {
        match client {
            Client::Ipxe(_) => {
                let by = number.map_or(FetchedBy::IpxeUrl, FetchedBy::DhcpUrl);
                self.expected(mac, by)
            }
            // Of the system that was booted.
            Client::Plain | Client::Init => self.expected(mac, FetchedBy::IpxeUrl),
            _ => self.view(mac, |it| it.once.as_ref()),
        }
    }

    /// The same for the script that somebody fetches. Nobody else is told what a machine is to boot.
    pub(crate) fn in_script(&self, mac: Option<Mac>, asks: Asks) -> Ordered {
        match asks {
            Asks::Itself => self.view(mac, |it| it.boot.once.as_ref()),
            // Over TFTP.
            Asks::MaybeItself => self.view(mac, |it| {
                let next = it.once.as_ref().filter(|_| !it.unwritable);
                it.taken(FetchedBy::FileName).or(next)
            }),
            Asks::Another => Ordered::default(),
        }
    }

    fn view(&self, mac: Option<Mac>, once: impl FnOnce(&Order) -> Option<&String>) -> Ordered {
        let all = self.all();
        let order = mac.and_then(|mac| all.get(&mac));
        order.map_or_else(Ordered::default, |it| it.ordered(once(it)))
    }

    /// Whether a machine has an order, or a boot with one goes on.
    pub(crate) fn has(&self, mac: Mac) -> bool {
        self.all().contains_key(&mac)
    }

    /// Whether the next fetch of the script may take an order for one boot, or one was taken that may not be off the disk yet.
    pub(crate) fn is_for_once(&self, mac: Mac) -> bool {
        let all = self.all();
        let waits = |it: &Order| it.once.is_some() && !it.unwritable;
        all.get(&mac)
            .is_some_and(|it| waits(it) || it.boot.once.is_some())
    }

    /// Waits until nobody else changes something that may have to be undone, and keeps others from it.
    ///
    /// # Errors
    /// Another change does not get to the disk in time.
    pub(crate) async fn alone(&self, until: tokio::time::Instant) -> Result<Alone, FileError> {
        let alone = Arc::clone(&self.writing).lock_owned();
        let alone = tokio::time::timeout_at(until, alone).await;
        alone.map_err(|_| self.late())
    }

    /// The file is not written in time.
    pub(crate) fn late(&self) -> FileError {
        let error = "the disk does not answer";
        self.failure(io::Error::new(io::ErrorKind::TimedOut, error))
    }

    /// The file is not written.
    pub(crate) fn failure(&self, error: io::Error) -> FileError {
        let file = self.file.as_ref().map(OrdersFile::path);
        FileError {
            file: file.map_or_else(PathBuf::new, Path::to_owned),
            error,
            is_first: true,
        }
    }

    /// The machine itself fetches its script: a boot begins, or goes on. Returns the image that it takes for once; then
    /// [`Self::save`] has to end before the script is handed out, or [`Self::put_back`] if that fails. Call it
    /// [`Self::alone`] if it [`Self::is_for_once`].
    pub(crate) fn fetches_script(&self, mac: Mac, by: FetchedBy) -> Option<String> {
        self.all().get_mut(&mac)?.fetches_script(by)
    }

    /// What a machine has just taken cannot be taken off the disk: it is still ordered, and not given to anybody until the
    /// file can be written again ([`Self::is_unwritable`]).
    pub(crate) fn put_back(&self, mac: Mac) {
        if let Some(order) = self.all().get_mut(&mac) {
            let taken = order.boot.once.take();
            order.once = order.once.take().or(taken);
            order.unwritable = true;
        }
    }

    /// Whether an order of this machine could not be taken off the disk.
    pub(crate) fn is_unwritable(&self, mac: Mac) -> bool {
        self.all().get(&mac).is_some_and(|it| it.unwritable)
    }

    /// Undoes an order that could not be written: this was before it.
    pub(crate) fn restore(&self, mac: Mac, before: Option<Order>) {
        let mut all = self.all();
        match before {
            Some(before) => all.insert(mac, before),
            None => all.remove(&mac),
        };
    }

    /// Firmware asked DHCP in the machine's name. Alone it ends no boot.
    pub(crate) fn asks_dhcp(&self, mac: Mac, client: Client) {
        let mut all = self.all();
        let Some(Order { boot, .. }) = all.get_mut(&mac) else {
            return;
        };
        match client {
            Client::Plain | Client::Init => {}
            Client::Ipxe(_) => boot.ipxe_asked = true,
            _ => boot.firmware_asked = true,
        }
    }

    /// The machine itself fetches its loader: if its firmware asked DHCP before, the boot before has ended.
    pub(crate) fn fetches_loader(&self, mac: Mac) {
        let mut all = self.all();
        let Some(Order { boot, .. }) = all.get_mut(&mac) else {
            return;
        };
        if boot.firmware_asked {
            boot.once = None;
        }
        boot.has_loader = true;
    }

    /// The machine's init reported that it runs. True if that ended a trial, and [`Self::save`] makes it last.
    pub(crate) fn booted(&self, mac: Mac) -> bool {
        self.all().get_mut(&mac).is_some_and(Order::booted)
    }

    /// The machine's init reported that this many attempts of this boot failed. Returns what changed, and then
    /// [`Self::save`] makes it last.
    pub(crate) fn failed(&self, mac: Mac, boot_id: &str, attempts: u64) -> Option<WentBack> {
        self.all().get_mut(&mac)?.failed(boot_id, attempts)
    }

    /// Whether the file could not be read at the start, nor since. [`Self::save`] reads it then, and has to before another order
    /// is given, which would hide what the file has of the machine.
    pub(crate) fn is_unread(&self) -> bool {
        self.file.as_ref().is_some_and(OrdersFile::is_unread)
    }

    /// Writes the file, so that a restart changes nothing. It waits for the disk: call it where that may be.
    ///
    /// # Errors
    /// The system's; the order is in force all the same, until the server ends or who gave it undoes it.
    pub(crate) fn save(&self) -> Result<(), FileError> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        file.write(|had| {
            let mut all = self.all();
            for (mac, order) in had {
                all.entry(mac).or_insert(order);
            }
            all.clone()
        })?;
        for order in self.all().values_mut() {
            order.unwritable = false;
        }
        Ok(())
    }

    fn change(&self, mac: Mac, change: impl FnOnce(&mut Order)) -> Result<(), TooMany> {
        let mut all = self.all();
        if all.len() >= MOST && !all.contains_key(&mac) {
            return Err(TooMany);
        }
        change(all.entry(mac).or_default());
        Ok(())
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Mac, Order>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Orders {
    /// The disk does not answer until this is dropped.
    pub(crate) fn hang(&self) -> MutexGuard<'_, bool> {
        self.file.as_ref().unwrap().hang()
    }
}

#[cfg(test)]
mod tests;
