//! What connections ask for, one call after the other.

use crate::client::{Client, NFS, Server, opaque, word};

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
            bytes: 0,
        }
    }

    pub(crate) fn step(&mut self) {
        let (client, target) = (&mut self.client, self.target);
        match self.what {
            What::Getattr => client.getattr(&target.large),
            What::Lookup => {
                let name = &target.names[self.round % target.names.len()];
                client.lookup(&target.many, name).unwrap();
            }
            What::Readdirplus => {
                let (next, entries) = client.list(&target.many, self.next);
                self.next = next.unwrap_or_default();
                self.bytes += entries;
            }
            What::Read(size) => {
                let blocks = (target.size / u64::from(size)).max(1) as usize;
                let offset = (self.round % blocks) as u64 * u64::from(size);
                // A shorter reply is asked about again, as clients do.
                let mut done = 0;
                while done < size && offset + u64::from(done) < target.size {
                    let got = client.read(&target.large, offset + u64::from(done), size - done);
                    assert!(got > 0, "a READ of nothing");
                    done += got as u32;
                }
                self.bytes += u64::from(done);
            }
        }
        self.round += 1;
    }
}
