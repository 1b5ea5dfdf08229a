//! Port 67, beside another DHCP server, which gives the addresses.

use super::super::client::Client;
use super::super::context::Context;
use super::super::reply;
use super::{Answer, Reason, Reply};
use crate::dhcp::{MessageType, code};

impl Context<'_> {
    /// Port 67, as a proxy beside another DHCP server.
    pub(super) fn proxy(&self) -> Result<Reply, Reason> {
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
}
