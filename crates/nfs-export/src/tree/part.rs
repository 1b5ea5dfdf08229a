//! A file system of a tree with what finds its files, and the file systems that are mounted in it.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::Stat;
use rustix::io::Errno;

use crate::tree::file_system::{FileSystem, NoIdentity};
use crate::tree::handle::HandleSigner;
use crate::tree::handle_key::HandleKey;
use crate::tree::mounts::{self, Below, MAX_PARTS, Mount, MountBelow, Unserved};
use crate::tree::name_index::NameIndex;
use crate::tree::node::is_directory;
use crate::tree::places::Places;
use crate::tree::root_dir::{RootDir, RootDirError, is_mount_root, open_mounted};
use crate::tree::submounts::{Place, Submounts};

/// Why a directory cannot be opened as a tree.
#[derive(Debug)]
pub(crate) enum TreeError {
    /// The directory itself.
    Root(RootDirError),
    /// Its identity.
    Identity(io::Error),
    /// The paths of what is to be hidden.
    Hidden(io::Error),
}

/// A file system of a tree.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) files: Arc<FileSystem>,
    pub(super) places: Arc<Places>,
    pub(super) names: NameIndex,
    /// Where it is, below the root of the tree, without a slash at its beginning.
    pub(super) path: String,
    pub(super) fsid: u64,
    /// The positions of the file systems that are mounted in it, by the number of the directory and the name there.
    pub(super) mounts: HashMap<(u64, Box<[u8]>), usize>,
    /// The number of the directory above its root.
    pub(super) above: Option<u64>,
}

/// The file systems of a tree, the main one first.
pub(super) struct Parts {
    pub(super) all: Vec<Part>,
    pub(super) below: Vec<MountBelow>,
    /// The mounts at and below the root, to see whether they change.
    pub(super) mounted: Mounted,
}

/// What is mounted below a directory.
#[derive(Debug)]
pub(super) struct Mounted {
    path: Vec<u8>,
    top: u64,
    /// The ids and paths of the mounts that belong to the root.
    found: Vec<(u64, Vec<u8>)>,
}

impl Part {
    fn new(files: FileSystem, path: String, fsid: u64) -> Self {
        Self {
            files: Arc::new(files),
            places: Arc::default(),
            names: NameIndex::default(),
            path,
            fsid,
            mounts: HashMap::new(),
            above: None,
        }
    }

    /// The file system that is mounted on an entry of the directory with this number.
    pub(super) fn mounted_at(&self, directory: &Stat, name: &[u8]) -> Option<usize> {
        if self.mounts.is_empty() {
            return None;
        }
        // Few: no key is made for the look-up.
        let mut found = self.mounts.iter();
        found
            .find(|((number, at), _)| *number == directory.st_ino && **at == *name)
            .map(|(_, part)| *part)
    }
}

/// Opens the directory at `path` with what is mounted below it.
pub(super) fn open(place: &Place<'_>, name: &str, key: &HandleKey) -> Result<Parts, TreeError> {
    let public = RootDir::public(place.path).map_err(TreeError::Root)?;
    let original = match place.original {
        Some(original) => &RootDir::public(original).map_err(TreeError::Root)?,
        None => &public,
    };
    // Without /proc nothing is known of mounts.
    let table = mounts::read().unwrap_or_default();
    let here = mounts::path_of(original.as_fd()).unwrap_or_default();
    let top = mounts::id_of(original.as_fd()).unwrap_or(0);
    let on = table.iter().find(|mount| mount.id == top);
    if rustix::process::geteuid().is_root() && on.is_some_and(Mount::is_fuse_of_one_user) {
        return Err(TreeError::Root(RootDirError::FuseOfOneUser));
    }
    let whole = is_mount_root(original.as_fd());
    let root = RootDir::new(public.as_fd(), whole).map_err(TreeError::Root)?;
    let layers = on.map(Mount::layers).unwrap_or_default();
    let main = FileSystem::new(root, true, &layers, |own| {
        let identity = [&[name.as_bytes(), &[0]], own].concat().concat();
        HandleSigner::new(key, &identity)
    })
    .map_err(|NoIdentity(errno)| TreeError::Identity(errno.into()))?;
    let fsid = u64::from(main.signer.export_id());
    let mut parts = Parts {
        all: vec![Part::new(main, String::new(), fsid)],
        below: Vec::new(),
        mounted: Mounted::below(&table, here, top),
    };
    for below in mounts::below(&table, &parts.mounted.path, top) {
        parts.add(&public, below, key, place);
    }
    Ok(parts)
}

impl Parts {
    /// Adds what is mounted at a place, or why it is not served. What another mount covers is passed over.
    fn add(&mut self, public: &OwnedFd, below: Below, key: &HandleKey, place: &Place<'_>) {
        let Below {
            mount,
            path,
            unserved,
        } = below;
        let submounts = place.submounts;
        // In a copy of the mounts they have other ids.
        let is_copy = mounts::id_of(public.as_fd()) != Some(self.mounted.top);
        let known = self.all.iter().any(|part| part.path.as_bytes() == path);
        let is_seen = |directory: &OwnedFd| match is_copy {
            false => mounts::id_of(directory.as_fd()) == Some(mount.id),
            true => !known && is_mount_root(directory.as_fd()),
        };
        let why_not = match unserved {
            None if submounts == Submounts::LeaveOut => Some(Unserved::LeftOut),
            None if self.all.len() > MAX_PARTS => Some(Unserved::TooMany),
            None => match open_mounted(public.as_fd(), &path) {
                Ok(directory) if !is_seen(&directory) => return,
                Ok(directory) => {
                    let opened = self.open(&directory, &mount, &path, key, submounts);
                    let added = opened.and_then(|files| self.insert(files, &path, submounts));
                    added.err()
                }
                Err(errno) => Some(Unserved::Failed(errno.to_string())),
            },
            unserved => unserved,
        };
        self.below.push(MountBelow {
            path: String::from_utf8_lossy(&path).into_owned(),
            kind: mount.kind,
            unserved: why_not,
        });
    }

