//! NFS, MOUNT and the portmapper.
//!
//! Figures before: the release build, memory as resident (the server itself has some 10 MiB).

mod calls;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context, Result, ensure};

use super::lab::{HTTP, Lab, TIMEOUT, client, connect, server, udp};
use calls::{Client, MOUNT_PROGRAM, NFS, NFS_PROGRAM, call, opaque, read_arguments, record};

/// The most connections that the server has at a time.
const MAX_CONNECTIONS: usize = 1024;

const PORTMAP: u32 = 100_000;

/// More descriptors than the default for a process.
fn raise_limits() -> Result<()> {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_NOFILE, 8192, 8192).context("raise the limit on open files")
}

/// A connection whose client reads little: the smallest receive buffer that there is.
fn slow_reader(from: Ipv4Addr) -> Result<TcpStream> {
    let stream = connect(from, NFS)?;
    nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::RcvBuf, &2048)?;
    Ok(stream)
}

/// Reads the whole file `big` from an address that has not been seen before.
fn honest(from: u8) -> Result<()> {
    let mut honest = Client::connect(client(from))?;
    let root = honest.mount(b"/")?;
    let big = honest.lookup(&root, b"big")?;
    let mut offset = 0;
    while offset < 4 << 20 {
        let data = honest.read(&big, offset, 256 * 1024)?;
        ensure!(!data.is_empty() && data.iter().all(|byte| *byte == 0x5a));
        offset += u64::try_from(data.len())?;
    }
    Ok(())
}

#[test]
fn udp_port_111_answers_nothing_that_is_longer_than_the_call() -> Result<()> {
    // Before: READ 108 bytes asked, 65,128 answered (x603); portmap DUMP 40 asked, 108 answered (x2.7); MNT answered.
    let mut lab = Lab::new("udp111", &["--portmapper"])?;
    let (asked, answered) = lab.clients.within(|| {
        let mut tcp = Client::connect(client(2))?;
        let root = tcp.mount(b"/")?;
        let big = tcp.lookup(&root, b"big")?;
        let socket = udp(client(2), 0)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        let words = |words: &[u32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_be_bytes()).collect()
        };
        let (mut asked, mut answered) = (0, 0);
        for message in [
            call(NFS_PROGRAM, 3, 6, &read_arguments(&big, 0, 1 << 20)),
            call(NFS_PROGRAM, 3, 0, b""),
            call(MOUNT_PROGRAM, 3, 1, &opaque(b"/")),
            call(MOUNT_PROGRAM, 3, 2, b""),
            call(MOUNT_PROGRAM, 3, 5, b""),
            call(PORTMAP, 2, 0, b""),
            call(PORTMAP, 2, 4, b""),
            call(PORTMAP, 2, 5, &words(&[100_003, 3, 0, 0])),
            call(PORTMAP, 3, 4, b""),
            call(PORTMAP, 4, 3, &words(&[100_003, 3, 0, 0, 0])),
            call(PORTMAP, 2, 3, &words(&[100_003, 3, 6, 0])),
        ] {
            socket.send_to(&message, server(111))?;
            let mut reply = vec![0; 70_000];
            let (length, _) = socket.recv_from(&mut reply)?;
            ensure!(length <= message.len(), "{length} for {message:?}");
            asked += message.len();
            answered += length;
            if message.len() == 72 && message.ends_with(&words(&[100_003, 3, 6, 0])) {
                ensure!(
                    reply
                        .get(..length)
                        .is_some_and(|reply| reply.ends_with(&words(&[0, u32::from(NFS)])))
                );
            }
        }
        // Over TCP the list of programs stays: `rpcinfo -p` and `showmount` use it.
        let list = Client::connect_to(client(2), 111)?.call(PORTMAP, 2, 4, b"")?;
        // The portmapper in three versions over TCP and UDP, NFS, NFSACL, MOUNT in three versions.
        ensure!(list.len() == 11 * 20 + 4, "{list:?}");
        Ok((asked, answered))
    })?;
    println!("UDP 111: {asked} bytes asked, {answered} answered");
    ensure!(answered <= asked);
    lab.assert_memory("UDP 111")
}

