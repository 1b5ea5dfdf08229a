//! Decides whether and how a request is answered. See [`super`].

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use netroot_net::Prefix;

use super::client::Client;
use super::context::Context;
use super::inputs::{Arrival, BootOptions, Role, SubnetOptions};
use super::probe::is_probe;
use super::reply::{self, Boot, Grant, NoLoader};
use super::strategy::Strategy;
use crate::dhcp::pool::{Denial, Pool};
use crate::dhcp::request::Request;
use crate::dhcp::{BINL_PORT, CLIENT_PORT, MessageType, SERVER_PORT, code, is_host_address};

pub use super::decision::{Answer, BootFile, Decision, Destination, Noted, Reason, Refusal, Reply};

/// Decides how to answer a request.
pub fn decide(
    request: &Request,
    arrival: &Arrival,
    boots: &BootOptions<'_>,
    role: Role<'_>,
    strategy: Strategy,
    now: Duration,
) -> Decision {
    let authoritative = matches!(role, Role::Authoritative { .. });
    let context = Context {
        request,
        arrival,
        boots,
        client: Client::of(request),
        strategy,
        authoritative,
    };
    let answered = match (arrival.port, role) {
        (BINL_PORT, _) => context.boot_server().map(Decision::from),
        (SERVER_PORT, Role::Proxy) => context.proxy().map(Decision::from),
        (SERVER_PORT, Role::Authoritative { options, pool }) => {
            context.authoritative(options, pool, now)
        }
        (port, _) => Err(Reason::Port(port)),
    };
    answered.unwrap_or_else(Decision::Ignore)
}

