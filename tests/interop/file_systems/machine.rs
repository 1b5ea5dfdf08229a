//! A machine that mounts the export and uses every file of it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use nfs3_types::nfs3::Nfs3Option;
use nfs3_types::nfs3::{
    ACCESS3_EXECUTE, ACCESS3_LOOKUP, ACCESS3_READ, entryplus3, fattr3, ftype3, nfs_fh3, nfsstat3,
};

use super::real::{Content, Facts, Kind, Tree, below, hash, ranges};
use crate::hostile::lab::connect;
use crate::support::{Client, root_handle_over};

/// The port of NFS and MOUNT.
const NFS: u16 = 2049;

/// How often a server may tell one machine to try again later, while it uses the whole tree once.
const MOST_DELAYS: usize = 40;
/// How long a machine waits then. Linux waits 5 s (`NFS_JUKEBOX_RETRY_TIME`).
const DELAY: Duration = Duration::from_millis(250);

/// The bytes that a READ asks for.
const BLOCK: u64 = 256 << 10;

/// A file as a client knows it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) facts: Facts,
    pub(super) fsid: u64,
    pub(super) fileid: u64,
    pub(super) handle: nfs_fh3,
    /// The names in a folder.
    pub(super) names: BTreeSet<Vec<u8>>,
}

/// What a file system tells differently each time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Vague {
    /// The times of these folders, which are empty.
    pub(super) made_up: &'static [&'static str],
    /// How many names a file has; each is a file to clients.
    pub(super) links: bool,
}

impl Vague {
    /// What can be compared.
    pub(super) fn without(self, path: &[u8], facts: &mut Facts) {
        if self.made_up.iter().any(|name| name.as_bytes() == path) {
            facts.modified = (0, 0);
        }
        if self.links {
            facts.links = 0;
        }
    }
}

/// A client, and how often it was told to try again later.
pub(super) struct Machine {
    client: Client,
    vague: Vague,
    pub(super) delays: usize,
}

/// How a tree is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// By READDIR and READDIRPLUS with small and large replies, LOOKUP, GETATTR, ACCESS, READ and READLINK.
    Closely,
    /// By READDIRPLUS alone.
    Again,
}

/// A file while its tree is walked.
struct Folder {
    path: Vec<u8>,
    handle: nfs_fh3,
    attributes: fattr3,
    parent: u64,
}

impl Machine {
    /// Mounts the root from this address. To be used in the clients' network.
    pub(super) fn mount(from: Ipv4Addr, vague: Vague) -> Result<Self> {
        let root = root_handle_over(connect(from, NFS)?, "/");
        let client = Client::over(connect(from, NFS)?, root, 0, 0, &[]);
        Ok(Self {
            client,
            vague,
            delays: 0,
        })
    }

    /// A machine that mounted before: it only has handles.
    pub(super) fn with_handles(from: Ipv4Addr, vague: Vague) -> Result<Self> {
        let client = Client::over(connect(from, NFS)?, nfs_fh3::default(), 0, 0, &[]);
        Ok(Self {
            client,
            vague,
            delays: 0,
        })
    }

    /// Calls until the answer is not "later"; other errors are the test's.
    fn ask<T>(
        &mut self,
        what: &str,
        path: &[u8],
        mut call: impl FnMut(&mut Client) -> Result<T, nfsstat3>,
    ) -> Result<T> {
        loop {
            match call(&mut self.client) {
                Ok(answer) => return Ok(answer),
                Err(nfsstat3::NFS3ERR_JUKEBOX) if self.delays < MOST_DELAYS => {
                    self.delays += 1;
                    std::thread::sleep(DELAY);
                }
                Err(status) => bail!(
                    "{what} of /{}: {status:?}, after {} delays",
                    path.escape_ascii(),
                    self.delays
                ),
            }
        }
    }

    /// Looks at every file.
    pub(super) fn walk(&mut self, look: Look) -> Result<Tree<Seen>> {
        let root = self.client.root.clone();
        let attributes = self.ask("GETATTR", b"", |client| client.attributes(&root))?;
        let mut tree = Tree::new();
        let parent = attributes.fileid;
        let path = Vec::new();
        let mut folders = vec![Folder {
            path,
            handle: root,
            attributes,
            parent,
        }];
        while let Some(folder) = folders.pop() {
            let entries = self.entries(&folder, look)?;
            let names = entries.iter().map(|(name, ..)| name.clone()).collect();
            for (name, handle, attributes) in entries {
                let path = below(&folder.path, &name);
                if attributes.type_ == ftype3::NF3DIR {
                    let parent = folder.attributes.fileid;
                    folders.push(Folder {
                        path,
                        handle,
                        attributes,
                        parent,
                    });
                } else {
                    let seen = self.seen(&path, handle, &attributes, BTreeSet::new(), look)?;
                    tree.insert(path, seen);
                }
            }
            let Folder {
                path,
                handle,
                attributes,
                ..
            } = folder;
            let seen = self.seen(&path, handle, &attributes, names, look)?;
            tree.insert(path, seen);
        }
        Ok(tree)
    }