#[test]
fn a_list_of_mounts_is_short_and_slow_readers_of_it_hold_little() -> Result<()> {
    // Before: 68 bytes asked, 1,069,052 answered; 137 MB by 60 connections that read nothing.
    raise_limits()?;
    let mut lab = Lab::new("dump", &[])?;
    let length = lab.clients.within(|| {
        for host in 2..=90 {
            let mut one = Client::connect(client(host))?;
            for number in 0..40_usize {
                let path = ["/.".repeat(number), "/".repeat(1000 - 2 * number)].concat();
                one.mount(path.as_bytes())?;
                let path = format!("/{}", "/home/../".repeat(number));
                let _ = one.mount(path.as_bytes());
            }
        }
        let length = Client::connect(client(2))?
            .call(MOUNT_PROGRAM, 3, 2, b"")?
            .len();
        let mut held = Vec::new();
        let dump = record(&call(MOUNT_PROGRAM, 3, 2, b"")).repeat(200);
        for number in 0..600_u32 {
            let mut stream = slow_reader(client(2 + u8::try_from(number % 10)?))?;
            stream.write_all(&dump)?;
            held.push(stream);
        }
        honest(80)?;
        Ok(length)
    })?;
    println!("MOUNT DUMP: {length} bytes for 68");
    ensure!(length <= 33 * 1024, "{length}");
    lab.assert_memory("MOUNT DUMP")
}

/// A root with a directory whose listing is long.
fn many_names(root: &std::path::Path) -> Result<()> {
    let many = root.join("many");
    std::fs::create_dir(&many)?;
    for number in 0..2000 {
        std::fs::write(
            many.join(format!("a-rather-long-name-of-a-file-{number}")),
            "",
        )?;
    }
    Ok(())
}

/// As many connections as there may be, from 80 addresses, whose clients ask for files and lists and read nothing.
fn fill_with_slow_readers() -> Result<Vec<TcpStream>> {
    let mut first = Client::connect(client(2))?;
    let root = first.mount(b"/")?;
    let big = first.lookup(&root, b"big")?;
    let many = first.lookup(&root, b"many")?;
    let list = [
        opaque(&many),
        vec![0; 16],
        0xffff_u32.to_be_bytes().repeat(2),
    ]
    .concat();
    let calls = [
        record(&call(NFS_PROGRAM, 3, 6, &read_arguments(&big, 0, 1 << 20))).repeat(8),
        record(&call(NFS_PROGRAM, 3, 17, &list)).repeat(100),
        record(&call(MOUNT_PROGRAM, 3, 2, b"")).repeat(100),
        record(&call(
            NFS_PROGRAM,
            3,
            6,
            &read_arguments(&big, 0, 256 * 1024),
        ))
        .repeat(16),
    ];
    let mut held = Vec::new();
    for number in 0..MAX_CONNECTIONS {
        let mut stream = slow_reader(client(2 + u8::try_from(number % 80)?))?;
        // Some will be closed while they are written to: that is the point.
        for calls in calls.iter().cycle().skip(number).take(4) {
            let _ = stream.write_all(calls);
        }
        held.push(stream);
    }
    Ok(held)
}

#[test]
fn slow_readers_of_files_and_listings_hold_little_and_others_read_on() -> Result<()> {
    // Before: 184 MB by the export alone (`examples/serve`, which holds 38 MB now).
    raise_limits()?;
    let mut lab = Lab::with_root("slow", &[], many_names)?;
    lab.clients.within(|| {
        let mut held = fill_with_slow_readers()?;
        honest(85)?;
        // Another call on the same connections, while some are still waiting.
        for stream in &mut held {
            stream.set_nonblocking(true)?;
            let _ = stream.write(&record(&call(MOUNT_PROGRAM, 3, 2, b"")));
        }
        honest(86)
    })?;
    lab.assert_memory("slow readers")
}

#[test]
fn slow_readers_of_everything_at_once_hold_little() -> Result<()> {
    raise_limits()?;
    let mut lab = Lab::with_root("everything", &["--portmapper"], many_names)?;
    lab.clients.within(|| {
        let mut held = fill_with_slow_readers()?;
        for number in 0..256_u32 {
            let from = client(2 + u8::try_from(number % 80)?);
            let Ok(mut stream) = connect(from, HTTP) else {
                continue;
            };
            nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::RcvBuf, &2048)?;
            let path = ["/initrd.img", "/status", "/"][usize::try_from(number % 3)?];
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            let _ = stream.write_all(request.repeat(4).as_bytes());
            held.push(stream);
            let tftp = udp(from, 0)?;
            tftp.send_to(
                b"\0\x01initrd.img\0octet\0blksize\x001468\0windowsize\x0064\0",
                server(69),
            )?;
        }
        honest(85)
    })?;
    lab.assert_memory("slow readers of everything")
}

#[test]
fn calls_that_never_end_hold_little() -> Result<()> {
    // Before: 64 KiB for each connection.
    raise_limits()?;
    let mut lab = Lab::new("partial", &[])?;
    lab.clients.within(|| {
        let mut held = Vec::new();
        let mut part = (60_000_u32 | 0x8000_0000).to_be_bytes().to_vec();
        part.resize(50_000, 7);
        let fragment = [&30_000_u32.to_be_bytes()[..], &[7; 30_000], &part].concat();
        for number in 0..MAX_CONNECTIONS {
            let mut stream = connect(client(2 + u8::try_from(number % 80)?), NFS)?;
            let _ = stream.write_all(if number % 2 == 0 { &part } else { &fragment });
            held.push(stream);
        }
        honest(85)
    })?;
    lab.assert_memory("calls that never end")
}

