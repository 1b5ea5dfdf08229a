//! The servers that were heard, what is wrong with them, and how that is mended.

use std::net::Ipv4Addr;

use netroot_printable::Printable;
use netroot_proto::pxe::cures::maker::product_of;
use netroot_proto::pxe::cures::{Cure, Netroot, Problem, Product, cure, cures};
use netroot_proto::pxe::offer::{Offer, without_query};
use netroot_proto::pxe::predict::Outcome;
use netroot_proto::pxe::probe::Asker;

use super::finding::{Finding, Level};
use super::forecast::{Forecast, Forecasts, Planned, Verdict, answered, is_for};
use super::survey::Survey;
use crate::advice::Advice;
use crate::serve::listen::interface::Interface;

/// A server that was heard.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// Its address.
    pub(super) address: Ipv4Addr,
    /// Whether it is this host's.
    pub(super) here: bool,
    /// Whether it is a netroot.
    pub(super) netroot: bool,
    /// What it probably is, by who made its network card.
    pub(super) product: Option<Product>,
    /// The addresses that it offered, each once.
    pub(super) offered: Vec<Ipv4Addr>,
    /// Its first offer with an address, else its first.
    pub(super) sample: Offer,
    /// Option 60, by asker.
    pub(super) classes: Vec<(Asker, Vec<u8>)>,
    /// The files that it named, each with those whom it named it to.
    pub(super) files: Vec<(String, Vec<Asker>)>,
    /// The first file of its own, which no netroot serves, with those whom it named it to.
    own_file: Option<(String, Vec<Asker>)>,
    /// Whether it tells iPXE to wait for no proxy.
    no_proxy: bool,
    /// Whom it answered at all.
    pub(super) askers: Vec<Asker>,
    /// Whether its port 4011 answers, if it was asked.
    pub(super) port_4011: Option<bool>,
}

/// Something wrong on the network.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    /// How bad it is, and what it is.
    pub(super) finding: Finding,
    /// For the catalogue of cures.
    pub(super) problem: Problem,
    /// By product.
    pub(super) cures: Vec<Cure>,
}

/// Groups what was heard by server, in the order in which they were heard.
pub(super) fn servers(
    survey: &Survey,
    interface: &Interface,
    netroots: &[Ipv4Addr],
) -> Vec<Server> {
    let mut servers: Vec<Server> = Vec::new();
    for answers in &survey.answers {
        for offer in &answers.offers {
            let known = servers.iter().position(|one| one.address == offer.server);
            let place = known.unwrap_or(servers.len());
            if known.is_none() {
                servers.push(Server {
                    address: offer.server,
                    here: interface.has(offer.server),
                    netroot: netroots.contains(&offer.server),
                    product: product_at(survey, offer.server),
                    offered: Vec::new(),
                    sample: offer.clone(),
                    classes: Vec::new(),
                    files: Vec::new(),
                    own_file: None,
                    no_proxy: false,
                    askers: Vec::new(),
                    port_4011: None,
                });
            }
            let Some(server) = servers.get_mut(place) else {
                continue;
            };
            if !server.askers.contains(&answers.asker) {
                server.askers.push(answers.asker);
            }
            if let Some(address) = offer.address {
                if server.sample.address.is_none() {
                    server.sample = offer.clone();
                }
                if !server.offered.contains(&address) {
                    server.offered.push(address);
                }
            }
            if let Some(class) = &offer.class {
                server.classes.push((answers.asker, class.clone()));
            }
            server.no_proxy |= offer.no_proxy;
            if let Some(file) = offer.file_text() {
                // Its administrator may name what a netroot serves.
                let from = offer.loaded_from();
                let ours = from.is_some_and(|it| interface.has(it) || netroots.contains(&it));
                if is_boot(answers.asker) && !(ours && is_for(answers.asker, &file)) {
                    let own = server.own_file.get_or_insert((file.clone(), Vec::new()));
                    if own.0 == file {
                        own.1.push(answers.asker);
                    }
                }
                let file = without_query(&file).to_owned();
                match server.files.iter_mut().find(|(known, _)| *known == file) {
                    Some((_, askers)) => askers.push(answers.asker),
                    None => server.files.push((file, vec![answers.asker])),
                }
            }
            let says = [offer.server, offer.boot_server()];
            let says = says
                .iter()
                .find_map(|it| answered(&answers.boot_servers, *it));
            server.port_4011 = match (server.port_4011, says) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (known, says) => known.or(says),
            };
        }
    }
    servers
}

