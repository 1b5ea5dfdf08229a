//! What happened, as values.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::Answer;
use netroot_proto::pxe::probe::OtherServer;

use super::change::Change;
use super::decided::Decided;
use super::fetch::{Fetch, StopCause};
use super::ignored::Ignored;
use super::interface_change::InterfaceChange;
use super::ready::Ready;
use super::warning::Warning;
use crate::serve::artifacts::FileKind;

/// The machine that an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Machine {
    /// A hardware address.
    Mac(Mac),
    /// An address whose machine is looked up.
    Address(IpAddr),
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(mac) => mac.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// What happened: to the server itself in the first group, to a machine in the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The initrd is being built.
    InitrdBuilding {
        /// The kernel's version.
        linux: String,
        /// `--modules`.
        modules: String,
    },
    /// A line that the initrd's builder printed.
    InitrdNote {
        /// The line.
        note: String,
    },
    /// The initrd is built.
    InitrdBuilt {
        /// Its length.
        bytes: u64,
        /// How long it took.
        took: Duration,
    },
    /// The initrd was built at an earlier start.
    InitrdCached {
        /// Its length.
        bytes: u64,
    },
    /// Something will not work, or not well.
    Warning(Warning),
    /// A served interface is not what it was.
    InterfaceChanged {
        /// Its name now.
        interface: String,
        /// How it changed.
        change: InterfaceChange,
    },
    /// What is served has changed.
    Change(Change),
    /// The leases are written again.
    LeasesRecovered {
        /// The file.
        file: PathBuf,
    },
    /// Every socket is bound and the initrd exists.
    Ready(Ready),
    /// The server ends.
    Stopped {
        /// The signal that ended it.
        signal: &'static str,
        /// How long it ran.
        uptime: Duration,
        /// Every counter with its name.
        counters: Vec<(&'static str, u64)>,
    },

    /// A machine asked for an address.
    DhcpDiscover {
        /// What kind of client it is.
        client: Client,
    },
    /// A DHCP message was answered, by this server or beside another one.
    DhcpAnswer {
        /// What kind of client asked.
        client: Client,
        /// What it was answered.
        answer: Answer,
    },
    /// Another server was overheard as it answered a machine.
    OtherOffered(OtherServer),
    /// A machine gave its address back.
    DhcpRelease {
        /// The address.
        address: IpAddr,
    },
    /// A machine found its address in use by another one.
    DhcpDecline {
        /// The address.
        address: IpAddr,
    },
    /// A machine answers ARP for an address of the range that this server did not give it.
    AddressInUse {
        /// The address.
        address: IpAddr,
    },
    /// A file was sent to its end.
    Fetched(Fetch),
    /// A transfer ended early.
    FetchStopped {
        /// What the file is to a boot.
        kind: FileKind,
        /// Its name.
        name: String,
        /// How many bytes had been sent.
        sent: u64,
        /// How many bytes were asked for.
        bytes: u64,
        /// Why it ended.
        why: StopCause,
    },
    /// An NFS client mounted an export.
    Mounted {
        /// The path that it asked for.
        path: String,
    },
    /// An NFS client unmounted an export.
    Unmounted {
        /// The path that it named.
        path: String,
    },
    /// An init reported that the root is mounted.
    Booted {
        /// From the init's start to its report.
        took: Duration,
        /// How many attempts failed before.
        failed_attempts: u64,
        /// The machine's kernel version; empty if the init did not report it.
        linux: String,
    },
    /// An init reported a failed attempt to boot.
    BootFailed {
        /// The attempt, counted from 1.
        attempt: u64,
        /// The init's sentence.
        failure: String,
        /// The attempt was reported late, with a later one: it could not be reported at the time.
        late: bool,
    },
    /// Nothing more is heard of a machine that was booting.
    BootStopped {
        /// How far it came.
        stage: &'static str,
        /// Why it stopped, in a word.
        cause: &'static str,
        /// Why, and what can be done.
        sentence: String,
    },
    /// Something was decided about a machine.
    Decided(Decided),
    /// A request was not answered.
    Ignored(Ignored),
    /// Lines were left out, because the machine caused too many; without a machine: several did.
    LinesLeftOut {
        /// How many.
        lines: u64,
    },
}
