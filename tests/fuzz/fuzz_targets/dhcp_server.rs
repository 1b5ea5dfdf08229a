//! Requests to the DHCP server and the proxy, several in a row: the pool keeps what the earlier ones did.
#![no_main]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::LazyLock;
use std::time::Duration;

use netroot_fuzz::{SERVER, pieces};
use netroot_net::Prefix;
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::pool::Pool;
use netroot_proto::dhcp::request::Request;
use netroot_proto::dhcp::{BINL_PORT, SERVER_PORT};
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Decision, decide};
use netroot_proto::pxe::inputs::{Arrival, BootOptions, Loader, Role, SubnetOptions};
use netroot_proto::pxe::strategy::{LoaderChoice, Strategy, Style};

static LOADERS: LazyLock<[Loader; 2]> = LazyLock::new(|| {
    let loader = |platform, first: &str| Loader {
        platform,
        first: first.into(),
        second: None,
        signed: None,
    };
    [
        loader(Platform::Bios, "undionly.kpxe"),
        loader(Platform::EfiX64, "snponly.efi"),
    ]
});

fn boots() -> BootOptions<'static> {
    BootOptions {
        http_port: 8069,
        script_path: "boot/{mac}.ipxe",
        loaders: &*LOADERS,
        root_path: Some(b"10.0.0.1:/debian,vers=3"),
        allowed: None,
        host_name: None,
        refused: false,
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let last = Ipv4Addr::new(10, 0, 0, 103);
    let Ok(mut pool) = Pool::new(Ipv4Addr::new(10, 0, 0, 100), last, vec![SERVER]) else {
        return;
    };
    let options = SubnetOptions::new(Duration::from_secs(3600));
    let mut now = Duration::from_secs(1_700_000_000);
    for piece in pieces(input) {
        // The first byte chooses what is not in the datagram.
        let Some((choice, datagram)) = piece.split_first() else {
            continue;
        };
        now += Duration::from_secs(u64::from(choice >> 4) * 100);
        let Ok(request) = Request::read(datagram) else {
            continue;
        };
        let _ = Client::of(&request);
        let source = match choice & 4 {
            0 => Ipv4Addr::UNSPECIFIED,
            _ => request.header.client_ip,
        };
        let arrival = Arrival {
            interface: "eth0".into(),
            address: SERVER,
            network: Prefix::clamped(SERVER, 24),
            behind_relays: false,
            port: if choice & 2 == 0 {
                SERVER_PORT
            } else {
                BINL_PORT
            },
            source: SocketAddrV4::new(source, 68),
        };
        let strategy = Strategy {
            style: if choice & 8 == 0 {
                Style::Usual
            } else {
                Style::Other
            },
            loader: match choice & 24 {
                0 => LoaderChoice::First,
                8 => LoaderChoice::Second,
                _ => LoaderChoice::Signed,
            },
        };
        let role = match choice & 1 {
            0 => Role::Proxy,
            _ => Role::Authoritative {
                options: &options,
                pool: &mut pool,
            },
        };
        if let Decision::Reply(reply) = decide(&request, &arrival, &boots(), role, strategy, now) {
            // Our own answers can be read, and fit a frame.
            assert!(reply.packet.len() <= 1472, "{} bytes", reply.packet.len());
            assert!(Message::of_any_hardware(&reply.packet).is_ok());
        }
    }
});
