//! Requests that are not answered, and why.

pub(super) mod json;
mod text;

use std::net::IpAddr;

use netroot_net::Mac;
use netroot_nfs_export::{CallRefusal, Refusal as MountRefusal};
use netroot_proto::dhcp::request::RequestError;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::Reason;
use netroot_proto::tftp::name::NameError;

use crate::serve::url_path::PathError;

/// A request that is not answered, or whose answer could not be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ignored {
    /// A DHCP message.
    Dhcp {
        /// What kind of client it is from.
        client: Client,
        /// Why it is not answered.
        reason: Reason,
    },
    /// A DHCP client that says nothing by which it could be told from others.
    DhcpHardware {
        /// Its hardware type (IANA: 32 is InfiniBand).
        hardware: u8,
    },
    /// A BOOTP request.
    Bootp,
    /// A DHCP answer could not be sent.
    DhcpSend {
        /// The system's error.
        error: String,
    },
    /// A router advertisement could not be sent to iPXE.
    AdvertisementSend {
        /// The system's error.
        error: String,
    },
    /// A TFTP write request.
    TftpWrite,
    /// A TFTP file name that is not looked up.
    TftpName(NameError),
    /// A TFTP file name that is not served.
    TftpUnknown {
        /// The name.
        name: String,
    },
    /// A TFTP client in another network.
    TftpAddress {
        /// The interface that it asked on.
        interface: String,
        /// Who asked; the machine may be told by its hardware address.
        client: IpAddr,
    },
    /// Too many TFTP transfers at once.
    TftpTooMany,
    /// No socket for a TFTP transfer.
    TftpSocket {
        /// The file.
        name: String,
        /// The system's error.
        error: String,
    },
    /// A URL's path that is not looked up.
    HttpPath(PathError),
    /// A URL's path that is not served.
    HttpUnknown {
        /// The name.
        name: String,
    },
    /// A boot report.
    Report(ReportRefusal),
    /// An NFS MOUNT request.
    Mount {
        /// Who asked; the machine may be told by its hardware address.
        client: IpAddr,
        /// The path that was asked for.
        path: String,
        /// Why it was refused.
        why: MountRefusal,
    },
    /// Another NFS call, whatever it asks for.
    NfsCall {
        /// Who asked.
        client: IpAddr,
        /// Why it was refused.
        why: CallRefusal,
    },
    /// An NFS client has too many connections.
    NfsTooManyConnections,
    /// No thread could be started for an NFS connection.
    NfsOutOfThreads,
}

impl Ignored {
    /// What is logged of a datagram that is no DHCP request, and the machine's MAC if it has one: nothing, if it is noise.
    pub(crate) fn unread(error: &RequestError) -> Option<(Option<Mac>, Self)> {
        match *error {
            RequestError::Nameless { kind } => Some((None, Self::DhcpHardware { hardware: kind })),
            RequestError::NoMessageType(mac) => Some((Some(mac), Self::Bootp)),
            _ => None,
        }
    }
}

/// Why a boot report is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReportRefusal {
    /// The path names no machine.
    NoMachine,
    /// Its token is missing, or not of one of the machine's last boots.
    NotItsToken,
    /// It comes from another machine's address.
    NotItsOwn,
    /// The machine reports too often.
    TooOften,
    /// It is too long, or took too long to arrive.
    Body {
        /// The longest report that is accepted, in bytes.
        most: usize,
    },
    /// It names neither success nor failure.
    Meaningless,
}
