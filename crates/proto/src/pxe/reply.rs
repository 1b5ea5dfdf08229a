//! Builds the contents of a reply.

use std::net::{IpAddr, Ipv4Addr};

use netroot_net::{Mac, Prefix};

use super::arch::Platform;
use super::client::Client;
use super::context::Context;
use super::inputs::{Loader, SubnetOptions};
use super::strategy::{LoaderChoice, Style};
use crate::dhcp::emit::{Draft, Emitted};
use crate::dhcp::header::{BROADCAST_FLAG, Header};
use crate::dhcp::{BINL_PORT, INIT_VENDOR_CLASS, MessageType, code};

/// 43.6 (discovery control) = 8: use the boot file of this reply.
const DIRECT: [u8; 3] = [6, 1, 8];
/// 43.71: the boot item.
const BOOT_ITEM: u8 = 71;
/// The option 43 that a Raspberry Pi ROM requires: discovery by broadcast and multicast
/// disabled (3), a menu prompt, and a menu with an entry of exactly this text.
const RASPBERRY_MENU: &[u8] =
    b"\x06\x01\x03\x0a\x04\x00PXE\x09\x14\x00\x00\x11Raspberry Pi Boot\xff";
/// 175.176 (no-pxedhcp) = 1: saves iPXE the two seconds that it waits for a proxy.
const IPXE_NO_PROXY: [u8; 3] = [176, 1, 1];

/// What a client boots, as options.
pub(super) struct Boot {
    /// A name for TFTP, or a URL. Empty for one that reads only a configuration.
    file: String,
    /// Option 209.
    config: Option<String>,
    /// Option 60.
    class: Option<&'static [u8]>,
    /// Option 43.
    vendor: Option<Vec<u8>>,
    /// Option 175.
    ipxe: Option<[u8; 3]>,
}

/// The name under which PXELINUX, and who reads its configuration, looks for a machine's own: `01` is Ethernet.
fn config_name(mac: Mac) -> String {
    format!("pxelinux.cfg/01-{}", mac.hyphenated())
}

/// No loader exists for this platform.
pub(super) struct NoLoader(pub(super) Platform);

impl Boot {
    /// What the client loads first.
    pub(super) fn loads(&self) -> String {
        match &self.config {
            Some(config) if self.file.is_empty() => config.clone(),
            _ => self.file.clone(),
        }
    }

    /// The answer for a client; `None` for one that does not boot from the network.
    pub(super) fn of(context: &Context<'_>) -> Result<Option<Boot>, NoLoader> {
        let Context {
            boots,
            arrival,
            request,
            client,
            ..
        } = context;
        let mac = request.header.mac;
        if boots.refused {
            return Ok(None);
        }
        Ok(Some(match *client {
            Client::Plain | Client::Init => return Ok(None),
            Client::Ipxe(_) => {
                let ipxe = context.authoritative.then_some(IPXE_NO_PROXY);
                Boot {
                    ipxe,
                    ..context.pxe(boots.script_url(arrival.address.into(), mac))
                }
            }
            Client::Pxe(platform)
            | Client::IpxeWithoutHttp(platform)
            | Client::Firmware(platform) => context.pxe(context.loader(platform)?),
            // What it loads by TFTP it starts as an EFI program; without one it reads the configuration.
            Client::UBoot(platform) => {
                let loader = platform.map_or(Ok(String::new()), |it| context.loader(it));
                let file = if context.authoritative {
                    loader.unwrap_or_default()
                } else {
                    loader?
                };
                Boot {
                    config: Some(config_name(mac)),
                    ..context.pxe(file)
                }
            }
            Client::Petitboot => Boot {
                config: Some(config_name(mac)),
                ..context.pxe(String::new())
            },
            // EDK2's HTTP boot takes an offer with this class and a URL, from a proxy too.
            Client::Http(platform) => Boot {
                file: boots.url(arrival.address.into(), &context.loader(platform)?),
                config: None,
                class: Some(b"HTTPClient"),
                vendor: None,
                ipxe: None,
            },
            Client::RaspberryPi => Boot {
                file: context.loader(Platform::RaspberryPi)?,
                config: None,
                class: Some(b"PXEClient"),
                vendor: Some(RASPBERRY_MENU.to_vec()),
                ipxe: None,
            },
        }))
    }
}

