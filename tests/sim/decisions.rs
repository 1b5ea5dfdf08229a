//! Our server's decision about one packet, in either role, and its answer as text.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::LazyLock;
use std::time::Duration;

use netroot_net::Prefix;
use netroot_proto::dhcp::SERVER_PORT;
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::pool::Pool;
use netroot_proto::dhcp::request::Request;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::decide::{Decision, Destination, Reason, Reply, decide};
use netroot_proto::pxe::inputs::{Arrival, BootOptions, Loader, Role, SignedLoader, SubnetOptions};
use netroot_proto::pxe::strategy::{LoaderChoice, Strategy, Style};

use super::lan::ip;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const OTHER: Strategy = Strategy {
    style: Style::Other,
    loader: LoaderChoice::First,
};
pub(crate) const USUAL: Strategy = Strategy {
    style: Style::Usual,
    loader: LoaderChoice::First,
};

static LOADERS: LazyLock<[Loader; 4]> = LazyLock::new(|| {
    let loader = |platform, first: &str, second: Option<&str>| Loader {
        platform,
        first: first.into(),
        second: second.map(Into::into),
        signed: None,
    };
    let signed = SignedLoader {
        file: "images/debian/shimx64.efi".into(),
        over_http: false,
        by_proxy: false,
    };
    [
        loader(Platform::Bios, "undionly.kpxe", None),
        Loader {
            signed: Some(signed),
            ..loader(Platform::EfiX64, "snponly.efi", Some("ipxe.efi"))
        },
        loader(Platform::EfiArm64, "snponly-arm64.efi", None),
        loader(Platform::RaspberryPi, "bootcode.bin", None),
    ]
});

pub(crate) fn boots() -> BootOptions<'static> {
    BootOptions {
        http_port: 8080,
        script_path: "boot/{mac}.ipxe",
        loaders: &*LOADERS,
        root_path: None,
        allowed: None,
        host_name: None,
        refused: false,
    }
}

pub(crate) fn arrival(port: u16) -> Arrival {
    Arrival {
        interface: "eth0".into(),
        address: ip(1),
        network: Prefix::clamped(ip(1), 24),
        behind_relays: false,
        port,
        source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
    }
}

pub(crate) fn pool() -> Pool {
    Pool::new(ip(100), ip(200), vec![ip(1)]).unwrap()
}

pub(crate) fn proxy(datagram: &[u8], strategy: Strategy) -> Decision {
    proxy_at(datagram, SERVER_PORT, arrival(SERVER_PORT).source, strategy)
}

/// The same for a datagram that came to this port from `source`.
pub(crate) fn proxy_at(
    datagram: &[u8],
    port: u16,
    source: SocketAddrV4,
    strategy: Strategy,
) -> Decision {
    let request = Request::read(datagram).unwrap();
    let arrival = Arrival {
        source,
        ..arrival(port)
    };
    decide(&request, &arrival, &boots(), Role::Proxy, strategy, HOUR)
}

pub(crate) fn dhcp(datagram: &[u8], pool: &mut Pool, strategy: Strategy) -> Decision {
    let source = arrival(SERVER_PORT).source;
    dhcp_at(datagram, SERVER_PORT, source, pool, strategy)
}

/// The same for a datagram that came to this port from `source`.
pub(crate) fn dhcp_at(
    datagram: &[u8],
    port: u16,
    source: SocketAddrV4,
    pool: &mut Pool,
    strategy: Strategy,
) -> Decision {
    let network = SubnetOptions::new(HOUR);
    let request = Request::read(datagram).unwrap();
    let arrival = Arrival {
        source,
        ..arrival(port)
    };
    let role = Role::Authoritative {
        options: &network,
        pool,
    };
    decide(&request, &arrival, &boots(), role, strategy, HOUR)
}

pub(crate) fn reply(decision: Decision) -> Reply {
    match decision {
        Decision::Reply(reply) => *reply,
        other => panic!("not answered: {other:?}"),
    }
}

pub(crate) fn reason(decision: Decision) -> Reason {
    match decision {
        Decision::Ignore(reason) => reason,
        other => panic!("not ignored: {other:?}"),
    }
}

/// A reply as text, without padding: header fields that are not zero, then the options.
pub(crate) fn words(reply: &Reply) -> Vec<String> {
    assert!((300..=1472).contains(&reply.packet.len()));
    assert!(reply.left_out.is_empty());
    describe(reply)
}

/// A reply, read as if its client had Ethernet.
pub(crate) fn read(reply: &Reply) -> Message {
    let mut packet = reply.packet.clone();
    packet[1..3].copy_from_slice(&[1, 6]);
    Message::read(&packet).unwrap()
}

/// The same, whatever its length and whatever was left out.
pub(crate) fn describe(reply: &Reply) -> Vec<String> {
    let message = read(reply);
    let header = &message.header;
    assert!(!header.from_client);
    let mut words = vec![
        destination(reply.destination),
        format!("flags {:#06x}", header.flags),
    ];
    if reply.packet[1..3] != [1, 6] {
        let (kind, length) = (reply.packet[1], reply.packet[2]);
        words.push(format!("htype {kind} hlen {length} of {}", reply.machine));
    }
    let fields = [
        ("ciaddr", header.client_ip),
        ("yiaddr", header.your_ip),
        ("siaddr", header.next_server),
        ("giaddr", header.relay_ip),
    ];
    words.extend(
        fields
            .iter()
            .filter(|(_, a)| !a.is_unspecified())
            .map(|(n, a)| format!("{n} {a}")),
    );
    if !message.file.is_empty() {
        words.push(format!("file {}", String::from_utf8_lossy(&message.file)));
    }
    words.extend(message.options.iter().map(|(code, value)| {
        let text = value.len() > 4 && value.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
        match text {
            true => format!("{code} {}", String::from_utf8_lossy(value)),
            false => {
                let digits: String = value.iter().map(|b| format!("{b:02x}")).collect();
                format!("{code} {digits}")
            }
        }
    }));
    words
}

fn destination(destination: Destination) -> String {
    match destination {
        Destination::Broadcast => "to Broadcast".to_owned(),
        Destination::Unicast(address) => format!("to {address}"),
        Destination::Ethernet { mac, address } => format!("to {mac} {address}"),
        Destination::Relay(relay) => format!("to the relay {relay}"),
    }
}
