//! What machines have said of themselves, by hardware address: so that what a machine is known by in one message is
//! known in the next. Firmware, loader, init and the root's system say different things, and a file's request nothing.
//!
//! Anybody can send a DHCP message in a machine's name, so what it says is a claim, kept apart from what the machine itself
//! said when it fetched its script. The URL of the script that DHCP names to iPXE has a number of the claim in it: the
//! machine that fetches it by that URL has itself sent the message, and from then on that counts, whatever else is claimed.
//! A number by which it was fetched is not given out again: the machine's next boot has another one, also where it says
//! the same, in the same transaction (iPXE draws its `xid` from the ticks since it was started).
//! These facts choose what a machine boots, and are no proof of who it is.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netroot_net::{Mac, PciId, Uuid};
use netroot_proto::dhcp::MessageType;
use netroot_proto::dhcp::options::Options;
use netroot_proto::dhcp::request::Request;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::client::Client;

use super::query::Said;
use crate::catalog::KnownMachine;

/// How many machines are remembered.
const KNOWN: usize = 1024;
/// How many of them make room at once.
const MADE_ROOM_FOR: usize = 32;
/// The most client identifiers of one machine: its firmware's, its loader's, its init's and its system's.
const CLIENT_IDS: usize = 4;
/// The longest option that is remembered, in bytes.
const OPTION: usize = 255;
/// The circuit in option 82 (RFC 3046): the port at which a relay, or a switch on the way, heard the machine.
const CIRCUIT: u8 = 1;
/// How many claims of iPXE in one machine's name are remembered until it fetches its script.
const CLAIMS: usize = 8;
/// How long a claim counts that the machine has confirmed, whatever else is claimed: a boot. Its next one confirms again.
const CONFIRMED: Duration = Duration::from_secs(600);

/// What machines have said. Bounded: a new one takes the place of the one that is in no configuration and was heard of
/// longest ago, and only then of one that is.
#[derive(Debug, Default)]
pub(super) struct Facts {
    machines: Mutex<HashMap<Mac, Heard>>,
    numbers: Numbers,
}

/// Numbers of claims, none of which anybody can guess.
#[derive(Debug, Default)]
struct Numbers {
    /// Its key is this process's own.
    key: RandomState,
    drawn: AtomicU64,
}

impl Numbers {
    fn draw(&self) -> u32 {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let number = self.key.hash_one(number) & u64::from(u32::MAX);
        u32::try_from(number).unwrap_or_default()
    }
}

/// What a DHCP message says in a machine's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Claim {
    uuid: Option<Uuid>,
    nic: Option<PciId>,
    platform: Option<Platform>,
    vendor_class: Option<Vec<u8>>,
    link: Option<Ipv4Addr>,
    circuit: Option<Vec<u8>>,
}

/// What iPXE says in a machine's name.
#[derive(Debug, Clone)]
struct NumberedClaim {
    number: u32,
    claim: Claim,
    /// Whether the machine itself has fetched its script by the URL with this number.
    is_confirmed: bool,
}

/// A machine, and when it was heard of.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// The last claim.
    claimed: Claim,
    /// Those of iPXE, the last one first.
    claims: VecDeque<NumberedClaim>,
    /// The one by whose URL the machine itself fetched its script, and when.
    confirmed: Option<(Claim, Instant)>,
    /// What the machine itself said in queries.
    pub(super) said: KnownMachine,
    /// Its client identifiers.
    client_ids: Vec<Vec<u8>>,
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
            claimed: Claim::default(),
            claims: VecDeque::new(),
            confirmed: None,
            said: KnownMachine::default(),
            client_ids: Vec::new(),
            host_name: None,
            interface: String::new(),
            at: now,
            boots: false,
            is_configured: false,
            told: false,
        }
    }

    /// What is known of it: what it said itself counts more than what was claimed.
    pub(super) fn known(&self, mac: Mac, now: Instant) -> KnownMachine {
        let confirmed = self.confirmed.as_ref();
        let confirmed = confirmed.filter(|(_, at)| now.saturating_duration_since(*at) < CONFIRMED);
        let claim = confirmed.map_or(&self.claimed, |(claim, _)| claim);
        self.merged(mac, claim, &self.said)
    }

    /// What is known of it with what the message says that was heard last.
    fn as_claimed(&self, mac: Mac) -> KnownMachine {
        let said = KnownMachine {
            uuid: None,
            nic: None,
            ..self.said.clone()
        };
        self.merged(mac, &self.claimed, &said)
    }

    /// The number of iPXE's last claim: within one boot that of each of its messages.
    fn number(&mut self, numbers: &Numbers) -> u32 {
        let mut claims = self.claims.iter();
        let same = claims.position(|it| it.claim == self.claimed && !it.is_confirmed);
        let same = same.and_then(|at| self.claims.remove(at));
        let claim = same.unwrap_or_else(|| NumberedClaim {
            number: numbers.draw(),
            claim: self.claimed.clone(),
            is_confirmed: false,
        });
        let number = claim.number;
        self.claims.push_front(claim);
        self.claims.truncate(CLAIMS);
        number
    }

    fn merged(&self, mac: Mac, claim: &Claim, said: &KnownMachine) -> KnownMachine {
        let claim = claim.clone();
        KnownMachine {
            mac: Some(mac),
            uuid: said.uuid.or(claim.uuid),
            nic: said.nic.or(claim.nic),
            client_ids: self.client_ids.clone(),
            platform: claim.platform,
            vendor_class: claim.vendor_class,
            link: claim.link,
            circuit: claim.circuit,
            ..said.clone()
        }
    }
}