impl Context<'_> {
    fn loader(&self, platform: Platform) -> Result<String, NoLoader> {
        let loader: Option<&Loader> = self
            .boots
            .loaders
            .iter()
            .find(|loader| loader.platform == platform);
        let loader = loader.ok_or(NoLoader(platform))?;
        let chosen = match self.strategy.loader {
            LoaderChoice::First => None,
            LoaderChoice::Second => loader.second.as_deref(),
            LoaderChoice::Signed => loader.signed_for(self.client, self.authoritative),
        };
        Ok(chosen.unwrap_or(&loader.first).to_owned())
    }

    /// Options 60 and 43 for a PXE client, by role and style.
    ///
    /// Measured with OVMF: a proxy's offer needs option 60; with 43.6 = 8 the boot does not use
    /// port 4011, without 43 it does. An authoritative offer with 60 and no 43 ends in PXE-E16,
    /// one without 60 boots. A client that uses port 4011 needs no further exchange.
    fn pxe(&self, file: String) -> Boot {
        let boot_server = self.arrival.port == BINL_PORT;
        let (class, direct) = match (self.authoritative, self.strategy.style) {
            _ if boot_server => (true, true),
            (false, Style::Usual) | (true, Style::Other) => (true, true),
            (false, Style::Other) => (true, false),
            (true, Style::Usual) => (false, false),
        };
        let vendor = direct.then(|| {
            let mut vendor = DIRECT.to_vec();
            if let Some(item) = self.request.boot_item {
                vendor.extend_from_slice(&[BOOT_ITEM, 4]);
                vendor.extend_from_slice(&item);
            }
            vendor.push(code::END);
            vendor
        });
        Boot {
            file,
            config: None,
            class: class.then_some(b"PXEClient"),
            vendor,
            ipxe: None,
        }
    }

    fn header(&self, your_ip: Ipv4Addr) -> Header {
        let header = &self.request.header;
        Header {
            from_client: false,
            hops: 0,
            transaction: header.transaction,
            secs: 0,
            flags: header.flags,
            client_ip: Ipv4Addr::UNSPECIFIED,
            your_ip,
            next_server: Ipv4Addr::UNSPECIFIED,
            relay_ip: header.relay_ip,
            mac: header.mac,
            hardware: header.hardware,
        }
    }

    /// Always puts the names in the header, because shim and some ROMs read nothing else, and
    /// in options 66 and 67 too: the Raspberry Pi reads 66, and a long URL fits only in 67.
    fn push_boot(&self, draft: &mut Draft, boot: &Boot) {
        draft.header.next_server = self.arrival.address;
        draft.file = boot.file.clone().into_bytes();
        if let Some(class) = boot.class {
            draft.push(code::VENDOR_CLASS, class);
        }
        if let Some(vendor) = &boot.vendor {
            draft.push(code::VENDOR_SPECIFIC, vendor);
        }
        if let Some(uuid) = &self.request.uuid {
            draft.push(code::CLIENT_UUID, uuid);
        }
        if !boot.file.is_empty() {
            draft.push(code::BOOT_FILE_NAME, boot.file.as_bytes());
            if self.reads_strings_in_c() {
                draft.push_pad();
            }
        }
        draft.push(
            code::TFTP_SERVER_NAME,
            self.arrival.address.to_string().as_bytes(),
        );
        if let Some(config) = &boot.config {
            draft.push(code::PXELINUX_CONFIG, config.as_bytes());
            let server = self.arrival.address;
            // Petitboot prefers HTTP; U-Boot passes over it, and has the server's address.
            let prefix = match self.client {
                Client::Petitboot => self.boots.url(server.into(), ""),
                _ => format!("tftp://{server}/"),
            };
            draft.push(code::PXELINUX_PREFIX, prefix.as_bytes());
        }
        if let Some(ipxe) = &boot.ipxe {
            draft.push(code::IPXE, ipxe);
        }
    }

    /// True for BIOS ROMs. Some read option 67 up to a zero byte, whatever its length, although the header has the
    /// name too (garybowers/bootimus#117, netbootxyz/netboot.xyz#1198). A pad option behind it is that byte, and the
    /// value stays as it is for who asks for every byte of it. Clients that expect a URL are no such ROMs.
    fn reads_strings_in_c(&self) -> bool {
        matches!(
            self.client,
            Client::Pxe(Platform::Bios) | Client::IpxeWithoutHttp(Platform::Bios)
        )
    }

    fn draft(&self, kind: MessageType, your_ip: Ipv4Addr) -> Draft {
        let mut draft = Draft::new(self.header(your_ip));
        draft.push(code::MESSAGE_TYPE, &[kind.into()]);
        draft.push(code::SERVER_ID, &self.server_id().octets());
        draft.relay_agent(self.request.relay_agent.as_deref());
        draft
    }
}

