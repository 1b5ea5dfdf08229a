//! What machines have said of themselves, by hardware address: so that what a machine is known by in one message is
//! known in the next. Firmware, loader, init and the root's system say different things, and a file's request nothing.
//!
//! Anybody can send a DHCP message in a machine's name, so these facts choose what a machine boots, and are no proof of
//! who it is.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use netroot_net::{Mac, Uuid};
use netroot_proto::dhcp::MessageType;
use netroot_proto::dhcp::options::Options;
use netroot_proto::dhcp::request::Request;
use netroot_proto::pxe::client::Client;

use crate::catalog::KnownMachine;

/// How many machines are remembered.
const KNOWN: usize = 1024;
/// How many of them make room at once.
const MADE_ROOM_FOR: usize = 32;
/// The most client identifiers of one machine: its firmware's, its loader's, its init's and its system's.
const CLIENT_IDS: usize = 4;
/// The longest option that is remembered, in bytes.
const OPTION: usize = 255;
/// The relay's circuit in option 82 (RFC 3046).
const CIRCUIT: u8 = 1;

/// What machines have said. Bounded: a new one takes the place of the one that is in no configuration and was heard of
/// longest ago, and only then of one that is.
#[derive(Debug, Default)]
pub(super) struct Facts {
    machines: Mutex<HashMap<Mac, Heard>>,
}

/// A machine, and when it was heard of.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// What it said.
    pub(crate) known: KnownMachine,
    /// The host name that it asked for.
    pub(crate) host_name: Option<String>,
    /// The interface.
    pub(crate) interface: String,
    /// When.
    pub(crate) at: Instant,
    /// Whether it has tried to boot.
    pub(crate) boots: bool,
    is_configured: bool,
    told: bool,
}

impl Heard {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            known: KnownMachine::default(),
            host_name: None,
            interface: String::new(),
            at: now,
            boots: false,
            is_configured: false,
            told: false,
        }
    }
}

impl Facts {
    /// What is known of a machine.
    pub(super) fn of(&self, mac: Mac) -> KnownMachine {
        let machines = self.machines();
        let heard = machines.get(&mac);
        let known = heard.map(|heard| heard.known.clone()).unwrap_or_default();
        KnownMachine {
            mac: Some(mac),
            ..known
        }
    }

    /// Remembers what a request says, and returns all that is known of its machine.
    pub(super) fn learn(
        &self,
        request: &Request,
        client: Client,
        interface: &str,
        now: Instant,
    ) -> KnownMachine {
        let mac = request.header.mac;
        let mut machines = self.machines();
        let heard = entry(&mut machines, mac, now);
        heard.at = now;
        interface.clone_into(&mut heard.interface);
        let known = &mut heard.known;
        known.mac = Some(mac);
        let short = |option: &Option<Vec<u8>>| option.clone().filter(|it| it.len() <= OPTION);
        if let Some(id) = short(&request.client_id) {
            known.client_ids.retain(|known| *known != id);
            known.client_ids.insert(0, id);
            known.client_ids.truncate(CLIENT_IDS);
        }
        let uuid = request.uuid.as_deref().and_then(uuid);
        known.uuid = uuid.or(known.uuid);
        // iPXE always says which NIC it is, if that is on the PCI bus.
        if request.is_ipxe() {
            known.nic = request.nic();
        }
        // A system's client that renews asks the server itself.
        if let Some(relay) = request.relay {
            known.link = Some(relay.link);
            let agent = request.relay_agent.as_deref().map(Options::read);
            let circuit = agent.and_then(|agent| agent.bytes(CIRCUIT).map(<[u8]>::to_vec));
            known.circuit = circuit.filter(|it| it.len() <= OPTION);
        } else if request.kind == MessageType::Discover {
            known.link = None;
            known.circuit = None;
        }
        // The class of a system's client must not be in the place of its firmware's.
        if let Some(platform) = client.platform() {
            heard.boots = true;
            known.platform = Some(platform);
            known.vendor_class = short(&request.vendor_class);
        } else if !heard.boots {
            known.vendor_class = short(&request.vendor_class).or(known.vendor_class.take());
        }
        let name = request.host_name.as_deref().map(String::from_utf8_lossy);
        if let Some(name) = name.filter(|name| crate::catalog::is_host_name(name)) {
            heard.host_name = Some(name.into_owned());
        }
        known.clone()
    }

    /// Remembers what the machine itself said in a query.
    pub(super) fn learn_said(&self, mac: Mac, said: KnownMachine, now: Instant) {
        let KnownMachine {
            uuid,
            serial,
            asset,
            manufacturer,
            product,
            nic,
            ..
        } = said;
        let mut machines = self.machines();
        let heard = entry(&mut machines, mac, now);
        heard.at = now;
        let known = &mut heard.known;
        known.uuid = uuid.or(known.uuid);
        known.nic = nic.or(known.nic);
        let texts = [
            (&mut known.serial, serial),
            (&mut known.asset, asset),
            (&mut known.manufacturer, manufacturer),
            (&mut known.product, product),
        ];
        for (known, said) in texts {
            if said.is_some() {
                *known = said;
            }
        }
    }

    /// The configuration has the machine, or not.
    pub(super) fn is_configured(&self, mac: Mac, is_configured: bool) {
        if let Some(heard) = self.machines().get_mut(&mac) {
            heard.is_configured = is_configured;
            heard.told &= !is_configured;
        }
    }

    /// A machine that is to be told of, if that is for the first time.
    pub(super) fn tell(&self, mac: Mac) -> Option<Heard> {
        let mut machines = self.machines();
        let heard = machines.get_mut(&mac)?;
        let told = std::mem::replace(&mut heard.told, true);
        (!told).then(|| heard.clone())
    }

    /// What is remembered of a machine.
    pub(super) fn heard(&self, mac: Mac) -> Option<Heard> {
        self.machines().get(&mac).cloned()
    }

    fn machines(&self) -> MutexGuard<'_, HashMap<Mac, Heard>> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry(machines: &mut HashMap<Mac, Heard>, mac: Mac, now: Instant) -> &mut Heard {
    if machines.len() >= KNOWN && !machines.contains_key(&mac) {
        // Several, so that not every machine of a flood looks at all that are remembered.
        let key = |(mac, heard): (&Mac, &Heard)| (heard.is_configured, heard.at, *mac);
        let mut all: Vec<_> = machines.iter().map(key).collect();
        all.sort_unstable();
        let least = all.first().map(|(is_configured, ..)| *is_configured);
        let equal = all.iter().take_while(|(it, ..)| Some(*it) == least);
        for (.., first) in equal.take(MADE_ROOM_FOR) {
            machines.remove(first);
        }
    }
    machines.entry(mac).or_insert_with(|| Heard::new(now))
}

/// The UUID of option 97, which has its type before it (RFC 4578 §2.3).
fn uuid(option: &[u8]) -> Option<Uuid> {
    let [0, uuid @ ..] = option else {
        return None;
    };
    Uuid::from_firmware(uuid.try_into().ok()?)
}