    /// The entries of a folder, without itself and the one above it.
    fn entries(&mut self, folder: &Folder, look: Look) -> Result<Vec<Entry>> {
        let (path, handle) = (&folder.path, &folder.handle);
        let plus = self.ask("READDIRPLUS", path, |client| {
            client.list_plus(handle, 8192, 65_536)
        })?;
        if look == Look::Closely {
            self.compare_listings(path, handle, &plus)?;
        }
        let mut found = Vec::new();
        for entry in &plus {
            let name = entry.name.as_ref();
            let path = below(path, name);
            let number = match name {
                b"." => Some(folder.attributes.fileid),
                b".." => Some(folder.parent),
                _ => None,
            };
            if let Some(number) = number {
                ensure!(
                    entry.fileid == number,
                    "/{}: listed as inode {}, GETATTR says {number}",
                    path.escape_ascii(),
                    entry.fileid
                );
                continue;
            }
            match (&entry.name_handle, &entry.name_attributes) {
                (Nfs3Option::Some(handle), Nfs3Option::Some(with)) if look == Look::Again => {
                    found.push((name.to_vec(), handle.clone(), with.clone()));
                }
                _ => found.push(self.by_name(&path, folder, entry)?),
            }
        }
        Ok(found)
    }

    /// READDIR and READDIRPLUS give the same names and numbers, whatever fits into a reply.
    fn compare_listings(
        &mut self,
        path: &[u8],
        handle: &nfs_fh3,
        plus: &[entryplus3<'static>],
    ) -> Result<()> {
        let few = self.ask("READDIR", path, |client| client.list(handle, 512))?;
        let many = self.ask("READDIR", path, |client| client.list(handle, 65_536))?;
        let plus_few = self.ask("READDIRPLUS", path, |client| {
            client.list_plus(handle, 512, 2048)
        })?;
        let of_plus = |entries: &[entryplus3<'static>]| -> Vec<_> {
            let entries = entries.iter();
            let pairs = entries.map(|entry| (entry.fileid, entry.name.as_ref().to_vec()));
            pairs.collect()
        };
        let listed: BTreeSet<_> = few.iter().cloned().collect();
        ensure!(
            listed.len() == few.len(),
            "/{}: a name is listed twice",
            path.escape_ascii()
        );
        for (what, other) in [
            ("READDIR with a large count", many),
            ("READDIRPLUS with a small count", of_plus(&plus_few)),
            ("READDIRPLUS with a large count", of_plus(plus)),
        ] {
            let other: BTreeSet<_> = other.into_iter().collect();
            let differences: Vec<_> = listed.symmetric_difference(&other).take(6).collect();
            ensure!(
                differences.is_empty(),
                "/{}: {what} differs from READDIR with a small one: {differences:?}",
                path.escape_ascii()
            );
        }
        Ok(())
    }

    /// Looks an entry up; what READDIRPLUS said of it is the same.
    fn by_name(
        &mut self,
        path: &[u8],
        folder: &Folder,
        entry: &entryplus3<'static>,
    ) -> Result<Entry> {
        let name = entry.name.as_ref();
        let found = self.ask("LOOKUP", path, |client| {
            client.lookup_in(&folder.handle, name)
        })?;
        let handle = found.object;
        let now = self.ask("GETATTR", path, |client| client.attributes(&handle))?;
        let shown = || path.escape_ascii();
        if let Nfs3Option::Some(listed) = &entry.name_handle {
            ensure!(
                *listed == handle,
                "/{}: READDIRPLUS and LOOKUP give different handles",
                shown()
            );
        }
        for (what, with) in [
            ("LOOKUP", &found.obj_attributes),
            ("READDIRPLUS", &entry.name_attributes),
        ] {
            if let Nfs3Option::Some(with) = with {
                ensure!(
                    (self.facts(path, with), with.fsid, with.fileid)
                        == (self.facts(path, &now), now.fsid, now.fileid),
                    "/{}: {what} and GETATTR give different attributes: {with:?} {now:?}",
                    shown()
                );
            }
        }
        // Where another file system begins, a listing may have the number of the folder that it covers, as on Linux.
        ensure!(
            entry.fileid == now.fileid || now.fsid != folder.attributes.fsid,
            "/{}: listed as inode {}, GETATTR says {}",
            shown(),
            entry.fileid,
            now.fileid
        );
        Ok((name.to_vec(), handle, now))
    }

    /// A file with its content.
    fn seen(
        &mut self,
        path: &[u8],
        handle: nfs_fh3,
        attributes: &fattr3,
        names: BTreeSet<Vec<u8>>,
        look: Look,
    ) -> Result<Seen> {
        let mut facts = self.facts(path, attributes);
        if look == Look::Closely {
            self.check_access(path, &handle, facts.kind)?;
            facts.content = self.content(path, &handle, &facts)?;
        }
        Ok(Seen {
            facts,
            fsid: attributes.fsid,
            fileid: attributes.fileid,
            handle,
            names,
        })
    }

    fn check_access(&mut self, path: &[u8], handle: &nfs_fh3, kind: Kind) -> Result<()> {
        let granted = self.ask("ACCESS", path, |client| Ok(client.access(handle)))?;
        // What is written to a device or a FIFO does not go to the server.
        let is_stored = matches!(kind, Kind::File | Kind::Folder | Kind::Link);
        let may_change = granted & !(ACCESS3_READ | ACCESS3_LOOKUP | ACCESS3_EXECUTE);
        ensure!(
            granted & ACCESS3_READ != 0 && (may_change == 0 || !is_stored),
            "/{}: ACCESS grants root {granted:#x}",
            path.escape_ascii()
        );
        Ok(())
    }

    fn content(&mut self, path: &[u8], handle: &nfs_fh3, facts: &Facts) -> Result<Content> {
        match facts.kind {
            Kind::Link => {
                let target = self.ask("READLINK", path, |client| client.readlink(handle))?;
                Ok(Content::Target(target))
            }
            Kind::File => {
                let mut bytes = Vec::new();
                for (offset, length) in ranges(facts.size) {
                    let end = offset + length;
                    let mut at = offset;
                    while at < end {
                        let count = u32::try_from((end - at).min(BLOCK))?;
                        let (data, _) =
                            self.ask("READ", path, |client| client.read(handle, at, count))?;
                        ensure!(
                            !data.is_empty(),
                            "/{}: READ at {at} is short",
                            path.escape_ascii()
                        );
                        at += u64::try_from(data.len())?;
                        bytes.extend(data);
                    }
                }
                Ok(hash(&bytes))
            }
            _ => Ok(Content::None),
        }
    }

    /// Uses handles that an earlier server gave, in this order, before anything is looked up by name.
    pub(super) fn use_handles<'a>(
        &mut self,
        files: impl IntoIterator<Item = (&'a Vec<u8>, &'a Seen)>,
    ) -> Result<()> {
        for (path, before) in files {
            let handle = &before.handle;
            // The content first, as the pages of a running program are read.
            let content = self.content(path, handle, &before.facts)?;
            let attributes = self.ask("GETATTR", path, |client| client.attributes(handle))?;
            let now = Facts {
                content,
                ..self.facts(path, &attributes)
            };
            ensure!(
                (&now, attributes.fsid, attributes.fileid)
                    == (&before.facts, before.fsid, before.fileid),
                "/{}: by its old handle {now:?} {} {}, before {before:?}",
                path.escape_ascii(),
                attributes.fsid,
                attributes.fileid
            );
            if now.kind == Kind::Folder {
                let listed = self.ask("READDIR", path, |client| client.list(handle, 32_768))?;
                let names = listed.into_iter().map(|(_, name)| name);
                let names: BTreeSet<_> =
                    names.filter(|name| name != b"." && name != b"..").collect();
                ensure!(
                    names == before.names,
                    "/{}: lists other names",
                    path.escape_ascii()
                );
            }
        }
        Ok(())
    }

    /// The attributes, without the content.
    fn facts(&self, path: &[u8], attributes: &fattr3) -> Facts {
        let mut facts = facts(attributes);
        self.vague.without(path, &mut facts);
        facts
    }
}

/// An entry of a folder.
type Entry = (Vec<u8>, nfs_fh3, fattr3);

fn facts(attributes: &fattr3) -> Facts {
    let kind = match attributes.type_ {
        ftype3::NF3REG => Kind::File,
        ftype3::NF3DIR => Kind::Folder,
        ftype3::NF3LNK => Kind::Link,
        ftype3::NF3FIFO => Kind::Fifo,
        ftype3::NF3SOCK => Kind::Socket,
        ftype3::NF3CHR => Kind::Characters,
        ftype3::NF3BLK => Kind::Blocks,
    };
    let time =
        |time: &nfs3_types::nfs3::nfstime3| (i64::from(time.seconds), i64::from(time.nseconds));
    Facts {
        kind,
        mode: attributes.mode,
        links: u64::from(attributes.nlink),
        owner: (attributes.uid, attributes.gid),
        size: attributes.size,
        device: (attributes.rdev.specdata1, attributes.rdev.specdata2),
        modified: time(&attributes.mtime),
        content: Content::None,
    }
}