impl Context<'_> {
    /// Port 67, as a proxy beside another DHCP server.
    fn proxy(&self) -> Result<Reply, Reason> {
        let request = self.request;
        if self.client == Client::Init {
            return self.root();
        }
        let kind = match request.kind {
            MessageType::Discover => MessageType::Offer,
            // Usually the broadcast by which a client accepts the main server's address. Two
            // known proxies acknowledge it, which leaves the client with a lease without an
            // address. Requests for this server have a boot item or its server identifier.
            MessageType::Request | MessageType::Inform => {
                let ours = request.server_id.is_some_and(|id| self.is_own_id(id));
                if request.boot_item.is_none() && !ours {
                    return Err(Reason::ForAnotherServer(request.server_id));
                }
                MessageType::Ack
            }
            other => return Err(Reason::NoAnswerTo(other)),
        };
        if self.client == Client::Plain && !self.names_firmware() {
            // No operating system's client asks for option 67, and not every ROM tells what it is.
            let asks = request.wanted.contains(&code::BOOT_FILE_NAME);
            return Err(if asks {
                Reason::AsksForFile
            } else {
                Reason::NotNetworkBoot
            });
        }
        if self.boots.refused {
            return Err(Reason::NotNetworkBoot);
        }
        if self.client == Client::Plain {
            return Err(Reason::NoArchitecture);
        }
        // U-Boot and udhcpc would take an offer without an address for the whole answer.
        if !self.names_firmware() && self.client != Client::RaspberryPi {
            return Err(Reason::NeedsAddress);
        }
        self.check_allowed()?;
        self.boot_reply(kind, self.proxy_destination(kind)?)
    }

    /// What the export would refuse to mount is not offered.
    fn check_allowed(&self) -> Result<(), Reason> {
        let source = *self.arrival.source.ip();
        let (relay, client) = match self.request.relay {
            Some(relay) => (Some(relay.address), relay.link),
            None => (None, source),
        };
        let allowed = |networks: &[Prefix]| networks.iter().any(|one| one.contains(client));
        // Nobody knows yet which address a client on this network will have.
        if client.is_unspecified() || self.boots.allowed.is_none_or(allowed) {
            return Ok(());
        }
        Err(Reason::NotAllowed { relay, client })
    }

    /// Where a proxy's answer goes: on this network, to the sender, or to the relay.
    fn proxy_destination(&self, kind: MessageType) -> Result<Destination, Reason> {
        let header = &self.request.header;
        if !header.relay_ip.is_unspecified() {
            return self.relay();
        }
        self.check_inform()?;
        let own = Some(header.client_ip).filter(|own| own == self.arrival.source.ip());
        Ok(match own {
            Some(own) if kind == MessageType::Ack && !own.is_unspecified() => {
                Destination::Unicast(SocketAddrV4::new(own, self.arrival.source.port()))
            }
            // The client has no address yet, and this server does not assign one.
            _ => Destination::Broadcast,
        })
    }

    /// RFC 2131 §4.1 has answers sent to giaddr, and the usual servers do so, whoever sent the
    /// request: then anybody has them send anywhere. A relay that is not in this network has
    /// sent the request itself, from giaddr or from another one of its addresses. There it is
    /// answered: relays (ISC's dhcrelay, dnsmasq, systemd-networkd) find the interface of the
    /// client by the giaddr in the answer, not by the address that the answer came to.
    fn relay(&self) -> Result<Destination, Reason> {
        let (relay, source) = (self.request.header.relay_ip, self.arrival.source);
        // RFC 8357 §5.3: the port that the request was sent from, and so nobody else's either.
        let by_source_port = self.request.relay.is_some_and(|it| it.by_source_port);
        let port = match source.port() {
            port @ 1.. if by_source_port => port,
            _ => SERVER_PORT,
        };
        if relay == *source.ip() {
            Ok(Destination::Relay(SocketAddrV4::new(relay, port)))
        } else if self.is_on_link(relay) {
            Ok(Destination::Relay(SocketAddrV4::new(relay, SERVER_PORT)))
        } else if is_host_address(*source.ip()) {
            Ok(Destination::Relay(SocketAddrV4::new(*source.ip(), port)))
        } else {
            Err(Reason::RelayUnknown(relay))
        }
    }

    /// An INFORM is answered at ciaddr, which must be its sender's (RFC 2131 §4.4.3).
    fn check_inform(&self) -> Result<(), Reason> {
        let address = self.request.header.client_ip;
        let is_inform = self.request.kind == MessageType::Inform;
        if is_inform && !address.is_unspecified() && address != *self.arrival.source.ip() {
            return Err(Reason::NotFromItsAddress(address));
        }
        Ok(())
    }

    /// netroot's init gets its address from the other server and its root from this one.
    fn root(&self) -> Result<Reply, Reason> {
        let kind = match self.request.kind {
            MessageType::Discover => MessageType::Offer,
            MessageType::Inform => MessageType::Ack,
            // The broadcast by which it accepts the other server's address.
            MessageType::Request => {
                return Err(Reason::ForAnotherServer(self.request.server_id));
            }
            other => return Err(Reason::NoAnswerTo(other)),
        };
        let path = self.boots.root_path.ok_or(Reason::NoRoot)?;
        self.check_allowed()?;
        let destination = self.proxy_destination(kind)?;
        let emitted = reply::root(self, kind, path);
        let root = path.to_vec();
        let answer = if kind == MessageType::Offer {
            Answer::RootOffered { root }
        } else {
            Answer::RootAcknowledged { root }
        };
        Ok(self.reply(destination, emitted, answer))
    }

    /// Port 4011, the second request. Answered for every architecture (danderson/netboot#132)
    /// and in both roles: a client sends it only because it was directed here.
    fn boot_server(&self) -> Result<Reply, Reason> {
        let kind = match self.request.kind {
            MessageType::Discover => MessageType::Offer,
            MessageType::Request | MessageType::Inform => MessageType::Ack,
            other => return Err(Reason::NoAnswerTo(other)),
        };
        if matches!(self.client, Client::Plain | Client::Init) {
            return Err(if self.names_firmware() {
                Reason::NoArchitecture
            } else {
                Reason::NotNetworkBoot
            });
        }
        self.check_allowed()?;
        // EDK2 sends from port 4011 and listens there: a reply to port 68 causes PXE-E16.
        let destination = if self.arrival.source.ip().is_unspecified() {
            Destination::Broadcast
        } else {
            Destination::Unicast(self.arrival.source)
        };
        self.boot_reply(kind, destination)
    }

    fn boot_reply(&self, kind: MessageType, destination: Destination) -> Result<Reply, Reason> {
        let boot = Boot::of(self).map_err(|NoLoader(platform)| Reason::NoLoader(platform))?;
        let Some(boot) = boot else {
            return Err(Reason::NotNetworkBoot);
        };
        let emitted = reply::proxy(self, kind, &boot);
        let loader = boot.loads();
        let answer = if kind == MessageType::Offer {
            Answer::ProxyOffered { loader }
        } else {
            Answer::ProxyAcknowledged { loader }
        };
        Ok(self.reply(destination, emitted, answer))
    }

    fn names_firmware(&self) -> bool {
        let class = self.request.vendor_class.as_deref().unwrap_or_default();
        class.starts_with(b"PXEClient") || class.starts_with(b"HTTPClient")
    }

    /// Port 67 as the only DHCP server.
    fn authoritative(
        &self,
        options: &SubnetOptions,
        pool: &mut Pool,
        now: Duration,
    ) -> Result<Decision, Reason> {
        let request = self.request;
        let (mac, relay) = (request.header.mac, request.header.relay_ip);
        if let Some(by) = request.relay.filter(|by| !self.is_in_network(by.link)) {
            return Err(Reason::RelayElsewhere {
                relay: by.address,
                link: by.link,
            });
        }
        match request.kind {
            MessageType::Discover => {
                let address = pool
                    .offer(mac, request.requested_address, now)
                    .ok_or(Reason::RangeFull)?;
                self.grant(MessageType::Offer, options, Grant::Lease(address))
                    .map(Decision::from)
            }
            MessageType::Request => self.dhcp_request(options, pool, now).map(Decision::from),
            MessageType::Inform => {
                // RFC 2131 §4.3.5: everything but an address and times.
                let address = request.header.client_ip;
                if address.is_unspecified() {
                    return Err(Reason::NoAddress);
                }
                if relay.is_unspecified() {
                    self.check_inform()?;
                }
                self.grant(MessageType::Ack, options, Grant::Inform(address))
                    .map(Decision::from)
            }
            MessageType::Decline => {
                let address = request.requested_address.ok_or(Reason::NoAddress)?;
                // Whoever declines an address has none (RFC 2131 table 5).
                if relay.is_unspecified() && !self.arrival.source.ip().is_unspecified() {
                    return Err(Reason::NotFromItsAddress(address));
                }
                let ours = request.server_id.is_none_or(|id| self.is_own_id(id));
                if ours && pool.decline(mac, address, now) {
                    Ok(Decision::Noted(Noted::Declined(address)))
                } else {
                    Err(Reason::NotItsAddress)
                }
            }
            MessageType::Release => {
                let address = request.header.client_ip;
                if address != *self.arrival.source.ip() {
                    return Err(Reason::NotFromItsAddress(address));
                }
                if pool.machine_at(address, now) == Some(mac) {
                    pool.release(mac, now);
                    Ok(Decision::Noted(Noted::Released(address)))
                } else {
                    Err(Reason::NotItsAddress)
                }
            }
            other => Err(Reason::NoAnswerTo(other)),
        }
    }

    /// The four meanings of a REQUEST (RFC 2131 §4.3.2).
    fn dhcp_request(
        &self,
        options: &SubnetOptions,
        pool: &mut Pool,
        now: Duration,
    ) -> Result<Reply, Reason> {
        let request = self.request;
        let mac = request.header.mac;
        if let Some(server) = request.server_id
            && !self.is_own_id(server)
        {
            // SELECTING, and the client chose another server.
            pool.withdraw_offer(mac);
            return Err(Reason::ForAnotherServer(Some(server)));
        }
        // SELECTING and INIT-REBOOT name the address in option 50, RENEWING and
        // REBINDING in ciaddr.
        let own = Some(request.header.client_ip).filter(|address| !address.is_unspecified());
        let address = request.requested_address.or(own).ok_or(Reason::NoAddress)?;
        if !self.is_in_network(address) {
            return self.refuse(address, Refusal::OtherNetwork);
        }
        let time = options.lease_time;
        let granted = match request.requested_address {
            Some(_) => pool.take(mac, address, time, now),
            None => pool.renew(mac, address, time, now),
        };
        match granted {
            Ok(()) => self.grant(MessageType::Ack, options, Grant::Lease(address)),
            // The only server on the network knows that the client may not use the address;
            // without a NAK the client would retry for a minute.
            Err(denial) => self.refuse(
                address,
                match denial {
                    Denial::OutOfRange => Refusal::OutOfRange,
                    Denial::InUse => Refusal::InUse,
                    Denial::HasAnother(own) => Refusal::HasAnother(own),
                },
            ),
        }
    }

    fn grant(
        &self,
        kind: MessageType,
        options: &SubnetOptions,
        grant: Grant,
    ) -> Result<Reply, Reason> {
        // A client without a loader still gets its address: it may boot from disk.
        let (boot, loader) = match Boot::of(self) {
            Ok(Some(boot)) => {
                let file = boot.loads();
                (Some(boot), BootFile::Named(file))
            }
            Ok(None) if self.client == Client::Plain && self.names_firmware() => {
                (None, BootFile::NoArchitecture)
            }
            Ok(None) => (None, BootFile::None),
            Err(NoLoader(platform)) => (None, BootFile::NoLoader(platform)),
        };
        let address = grant.address();
        let answer = match (kind, &grant) {
            (MessageType::Offer, _) => Answer::Offered { address, loader },
            (_, Grant::Inform(_)) => Answer::Informed { address, loader },
            _ => Answer::Acknowledged { address, loader },
        };
        let emitted = reply::dhcp(self, kind, options, &grant, boot.as_ref());
        Ok(self.reply(self.lease_destination(&grant)?, emitted, answer))
    }

    /// RFC 2131 §4.1.
    fn lease_destination(&self, grant: &Grant) -> Result<Destination, Reason> {
        let header = &self.request.header;
        let has_ethernet_address = header
            .hardware
            .is_none_or(|hardware| hardware.has_ethernet_address());
        Ok(if !header.relay_ip.is_unspecified() {
            self.relay()?
        } else if self.is_at(header.client_ip) {
            Destination::Unicast(SocketAddrV4::new(header.client_ip, CLIENT_PORT))
        } else if header.wants_broadcast() || !has_ethernet_address {
            Destination::Broadcast
        } else {
            Destination::Ethernet {
                mac: header.mac,
                address: grant.address(),
            }
        })
    }

    /// A NAK; broadcast, since the client's address may be wrong (RFC 2131 §4.3.2).
    fn refuse(&self, address: Ipv4Addr, why: Refusal) -> Result<Reply, Reason> {
        let header = &self.request.header;
        let destination = if !header.relay_ip.is_unspecified() {
            self.relay()?
        } else if self.arrival.behind_relays && self.is_at(header.client_ip) {
            // A broadcast would not get there.
            Destination::Unicast(SocketAddrV4::new(header.client_ip, CLIENT_PORT))
        } else {
            Destination::Broadcast
        };
        let emitted = reply::nak(self, &why.sentence(address));
        Ok(self.reply(destination, emitted, Answer::Refused { address, why }))
    }

    /// True if the client may be at this address: it is the sender's, or on this link.
    fn is_at(&self, address: Ipv4Addr) -> bool {
        let is_sender = address == *self.arrival.source.ip();
        is_host_address(address) && (is_sender || self.is_on_link(address))
    }

    /// True for an address in the network of the client.
    fn is_in_network(&self, address: Ipv4Addr) -> bool {
        self.arrival.network.contains(address)
    }

    /// True for an address in a network of the interface: what is sent there leaves it for nobody else.
    fn is_on_link(&self, address: Ipv4Addr) -> bool {
        !self.arrival.behind_relays && self.is_in_network(address)
    }

    fn reply(
        &self,
        destination: Destination,
        emitted: crate::dhcp::emit::Emitted,
        answer: Answer,
    ) -> Reply {
        Reply {
            destination,
            source: self.arrival.address,
            packet: emitted.bytes,
            machine: self.request.header.mac,
            to_probe: is_probe(self.request),
            client: self.client,
            answer,
            left_out: emitted.left_out,
        }
    }
}
