//! What is invalid in a server's message, in a line each for the console.

use std::fmt;
use std::net::Ipv4Addr;

use super::options::Defect;

/// The largest MTU that is ignored: servers send 576 without meaning it, and less breaks more
/// than it fixes.
pub const IGNORED_MTU: u16 = 576;
/// A lease of fewer seconds is reported: it ends before a machine has booted. Nothing is lost
/// by it, since an address that the root needs is never given up.
pub const SHORT_LEASE: u32 = 10;

/// An invalid value of a server. The text says what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The message is damaged.
    Damaged(Defect),
    /// An option has an invalid length; it was ignored.
    Length {
        /// The option.
        code: u8,
        /// Its length.
        len: usize,
    },
    /// Option 1 is missing, or not a netmask that the address can have; its class decided.
    Mask(Option<Ipv4Addr>, u8),
    /// The address of a router or server is not a host's; it was ignored.
    Address(u8, Ipv4Addr),
    /// More than one router; the first is used.
    Routers(Ipv4Addr, usize),
    /// The router is not in the network, so it needs a route of its own.
    RouterElsewhere(Ipv4Addr),
    /// Option 26 is 576 or less; it was ignored.
    Mtu(u16),
    /// A name has invalid characters or is too long; it was ignored.
    Name(u8, usize),
    /// Only the first part of the host name was kept.
    NameCut(usize),
    /// Option 17 contains control characters.
    RootPathControls,
    /// Option 28 is not in the network, or is the address itself; it was ignored.
    Broadcast(Ipv4Addr),
    /// 121 ends in something that is not a route; what came before was kept.
    Routes(usize),
    /// 119 ends in something that is not a name; what came before was kept.
    Search(usize),
    /// Option 51 is this few seconds.
    ShortLease(u32),
    /// The times T1 < T2 < lease do not hold; the usual fractions are used.
    Times,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(defect) => defect.fmt(f),
            Self::Length { code, len } => write!(f, "option {code} has {len} bytes; ignored"),
            Self::Mask(None, prefix) => {
                write!(f, "no netmask (option 1); using /{prefix}, the class of the address")
            }
            Self::Mask(Some(mask), prefix) => {
                write!(
                    f,
                    "{mask} (option 1) is not a netmask for this address; using /{prefix}, its class"
                )
            }
            Self::Address(code, address) => write!(
                f,
                "option {code} names {address}, which no host can have; ignored"
            ),
            Self::Routers(first, count) => write!(f, "{count} routers (option 3); {first} is used"),
            Self::RouterElsewhere(router) => write!(f, "router {router} is outside the network"),
            Self::Mtu(mtu) => write!(
                f,
                "an MTU of {mtu} (option 26) is ignored: {IGNORED_MTU} or less breaks NFS"
            ),
            Self::Name(code, len) => write!(f, "option {code} ({len} bytes) is not a valid name; ignored"),
            Self::NameCut(len) => write!(f, "a host name of {len} bytes is cut at its first dot"),
            Self::RootPathControls => {
                f.write_str("the root path (option 17) contains control characters")
            }
            Self::Broadcast(address) => write!(
                f,
                "{address} (option 28) cannot be this network's broadcast address; ignored"
            ),
            Self::Routes(kept) => write!(f, "the routes (option 121) end in invalid data; {kept} kept"),
            Self::Search(kept) => write!(
                f,
                "the search list (option 119) ends in invalid data; {kept} kept"
            ),
            Self::ShortLease(seconds) => write!(
                f,
                "a lease of {seconds} s (option 51) expires at once; the address is kept anyway"
            ),
            Self::Times => f.write_str(
                "the lease times (options 51, 58, 59) contradict each other; using one half and seven eighths",
            ),
        }
    }
}
