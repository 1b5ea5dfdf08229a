//! A machine that mounts the export and uses every file of it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use nfs3_types::nfs3::Nfs3Option;
use nfs3_types::nfs3::{
    ACCESS3_EXECUTE, ACCESS3_LOOKUP, ACCESS3_READ, fattr3, ftype3, nfs_fh3, nfsstat3,
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

/// A client, and how often it was told to try again later.
pub(super) struct Machine {
    client: Client,
    pub(super) delays: usize,
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
    pub(super) fn mount(from: Ipv4Addr) -> Result<Self> {
        let root = root_handle_over(connect(from, NFS)?, "/");
        Ok(Self {
            client: Client::over(connect(from, NFS)?, root, 0, 0, &[]),
            delays: 0,
        })
    }

    /// A machine that mounted before: it only has handles.
    pub(super) fn with_handles(from: Ipv4Addr) -> Result<Self> {
        Ok(Self {
            client: Client::over(connect(from, NFS)?, nfs_fh3::default(), 0, 0, &[]),
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

    /// Looks at every file: by READDIR and READDIRPLUS with small and large replies, LOOKUP, GETATTR, ACCESS, READ and
    /// READLINK.
    pub(super) fn walk(&mut self) -> Result<Tree<Seen>> {
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
            let entries = self.entries(&folder)?;
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
                    let seen = self.seen(&path, handle, &attributes, BTreeSet::new())?;
                    tree.insert(path, seen);
                }
            }
            let Folder {
                path,
                handle,
                attributes,
                ..
            } = folder;
            let seen = self.seen(&path, handle, &attributes, names)?;
            tree.insert(path, seen);
        }
        Ok(tree)
    }

    /// The entries of a folder, found in each way that there is.
    fn entries(&mut self, folder: &Folder) -> Result<Vec<(Vec<u8>, nfs_fh3, fattr3)>> {
        let Folder {
            path,
            handle,
            attributes,
            parent,
        } = folder;
        let shown = || path.escape_ascii();
        let few = self.ask("READDIR", path, |client| client.list(handle, 512))?;
        let many = self.ask("READDIR", path, |client| client.list(handle, 65_536))?;
        let plus_few = self.ask("READDIRPLUS", path, |client| {
            client.list_plus(handle, 512, 2048)
        })?;
        let plus = self.ask("READDIRPLUS", path, |client| {
            client.list_plus(handle, 8192, 65_536)
        })?;
        let listed: BTreeSet<(Vec<u8>, u64)> =
            few.iter().map(|(id, name)| (name.clone(), *id)).collect();
        ensure!(
            listed.len() == few.len(),
            "/{}: a name is listed twice",
            shown()
        );
        let also = |entries: &[(u64, Vec<u8>)]| -> BTreeSet<_> {
            entries
                .iter()
                .map(|(id, name)| (name.clone(), *id))
                .collect()
        };
        same(path, "READDIR with a large count", &listed, &also(&many))?;
        for entries in [&plus_few, &plus] {
            let entries: Vec<_> = entries
                .iter()
                .map(|entry| (entry.fileid, entry.name.as_ref().to_vec()))
                .collect();
            same(path, "READDIRPLUS", &listed, &also(&entries))?;
        }
        let mut found = Vec::new();
        for entry in &plus {
            let name = entry.name.as_ref();
            let path = below(path, name);
            let shown = || path.escape_ascii();
            match name {
                b"." => {
                    ensure!(
                        entry.fileid == attributes.fileid,
                        "/{}: {}, GETATTR {}",
                        shown(),
                        entry.fileid,
                        attributes.fileid
                    );
                    continue;
                }
                b".." => {
                    ensure!(
                        entry.fileid == *parent,
                        "/{}: {}, its parent is {parent}",
                        shown(),
                        entry.fileid
                    );
                    continue;
                }
                _ => {}
            }
            let by_name = self.ask("LOOKUP", &path, |client| client.lookup_in(handle, name))?;
            let own = by_name.object;
            let now = self.ask("GETATTR", &path, |client| client.attributes(&own))?;
            if let Nfs3Option::Some(with) = &by_name.obj_attributes {
                ensure!(
                    facts(with) == facts(&now),
                    "/{}: LOOKUP's attributes are not GETATTR's",
                    shown()
                );
            }
            if let Nfs3Option::Some(listed) = &entry.name_handle {
                ensure!(
                    *listed == own,
                    "/{}: READDIRPLUS and LOOKUP give different handles",
                    shown()
                );
            }
            if let Nfs3Option::Some(with) = &entry.name_attributes {
                ensure!(
                    (facts(with), with.fsid, with.fileid) == (facts(&now), now.fsid, now.fileid),
                    "/{}: READDIRPLUS and GETATTR give different attributes: {with:?} {now:?}",
                    shown()
                );
            }
            // Where another file system begins, a listing has the number of the folder that it covers, as on Linux.
            ensure!(
                entry.fileid == now.fileid || now.fsid != attributes.fsid,
                "/{}: READDIR says inode {}, GETATTR {}",
                shown(),
                entry.fileid,
                now.fileid
            );
            found.push((name.to_vec(), own, now));
        }
        Ok(found)
    }

    /// A file with its content.
    fn seen(
        &mut self,
        path: &[u8],
        handle: nfs_fh3,
        attributes: &fattr3,
        names: BTreeSet<Vec<u8>>,
    ) -> Result<Seen> {
        let granted = self.ask("ACCESS", path, |client| Ok(client.access(&handle)))?;
        // What is written to a device or a FIFO does not go to the server.
        let is_stored = matches!(
            attributes.type_,
            ftype3::NF3REG | ftype3::NF3DIR | ftype3::NF3LNK
        );
        let may_change = granted & !(ACCESS3_READ | ACCESS3_LOOKUP | ACCESS3_EXECUTE);
        ensure!(
            granted & ACCESS3_READ != 0 && (may_change == 0 || !is_stored),
            "/{}: ACCESS grants root {granted:#x}",
            path.escape_ascii()
        );
        let mut facts = facts(attributes);
        facts.content = self.content(path, &handle, &facts)?;
        Ok(Seen {
            facts,
            fsid: attributes.fsid,
            fileid: attributes.fileid,
            handle,
            names,
        })
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
            // Some files are read first, as the pages of a running program are.
            let content = self.content(path, handle, &before.facts)?;
            let attributes = self.ask("GETATTR", path, |client| client.attributes(handle))?;
            let now = Facts {
                content,
                ..facts(&attributes)
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
}

/// Whether two listings have the same names and numbers.
fn same(
    path: &[u8],
    what: &str,
    one: &BTreeSet<(Vec<u8>, u64)>,
    other: &BTreeSet<(Vec<u8>, u64)>,
) -> Result<()> {
    let differences: Vec<_> = one.symmetric_difference(other).take(6).collect();
    ensure!(
        differences.is_empty(),
        "/{}: {what} differs from READDIR with a small one: {differences:?}",
        path.escape_ascii()
    );
    Ok(())
}

/// The attributes without the content.
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
