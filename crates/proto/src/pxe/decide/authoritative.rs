//! Port 67, as the network's only DHCP server.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::super::client::Client;
use super::super::context::Context;
use super::super::inputs::SubnetOptions;
use super::super::reply::{self, Boot, Grant, NoLoader};
use super::{Answer, BootFile, Decision, Destination, Noted, Reason, Refusal, Reply};
use crate::dhcp::pool::{Denial, Pool};
use crate::dhcp::{CLIENT_PORT, MessageType};

impl Context<'_> {
    /// Gives addresses, and says what to boot.
    pub(super) fn authoritative(
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
}
