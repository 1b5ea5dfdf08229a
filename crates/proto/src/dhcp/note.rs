//! What a lying or careless server said, in a line each for the console.

use std::fmt;
use std::net::Ipv4Addr;

use super::options::Defect;

/// The largest MTU that is ignored: servers send 576 without meaning it, and less breaks more
/// than it fixes.
pub const IGNORED_MTU: u16 = 576;
/// A lease of fewer seconds is reported: it ends before a machine has booted. Nothing is lost
/// by it, since an address that the root needs is never given up.
pub const SHORT_LEASE: u32 = 10;

/// Something a server said that makes no sense. The text says what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The message is damaged.
    Damaged(Defect),
    /// An option's length does not fit its meaning; it was left out.
    Length {
        /// The option.
        code: u8,
        /// Its length.
        len: usize,
    },
    /// Option 1 is missing, or no mask that the address could have; the class of the address decided.
    Mask(Option<Ipv4Addr>, u8),
    /// A router or a server that no host can be; it was left out.
    Address(u8, Ipv4Addr),
    /// More than one router; the first is used.
    Routers(Ipv4Addr, usize),
    /// The router is not in the network, so it needs a route of its own.
    RouterElsewhere(Ipv4Addr),
    /// Option 26 of 576 or less; it was left out.
    Mtu(u16),
    /// A name with bytes that no name has, or too long; it was left out.
    Name(u8, usize),
    /// Only the first part of the host name was kept.
    NameCut(usize),
    /// Option 17 has control characters in it.
    RootPathControls,
    /// Option 28 is not in the network, or the address itself; it was left out.
    Broadcast(Ipv4Addr),
    /// 121 ends in something that is no route; what came before was kept.
    Routes(usize),
    /// 119 ends in something that is no name; what came before was kept.
    Search(usize),
    /// Option 51 is of so few seconds.
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
                write!(f, "no netmask (option 1); /{prefix} by the address's class")
            }
            Self::Mask(Some(mask), prefix) => {
                write!(
                    f,
                    "{mask} (option 1) is no netmask of this address; /{prefix} by its class"
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
            Self::Name(code, len) => write!(f, "option {code} ({len} bytes) is no name; ignored"),
            Self::NameCut(len) => write!(f, "a host name of {len} bytes is cut at its first dot"),
            Self::RootPathControls => {
                f.write_str("the root path (option 17) has control characters in it")
            }
            Self::Broadcast(address) => write!(
                f,
                "{address} (option 28) cannot be this network's broadcast address; ignored"
            ),
            Self::Routes(kept) => write!(f, "the routes (option 121) end in rubbish; {kept} kept"),
            Self::Search(kept) => write!(
                f,
                "the search list (option 119) ends in rubbish; {kept} kept"
            ),
            Self::ShortLease(seconds) => write!(
                f,
                "a lease of {seconds} s (option 51) is over at once; the address is kept all the same"
            ),
            Self::Times => f.write_str(
                "the times (51, 58, 59) contradict each other; half and seven eighths are used",
            ),
        }
    }
}