/// What the server at an address is, if it answered from there itself: what a relay passes on comes from the relay's card.
fn product_at(survey: &Survey, server: Ipv4Addr) -> Option<Product> {
    let mut senders = survey.senders.iter();
    let (_, mac) = senders.find(|(address, _)| *address == server)?;
    product_of(*mac)
}

impl Server {
    /// A problem of it, with the cure of what it probably is before those of others.
    fn has(&self, mut trouble: Trouble) -> Trouble {
        let cures = &mut trouble.cures;
        cures.sort_by_key(|cure| Some(cure.product) != self.product);
        trouble
    }

    /// Whether it gives addresses.
    pub(super) fn is_dhcp(&self) -> bool {
        !self.offered.is_empty()
    }

    /// `10.0.0.254 (this host)`.
    pub(super) fn name(&self) -> String {
        match self.here {
            true => format!("{} (this host)", self.address),
            false => self.address.to_string(),
        }
    }
}

/// What a caller asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Only cures of this product.
    pub(super) product: Option<Product>,
    /// The netroot of this host.
    pub(super) planned: &'a Planned,
    /// How settings are named.
    pub(super) advice: Advice,
}

/// What is wrong.
pub(super) fn troubles(
    servers: &[Server],
    forecasts: &Forecasts,
    interface: &Interface,
    wanted: Wanted<'_>,
) -> Vec<Trouble> {
    let own = interface.ipv4_addresses().next();
    let netroot = Netroot {
        address: own.map_or(Ipv4Addr::UNSPECIFIED, |(own, _)| own),
        http_port: wanted.planned.http_port,
        loaders: &wanted.planned.loaders,
    };
    let trouble = |level: Level, text: String, problem: Problem| {
        let cures = match wanted.product {
            Some(product) => cure(product, &problem, &netroot).into_iter().collect(),
            None => cures(&problem, &netroot),
        };
        let finding = Finding {
            level,
            about: "network",
            text,
            cure: Vec::new(),
        };
        Trouble {
            finding,
            problem,
            cures,
        }
    };
    let mut troubles = Vec::new();
    let others = || servers.iter().filter(|server| !server.netroot);
    let dhcp: Vec<&Server> = servers.iter().filter(|server| server.is_dhcp()).collect();
    let gives = wanted.planned.range.is_some();
    if dhcp.is_empty() && !gives {
        let mut none = trouble(
            Level::Problem,
            format!(
                "no DHCP server answers on {}: machines get no address, and nothing boots. Let netroot give addresses \
                 (--dhcp FIRST-LAST), or mend the DHCP server",
                interface.name
            ),
            Problem::NoAddress,
        );
        let (name, range) = (&interface.name, example_range(interface));
        none.finding.cure = match wanted.advice {
            Advice::Options => vec![format!(
                "netroot serve DIR --interface {name} --dhcp {range}"
            )],
            Advice::Keys => vec![
                "[[network]]".to_owned(),
                format!("interface = \"{name}\""),
                "mode = \"dhcp\"".to_owned(),
                format!("range = \"{range}\""),
            ],
        };
        troubles.push(none);
    }
    for server in others().filter(|server| server.is_dhcp()) {
        let name = server.name();
        let pxe = |(asker, class): &&(Asker, Vec<u8>)| {
            let boots = class.starts_with(b"PXEClient") || class.starts_with(b"HTTPClient");
            boots && *asker != Asker::Plain
        };
        let mut claims: Vec<&[u8]> = Vec::new();
        for (_, class) in server.classes.iter().filter(pxe) {
            let is_told = |told: &&[u8]| told.starts_with(b"HTTP") == class.starts_with(b"HTTP");
            if !claims.iter().any(is_told) {
                claims.push(class);
            }
        }
        for class in claims {
            let silent = match server.port_4011 {
                Some(false) => ", which does not answer",
                _ => "",
            };
            let follows = match class.starts_with(b"HTTP") {
                true => "HTTP boot then takes the URL that it names before netroot's".to_owned(),
                false => format!(
                    "firmware then asks only its port 4011{silent}, and no other boot server"
                ),
            };
            let text = format!(
                "{name} gives addresses and says that it is a boot server (option 60 is {}): {follows}",
                Printable(&String::from_utf8_lossy(class)),
            );
            let class = class.to_vec();
            let claims = trouble(Level::Problem, text, Problem::ClaimsBoot { class });
            troubles.push(server.has(claims));
        }
        if let Some((file, askers)) = &server.own_file {
            let text = format!(
                "{name} names a boot file of its own, {} (to {}): iPXE takes that rather than netroot's script, and \
                 BIOS machines may",
                Printable(file),
                listed(askers)
            );
            let file = file.clone().into_bytes();
            let names = trouble(Level::Problem, text, Problem::NamesFile { file });
            troubles.push(server.has(names));
        } else if server.no_proxy && server.files.is_empty() {
            let text = format!(
                "{name} tells iPXE to wait for no proxy (option 175.176, no-pxedhcp), and names no file: iPXE does not \
                 hear netroot"
            );
            let forbids = trouble(Level::Problem, text, Problem::ForbidsProxy);
            troubles.push(server.has(forbids));
        }
    }
    let giving = dhcp.len() + usize::from(gives && !forecasts.heard_own);
    if giving > 1 {
        let mut names: Vec<String> = dhcp.iter().map(|server| server.name()).collect();
        if gives && !forecasts.heard_own {
            names.push("netroot (as configured)".to_owned());
        }
        let text = format!(
            "{giving} DHCP servers give addresses: {}. Machines take the first offer, and two may get one address",
            names.join(", ")
        );
        troubles.push(trouble(Level::Problem, text, Problem::SecondServer));
    }
    // With a menu it names its file later.
    let boots = |server: &&Server| !server.files.is_empty() || !server.classes.is_empty();
    for server in others().filter(|server| !server.is_dhcp()).filter(boots) {
        let text = format!(
            "{} is a boot server beside netroot (ProxyDHCP): machines take the answer that comes first",
            server.name()
        );
        let proxy = trouble(Level::Warning, text, Problem::SecondProxy);
        troubles.push(server.has(proxy));
    }
    let netroots: Vec<String> = servers
        .iter()
        .filter(|server| server.netroot && !server.here)
        .map(Server::name)
        .collect();
    if !netroots.is_empty() {
        let text = format!(
            "another netroot answers on this network, {}: beside this host's, machines take the answer that comes first",
            netroots.join(", ")
        );
        troubles.push(Trouble {
            cures: Vec::new(),
            ..trouble(Level::Warning, text, Problem::SecondProxy)
        });
    }
    troubles
}

