//! What another server offers, as firmware reads it.

use std::net::Ipv4Addr;

use crate::dhcp::options::{Message, Options};
use crate::dhcp::{INIT_VENDOR_CLASS, MessageType, code, is_host_address};

/// 43.6 (discovery control), bit 3: no menu and no discovery, load the file of this offer.
const USE_FILE: u8 = 8;
/// The suboptions 6 to 10 of option 43, of which EDK2 wants one before it takes an offer for PXE 2.1's.
const DISCOVERY: std::ops::RangeInclusive<u8> = 6..=10;
/// 43.6.
const CONTROL: u8 = 6;
/// 43.8: boot servers by type.
const BOOT_SERVERS: u8 = 8;
/// 43.9: the menu.
const MENU: u8 = 9;
/// 175.176 (no-pxedhcp).
const IPXE_NO_PROXY: u8 = 176;

/// An answer to a DISCOVER, or to a request to port 4011.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The server: option 54, else the source address of the answer.
    pub server: Ipv4Addr,
    /// Option 54, without which EDK2 ignores an offer.
    pub server_id: Option<Ipv4Addr>,
    /// The source address of the answer.
    pub source: Ipv4Addr,
    /// OFFER, ACK or NAK; `None` from a BOOTP server.
    pub kind: Option<MessageType>,
    /// The offered address (`yiaddr`); `None` from a ProxyDHCP server.
    pub address: Option<Ipv4Addr>,
    /// `siaddr`.
    pub next_server: Option<Ipv4Addr>,
    /// Option 66, else `sname`.
    pub server_name: Option<Vec<u8>>,
    /// The boot file: the header's `file`, else option 67.
    pub file: Option<Vec<u8>>,
    /// Option 60.
    pub class: Option<Vec<u8>>,
    /// Option 43's suboptions, in a PXE server's answer.
    pub discovery: Discovery,
    /// Option 17.
    pub root_path: Option<Vec<u8>>,
    /// Option 209, the name of a configuration for PXELINUX and who reads the same.
    pub configuration: Option<Vec<u8>>,
    /// Option 3.
    pub routers: Vec<Ipv4Addr>,
    /// Option 6.
    pub name_servers: Vec<Ipv4Addr>,
    /// Option 51, in seconds.
    pub lease_time: Option<u32>,
    /// Option 26, in bytes.
    pub mtu: Option<u16>,
    /// Whether iPXE is not to wait for a proxy (175.176).
    pub no_proxy: bool,
}

/// Option 43 of PXE 2.1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovery {
    /// The bits of 43.6.
    pub control: Option<u8>,
    /// Whether any of 43.6 to 43.10 is there.
    pub present: bool,
    /// The entries of the menu (43.9): type and text.
    pub menu: Vec<(u16, Vec<u8>)>,
    /// The first address of each type of boot server (43.8).
    pub servers: Vec<(u16, Ipv4Addr)>,
}

impl Discovery {
    fn read(options: &Options) -> Self {
        let value = |code| options.bytes(code).unwrap_or_default();
        Self {
            control: options.u8(CONTROL),
            present: DISCOVERY.into_iter().any(|it| options.bytes(it).is_some()),
            menu: entries(value(MENU)),
            servers: servers(value(BOOT_SERVERS)),
        }
    }

    /// Whether the offer's file is loaded without a menu.
    pub fn uses_file(&self) -> bool {
        self.control.is_some_and(|bits| bits & USE_FILE != 0)
    }
}

/// Two bytes of type, one of length, and a text.
fn entries(mut rest: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut entries = Vec::new();
    while let [high, low, length, after @ ..] = rest {
        let Some((text, after)) = after.split_at_checked(usize::from(*length)) else {
            break;
        };
        entries.push((u16::from_be_bytes([*high, *low]), text.to_vec()));
        rest = after;
    }
    entries
}

/// Two bytes of type, one with the number of addresses, and the addresses.
fn servers(mut rest: &[u8]) -> Vec<(u16, Ipv4Addr)> {
    let mut servers = Vec::new();
    while let [high, low, count, after @ ..] = rest {
        let Some((addresses, after)) = after.split_at_checked(usize::from(*count) * 4) else {
            break;
        };
        if let Some(first) = addresses.first_chunk::<4>() {
            servers.push((u16::from_be_bytes([*high, *low]), Ipv4Addr::from(*first)));
        }
        rest = after;
    }
    servers
}

