//! A client of NFSv3, with blocking calls.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketType, bind, connect, recv, send, socket, sockopt,
};

pub(crate) const NFS: u32 = 100_003;
pub(crate) const MOUNT: u32 = 100_005;
/// What is read of a reply before the rest is thrown away: the header, and all before the data of a READ.
pub(crate) const HEAD: usize = 4 + 24 + 4 + 4 + 84 + 12;
/// A READ of more than this, in bytes, is worth a second system call.
pub(crate) const SMALL: u32 = 16 * 1024;

pub(crate) struct Client {
    stream: OwnedFd,
    /// Whether it looks for a reply until there is one, and does not sleep.
    awake: bool,
    xid: u32,
    call: Vec<u8>,
    /// How many bytes of the reply have come.
    have: usize,
    pub(crate) reply: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: Ipv4Addr,
    pub(crate) mount_port: u16,
    pub(crate) nfs_port: u16,
    pub(crate) export: String,
    pub(crate) sources: Option<Ipv4Addr>,
    pub(crate) awake: bool,
}

impl Server {
    pub(crate) fn connect(&self, port: u16, number: usize) -> Client {
        let stream = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        if let Some(first) = self.sources {
            let source = Ipv4Addr::from(u32::from(first) + number as u32);
            bind(&stream, &SocketAddr::new(IpAddr::V4(source), 0)).unwrap();
        }
        sockopt::set_tcp_nodelay(&stream, true).unwrap();
        connect(&stream, &SocketAddr::new(IpAddr::V4(self.address), port)).unwrap();
        let stream = TcpStream::from(stream);
        stream
            .set_read_timeout(Some(Duration::from_secs(120)))
            .unwrap();
        Client {
            stream: stream.into(),
            awake: self.awake,
            xid: 1,
            call: Vec::new(),
            have: 0,
            reply: vec![0; 2 << 20],
        }
    }

    pub(crate) fn nfs(&self, number: usize) -> Client {
        self.connect(self.nfs_port, number)
    }

    pub(crate) fn root(&self) -> Vec<u8> {
        let mut mount = self.connect(self.mount_port, 0);
        let reply = mount.call(MOUNT, 1, &opaque(self.export.as_bytes()));
        assert_eq!(word(reply, 0), 0, "MNT failed");
        reply[8..8 + word(reply, 4) as usize].to_vec()
    }
}

impl Client {
    /// Sends a call as uid 0.
    pub(crate) fn send(&mut self, program: u32, procedure: u32, arguments: &[u8]) {
        self.xid += 1;
        let length = (60 + arguments.len()) as u32;
        // AUTH_SYS with an empty name and no groups.
        let head = [
            length | 0x8000_0000,
            self.xid,
            0,
            2,
            program,
            3,
            procedure,
            1,
            20,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        self.call.clear();
        for word in head {
            self.call.extend_from_slice(&word.to_be_bytes());
        }
        self.call.extend_from_slice(arguments);
        let sent = send(&self.stream, &self.call, SendFlags::NOSIGNAL).unwrap();
        assert_eq!(sent, self.call.len());
    }

    pub(crate) fn call(&mut self, program: u32, procedure: u32, arguments: &[u8]) -> &[u8] {
        self.send(program, procedure, arguments);
        let length = self.receive(usize::MAX);
        &self.reply[28..length]
    }

    /// Receives a reply; of one that is longer than `kept` bytes, no more than those. Returns its whole length.
    pub(crate) fn receive(&mut self, kept: usize) -> usize {
        loop {
            if let Some(length) = self.arrived(kept) {
                return length;
            }
        }
    }

    /// Receives what there is of a reply; its whole length once there is all of it. One that is not awake waits for it.
    pub(crate) fn arrived(&mut self, kept: usize) -> Option<usize> {
        let kept = kept.min(self.reply.len());
        while self.have < 28 {
            self.have += self.more(kept, RecvFlags::empty())?;
        }
        let length = 4 + (word(&self.reply, 0) & 0x7fff_ffff) as usize;
        assert_eq!(word(&self.reply, 4), self.xid, "a reply to another call");
        assert_eq!(&self.reply[12..28], &[0; 16], "the call failed");
        while self.have < length {
            self.have += if self.have < kept {
                self.more(kept.min(length), RecvFlags::empty())?
            } else {
                self.more(length, RecvFlags::TRUNC | RecvFlags::WAITALL)?
            };
        }
        self.have = 0;
        Some(length)
    }

    fn more(&mut self, to: usize, flags: RecvFlags) -> Option<usize> {
        let flags = match self.awake {
            true => flags | RecvFlags::DONTWAIT,
            false => flags,
        };
        let got = match recv(&self.stream, &mut self.reply[self.have..to], flags) {
            Err(Errno::AGAIN) if self.awake => return None,
            got => got.unwrap().0,
        };
        assert!(got > 0, "the server has closed the connection");
        Some(got)
    }

    pub(crate) fn lookup(&mut self, dir: &[u8], name: &[u8]) -> Option<Vec<u8>> {
        let found = self.call(NFS, 3, &[dir, name].concat());
        if word(found, 0) != 0 {
            return None;
        }
        let length = word(found, 4) as usize;
        Some(opaque(&found[8..8 + length]))
    }

    /// Asks for bytes of a file, of whose reply [`Client::kept`] are looked at.
    pub(crate) fn ask_read(&mut self, file: &[u8], offset: u64, count: u32) {
        let arguments = [file, &offset.to_be_bytes()[..], &count.to_be_bytes()].concat();
        self.send(NFS, 6, &arguments);
    }

    /// The bytes that were read.
    pub(crate) fn was_read(&self) -> u32 {
        assert_eq!(word(&self.reply, 28), 0, "READ failed");
        assert_eq!(word(&self.reply, 32), 1, "a READ without attributes");
        word(&self.reply, 36 + 84)
    }

    pub(crate) fn ask_list(&mut self, dir: &[u8], from: [u8; 16]) {
        let (cookie, verifier) = from.split_at(8);
        let counts = [8192_u32.to_be_bytes(), 32_768_u32.to_be_bytes()].concat();
        self.send(NFS, 17, &[dir, cookie, verifier, &counts].concat());
    }

    /// The cookie and verifier of the next READDIRPLUS, unless it was the last, and how many entries there were.
    pub(crate) fn was_listed(&self) -> (Option<[u8; 16]>, u64) {
        let found = &self.reply[28..];
        assert_eq!(word(found, 0), 0, "READDIRPLUS failed");
        let mut at = 8 + if word(found, 4) == 1 { 84 } else { 0 };
        let mut next = [0; 16];
        next[8..].copy_from_slice(&found[at..at + 8]);
        at += 8;
        let mut entries = 0;
        while word(found, at) == 1 {
            entries += 1;
            let name = word(found, at + 12) as usize;
            at += 16 + name.next_multiple_of(4);
            next[..8].copy_from_slice(&found[at..at + 8]);
            at += 8;
            at += 4 + if word(found, at) == 1 { 84 } else { 0 };
            let has_handle = word(found, at) == 1;
            at += 4;
            if has_handle {
                at += 4 + (word(found, at) as usize).next_multiple_of(4);
            }
        }
        ((word(found, at + 4) == 0).then_some(next), entries)
    }
}

/// A length and bytes, in XDR.
pub(crate) fn opaque(bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

pub(crate) fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}