impl Facts {
    /// What is known of a machine.
    pub(super) fn of(&self, mac: Mac) -> KnownMachine {
        let machines = self.machines();
        let heard = machines.get(&mac);
        heard.map_or_else(
            || KnownMachine {
                mac: Some(mac),
                ..KnownMachine::default()
            },
            |heard| heard.known(mac, Instant::now()),
        )
    }

    /// Remembers what a request says, and returns all that is known of its machine, with the claim's number if it is
    /// iPXE's.
    pub(super) fn learn(
        &self,
        request: &Request,
        client: Client,
        interface: &str,
        now: Instant,
    ) -> (KnownMachine, Option<u32>) {
        let mac = request.header.mac;
        let mut machines = self.machines();
        let heard = entry(&mut machines, mac, now);
        heard.at = now;
        interface.clone_into(&mut heard.interface);
        let known = &mut heard.claimed;
        let short = |option: &Option<Vec<u8>>| option.clone().filter(|it| it.len() <= OPTION);
        if let Some(id) = short(&request.client_id) {
            heard.client_ids.retain(|known| *known != id);
            heard.client_ids.insert(0, id);
            heard.client_ids.truncate(CLIENT_IDS);
        }
        let uuid = request.uuid.as_deref().and_then(uuid);
        known.uuid = uuid.or(known.uuid);
        // iPXE always says which NIC it is, if that is on the PCI bus.
        if request.is_ipxe() {
            known.nic = request.nic();
        }
        let agent = request.relay_agent.as_deref().map(Options::read);
        let circuit = agent.and_then(|agent| agent.bytes(CIRCUIT).map(<[u8]>::to_vec));
        let circuit = circuit.filter(|it| it.len() <= OPTION);
        // A system's client that renews asks the server itself, past its relay and its switch.
        if request.relay.is_some() || request.kind == MessageType::Discover {
            known.link = request.relay.map(|relay| relay.link);
            known.circuit = circuit;
        } else if circuit.is_some() {
            // A switch that looks into DHCP inserts it, and is no relay: giaddr stays 0.
            known.circuit = circuit;
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
        let number = request.is_ipxe().then(|| heard.number(&self.numbers));
        (heard.as_claimed(mac), number)
    }

    /// Remembers what the machine itself said in a query.
    pub(super) fn learn_said(&self, mac: Mac, said: Said, now: Instant) {
        let Said { machine, claim } = said;
        let KnownMachine {
            uuid,
            serial,
            asset,
            manufacturer,
            product,
            nic,
            ..
        } = machine;
        let mut machines = self.machines();
        let heard = entry(&mut machines, mac, now);
        heard.at = now;
        let mut claims = heard.claims.iter_mut();
        let claim = claims.find(|it| Some(it.number) == claim);
        let known = &mut heard.said;
        if let Some(claim) = claim {
            // It has the UUID and the card of this boot in it, or says that there is none.
            claim.is_confirmed = true;
            heard.confirmed = Some((claim.claim.clone(), now));
            (known.uuid, known.nic) = (uuid, nic);
        } else {
            known.uuid = uuid.or(known.uuid);
            known.nic = nic.or(known.nic);
        }
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

#[cfg(test)]
mod tests {
    use netroot_proto::dhcp::code;
    use netroot_proto::dhcp::emit::{Draft, LONGEST};
    use netroot_proto::dhcp::header::Header;

    use super::super::query;
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OWN: [u8; 16] = [1; 16];
    const FORGED: [u8; 16] = [2; 16];

    /// A DISCOVER with this UUID and vendor class; iPXE's says which NIC it has.
    fn discover(uuid: [u8; 16], class: &str, device: Option<u8>) -> Request {
        let mut draft = Draft::new(Header::of_client(MAC, 7));
        draft.push(code::MESSAGE_TYPE, &[MessageType::Discover.into()]);
        draft.push(code::CLIENT_UUID, &[&[0], &uuid[..]].concat());
        draft.push(code::CLIENT_ARCH, &7_u16.to_be_bytes());
        draft.push(code::VENDOR_CLASS, class.as_bytes());
        if let Some(device) = device {
            let features = [0xb1, 5, 1, 0x80, 0x86, 0x10, device];
            draft.push(code::IPXE, &features);
        }
        Request::read(&draft.emit(LONGEST).bytes).unwrap()
    }

    /// The message that a relay (`giaddr`) or a switch has passed on from this circuit.
    fn by(kind: MessageType, relay: Ipv4Addr, circuit: Option<&str>) -> Request {
        let mut header = Header::of_client(MAC, 7);
        header.relay_ip = relay;
        let mut draft = Draft::new(header);
        draft.push(code::MESSAGE_TYPE, &[kind.into()]);
        let agent = circuit.map(|circuit| {
            let length = u8::try_from(circuit.len()).unwrap();
            [&[CIRCUIT, length], circuit.as_bytes()].concat()
        });
        draft.relay_agent(agent.as_deref());
        Request::read(&draft.emit(LONGEST).bytes).unwrap()
    }

    /// Before, option 82 was read only in what a relay passed on.
    #[test]
    fn a_circuit_is_known_by_a_relay_and_by_a_switch_that_is_none() {
        const DIRECT: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
        const RELAY: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
        let facts = Facts::default();
        for (kind, relay, inserted, circuit) in [
            (
                MessageType::Discover,
                DIRECT,
                Some("eth0/3"),
                Some("eth0/3"),
            ),
            // To port 4011, or a renewal: unicast, which switches leave alone.
            (MessageType::Request, DIRECT, None, Some("eth0/3")),
            (MessageType::Request, DIRECT, Some("eth0/4"), Some("eth0/4")),
            // It is in another place now.
            (MessageType::Discover, DIRECT, None, None),
            (MessageType::Discover, RELAY, Some("eth0/5"), Some("eth0/5")),
            (MessageType::Request, RELAY, None, None),
        ] {
            let (known, _) = hear(&facts, &by(kind, relay, inserted));
            let heard = known.circuit.as_deref();
            assert_eq!(heard, circuit.map(str::as_bytes), "{kind:?} {inserted:?}");
            assert_eq!(known.link, (relay == RELAY).then_some(RELAY));
        }
    }

    fn hear(facts: &Facts, request: &Request) -> (KnownMachine, Option<u32>) {
        facts.learn(request, Client::of(request), "eth0", Instant::now())
    }

    fn fetches(facts: &Facts, query: &str) {
        facts.learn_said(MAC, query::read(query), Instant::now());
    }

    #[test]
    fn what_a_machine_confirms_counts_whatever_is_claimed_before_and_after() {
        let facts = Facts::default();
        let own = discover(OWN, "PXEClient:Arch:00007:UNDI:003010", Some(0x0e));
        let forged = [
            discover(FORGED, "PXEClient:Arch:00000", None),
            discover(FORGED, "PXEClient:Arch:00007", Some(0xd3)),
        ];
        let (answered, number) = hear(&facts, &own);
        assert_eq!(answered.uuid, Uuid::from_firmware(OWN));
        for forged in &forged {
            let (answered, other) = hear(&facts, forged);
            assert_eq!(answered.uuid, Uuid::from_firmware(FORGED), "who asks so");
            assert_ne!(other, number);
        }
        // Nobody has confirmed anything yet.
        assert_eq!(facts.of(MAC).uuid, Uuid::from_firmware(FORGED));
        fetches(
            &facts,
            &format!("serial=&product=&dhcp={:08x}", number.unwrap()),
        );
        for again in &forged {
            let known = facts.of(MAC);
            assert_eq!(known.uuid, Uuid::from_firmware(OWN));
            assert_eq!(known.nic.unwrap().to_string(), "8086:100e");
            assert_eq!(known.platform, Some(Platform::EfiX64));
            let class = known.vendor_class.unwrap();
            assert_eq!(class, b"PXEClient:Arch:00007:UNDI:003010");
            hear(&facts, again);
        }
        // By a number that was given to nobody: its script repeats itself, or it was asked very often.
        for query in ["dhcp=00000000", "product="] {
            fetches(&facts, query);
            assert_eq!(facts.of(MAC).uuid, Uuid::from_firmware(OWN));
        }
    }

    #[test]
    fn what_a_machine_says_itself_counts_more_than_what_is_claimed() {
        let facts = Facts::default();
        let text = Uuid::from_firmware(OWN).unwrap().to_string();
        fetches(
            &facts,
            &format!("uuid={text}&busid=01:80:86:10:0e&serial=MXL1"),
        );
        hear(&facts, &discover(FORGED, "PXEClient", Some(0xd3)));
        let known = facts.of(MAC);
        assert_eq!(known.uuid, Uuid::from_firmware(OWN));
        assert_eq!(known.nic.unwrap().to_string(), "8086:100e");
        assert_eq!(known.serial.as_deref(), Some("MXL1"));
        // Its next boot, from another card, of which the query says nothing.
        let (_, number) = hear(&facts, &discover(OWN, "PXEClient", Some(0xd3)));
        fetches(&facts, &format!("dhcp={:08x}", number.unwrap()));
        assert_eq!(facts.of(MAC).nic.unwrap().to_string(), "8086:10d3");
    }

    #[test]
    fn the_claims_in_a_machines_name_are_bounded() {
        let facts = Facts::default();
        for device in 0..=255 {
            hear(&facts, &discover(FORGED, "PXEClient", Some(device)));
        }
        assert_eq!(facts.heard(MAC).unwrap().claims.len(), CLAIMS);
    }
}
