//! A boot server with made-up loaders and a made-up root, and a machine on its network.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use netroot_harness::{Bridge, Net, NetrootServe};
use netroot_net::Mac;
use netroot_proto::dhcp::frame;
use netroot_proto::dhcp::options::Message;
use netroot_sys::packet::PacketSocket;
use serde_json::Value;

use crate::fixture::bzimage;

/// The server's address.
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 9, 1);
/// `--dhcp` with the range of this network.
pub(super) const DHCP: [&str; 2] = ["--dhcp", "10.77.9.100-10.77.9.120"];
/// The version of the root's kernel.
pub(super) const LINUX: &str = "6.1.0-50-amd64";
/// The longest that an answer may take. No test asserts a duration.
pub(super) const TIMEOUT: Duration = Duration::from_secs(120);

/// What the loaders' folder has: each loader of 70,000 bytes.
const LOADERS: [&str; 6] = [
    "undionly.kpxe",
    "ipxe.pxe",
    "snponly.efi",
    "ipxe.efi",
    "snponly-arm64.efi",
    "ipxe-arm64.efi",
];

/// Dropped in this order: the users of a network before the network.
pub(super) struct Lab {
    server: Option<NetrootServe>,
    /// A machine with `10.77.9.50/24` on its `eth0`.
    pub(super) client: Net,
    socket: PacketSocket,
    pub(super) folder: tempfile::TempDir,
    pub(super) net: Net,
    _bridge: Bridge,
}

/// The server's answer.
pub(super) struct Reply {
    pub(super) message: Message,
    /// The same, as it was sent.
    pub(super) bytes: Vec<u8>,
}

/// What a message led to.
pub(super) enum Answer {
    Reply(Box<Reply>),
    /// Why it is not answered: the line that the log has of it.
    Told(Value),
    /// Neither.
    Silence,
}

impl Lab {
    /// The network, without a server yet. `name` names the logs.
    pub(super) fn new(name: &str) -> Result<Self> {
        Self::with_address(name, &format!("{SERVER}/24"))
    }

