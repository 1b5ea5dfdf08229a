//! Why a request was not answered, in a sentence.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

use netroot_nfs_export::{CallRefusal, Refusal as MountRefusal};

use super::{Ignored, ReportRefusal};
use crate::serve::events::wording::example_network;

impl Display for Ignored {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp { client, reason } => write!(f, "{client}: {reason}"),
            Self::DhcpHardware { hardware } => write!(
                f,
                "DHCP with hardware type {hardware}, without a hardware address and a client identifier (option 61): it \
                 cannot be told from other machines; let it send an identifier"
            ),
            Self::Bootp => f.write_str("BOOTP: only DHCP is served"),
            Self::DhcpSend { error } => write!(f, "DHCP: the answer could not be sent: {error}"),
            Self::AdvertisementSend { error } => write!(
                f,
                "waits for an IPv6 router: the answer could not be sent: {error}"
            ),
            Self::TftpWrite => f.write_str("TFTP: it tried to write"),
            Self::TftpName(error) => write!(f, "TFTP: {error}"),
            Self::TftpUnknown { name } => write!(f, "TFTP {name}: no such file"),
            Self::TftpAddress { interface, client } => write!(
                f,
                "TFTP: its address {client} is not on a network of {interface}; allow its network, for example: --allow \
                 {}",
                example_network(*client)
            ),
            Self::TftpTooMany => f.write_str("TFTP: too many transfers at once"),
            Self::TftpSocket { name, error } => write!(f, "TFTP {name}: no socket: {error}"),
            Self::HttpPath(error) => write!(f, "HTTP: {error}"),
            Self::HttpUnknown { name } => write!(f, "HTTP {name}: no such file"),
            Self::Report(refusal) => write!(f, "a boot report: {refusal}"),
            Self::Mount {
                client,
                path,
                why: MountRefusal::Address,
            } => {
                write!(f, "NFS {path}: ")?;
                not_on_the_list(f, *client)
            }
            Self::Mount { path, why, .. } => write!(f, "NFS {path}: {why}"),
            Self::NfsCall {
                client,
                why: CallRefusal::Address,
            } => {
                f.write_str("NFS: ")?;
                not_on_the_list(f, *client)
            }
            Self::NfsCall { why, .. } => write!(f, "NFS: {why}"),
            Self::NfsTooManyConnections => f.write_str("NFS: too many connections"),
            Self::NfsOutOfThreads => f.write_str("NFS: the server is out of threads or memory"),
        }
    }
}

fn not_on_the_list(f: &mut Formatter<'_>, client: IpAddr) -> fmt::Result {
    write!(
        f,
        "its address {client} is not on the export's list; allow its network, for example: --allow {}",
        example_network(client)
    )
}

impl Display for ReportRefusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMachine => f.write_str("the path names no hardware address"),
            Self::NotItsToken => f.write_str(
                "its token is missing or of an earlier boot (the machine's own script has the right URL)",
            ),
            Self::NotItsOwn => f.write_str("a machine may report only for itself"),
            Self::TooOften => f.write_str("it reports too often"),
            Self::Body { most } => {
                write!(f, "it is longer than {most} bytes or did not arrive")
            }
            Self::Meaningless => f.write_str("it states neither success nor failure"),
        }
    }
}