impl Offer {
    /// Reads a server's message from `source`; `None` for one that a client sends.
    pub fn read(message: &Message, source: Ipv4Addr) -> Option<Self> {
        let Message {
            header, options, ..
        } = message;
        let kinds = |kind| {
            matches!(
                kind,
                MessageType::Offer | MessageType::Ack | MessageType::Nak
            )
        };
        // BOOTP servers send no message type; even a NAK to a DISCOVER reveals a server.
        if header.from_client || !message.kind().is_none_or(kinds) {
            return None;
        }
        let server_id = options
            .address(code::SERVER_ID)
            .filter(|it| is_host_address(*it));
        let host = |address| Some(address).filter(|it| is_host_address(*it));
        let text = |code| options.text(code).map(<[u8]>::to_vec);
        let class = text(code::VENDOR_CLASS);
        let pxe = class
            .as_deref()
            .is_some_and(|it| it.starts_with(b"PXEClient"));
        let vendor = options.bytes(code::VENDOR_SPECIFIC).filter(|_| pxe);
        let vendor = vendor.map(Options::read).unwrap_or_default();
        let ipxe = options
            .bytes(code::IPXE)
            .map(Options::read)
            .unwrap_or_default();
        let name = Some(&message.server_name).filter(|name| !name.is_empty());
        Some(Self {
            server: server_id.unwrap_or(source),
            server_id,
            source,
            kind: message.kind(),
            address: host(header.your_ip),
            next_server: host(header.next_server),
            server_name: text(code::TFTP_SERVER_NAME).or_else(|| name.cloned()),
            file: message.boot_file().map(<[u8]>::to_vec),
            class,
            discovery: Discovery::read(&vendor),
            root_path: text(code::ROOT_PATH),
            configuration: text(code::PXELINUX_CONFIG),
            routers: options.addresses(code::ROUTERS),
            name_servers: options.addresses(code::NAME_SERVERS),
            lease_time: options.u32(code::LEASE_TIME),
            mtu: options.u16(code::INTERFACE_MTU),
            no_proxy: ipxe.u8(IPXE_NO_PROXY).is_some_and(|value| value != 0),
        })
    }

    /// Whether option 60 begins with `PXEClient`.
    pub fn is_pxe(&self) -> bool {
        self.class_starts(b"PXEClient")
    }

    /// Whether option 60 begins with `HTTPClient`.
    pub fn is_http(&self) -> bool {
        self.class_starts(b"HTTPClient")
    }

    /// Whether it is a ProxyDHCP server's: no address, and option 60.
    pub fn is_proxy(&self) -> bool {
        self.address.is_none() && (self.is_pxe() || self.is_http())
    }

    /// Whether it is what a netroot as proxy answers to netroot's init.
    pub fn is_for_init(&self) -> bool {
        self.class.as_deref() == Some(INIT_VENDOR_CLASS)
    }

    fn class_starts(&self, with: &[u8]) -> bool {
        self.class
            .as_deref()
            .is_some_and(|class| class.starts_with(with))
    }

    /// Where firmware that got this offer asks on port 4011: `siaddr`, else option 54.
    pub fn boot_server(&self) -> Ipv4Addr {
        self.next_server.unwrap_or(self.server)
    }

    /// The host that the file is loaded from by TFTP: `siaddr`, else option 66 if it is an address, else option 54, as
    /// EDK2 has it.
    pub fn file_server(&self) -> Ipv4Addr {
        let named = self
            .server_name
            .as_deref()
            .and_then(|name| str::from_utf8(name).ok());
        let named = named.and_then(|name| name.parse().ok());
        self.next_server.or(named).unwrap_or(self.server)
    }

    /// The host that the file is loaded from by TFTP or its URL's scheme; `None` without a file, and for a URL with a name.
    pub fn loaded_from(&self) -> Option<Ipv4Addr> {
        let file = self.file_text()?;
        match file.split_once("://") {
            Some(_) => url_host(&file)?.parse().ok(),
            None => Some(self.file_server()),
        }
    }

    /// The file's name, as text.
    pub fn file_text(&self) -> Option<String> {
        let file = self.file.as_deref().filter(|file| !file.is_empty())?;
        Some(String::from_utf8_lossy(file).into_owned())
    }
}

