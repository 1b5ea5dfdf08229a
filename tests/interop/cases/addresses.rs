//! Addresses: several of one interface, those behind a relay, those in use.

use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::{MessageType, code};
use nfs3_client::MountClient;
use nfs3_types::mount::dirpath;
use nfs3_types::xdr_codec::Opaque;

use super::lab::{Answer, DHCP, Lab, SERVER, TIMEOUT, discover, text};
use super::row::Row;
use crate::support::{Stream, now};

const S06: (&str, &str) = ("S06", "vyos/vyos-1x#1036, PJO2/tftpd64#17");
const S12: (&str, &str) = (
    "S12",
    "theforeman/smart-proxy#546, TechnitiumSoftware/DnsServer#302, opnsense/core#10869",
);
const S16: (&str, &str) = (
    "S16",
    "raspberrypi/piserver#125, raspberrypi/rpi-eeprom#58, danderson/pixiecore#30",
);

pub(super) fn rows() -> Result<Vec<Row>> {
    let mut rows = two_addresses()?;
    rows.push(Row::new(
        S12,
        "the first address of the range belongs to a machine that never asked",
        "10.77.9.101 is acknowledged",
        in_use(),
    ));
    rows.extend(relay()?);
    Ok(rows)
}

/// The office's address first, the boot network's second, or as an alias with a label.
fn two_addresses() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (label, interface) in [("", "br0"), ("label br0:1", "br0:1")] {
        let lab = Lab::with_address(
            &format!("two-addresses-{}", interface.len()),
            "192.168.77.5/24",
        );
        let mut lab = lab?;
        lab.net
            .shell(&format!("ip addr add {SERVER}/24 dev br0 {label}"))?;
        for (role, arguments) in [("beside another DHCP server", &[][..]), ("--dhcp", &DHCP)] {
            // Beside another DHCP server nothing but the name tells which address is meant.
            let address = format!("{SERVER}");
            let named = ["--address", address.as_str()];
            let arguments = match arguments {
                [] if label.is_empty() => &named,
                arguments => arguments,
            };
            let observed = lab.serve_on(interface, arguments).and_then(|()| from(&lab));
            rows.push(Row::new(
                S06,
                &format!("the boot network is that of the second address; {interface}, {role}"),
                "all from 10.77.9.1; MOUNT there is allowed",
                observed,
            ));
        }
    }
    Ok(rows)
}

/// Which addresses an offer names.
fn from(lab: &Lab) -> Result<String> {
    let Answer::Reply(reply) = lab.ask(&discover()?)? else {
        return Ok("no answer".to_owned());
    };
    let named = [
        reply.message.options.address(code::SERVER_ID),
        Some(reply.message.header.next_server),
    ];
    let named = match named {
        [Some(id), Some(next)] if id == SERVER && next == SERVER => format!("all from {SERVER}"),
        other => format!("{other:?}"),
    };
    Ok(format!("{named}; {}", mount(lab)?))
}

/// Whether the client may mount the root.
fn mount(lab: &Lab) -> Result<String> {
    lab.client.within(|| {
        let stream = TcpStream::connect((SERVER, 2049)).context("connect to the export")?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let mut client = MountClient::new(Stream(stream));
        Ok(match now(client.mnt(dirpath(Opaque::borrowed(b"/")))) {
            Ok(_) => "MOUNT there is allowed".to_owned(),
            Err(error) => format!("MOUNT there: {error}"),
        })
    })
}

fn in_use() -> Result<String> {
    let mut lab = Lab::new("in-use")?;
    lab.client.shell("ip addr add 10.77.9.100/24 dev eth0")?;
    lab.serve(&["--dhcp", "10.77.9.100-10.77.9.101"])?;
    let discover = discover()?;
    // An offer may be on its way while the address is still asked for; what counts is what is acknowledged.
    for _ in 0..60 {
        let Answer::Reply(offer) = lab.ask(&discover)? else {
            continue;
        };
        let address = offer.message.header.your_ip;
        if let Answer::Reply(reply) = lab.ask(&request(&discover, address)?)?
            && reply.message.kind() == Some(MessageType::Ack)
        {
            return Ok(format!("{} is acknowledged", reply.message.header.your_ip));
        }
    }
    Ok("nothing is acknowledged".to_owned())
}