    /// The same, with the first address of the server's interface `br0`.
    pub(super) fn with_address(name: &str, address: &str) -> Result<Self> {
        // First: the networks have the file systems that are mounted by now.
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))?;
        let net = Net::new(&format!("case-{name}"))?;
        let bridge = net.bridge("br0", address)?;
        let client = Net::new(&format!("case-{name}-client"))?;
        net.cable(&bridge, &client, "eth0", "10.77.9.50/24")?;
        client.shell("ip route add default dev eth0")?;
        let index = client.run(&["cat", "/sys/class/net/eth0/ifindex"])?;
        let index = index.trim().parse()?;
        let socket = client.within(|| Ok(PacketSocket::for_dhcp_client(index)?))?;
        let lab = Self {
            server: None,
            client,
            socket,
            folder,
            net,
            _bridge: bridge,
        };
        for loader in LOADERS {
            lab.file(&format!("ipxe/{loader}"), &[0; 70_000])?;
        }
        lab.file("initrd.img", &[0; 100_000])?;
        lab.file(&format!("root/boot/vmlinuz-{LINUX}"), &bzimage(LINUX))?;
        lab.file(&format!("root/lib/modules/{LINUX}/modules.dep"), b"")?;
        lab.file("root/sbin/init", b"#!/bin/sh\n")?;
        Ok(lab)
    }

    /// Writes a file of the lab's folder: `root/…`, `tftp/…`.
    pub(super) fn file(&self, inside: &str, content: &[u8]) -> Result<()> {
        let path = self.folder.path().join(inside);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        std::fs::write(&path, content).with_context(|| format!("write {}", path.display()))
    }

    /// The path of something in the lab's folder.
    pub(super) fn path(&self, inside: &str) -> String {
        self.folder.path().join(inside).display().to_string()
    }

    /// Starts the server; the one that runs ends first.
    pub(super) fn serve(&mut self, arguments: &[&str]) -> Result<()> {
        self.serve_on("br0", arguments)
    }

    pub(super) fn serve_on(&mut self, interface: &str, arguments: &[&str]) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            server.terminate()?;
        }
        let (ipxe, initrd) = (self.path("ipxe"), self.path("initrd.img"));
        let mut all = vec!["--interface", interface, "--no-probe"];
        all.extend(["--ipxe", &ipxe, "--initrd", &initrd]);
        all.extend(arguments);
        let root = self.path("root");
        self.server = Some(NetrootServe::start(&self.net, Path::new(&root), &all)?);
        Ok(())
    }

    fn server(&self) -> Result<&NetrootServe> {
        self.server.as_ref().context("a server that runs")
    }

    /// Its events.
    pub(super) fn lines(&self) -> Result<Vec<Value>> {
        let lines = self.server()?.output().lines();
        Ok(lines
            .into_iter()
            .filter_map(|(_, line)| serde_json::from_str(&line).ok())
            .collect())
    }

    /// The first event of this kind.
    pub(super) fn event(&self, kind: &str) -> Result<Value> {
        let seen = self.server()?.wait_for_kind(kind, TIMEOUT)?;
        Ok(serde_json::from_str(&seen.line)?)
    }

    /// Sends a client's message as a broadcast, and returns what comes of it.
    pub(super) fn ask(&self, message: &[u8]) -> Result<Answer> {
        self.ask_for(message, TIMEOUT)
    }

    /// The same, with the time that the client waits before it asks again.
    pub(super) fn ask_for(&self, message: &[u8], patience: Duration) -> Result<Answer> {
        let known = self.lines()?.len();
        let mac = message.get(28..34).context("a hardware address")?;
        let mac = match Mac(mac.try_into()?) {
            // A client that is not on Ethernet: a bridge that it came by has some address.
            Mac([0, 0, 0, 0, 0, 0]) => Mac([2, 0, 0, 0, 0xb, 1]),
            mac => mac,
        };
        let frame = frame::broadcast((mac, Ipv4Addr::UNSPECIFIED), message);
        self.socket.send(&frame)?;
        self.answer(message, known, patience)
    }

    /// What came of a message that was sent when the log had `known` lines.
    fn answer(&self, message: &[u8], known: usize, patience: Duration) -> Result<Answer> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if let Some(reply) = self.reply_to(message)? {
                return Ok(Answer::Reply(Box::new(reply)));
            }
            let mut news = self.lines()?.into_iter().skip(known);
            if let Some(line) = news.find(|line| text(line, "/kind") == "ignored") {
                return Ok(Answer::Told(line));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Answer::Silence)
    }

    fn reply_to(&self, message: &[u8]) -> Result<Option<Reply>> {
        let mut buffer = [0; 1600];
        while let Some(length) = self.socket.receive(&mut buffer)? {
            let frame = buffer.get(..length).unwrap_or_default();
            if let Some(sent) = frame::from_server(frame)
                && sent.message.get(4..8) == message.get(4..8)
            {
                // The reader is an Ethernet client's.
                let mut ethernet = sent.message.to_vec();
                if let Some(kind) = ethernet.get_mut(1..3) {
                    kind.copy_from_slice(&[1, 6]);
                }
                return Ok(Some(Reply {
                    message: Message::read(&ethernet)?,
                    bytes: sent.message.to_vec(),
                }));
            }
        }
        Ok(None)
    }
}

/// A DISCOVER of UEFI x64.
pub(super) fn discover() -> Result<Vec<u8>> {
    let packets = capture(include_str!("../../captures/class-without-93.hex"))?;
    packets.into_iter().nth(3).context("a packet")
}

/// A text of an event, by its JSON pointer (RFC 6901); empty if it has none.
pub(super) fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The messages of a capture in `tests/captures`: hexadecimal digits, with empty lines between them and comments (`#`).
pub(super) fn capture(text: &str) -> Result<Vec<Vec<u8>>> {
    let mut messages = Vec::new();
    for message in text.split("\n\n") {
        let lines = message.lines().filter(|line| !line.starts_with('#'));
        let digits: String = lines
            .flat_map(str::chars)
            .filter(|c| !c.is_whitespace())
            .collect();
        if digits.is_empty() {
            continue;
        }
        let pairs = digits.as_bytes().chunks(2);
        let bytes = pairs.map(|pair| Ok(u8::from_str_radix(str::from_utf8(pair)?, 16)?));
        messages.push(bytes.collect::<Result<Vec<u8>>>()?);
    }
    if messages.is_empty() {
        bail!("a capture without a message");
    }
    Ok(messages)
}
