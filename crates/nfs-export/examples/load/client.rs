//! A client of NFSv3, with blocking calls.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

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
    xid: u32,
    call: Vec<u8>,
    pub(crate) reply: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: Ipv4Addr,
    pub(crate) mount_port: u16,
    pub(crate) nfs_port: u16,
    pub(crate) export: String,
    pub(crate) sources: Option<Ipv4Addr>,
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
            xid: 1,
            call: Vec::new(),
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
        let kept = kept.min(self.reply.len());
        let mut have = 0;
        while have < 28 {
            have += self.more(have, kept, RecvFlags::empty());
        }
        let length = 4 + (word(&self.reply, 0) & 0x7fff_ffff) as usize;
        assert_eq!(word(&self.reply, 4), self.xid, "a reply to another call");
        assert_eq!(&self.reply[12..28], &[0; 16], "the call failed");
        while have < length {
            have += if have < kept {
                self.more(have, kept.min(length), RecvFlags::empty())
            } else {
                self.more(have, length, RecvFlags::TRUNC | RecvFlags::WAITALL)
            };
        }
        length
    }

    pub(crate) fn more(&mut self, from: usize, to: usize, flags: RecvFlags) -> usize {
        let (got, _) = recv(&self.stream, &mut self.reply[from..to], flags).unwrap();
        assert!(got > 0, "the server has closed the connection");
        got
    }

    pub(crate) fn getattr(&mut self, file: &[u8]) {
        let found = self.call(NFS, 1, file);
        assert_eq!(word(found, 0), 0);
    }

    pub(crate) fn lookup(&mut self, dir: &[u8], name: &[u8]) -> Option<Vec<u8>> {
        let found = self.call(NFS, 3, &[dir, name].concat());
        if word(found, 0) != 0 {
            return None;
        }
        let length = word(found, 4) as usize;
        Some(opaque(&found[8..8 + length]))
    }

    /// The bytes that were read.
    pub(crate) fn read(&mut self, file: &[u8], offset: u64, count: u32) -> u64 {
        let arguments = [file, &offset.to_be_bytes()[..], &count.to_be_bytes()].concat();
        self.send(NFS, 6, &arguments);
        self.receive(if count > SMALL { HEAD } else { usize::MAX });
        assert_eq!(word(&self.reply, 28), 0, "READ failed");
        assert_eq!(word(&self.reply, 32), 1, "a READ without attributes");
        u64::from(word(&self.reply, 36 + 84))
    }

    /// One READDIRPLUS; the cookie and verifier of the next, unless it was the last, and how many entries there were.
    pub(crate) fn list(&mut self, dir: &[u8], from: [u8; 16]) -> (Option<[u8; 16]>, u64) {
        let (cookie, verifier) = from.split_at(8);
        let counts = [8192_u32.to_be_bytes(), 32_768_u32.to_be_bytes()].concat();
        let found = self.call(NFS, 17, &[dir, cookie, verifier, &counts].concat());
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