/// A proxy's offer or acknowledgement: no address, no times, no mask, no router.
pub(super) fn proxy(context: &Context<'_>, kind: MessageType, boot: &Boot) -> Emitted {
    let mut draft = context.draft(kind, Ipv4Addr::UNSPECIFIED);
    draft.header.flags |= BROADCAST_FLAG;
    if kind == MessageType::Ack {
        draft.header.client_ip = context.request.header.client_ip;
    }
    context.push_boot(&mut draft, boot);
    draft.emit(context.request.longest_reply)
}

/// The root for netroot's init, as a proxy beside another server.
pub(super) fn root(context: &Context<'_>, kind: MessageType, path: &[u8]) -> Emitted {
    let mut draft = context.draft(kind, Ipv4Addr::UNSPECIFIED);
    draft.header.flags |= BROADCAST_FLAG;
    if kind == MessageType::Ack {
        draft.header.client_ip = context.request.header.client_ip;
    }
    draft.header.next_server = context.arrival.address;
    draft.push(code::VENDOR_CLASS, INIT_VENDOR_CLASS);
    draft.push(code::ROOT_PATH, path);
    draft.emit(context.request.longest_reply)
}

/// What is granted to a client in the DHCP role.
pub(super) enum Grant {
    /// An address and its lease times.
    Lease(Ipv4Addr),
    /// The other options, for a client that already has this address.
    Inform(Ipv4Addr),
}

impl Grant {
    pub(super) fn address(&self) -> Ipv4Addr {
        match self {
            Self::Lease(address) | Self::Inform(address) => *address,
        }
    }
}