#[test]
fn connections_that_only_send_null_keep_nobody_out() -> Result<()> {
    // Before: 16 addresses with 64 connections each and a NULL every 40 s kept everybody else out.
    raise_limits()?;
    let mut lab = Lab::new("slots", &[])?;
    lab.clients.within(|| {
        let null = record(&call(NFS_PROGRAM, 3, 0, b""));
        let mut held = Vec::new();
        for host in 2..18 {
            for _ in 0..64 {
                let mut stream = connect(client(host), NFS)?;
                stream.write_all(&null)?;
                stream.read_exact(&mut [0; 28])?;
                held.push(stream);
            }
        }
        for host in 50..60 {
            honest(host)?;
            for stream in &mut held {
                let _ = stream.write_all(&null);
            }
        }
        Ok(())
    })?;
    lab.assert_memory("connections with NULL")
}

#[test]
fn a_router_with_thirty_machines_behind_it_keeps_all_their_connections() -> Result<()> {
    // Before: 64 connections for one address.
    raise_limits()?;
    let lab = Lab::new("nat", &[])?;
    lab.clients.within(|| {
        let mut machines = Vec::new();
        for _ in 0..30 * 16 {
            let mut one = Client::connect(client(2))?;
            let root = one.mount(b"/")?;
            machines.push((one, root));
        }
        for (one, root) in &mut machines {
            one.lookup(root, b"big")?;
        }
        Ok(())
    })
}

#[test]
fn a_flood_of_mounts_is_one_line() -> Result<()> {
    // Before: 20,000 MNT, 20,000 lines in 0.37 s.
    let mut lab = Lab::new("mounts", &[])?;
    lab.clients.within(|| {
        let mut one = Client::connect(client(2))?;
        for number in 0..20_000 {
            one.mount(if number % 2 == 0 { b"/" } else { b"//./" })?;
        }
        Ok(())
    })?;
    let events = lab.server.events();
    let lines = events.iter().filter(|(_, event)| event.kind == "mount");
    let lines = lines.count();
    println!("20,000 MNT: {lines} lines");
    // One for each ten seconds that it takes.
    ensure!((1..=12).contains(&lines), "{lines}");
    lab.assert_memory("a flood of mounts")
}

#[test]
fn hidden_secrets_are_not_served_and_the_others_are_warned_of() -> Result<()> {
    // Before: every file was read as uid 0, and nothing was said.
    let fill = |root: &std::path::Path| {
        std::fs::create_dir(root.join("etc/ssh"))?;
        std::fs::write(root.join("etc/ssh/ssh_host_ed25519_key"), "private")?;
        std::fs::write(
            root.join("etc/shadow"),
            "root:$y$j9T$salt$hash:19000::::::\n",
        )?;
        Ok(())
    };
    let read = |lab: &Lab, path: &str| {
        lab.clients.within(|| {
            let mut one = Client::connect(client(2))?;
            let mut file = one.mount(b"/")?;
            for name in path.split('/') {
                file = one.lookup(&file, name.as_bytes())?;
            }
            one.read(&file, 0, 1000)
        })
    };
    let warnings = |lab: &Lab| {
        let events = lab.server.events();
        let warnings = events
            .into_iter()
            .filter(|(_, event)| event.kind == "warning");
        let text: String = warnings.map(|(_, event)| event.text + "\n").collect();
        (
            text.contains("private keys"),
            text.contains("password hashes"),
        )
    };
    let (key, shadow) = ("etc/ssh/ssh_host_ed25519_key", "etc/shadow");
    let open = Lab::with_root("secrets", &[], fill)?;
    ensure!(read(&open, key)? == b"private");
    ensure!(warnings(&open) == (true, true));
    drop(open);
    let hiding = Lab::with_root("hiding", &["--hide-secrets"], fill)?;
    ensure!(read(&hiding, key).is_err());
    ensure!(read(&hiding, shadow)?.starts_with(b"root:"));
    ensure!(read(&hiding, "etc/hostname").is_ok());
    ensure!(warnings(&hiding) == (false, true));
    drop(hiding);
    let arguments = ["--hide-secrets", "--hide", "/etc/shadow"];
    let all = Lab::with_root("all", &arguments, fill)?;
    ensure!(read(&all, shadow).is_err());
    ensure!(warnings(&all) == (false, false));
    Ok(())
}
