//! What firmware and iPXE ask DHCP with, and what they are answered.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use netroot_harness::Net;
use netroot_net::{Mac, Uuid};
use netroot_proto::dhcp::emit::{Draft, LONGEST};
use netroot_proto::dhcp::header::{BROADCAST_FLAG, Header};
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::{MessageType, SERVER_PORT, code};

use crate::firmware;
use crate::lan::TIMEOUT;

/// What a machine asks DHCP with.
#[derive(Clone, Copy)]
pub(super) struct Asks<'a> {
    pub(super) mac: Mac,
    pub(super) class: &'a [u8],
    pub(super) uuid: Option<&'a str>,
    pub(super) ipxe: bool,
    pub(super) client_id: &'a [u8],
    pub(super) kind: MessageType,
    pub(super) requested: Option<Ipv4Addr>,
}

impl Asks<'_> {
    /// UEFI's.
    pub(super) fn firmware(mac: Mac) -> Self {
        Self {
            mac,
            class: b"PXEClient:Arch:00007:UNDI:003001",
            uuid: None,
            ipxe: false,
            client_id: &[],
            kind: MessageType::Discover,
            requested: None,
        }
    }

    pub(super) fn bytes(&self) -> Result<Vec<u8>> {
        let mut draft = Draft::new(Header {
            flags: BROADCAST_FLAG,
            ..Header::of_client(self.mac, 7)
        });
        draft.push(code::MESSAGE_TYPE, &[self.kind.into()]);
        if !self.class.is_empty() {
            draft.push(code::VENDOR_CLASS, self.class);
        }
        if self.class.starts_with(b"PXEClient") {
            draft.push(code::CLIENT_ARCH, &7_u16.to_be_bytes());
        }
        if let Some(uuid) = self.uuid {
            let uuid: Uuid = uuid.parse()?;
            draft.push(code::CLIENT_UUID, &[&[0], &uuid.to_firmware()[..]].concat());
        }
        if self.ipxe {
            draft.push(code::USER_CLASS, b"iPXE");
        }
        if !self.client_id.is_empty() {
            draft.push(code::CLIENT_ID, self.client_id);
        }
        if let Some(address) = self.requested {
            draft.push(code::REQUESTED_ADDRESS, &address.octets());
            draft.push(code::SERVER_ID, &[10, 77, 0, 1]);
        }
        draft.push(
            code::PARAMETER_REQUEST_LIST,
            &[code::HOST_NAME, code::BOOT_FILE_NAME],
        );
        Ok(draft.emit(LONGEST).bytes)
    }

    /// The answer; `None` if there is none. What is not answered is asked before something that is, so that nothing is
    /// waited for that does not come.
    pub(super) fn answered(&self, client: &Net, then: Option<Asks<'_>>) -> Result<Message> {
        let asked = self.bytes()?;
        let then = then.map(|then| then.bytes()).transpose()?;
        client.within(move || {
            let socket = firmware::client_socket(Ipv4Addr::UNSPECIFIED)?;
            socket.set_broadcast(true)?;
            socket.set_read_timeout(Some(TIMEOUT))?;
            let server = (Ipv4Addr::BROADCAST, SERVER_PORT);
            socket.send_to(&asked, server)?;
            if let Some(then) = &then {
                socket.send_to(then, server)?;
            }
            let mut buffer = [0; 2000];
            let (length, _) = socket.recv_from(&mut buffer).context("no answer")?;
            let answer = buffer.get(..length).context("an answer of 2000 bytes")?;
            Ok(Message::read(answer)?)
        })
    }
}

/// The address that a machine is offered and takes.
pub(super) fn leases(client: &Net, mac: Mac) -> Result<Ipv4Addr> {
    let asks = Asks::firmware(mac);
    let address = asks.answered(client, None)?.header.your_ip;
    let request = Asks {
        kind: MessageType::Request,
        requested: Some(address),
        ..asks
    };
    let answer = request.answered(client, None)?;
    ensure!(answer.kind() == Some(MessageType::Ack), "{answer:?}");
    Ok(answer.header.your_ip)
}

pub(super) fn text(message: &Message, option: u8) -> String {
    let text = message.options.text(option).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// The URL of its script that an answer names, as iPXE expands it.
pub(super) fn script_url(answer: &Message) -> String {
    text(answer, code::BOOT_FILE_NAME)
        .replace("${serial:uristring}", "")
        .replace("${product:uristring}", "")
}
