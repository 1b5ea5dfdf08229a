//! Detects other DHCP servers on the network, and what they offer to firmware.
//!
//! A probe is a DISCOVER sent from port 68 to 255.255.255.255:67 for a machine that does not
//! exist, with the broadcast flag set so that every answer is received. It takes no lease:
//! it never sends a REQUEST, so the servers release the offered addresses when their offers
//! expire.

use std::net::Ipv4Addr;

use netroot_net::Mac;

use super::arch::ARCHITECTURES;
use crate::dhcp::emit::{Draft, LONGEST};
use crate::dhcp::header::{BROADCAST_FLAG, Header};
use crate::dhcp::options::Message;
use crate::dhcp::{MessageType, PARAMETER_REQUEST_LIST, code, is_host_address};

/// A DISCOVER, and the values that identify its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The MAC of a machine that does not exist. Use a locally administered address (second
    /// digit 2, 6, a or e), always the same, so that servers reserve only one address for it.
    pub mac: Mac,
    /// Random; distinguishes the answers to this probe from those to an earlier one.
    pub transaction: u32,
    /// Send the request as firmware of this architecture (option 93); `None` for a plain client.
    pub architecture: Option<u16>,
}

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherServer {
    /// Its address: option 54, else the source address of the answer.
    pub server: Ipv4Addr,
    /// The offered address; `None` from a ProxyDHCP server.
    pub offers: Option<Ipv4Addr>,
    /// True if it claims to support PXE or HTTP boot (option 60). If it offers an address as
    /// well, UEFI firmware waits for *its* port 4011, and a proxy has no chance.
    pub claims_boot: bool,
    /// The boot file that it offers; iPXE prefers it to a proxy's.
    pub boot_file: Option<Vec<u8>>,
    /// Option 17.
    pub root_path: Option<Vec<u8>>,
}

impl OtherServer {
    /// True if it assigns addresses: only one server on a network should.
    pub fn is_dhcp_server(&self) -> bool {
        self.offers.is_some()
    }
}

impl Probe {
    /// The UDP payload of the DISCOVER. Repeat it after one, two and four seconds: some
    /// servers ping an address for three seconds before they offer it.
    pub fn discover(&self) -> Vec<u8> {
        let mut draft = Draft::new(Header {
            flags: BROADCAST_FLAG,
            ..Header::of_client(self.mac, self.transaction)
        });
        draft.push(code::MESSAGE_TYPE, &[MessageType::Discover.into()]);
        let wanted = [
            PARAMETER_REQUEST_LIST,
            &[
                code::VENDOR_SPECIFIC,
                code::VENDOR_CLASS,
                code::TFTP_SERVER_NAME,
                code::BOOT_FILE_NAME,
            ],
        ];
        draft.push(code::PARAMETER_REQUEST_LIST, &wanted.concat());
        draft.push(code::MAX_MESSAGE_SIZE, &1500u16.to_be_bytes());
        if let Some(architecture) = self.architecture {
            let http = ARCHITECTURES
                .iter()
                .any(|line| line.number == architecture && line.http);
            let kind = if http { "HTTPClient" } else { "PXEClient" };
            // The format that servers match: class, architecture, UNDI version.
            draft.push(
                code::VENDOR_CLASS,
                format!("{kind}:Arch:{architecture:05}:UNDI:003001").as_bytes(),
            );
            draft.push(code::CLIENT_ARCH, &architecture.to_be_bytes());
            draft.push(code::CLIENT_NDI, &[1, 3, 1]);
            let mut uuid = vec![0; 11];
            uuid.extend_from_slice(&self.mac.0);
            draft.push(code::CLIENT_UUID, &uuid);
        }
        draft.emit(LONGEST).bytes
    }

    /// Decodes a datagram received on port 68 from `source`. `None` if it does not answer
    /// this probe, or if it is from one of this machine's own addresses, `own`.
    pub fn answer(
        &self,
        datagram: &[u8],
        source: Ipv4Addr,
        own: &[Ipv4Addr],
    ) -> Option<OtherServer> {
        let message = Message::read(datagram).ok()?;
        let header = &message.header;
        if !header.answers(self.mac, self.transaction) {
            return None;
        }
        // BOOTP servers send no message type; even a NAK to a DISCOVER reveals a server.
        if !matches!(
            message.kind(),
            None | Some(MessageType::Offer | MessageType::Ack | MessageType::Nak)
        ) {
            return None;
        }
        let server = message
            .options
            .address(code::SERVER_ID)
            .filter(|id| is_host_address(*id))
            .unwrap_or(source);
        if own.contains(&server) || own.contains(&source) {
            return None;
        }
        let class = message.options.text(code::VENDOR_CLASS).unwrap_or_default();
        Some(OtherServer {
            server,
            offers: Some(header.your_ip).filter(|address| is_host_address(*address)),
            claims_boot: class.starts_with(b"PXEClient") || class.starts_with(b"HTTPClient"),
            boot_file: message.boot_file().map(<[u8]>::to_vec),
            root_path: message.options.text(code::ROOT_PATH).map(<[u8]>::to_vec),
        })
    }
}
