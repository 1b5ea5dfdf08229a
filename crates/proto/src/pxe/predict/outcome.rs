//! How a boot goes, and why.

use std::fmt;
use std::net::Ipv4Addr;

use netroot_printable::Printable;

use crate::pxe::offer::{Offer, url_host, without_query};
use crate::pxe::probe::Asker;

/// What a boot server answered on port 4011.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootServer {
    /// Who was asked.
    pub asked: Ipv4Addr,
    /// For which item of its menu.
    pub item: Option<u16>,
    /// The answer; `None` if there was none.
    pub answer: Option<Offer>,
}

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Nobody answered at all.
    All,
    /// Boot servers answered, and nobody gave an address.
    NoAddress,
}

/// How a boot goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It gets no address.
    NoAddress(Silence),
    /// It gets an address, and finds nothing to boot.
    NothingToBoot {
        /// The server of its address.
        address_from: Ipv4Addr,
        /// Why other servers' offers do not count.
        because: String,
    },
    /// It asks this server's port 4011 for a file, and gets no answer.
    BootServerSilent {
        /// Who is asked.
        server: Ipv4Addr,
        /// Why that one.
        because: String,
    },
    /// It loads a file.
    Loads {
        /// Who named the file.
        server: Ipv4Addr,
        /// The server that it is loaded from by TFTP; `None` for a URL.
        from: Option<Ipv4Addr>,
        /// The name, or URL.
        file: String,
        /// Why this one.
        because: String,
    },
    /// It has the name of a file, and no server that it could be loaded from.
    NoFileServer {
        /// Who named the file.
        server: Ipv4Addr,
        /// The file.
        file: String,
    },
    /// It is no network boot: it gets an address.
    Address {
        /// The server.
        server: Ipv4Addr,
        /// The address.
        address: Ipv4Addr,
    },
    /// netroot's init finds its root.
    Root {
        /// The server that names it.
        server: Ipv4Addr,
        /// Option 17.
        path: String,
    },
}

/// What one firmware does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prediction {
    /// Which.
    pub asker: Asker,
    /// How it ends.
    pub outcome: Outcome,
    /// The error that it shows, if it is known to show one.
    pub screen: Option<&'static str>,
}

impl Outcome {
    /// The outcome as a word for `--json`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoAddress(_) => "no-address",
            Self::NothingToBoot { .. } => "nothing-to-boot",
            Self::BootServerSilent { .. } => "boot-server-silent",
            Self::Loads { .. } => "loads",
            Self::NoFileServer { .. } => "no-file-server",
            Self::Address { .. } => "address",
            Self::Root { .. } => "root",
        }
    }

    /// The server that decides how it goes.
    pub fn server(&self) -> Option<Ipv4Addr> {
        match self {
            Self::NoAddress(_) => None,
            Self::NothingToBoot {
                address_from: server,
                ..
            }
            | Self::BootServerSilent { server, .. }
            | Self::Loads { server, .. }
            | Self::NoFileServer { server, .. }
            | Self::Address { server, .. }
            | Self::Root { server, .. } => Some(*server),
        }
    }

    /// The host that a file is loaded from; `None` for a URL with a name.
    pub fn loaded_from(&self) -> Option<Ipv4Addr> {
        match self {
            Self::Loads { from, file, .. } => from.or_else(|| url_host(file)?.parse().ok()),
            _ => None,
        }
    }

    /// Why, in a few words.
    pub fn because(&self) -> &str {
        match self {
            Self::NothingToBoot { because, .. }
            | Self::BootServerSilent { because, .. }
            | Self::Loads { because, .. } => because,
            _ => "",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress(Silence::All) => f.write_str("gets no address: nobody answers"),
            Self::NoAddress(Silence::NoAddress) => {
                f.write_str("gets no address: boot servers answer, but no DHCP server does")
            }
            Self::NothingToBoot { address_from, .. } => {
                write!(
                    f,
                    "gets an address from {address_from}, and finds nothing to boot"
                )
            }
            Self::BootServerSilent { server, .. } => {
                write!(f, "waits for port 4011 of {server}, which does not answer")
            }
            Self::Loads {
                from: Some(from),
                file,
                ..
            } => write!(f, "loads {} from {from} by TFTP", Printable(file)),
            Self::Loads { file, .. } => write!(f, "loads {}", Printable(without_query(file))),
            Self::NoFileServer { server, file } => write!(
                f,
                "is to load {}, but {server} does not say from which server (next-server is 0.0.0.0)",
                Printable(file)
            ),
            Self::Address { server, address } => write!(f, "gets {address} from {server}"),
            Self::Root { server, path } => {
                write!(f, "finds its root {} by {server}", Printable(path))
            }
        }?;
        match self.because() {
            "" => Ok(()),
            because => write!(f, ": {because}"),
        }
    }
}