    fn open(
        &self,
        directory: &OwnedFd,
        mount: &Mount,
        path: &[u8],
        key: &HandleKey,
        submounts: Submounts,
    ) -> Result<FileSystem, Unserved> {
        let failed = |errno: Errno| Unserved::Failed(errno.to_string());
        if rustix::process::geteuid().is_root() && mount.is_fuse_of_one_user() {
            return Err(Unserved::FuseOfOneUser);
        }
        let stat = rustix::fs::fstat(directory).map_err(failed)?;
        if !is_directory(&stat) {
            return Err(Unserved::File);
        }
        let root = RootDir::new(directory.as_fd(), true).map_err(|error| match error {
            RootDirError::FuseOfOneUser => Unserved::FuseOfOneUser,
            RootDirError::Pseudo(_) => Unserved::Kernel,
            RootDirError::Open(source)
            | RootDirError::Openat2(source)
            | RootDirError::Stat(source) => Unserved::Failed(source.to_string()),
        })?;
        // Its place in this root, not the numbers that the kernel gives to mounts and devices: those change.
        let main = self.all.first().map(|main| &main.files.signer);
        let place = main.map_or(0, |main| main.number(b'm', 0, path));
        let plain = submounts == Submounts::OwnFsid;
        FileSystem::new(root, plain, &mount.layers(), |own| {
            let identity = [&[&b"below"[..], &place.to_be_bytes()], own]
                .concat()
                .concat();
            HandleSigner::new(key, &identity)
        })
        .map_err(|NoIdentity(errno)| failed(errno))
    }

    fn insert(
        &mut self,
        files: FileSystem,
        path: &[u8],
        submounts: Submounts,
    ) -> Result<(), Unserved> {
        let id = files.signer.export_id();
        if self.has(id) {
            let same = "its handles would be those of another file system of the root";
            return Err(Unserved::Failed(same.to_owned()));
        }
        let (parent, number, name) = self.find_above(path)?;
        let main = self.all.first().map_or(0, |main| main.fsid);
        let fsid = match submounts {
            Submounts::OwnFsid => u64::from(id),
            Submounts::OneFsid | Submounts::LeaveOut => main,
        };
        let mut part = Part::new(files, String::from_utf8_lossy(path).into_owned(), fsid);
        part.above = Some(number);
        let position = self.all.len();
        if let Some(parent) = self.all.get_mut(parent) {
            parent.mounts.insert((number, name), position);
        }
        self.all.push(part);
        Ok(())
    }

    /// Which file system a place is in, with the number of its directory there and its name.
    fn find_above(&self, path: &[u8]) -> Result<(usize, u64, Box<[u8]>), Unserved> {
        let failed = |errno: Errno| Unserved::Failed(errno.to_string());
        let mut names = path.split(|byte| *byte == b'/');
        let name = names.next_back().unwrap_or_default();
        let mut at = 0;
        let mut part = self.all.first().ok_or_else(|| failed(Errno::NOENT))?;
        let mut number = part.files.root_id();
        let mut below: Vec<&[u8]> = Vec::new();
        for component in names {
            let mounted = part.mounts.get(&(number, Box::from(component))).copied();
            if let Some((position, next)) = mounted.and_then(|at| Some((at, self.all.get(at)?))) {
                (at, part) = (position, next);
                number = part.files.root_id();
                below.clear();
                continue;
            }
            below.push(component);
            let directory = part
                .files
                .root
                .open_below(&below.join(&b'/'))
                .map_err(failed)?;
            let stat = rustix::fs::fstat(&directory).map_err(failed)?;
            number = match part.files.by_paths() {
                true => part.files.path_id(number, component),
                false => part.files.file_id(directory.as_fd(), &stat),
            };
        }
        Ok((at, number, name.into()))
    }

    fn has(&self, id: u32) -> bool {
        let mut ids = self.all.iter().map(|part| part.files.signer.export_id());
        ids.any(|other| other == id)
    }
}

impl Mounted {
    fn below(table: &[Mount], path: Vec<u8>, top: u64) -> Self {
        let found = mounts::below(table, &path, top);
        let found = found.into_iter().filter(|below| below.unserved.is_none());
        let found = found.map(|below| (below.mount.id, below.path));
        Self {
            found: found.collect(),
            path,
            top,
        }
    }

    /// Whether something else is mounted below the directory now. One that is not known has not changed.
    pub(super) fn has_changed(&self) -> bool {
        let Ok(table) = mounts::read() else {
            return false;
        };
        Self::below(&table, self.path.clone(), self.top).found != self.found
    }
}