/// An offer or acknowledgement in the DHCP role.
pub(super) fn dhcp(
    context: &Context<'_>,
    kind: MessageType,
    options: &SubnetOptions,
    grant: &Grant,
    boot: Option<&Boot>,
) -> Emitted {
    let Context {
        arrival,
        request,
        boots,
        ..
    } = context;
    let mut draft = match grant {
        Grant::Lease(address) => context.draft(kind, *address),
        Grant::Inform(_) => context.draft(kind, Ipv4Addr::UNSPECIFIED),
    };
    // RFC 2131 table 3: an ACK repeats ciaddr.
    if kind == MessageType::Ack {
        draft.header.client_ip = request.header.client_ip;
    }
    // A client without PXE may be an initrd that is looking for the server of its root.
    draft.header.next_server = arrival.address;
    if let Grant::Lease(_) = grant {
        let seconds = u32::try_from(options.lease_time.as_secs()).unwrap_or(u32::MAX);
        draft.push(code::LEASE_TIME, &seconds.to_be_bytes());
        if seconds != u32::MAX {
            draft.push(code::RENEWAL_TIME, &(seconds / 2).to_be_bytes());
            draft.push(code::REBINDING_TIME, &(seconds - seconds / 8).to_be_bytes());
        }
    }
    // An IPv4 address always has a netmask.
    let netmask = arrival.network.netmask().unwrap_or(Ipv4Addr::BROADCAST);
    draft.push(code::SUBNET_MASK, &netmask.octets());
    draft.push_addresses(code::ROUTERS, &options.routers);
    match boot {
        Some(boot) => context.push_boot(&mut draft, boot),
        None => {
            if let Some(uuid) = &request.uuid {
                draft.push(code::CLIENT_UUID, uuid);
            }
        }
    }
    // RFC 3011: so does one that the network was selected by.
    if let Some(subnet) = request.subnet_selection {
        draft.push(code::SUBNET_SELECTION, &subnet.octets());
    }
    // RFC 6842: a reply repeats the client identifier.
    if let Some(id) = &request.client_id {
        draft.push(code::CLIENT_ID, id);
    }
    push_extras(&mut draft, context, options);
    let subnet = Prefix::clamped(grant.address(), arrival.network.length());
    if let Some(broadcast) = subnet.broadcast() {
        draft.push(code::BROADCAST_ADDRESS, &broadcast.octets());
    }
    if let Some(path) = boots.root_path.filter(|_| request.wants(code::ROOT_PATH)) {
        draft.push(code::ROOT_PATH, path);
    }
    draft.emit(request.longest_reply)
}

/// Options that are sent only to clients that request them.
fn push_extras(draft: &mut Draft, context: &Context<'_>, options: &SubnetOptions) {
    let wants = |code| context.request.wants(code);
    if wants(code::CLASSLESS_ROUTES) && !options.routes.is_empty() {
        let mut value = Vec::new();
        for route in &options.routes {
            let IpAddr::V4(network) = route.destination.address() else {
                continue;
            };
            let gateway = match route.gateway {
                Some(IpAddr::V4(gateway)) => gateway,
                Some(IpAddr::V6(_)) => continue,
                None => Ipv4Addr::UNSPECIFIED,
            };
            let length = route.destination.length();
            let octets = usize::from(length.div_ceil(8));
            value.push(length);
            value.extend_from_slice(network.octets().get(..octets).unwrap_or_default());
            value.extend_from_slice(&gateway.octets());
        }
        draft.push(code::CLASSLESS_ROUTES, &value);
    }
    if let Some(name) = context.boots.host_name.filter(|_| wants(code::HOST_NAME)) {
        draft.push(code::HOST_NAME, name.as_bytes());
    }
    draft.push_addresses(code::NAME_SERVERS, &options.dns);
    if let Some(domain) = &options.domain {
        draft.push(code::DOMAIN_NAME, domain.as_bytes());
    }
    if let Some(mtu) = options.mtu.filter(|_| wants(code::INTERFACE_MTU)) {
        draft.push(code::INTERFACE_MTU, &mtu.to_be_bytes());
    }
    if wants(code::NTP_SERVERS) {
        draft.push_addresses(code::NTP_SERVERS, &options.ntp);
    }
}

/// A NAK: message type, server identifier and message, nothing else (RFC 2131 table 3).
pub(super) fn nak(context: &Context<'_>, why: &str) -> Emitted {
    let mut draft = context.draft(MessageType::Nak, Ipv4Addr::UNSPECIFIED);
    // RFC 2131 §4.3.2: makes a relay broadcast the NAK.
    draft.header.flags |= BROADCAST_FLAG;
    if let Some(id) = &context.request.client_id {
        draft.push(code::CLIENT_ID, id);
    }
    draft.push(code::MESSAGE, why.as_bytes());
    draft.emit(context.request.longest_reply)
}
