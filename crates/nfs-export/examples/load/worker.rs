//! What connections ask for, one call after the other.

use crate::client::{Client, HEAD, NFS, SMALL, Server, opaque, word};

/// What is asked for.
pub(crate) struct Target {
    many: Vec<u8>,
    names: Vec<Vec<u8>>,
    pub(crate) large: Vec<u8>,
    size: u64,
}

impl Target {
    pub(crate) fn find(server: &Server) -> Self {
        let root = opaque(&server.root());
        let mut client = server.nfs(0);
        let many = client.lookup(&root, &opaque(b"many")).unwrap();
        let large = client.lookup(&root, &opaque(b"large")).unwrap();
        let attributes = client.call(NFS, 1, &large);
        let size = u64::from(word(attributes, 24)) << 32 | u64::from(word(attributes, 28));
        // As the bench names them.
        let names = (0..NAMES).map(|number| opaque(format!("name-{number}").as_bytes()));
        Self {
            many,
            names: names.collect(),
            large,
            size,
        }
    }
}

/// The names in `many`.
pub(crate) const NAMES: usize = 1000;

#[derive(Clone, Copy)]
pub(crate) enum What {
    Getattr,
    Lookup,
    Readdirplus,
    Read(u32),
}

impl What {
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "getattr" => Self::Getattr,
            "lookup" => Self::Lookup,
            "readdirplus" => Self::Readdirplus,
            read => Self::Read(read.strip_prefix("read:").unwrap().parse().unwrap()),
        }
    }

    /// How many calls a pass is.
    pub(crate) fn calls(self, target: &Target) -> usize {
        match self {
            Self::Getattr | Self::Lookup => target.names.len(),
            Self::Readdirplus => 1,
            Self::Read(size) => target.size.div_ceil(u64::from(size)) as usize,
        }
    }
}

/// What one connection does, with its place in the folder or the file.
pub(crate) struct Worker<'a> {
    client: Client,
    target: &'a Target,
    what: What,
    round: usize,
    pub(crate) next: [u8; 16],
    /// How many bytes of the block have been read.
    done: u32,
    pub(crate) bytes: u64,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(
        server: &Server,
        target: &'a Target,
        what: What,
        number: usize,
        first: usize,
    ) -> Self {
        Self {
            client: server.nfs(number),
            target,
            what,
            round: first,
            next: [0; 16],
            done: 0,
            bytes: 0,
        }
    }

    /// Makes a call, and waits for its reply.
    pub(crate) fn step(&mut self) {
        self.ask();
        while !self.is_answered() {}
    }

    /// Sends the next call.
    pub(crate) fn ask(&mut self) {
        let target = self.target;
        match self.what {
            What::Getattr => self.client.send(NFS, 1, &target.large),
            What::Lookup => {
                let name = &target.names[self.round % target.names.len()];
                self.client.send(NFS, 3, &[&target.many[..], name].concat());
            }
            What::Readdirplus => self.client.ask_list(&target.many, self.next),
            What::Read(size) => {
                let at = self.block(size) + u64::from(self.done);
                self.client.ask_read(&target.large, at, size - self.done);
            }
        }
    }

    /// Where in the file a block begins.
    fn block(&self, size: u32) -> u64 {
        let blocks = (self.target.size / u64::from(size)).max(1) as usize;
        (self.round % blocks) as u64 * u64::from(size)
    }

    /// Whether the reply has come. A shorter one than was asked for is asked about again, as clients do.
    pub(crate) fn is_answered(&mut self) -> bool {
        let kept = match self.what {
            What::Read(size) if size > SMALL => HEAD,
            _ => usize::MAX,
        };
        if self.client.arrived(kept).is_none() {
            return false;
        }
        match self.what {
            What::Getattr | What::Lookup => {
                assert_eq!(word(&self.client.reply, 28), 0, "the call failed");
            }
            What::Readdirplus => {
                let (next, entries) = self.client.was_listed();
                self.next = next.unwrap_or_default();
                self.bytes += entries;
            }
            What::Read(size) => {
                let got = self.client.was_read();
                assert!(got > 0, "a READ of nothing");
                self.done += got;
                let at_end = self.block(size) + u64::from(self.done) >= self.target.size;
                if self.done < size && !at_end {
                    self.ask();
                    return false;
                }
                self.bytes += u64::from(self.done);
                self.done = 0;
            }
        }
        self.round += 1;
        true
    }
}
