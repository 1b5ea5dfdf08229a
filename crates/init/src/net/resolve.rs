//! Resolves the name of a server. The messages are encoded and decoded by netroot-proto.
//!
//! The C library would take up to twenty seconds and could not say which server did not answer.

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use netroot_net::unspecified;
use netroot_proto::dns::{Answer, Name, Question, candidates};

use crate::clock::Moment;
use crate::console::{debug, warn};
use crate::net::address::Address;

/// The timeout of each round, after which the query is sent again.
const ROUND_TIMEOUTS: [Duration; 3] = [
    Duration::from_millis(800),
    Duration::from_secs(2),
    Duration::from_secs(3),
];
/// The timeout of the whole resolution.
const TIMEOUT: Duration = Duration::from_secs(12);
/// The most name servers queried (`MAXNS`, as in resolv.conf(5)).
const MAX_SERVERS: usize = 3;
/// The most CNAMEs followed with further queries.
const MAX_ALIASES: usize = 4;
/// A datagram without extensions (RFC 1035 §4.2.1); longer ones are truncated, which the decoder accepts.
const DATAGRAM: usize = 512;
/// The most datagrams read before a server counts as silent: others may send as well.
const MAX_DATAGRAMS: usize = 64;

/// Name servers and search domains.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    servers: Vec<IpAddr>,
    search: Vec<String>,
    port: u16,
}

impl Resolver {
    /// The name servers and domains that came with an address.
    pub(crate) fn of(address: &Address) -> Self {
        let search = address.domain.iter().chain(&address.search);
        Resolver {
            servers: address.dns.iter().take(MAX_SERVERS).copied().collect(),
            search: search.cloned().collect(),
            port: 53,
        }
    }

    /// Parses the comma-separated servers and domains that [`Resolver::lists`] returns.
    pub(crate) fn read(servers: &str, search: &str) -> Self {
        let search = search.split(',').filter(|domain| !domain.is_empty());
        Resolver {
            servers: servers.split(',').filter_map(|s| s.parse().ok()).collect(),
            search: search.map(str::to_owned).collect(),
            port: 53,
        }
    }

    /// The servers and the domains, for another process.
    pub(crate) fn lists(&self) -> [String; 2] {
        let servers: Vec<String> = self.servers.iter().map(IpAddr::to_string).collect();
        [servers.join(","), self.search.join(",")]
    }

    /// The addresses of a host, best first; empty if it cannot be resolved. The reason is logged.
    pub(crate) fn resolve(&self, host: &str) -> Vec<IpAddr> {
        let deadline = Moment::now().after(TIMEOUT);
        for name in candidates(host, self.search.iter().map(String::as_str)) {
            let mut name = name;
            for _ in 0..MAX_ALIASES {
                match self.ask(&name, deadline) {
                    Some(Answer::Addresses(addresses)) => {
                        debug!("{name} is {addresses:?}");
                        return addresses;
                    }
                    Some(Answer::Alias(target)) => name = target,
                    Some(Answer::Nothing) => break,
                    // No server answers: another name would only take as long again.
                    Some(Answer::Failed { .. }) | None => return Vec::new(),
                }
            }
            debug!("DNS has no address of {name}");
        }
        Vec::new()
    }

    /// Queries each server in turn, until one answers.
    fn ask(&self, name: &Name, deadline: Moment) -> Option<Answer> {
        let mut failed = None;
        let mut left = self.servers.clone();
        for timeout in ROUND_TIMEOUTS {
            let mut silent = Vec::new();
            for server in left {
                match self.ask_one(server, name, Moment::now().after(timeout).min(deadline)) {
                    Ok(answer @ Answer::Failed { code }) => {
                        warn!("the name server {server} fails to resolve {name} (code {code})");
                        failed = Some(answer);
                    }
                    Ok(answer) => return Some(answer),
                    Err(e) if e.kind() == io::ErrorKind::TimedOut => silent.push(server),
                    Err(e) => warn!("cannot query the name server {server} for {name}: {e}"),
                }
            }
            left = silent;
        }
        for server in left {
            warn!("the name server {server} does not answer");
        }
        failed
    }

    fn ask_one(&self, server: IpAddr, name: &Name, deadline: Moment) -> io::Result<Answer> {
        // A random source port, and a connected socket that receives only from this server.
        let socket = UdpSocket::bind((unspecified(server), 0))?;
        socket.connect((server, self.port))?;
        let mut id = [0; 2];
        rustix::rand::getrandom(&mut id, rustix::rand::GetRandomFlags::empty())?;
        let question = Question::new(u16::from_ne_bytes(id), name.clone());
        socket.send(&question.datagram())?;
        let mut buffer = [0; DATAGRAM];
        for _ in 0..MAX_DATAGRAMS {
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
                Err(reason) => debug!("a datagram from {server} is not an answer: {reason:?}"),
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A name server with one name, which first sends what an attacker might.
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
            servers: servers.iter().map(|s| IpAddr::from(*s)).collect(),
            search: vec!["lab".into()],
            port,
        }
    }

    #[test]
    fn a_bare_name_is_found_in_the_search_domain_despite_forged_answers() {
        let port = server("nas.lab", [10, 0, 0, 9]);
        let resolver = resolver(&[[127, 0, 0, 1]], port);
        assert_eq!(resolver.resolve("nas"), [IpAddr::from([10, 0, 0, 9])]);
        assert!(resolver.resolve("nobody").is_empty());
    }

    #[test]
    fn the_next_server_is_queried_if_one_refuses() {
        let port = server("nas.lab", [10, 0, 0, 9]);
        // Nothing listens on the first one.
        let resolver = resolver(&[[127, 0, 0, 2], [127, 0, 0, 1]], port);
        assert_eq!(resolver.resolve("nas.lab"), [IpAddr::from([10, 0, 0, 9])]);
    }

    #[test]
    fn silent_servers_are_abandoned_within_the_timeout() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let started = Moment::now();
        assert!(resolver(&[[127, 0, 0, 1]], port).resolve("nas").is_empty());
        let took = Moment::now().since(started);
        assert!(took > ROUND_TIMEOUTS[0] && took < TIMEOUT, "{took:?}");
    }
}