/// The host of a URL, without its port.
pub fn url_host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let host = rest.split(['/', ':']).next()?;
    (!host.is_empty()).then_some(host)
}

/// A file's name or URL as it is shown: what a loader is to say of itself in a URL's query is long, and the same in all.
pub fn without_query(file: &str) -> &str {
    file.split_once('?').map_or(file, |(place, _)| place)
}

#[cfg(test)]
mod tests {
    use netroot_net::Mac;

    use super::*;
    use crate::dhcp::emit::{Draft, LONGEST};
    use crate::dhcp::header::Header;
    use crate::pxe::probe::OtherServer;

    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);

    fn read(fill: impl FnOnce(&mut Draft)) -> Option<Offer> {
        let mut draft = Draft::new(Header {
            from_client: false,
            ..Header::of_client(Mac([2, 0, 0, 0, 0, 1]), 7)
        });
        fill(&mut draft);
        let bytes = draft.emit(LONGEST).bytes;
        Offer::read(&Message::read(&bytes).unwrap(), SERVER)
    }

    #[test]
    fn a_menu_and_its_servers_are_read_as_far_as_they_are_whole() {
        let menu = b"\x06\x01\x03\x08\x0e\x80\x00\x01\x0a\x00\x00\x05\x80\x01\x01\x0a\x00\x00\x06\x09\x0a\x80\x00\x03Run\x80\x01\x09x\xff";
        let offer = read(|draft| {
            draft.push(code::MESSAGE_TYPE, &[2]);
            draft.push(code::VENDOR_CLASS, b"PXEClient");
            draft.push(code::VENDOR_SPECIFIC, menu);
        });
        let offer = offer.unwrap();
        assert_eq!(offer.discovery.menu, [(0x8000, b"Run".to_vec())]);
        assert_eq!(
            offer.discovery.servers,
            [
                (0x8000, Ipv4Addr::new(10, 0, 0, 5)),
                (0x8001, Ipv4Addr::new(10, 0, 0, 6))
            ]
        );
        assert!(offer.discovery.present && !offer.discovery.uses_file());
        assert!(offer.is_proxy() && offer.server == SERVER);
    }

    #[test]
    fn option_43_of_another_class_is_not_pxes() {
        let offer = read(|draft| {
            draft.push(code::MESSAGE_TYPE, &[2]);
            draft.push(code::VENDOR_CLASS, b"MSFT 5.0");
            draft.push(code::VENDOR_SPECIFIC, &[6, 1, 8, 255]);
        });
        assert_eq!(offer.unwrap().discovery, Discovery::default());
    }

    #[test]
    fn the_file_is_loaded_from_siaddr_or_the_server_of_option_66() {
        let named = |next: Ipv4Addr, name: &'static [u8]| {
            read(|draft| {
                draft.header.next_server = next;
                draft.push(code::TFTP_SERVER_NAME, name);
            })
            .unwrap()
            .file_server()
        };
        let (one, two) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(named(one, b"10.0.0.2"), one);
        assert_eq!(named(Ipv4Addr::UNSPECIFIED, b"10.0.0.2"), two);
        assert_eq!(named(Ipv4Addr::UNSPECIFIED, b"tftp.example"), SERVER);
    }

    #[test]
    fn a_file_that_is_loaded_from_here_is_not_the_other_servers() {
        let ours = Ipv4Addr::new(10, 0, 0, 1);
        let named = |file: &'static [u8], next: Ipv4Addr| {
            let offer = read(|draft| {
                draft.header.next_server = next;
                draft.push(code::MESSAGE_TYPE, &[2]);
                draft.push(code::BOOT_FILE_NAME, file);
            });
            let other = OtherServer::of(offer.unwrap(), |it| it == ours);
            other.boot_file.is_some()
        };
        assert!(!named(b"snponly.efi", ours));
        assert!(!named(b"http://10.0.0.1:8069/autoexec.ipxe", SERVER));
        assert!(named(b"pxelinux.0", SERVER));
        assert!(named(b"http://10.0.0.9/menu.ipxe", ours));
        assert!(named(b"http://boot.example/menu.ipxe", ours));
    }

    #[test]
    fn what_a_client_sends_is_no_offer() {
        assert!(read(|draft| draft.header.from_client = true).is_none());
        let request = |draft: &mut Draft| {
            draft.push(code::MESSAGE_TYPE, &[3]);
        };
        assert!(read(request).is_none());
    }
}
