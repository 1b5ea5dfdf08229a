//! The members of an event's JSON, and the words for clients in it.

use std::time::Duration;

use netroot_printable::Printable;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::client::Client;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::wording::cut;

/// The members of an object, in the order in which they are written.
#[derive(Debug)]
pub(super) struct Fields {
    /// A machine sent what the strings contain.
    are_cut: bool,
    members: Vec<(&'static str, Value)>,
}

impl Fields {
    /// None yet. A machine sent what the strings contain if they `are_cut`.
    pub(super) fn new(are_cut: bool) -> Self {
        Self {
            are_cut,
            members: Vec::new(),
        }
    }

    /// All of them.
    pub(super) fn into_members(self) -> Vec<(&'static str, Value)> {
        self.members
    }

    /// Text is escaped, so that a program may print it as it is.
    pub(super) fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        let value = match value.into() {
            // A program may print it as it is.
            Value::String(text) => {
                let mut shown = Printable(&text).to_string();
                if self.are_cut {
                    cut(&mut shown);
                }
                Value::String(shown)
            }
            other => other,
        };
        self.members.push((name, value));
    }

    /// Lines of this server's own making, in which text of machines is escaped already.
    pub(super) fn add_lines(&mut self, name: &'static str, lines: &str) {
        self.members.push((name, lines.into()));
    }

    /// Seconds, to the millisecond.
    pub(super) fn add_seconds(&mut self, time: Duration) {
        self.add("seconds", (time.as_secs_f64() * 1000.0).round() / 1000.0);
    }

    /// What kind of client it is, and what it runs on.
    pub(super) fn add_client(&mut self, client: Client) {
        self.add("client", client_word(client));
        if let Some(platform) = client.platform() {
            self.add("platform", platform_word(platform));
        }
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.members.iter().map(|(name, value)| (name, value)))
    }
}

/// What kind of client asks.
fn client_word(client: Client) -> &'static str {
    match client {
        Client::Plain => "plain",
        Client::Init => "init",
        Client::Pxe(_) => "pxe",
        Client::Http(_) => "http-boot",
        Client::Ipxe(_) => "ipxe",
        Client::IpxeWithoutHttp(_) => "ipxe-without-http",
        Client::RaspberryPi => "raspberry-pi",
        Client::UBoot(_) => "u-boot",
        Client::Petitboot => "petitboot",
        Client::Firmware(_) => "firmware",
    }
}

/// What a client runs on.
pub(super) fn platform_word(platform: Platform) -> String {
    match platform {
        Platform::Unknown(number) => format!("unknown-{number}"),
        known => known.word().unwrap_or_default().to_owned(),
    }
}
