//! The address of a server that is written by its name. What goes over the wire is netroot-proto's.
//!
//! The C library would ask for up to twenty seconds and could not say who was silent.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use netroot_proto::dns::{Answer, Name, Question, candidates};

use crate::clock::Moment;
use crate::console::{debug, warn};
use crate::net::address::Address;

/// How long a server may take, in each round: a lost datagram is sent again.
const ROUNDS: [Duration; 3] = [
    Duration::from_millis(800),
    Duration::from_secs(2),
    Duration::from_secs(3),
];
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(12);
/// Name servers that are asked (`MAXNS`, as in resolv.conf(5)).
const MOST_SERVERS: usize = 3;
/// Aliases that are followed from one answer to the next question.
const MOST_ALIASES: usize = 4;
/// A datagram without extensions (RFC 1035 §4.2.1); longer ones are cut, which the answer's judge stands.
const DATAGRAM: usize = 512;
/// Datagrams that are looked at before a server counts as silent: others may send as well.
const MOST_DATAGRAMS: usize = 64;

/// Whom to ask, and below which domains.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    servers: Vec<Ipv4Addr>,
    search: Vec<String>,
    port: u16,
}

impl Resolver {
    /// The name servers and domains that came with an address.
    pub(crate) fn of(address: &Address) -> Self {
        let search = address.domain.iter().chain(&address.search);
        Resolver {
            servers: address.dns.iter().take(MOST_SERVERS).copied().collect(),
            search: search.cloned().collect(),
            port: 53,
        }
    }

    /// These servers and domains, separated by commas: what [`Resolver::lists`] gave.
    pub(crate) fn read(servers: &str, search: &str) -> Self {
        let search = search.split(',').filter(|domain| !domain.is_empty());
        Resolver {
            servers: servers.split(',').filter_map(|s| s.parse().ok()).collect(),
            search: search.map(str::to_owned).collect(),
            port: 53,
        }
    }

    /// Its servers and its domains, for another process.
    pub(crate) fn lists(&self) -> [String; 2] {
        let servers: Vec<String> = self.servers.iter().map(Ipv4Addr::to_string).collect();
        [servers.join(","), self.search.join(",")]
    }

    /// The addresses of a host, best first; none if nobody tells. Why is said on the console.
    pub(crate) fn resolve(&self, host: &str) -> Vec<Ipv4Addr> {
        let deadline = Moment::now().after(PATIENCE);
        for name in candidates(host, self.search.iter().map(String::as_str)) {
            let mut name = name;
            for _ in 0..MOST_ALIASES {
                match self.ask(&name, deadline) {
                    Some(Answer::Addresses(addresses)) => {
                        debug!("{name} is {addresses:?}");
                        return addresses;
                    }
                    Some(Answer::Alias(target)) => name = target,
                    Some(Answer::Nothing) => break,
                    // Nobody answers: another name would only wait as long again.
                    Some(Answer::Failed { .. }) | None => return Vec::new(),
                }
            }
            debug!("DNS has no address of {name}");
        }
        Vec::new()
    }

    /// One question to each server in turn, until one answers it.
    fn ask(&self, name: &Name, deadline: Moment) -> Option<Answer> {
        let mut failed = None;
        let mut left = self.servers.clone();
        for patience in ROUNDS {
            let mut silent = Vec::new();
            for server in left {
                match self.ask_one(server, name, Moment::now().after(patience).min(deadline)) {
                    Ok(answer @ Answer::Failed { code }) => {
                        warn!("the name server {server} fails for {name} (code {code})");
                        failed = Some(answer);
                    }
                    Ok(answer) => return Some(answer),
                    Err(e) if e.kind() == io::ErrorKind::TimedOut => silent.push(server),
                    Err(e) => warn!("the name server {server} cannot be asked for {name}: {e}"),
                }
            }
            left = silent;
        }
        for server in left {
            warn!("the name server {server} does not answer");
        }
        failed
    }

    fn ask_one(&self, server: Ipv4Addr, name: &Name, deadline: Moment) -> io::Result<Answer> {
        // A port that the kernel chooses by chance, and a peer whose datagrams alone arrive.
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((server, self.port))?;
        let mut id = [0; 2];
        rustix::rand::getrandom(&mut id, rustix::rand::GetRandomFlags::empty())?;
        let question = Question::new(u16::from_ne_bytes(id), name.clone());
        socket.send(&question.datagram())?;
        let mut buffer = [0; DATAGRAM];
        for _ in 0..MOST_DATAGRAMS {
            let left = deadline.remaining();
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left))?;
            let length = match socket.recv(&mut buffer) {
                Ok(length) => length,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            match question.answer(buffer.get(..length).unwrap_or_default()) {
                Ok(answer) => return Ok(answer),
                Err(reason) => debug!("a datagram of {server} is no answer: {reason:?}"),
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A name server that knows one name, and answers first with what others might send.
    fn server(known: &'static str, address: [u8; 4]) -> u16 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                let query = &buffer[..length];
                let mut reply = query.to_vec();
                let id = u16::from_be_bytes([query[0], query[1]]);
                let asked = Question::new(id, Name::parse(known).unwrap()).datagram() == query;
                reply[2..4].copy_from_slice(&[0x81, if asked { 0x80 } else { 0x83 }]);
                if asked {
                    reply[7] = 1;
                    reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                    reply.extend(address);
                }
                let mut forged = reply.clone();
                forged[0] ^= 0xff;
                for datagram in [&b"garbage"[..], &forged, &reply] {
                    socket.send_to(datagram, peer).unwrap();
                }
            }
        });
        port
    }

    fn resolver(servers: &[[u8; 4]], port: u16) -> Resolver {
        Resolver {
            servers: servers.iter().map(|s| Ipv4Addr::from(*s)).collect(),
            search: vec!["lab".into()],
            port,
        }
    }

    #[test]
    fn a_bare_name_is_found_below_the_domain_although_others_answer_too() {
        let port = server("nas.lab", [10, 0, 0, 9]);
        let resolver = resolver(&[[127, 0, 0, 1]], port);
        assert_eq!(resolver.resolve("nas"), [Ipv4Addr::new(10, 0, 0, 9)]);
        assert!(resolver.resolve("nobody").is_empty());
    }

    #[test]
    fn a_server_that_refuses_makes_way_for_the_next_one() {
        let port = server("nas.lab", [10, 0, 0, 9]);
        // Nothing listens at the first one.
        let resolver = resolver(&[[127, 0, 0, 2], [127, 0, 0, 1]], port);
        let started = Moment::now();
        assert_eq!(resolver.resolve("nas.lab"), [Ipv4Addr::new(10, 0, 0, 9)]);
        assert!(Moment::now().since(started) < Duration::from_millis(700));
    }

    #[test]
    fn silent_servers_are_given_up_within_the_patience() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let started = Moment::now();
        assert!(resolver(&[[127, 0, 0, 1]], port).resolve("nas").is_empty());
        let took = Moment::now().since(started);
        assert!(took > ROUNDS[0] && took < PATIENCE, "{took:?}");
    }
}