/// The error that firmware shows. PXE 2.1's numbers are those of Intel's ROMs; EDK2 uses some of them.
pub(super) fn screen(asker: Asker, outcome: &Outcome) -> Option<&'static str> {
    let bios = asker == Asker::Firmware(0);
    let efi = matches!(asker, Asker::Firmware(_)) && !bios && !asker.is_http();
    match outcome {
        Outcome::NoAddress(Silence::All) if bios => {
            Some("PXE-E51: No DHCP or proxyDHCP offers were received")
        }
        Outcome::NoAddress(Silence::NoAddress) if bios => {
            Some("PXE-E52: proxyDHCP offers were received. No DHCP offers were received")
        }
        Outcome::NothingToBoot { .. } if bios => Some("PXE-E53: No boot filename received"),
        Outcome::BootServerSilent { .. } if bios => {
            Some("PXE-E55: ProxyDHCP service did not reply to request on port 4011")
        }
        Outcome::NoAddress(_)
        | Outcome::NothingToBoot { .. }
        | Outcome::BootServerSilent { .. }
            if efi =>
        {
            Some("PXE-E16: No valid offer received.")
        }
        Outcome::NothingToBoot { .. } | Outcome::BootServerSilent { .. }
            if matches!(asker, Asker::Ipxe(_)) =>
        {
            Some("Nothing to boot")
        }
        _ => None,
    }
}

/// The first offer that has an address.
pub(super) fn first_address<'a>(offers: &[&'a Offer]) -> Option<&'a Offer> {
    offers.iter().copied().find(|offer| offer.address.is_some())
}

/// No address, with or without boot servers.
pub(super) fn no_address(offers: &[&Offer]) -> Outcome {
    Outcome::NoAddress(match offers.iter().any(|offer| offer.is_proxy()) {
        true => Silence::NoAddress,
        false => Silence::All,
    })
}

/// An operating system takes the first address.
pub(super) fn plain(offers: &[&Offer]) -> Outcome {
    match first_address(offers).and_then(|offer| Some((offer.server, offer.address?))) {
        Some((server, address)) => Outcome::Address { server, address },
        None => no_address(offers),
    }
}

/// The init prefers an offer with a root, whoever sends it.
pub(super) fn init(offers: &[&Offer]) -> Outcome {
    if first_address(offers).is_none() {
        return no_address(offers);
    }
    let mut roots = offers.iter().filter_map(|offer| {
        let path = offer.root_path.as_ref()?;
        Some((offer.server, String::from_utf8_lossy(path).into_owned()))
    });
    match roots.next() {
        Some((server, path)) => Outcome::Root { server, path },
        None => plain(offers),
    }
}

/// The boot server of the first entry of an offer's menu, and that entry's type: what is chosen when nobody presses a
/// key. `None` without a menu, and for the entry "local boot" (type 0).
pub(super) fn first_item(offer: &Offer) -> Option<(Ipv4Addr, u16)> {
    let (item, _) = offer.discovery.menu.first()?;
    let servers = &offer.discovery.servers;
    let server = servers.iter().find(|(number, _)| number == item);
    let server = server.map_or(offer.boot_server(), |(_, server)| *server);
    (*item != 0).then_some((server, *item))
}

/// What port 4011 of `server` says.
pub(super) fn ask(
    boot_servers: &[BootServer],
    server: Ipv4Addr,
    item: Option<u16>,
) -> Option<&Offer> {
    let mut known = boot_servers.iter();
    known
        .find(|one| one.asked == server && one.item == item)
        .and_then(|one| one.answer.as_ref())
}

/// The file that an offer names is loaded by TFTP, or is a URL.
pub(super) fn loads(offer: &Offer, because: impl Into<String>) -> Option<Outcome> {
    let file = offer.file_text()?;
    Some(Outcome::Loads {
        server: offer.server,
        from: (!is_url(&file)).then(|| offer.file_server()),
        file,
        because: because.into(),
    })
}

/// Whether a file's name has a scheme.
pub(super) fn is_url(file: &str) -> bool {
    file.contains("://")
}
