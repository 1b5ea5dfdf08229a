//! What is sent, and sent again: the question that is open.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::super::client_identity::Protocol;
use super::super::client_message::{ClientMessage, seconds};
use super::super::frame;
use super::{Action, Exchange, State};

/// With [`Protocol::Either`], BOOTP is asked as well from the DISCOVER of this number on: by
/// then, after seven seconds, any DHCP server has answered, and one that knows both would
/// give the machine two addresses.
const BOOTP_FROM: u32 = 4;

impl Exchange {
    /// Sends the open question, if it is time.
    pub(super) fn transmit(&mut self, now: Duration) {
        if !self.carrier || !self.message.is_due(now) {
            return;
        }
        match &self.state {
            State::Selecting => {
                let first = *self.first_sent.get_or_insert(now);
                // Relays and secondary servers may answer only a client that has been waiting for
                // some time.
                self.secs = seconds(now.saturating_sub(first));
                let message = self.client_message();
                let protocol = self.identity.protocol;
                let late = self.message.sent() >= BOOTP_FROM;
                let discover = (protocol != Protocol::Bootp).then(|| message.discover());
                let bootp = protocol == Protocol::Bootp || protocol == Protocol::Either && late;
                let bootp = bootp.then(|| message.bootp());
                let frames: Vec<_> = discover
                    .iter()
                    .chain(&bootp)
                    .map(|message| Action::Send(self.wrap(message)))
                    .collect();
                self.actions.extend(frames);
            }
            State::Requesting { offered, .. } => {
                self.asked = self.wrap(&self.client_message().request(*offered));
                self.actions.push_back(Action::Send(self.asked.clone()));
            }
            State::Granted(_) | State::Bound(_) => {}
        }
    }

    pub(super) fn client_message(&self) -> ClientMessage<'_> {
        ClientMessage {
            identity: &self.identity,
            mac: self.mac,
            transaction: self.transaction.number(),
            secs: self.secs,
        }
    }

    pub(super) fn wrap(&self, message: &[u8]) -> Vec<u8> {
        frame::broadcast((self.mac, Ipv4Addr::UNSPECIFIED), message)
    }
}