/// The REQUEST of a client that sent this DISCOVER.
fn request(discover: &[u8], address: Ipv4Addr) -> Result<Vec<u8>> {
    let mut message = discover.to_vec();
    let end = message.iter().rposition(|byte| *byte == code::END);
    message.truncate(end.context("an end")?);
    let kind = message
        .windows(3)
        .position(|option| option == [code::MESSAGE_TYPE, 1, 1]);
    let kind = kind.context("a message type")?;
    *message.get_mut(kind + 2).context("a message type")? = MessageType::Request.into();
    // A transaction of its own, so that a late offer is not taken for the answer.
    *message.get_mut(4).context("a transaction")? ^= 0x80;
    message.extend([code::REQUESTED_ADDRESS, 4]);
    message.extend(address.octets());
    message.extend([code::SERVER_ID, 4]);
    message.extend(SERVER.octets());
    message.push(code::END);
    Ok(message)
}

/// Machines in 10.88.0.0/24, behind the relay 10.88.0.1, which is the client.
fn relay() -> Result<Vec<Row>> {
    let mut lab = Lab::new("relay")?;
    lab.client.shell(
        "ip link set lo up; ip addr add 10.88.0.1/24 dev lo; ip addr add 10.88.0.77/32 dev lo
         ip route add 10.77.9.1/32 dev eth0 src 10.88.0.77",
    )?;
    lab.net.shell("ip route add 10.88.0.0/24 via 10.77.9.50")?;
    let mut rows = Vec::new();
    for (what, arguments, expected) in [
        (
            "beside another DHCP server",
            &[][..],
            "the log names --allow 10.88.0.0/24",
        ),
        (
            "the same with --allow 10.88.0.0/24",
            &["--allow", "10.88.0.0/24"],
            "loads snponly.efi, option 82 is last; MOUNT there is allowed",
        ),
        (
            "--dhcp without a range for them",
            &DHCP,
            "the log names --dhcp 10.88.0.100-10.88.0.200/24",
        ),
        (
            "--dhcp with a range for them",
            &["--dhcp", "10.88.0.100-10.88.0.120/24"],
            "10.88.0.0/24, loads snponly.efi, option 82 is last; MOUNT there is allowed",
        ),
    ] {
        let observed = lab.serve(arguments).and_then(|()| relayed(&lab));
        rows.push(Row::new(
            S16,
            &format!("behind a relay; {what}"),
            expected,
            observed,
        ));
    }
    Ok(rows)
}

fn relayed(lab: &Lab) -> Result<String> {
    let known = lab.lines()?.len();
    let mut message = discover()?;
    let end = message.iter().rposition(|byte| *byte == code::END);
    message.truncate(end.context("an end")?);
    message.extend([code::RELAY_AGENT, 4, 1, 2, b'p', b'1', code::END]);
    *message.get_mut(3).context("hops")? = 1;
    let relay = message.get_mut(24..28).context("a relay")?;
    relay.copy_from_slice(&[10, 88, 0, 1]);
    let socket = lab.client.within(|| {
        let socket = UdpSocket::bind("10.88.0.1:67")?;
        socket.send_to(&message, (SERVER, 67))?;
        Ok(socket)
    })?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let mut buffer = [0; 1600];
    let end = Instant::now() + TIMEOUT;
    while Instant::now() < end {
        if let Ok((length, _)) = socket.recv_from(&mut buffer) {
            let reply = Message::read(buffer.get(..length).unwrap_or_default())?;
            return Ok(format!("{}; {}", offered(&reply), mount(lab)?));
        }
        let mut news = lab.lines()?.into_iter().skip(known);
        if let Some(line) = news.find(|line| text(line, "/kind") == "ignored") {
            let told = text(&line, "/text");
            let cures = ["--dhcp 10.88.0.100-10.88.0.200/24", "--allow 10.88.0.0/24"];
            let cure = cures.iter().find(|cure| told.contains(**cure));
            return Ok(format!("the log names {}", cure.unwrap_or(&told)));
        }
    }
    Ok("silence".to_owned())
}

fn offered(reply: &Message) -> String {
    let network = match reply.header.your_ip.octets() {
        [10, 88, 0, _] => "10.88.0.0/24, ",
        _ => "",
    };
    let file = String::from_utf8_lossy(reply.boot_file().unwrap_or_default()).into_owned();
    let last = reply.options.iter().last().map(|(code, _)| code);
    let last = match last {
        Some(code::RELAY_AGENT) => "option 82 is last".to_owned(),
        other => format!("the last option is {other:?}"),
    };
    format!("{network}loads {file}, {last}")
}