fn is_boot(asker: Asker) -> bool {
    !matches!(asker, Asker::Plain | Asker::Init)
}

/// `UEFI x64 PXE, iPXE (BIOS)`; of many the number.
pub(super) fn listed(askers: &[Asker]) -> String {
    match askers {
        [] => "nobody".to_owned(),
        [_, _, _, _, ..] => format!("{} of the kinds of machines", askers.len()),
        few => few
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// All addresses of the interface's first network, for one that is a network of its own.
pub(super) fn hosts(interface: &Interface) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let network = interface.first();
    let std::net::IpAddr::V4(base) = network.network().address() else {
        return None;
    };
    let last = base.to_bits() | u32::MAX.checked_shr(network.length().into())?;
    let (first, last) = (base.to_bits().checked_add(1)?, last.checked_sub(1)?);
    (first < last).then(|| (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last)))
}

/// A hundred addresses of the interface's first network, for a command.
fn example_range(interface: &Interface) -> String {
    let network = interface.first();
    let std::net::IpAddr::V4(base) = network.network().address() else {
        return "FIRST-LAST".to_owned();
    };
    if network.length() > 24 {
        return "FIRST-LAST".to_owned();
    }
    let at = |host: u32| Ipv4Addr::from_bits(base.to_bits() | host);
    format!("{}-{}", at(100), at(200))
}

/// How bad a machine's end is, given that somebody means to serve by netroot.
pub(super) fn level(forecast: &Forecast) -> Level {
    let usual = match forecast.first.asker {
        Asker::Firmware(number) => matches!(number, 0 | 7 | 16),
        Asker::Ipxe(_) | Asker::Plain | Asker::Init => true,
        Asker::RaspberryPi => false,
    };
    match (&forecast.verdict, usual) {
        (Verdict::Netroot(_) | Verdict::Served, _) => Level::Ok,
        // Nothing can be served to what has no loader here; the loaders have a finding of their own.
        _ if forecast.unanswered.is_some() && !usual => Level::Note,
        (Verdict::Other(_), _) => Level::Warning,
        (Verdict::Fails, true) => match &forecast.first.outcome {
            // As little as netroot's loaders can do about it.
            Outcome::NothingToBoot { .. } if forecast.unanswered.is_some() => Level::Warning,
            _ => Level::Problem,
        },
        (Verdict::Fails, false) => Level::Warning,
    }
}
