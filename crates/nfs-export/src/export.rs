//! An exported directory: its names, who may mount it, and its tree.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::address_list::AddressList;
use crate::hidden_paths::HiddenPaths;
use crate::tree::handle_key::HandleKey;
use crate::tree::mounts::MountBelow;
use crate::tree::root_dir::{MountView, RootDirError};
use crate::tree::submounts::Place;
use crate::tree::submounts::Submounts;
use crate::tree::{HandleScheme, Tree, TreeError};
use crate::users::Users;

/// How a directory is exported.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// The paths that clients mount it by, such as `/debian` and `/`. Each starts with `/`. Handles remain valid as
    /// long as the first name stays the same, or `handles_of`.
    pub names: Vec<String>,
    /// The names that it had before another export got them. A client that was told what to mount before that
    /// ([`Server::told_by`](crate::Server::told_by)), or runs from this one, and mounts one of them, is given this one.
    pub earlier: Vec<String>,
    /// The clients that may mount it.
    pub allowed: AddressList,
    /// The key that handles are signed with. Keep it ([`HandleKey::load_or_create`]), or clients lose their root when
    /// the server restarts.
    pub key: HandleKey,
    /// What clients do not see of it.
    pub hidden: HiddenPaths,
    /// What becomes of file systems that are mounted below it.
    pub submounts: Submounts,
    /// The name that its handles are made with, where they have to outlive its first one; `None` for that.
    pub handles_of: Option<String>,
    /// Where it is in this process's mount namespace: what is mounted below it is read from there. It matters only if it
    /// is opened in a copy of its mounts elsewhere.
    pub original: Option<PathBuf>,
}

/// All names of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportNames {
    /// By which everybody mounts it.
    pub names: Vec<String>,
    /// By which those mount it that run from it ([`ExportOptions::earlier`]).
    pub earlier: Vec<String>,
}

/// Why a directory cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No name, or one that is not an absolute path without `..`.
    #[error("{name:?} cannot be the name of an export: give an absolute path without `..`")]
    Name {
        /// The name; empty if none was given.
        name: String,
    },
    /// The directory cannot be opened.
    #[error("cannot export {}", path.display())]
    Root {
        /// The directory.
        path: PathBuf,
        /// Which step failed.
        source: RootDirError,
    },
    /// What is to be hidden cannot be recognised without the paths in /proc.
    #[error("cannot hide files of {}: the paths in /proc/self/fd cannot be read", path.display())]
    Hidden {
        /// The directory.
        path: PathBuf,
        /// The kernel's error.
        source: std::io::Error,
    },
    /// The identity of the directory cannot be read.
    #[error("cannot export {}: its identity cannot be read", path.display())]
    Identity {
        /// The directory.
        path: PathBuf,
        /// The kernel's error.
        source: std::io::Error,
    },
}

/// A directory ready to be served.
#[derive(Debug)]
pub struct Export {
    names: Vec<String>,
    /// With the time when another one got it.
    earlier: Vec<(String, Instant)>,
    allowed: AddressList,
    tree: Arc<Tree>,
    original: Option<PathBuf>,
    users: Arc<Users>,
}

impl Export {
    /// Opens the directory at `path`, following links on the way to it.
    ///
    /// The directory that is at `path` now is exported until the value is dropped, whatever is mounted there later.
    ///
    /// # Errors
    /// [`ExportError`], which names the directory.
    pub fn open(path: &Path, options: ExportOptions) -> Result<Self, ExportError> {
        let first = check(&options.names)?;
        let name = options.handles_of.as_deref().unwrap_or(first);
        let place = Place {
            path,
            original: options.original.as_deref(),
            submounts: options.submounts,
        };
        let tree = Tree::open(&place, name, &options.key, &options.hidden).map_err(|error| {
            let path = path.to_owned();
            match error {
                TreeError::Root(source) => ExportError::Root { path, source },
                TreeError::Hidden(source) => ExportError::Hidden { path, source },
                TreeError::Identity(source) => ExportError::Identity { path, source },
            }
        })?;
        Ok(Self {
            names: options.names,
            earlier: lost(options.earlier, &[]),
            allowed: options.allowed,
            tree: Arc::new(tree),
            original: options.original,
            users: Arc::default(),
        })
    }

    /// The same files with the same handles by other names.
    pub(crate) fn renamed(&self, names: ExportNames) -> Result<Self, ExportError> {
        let ExportNames { names, earlier } = names;
        check(&names)?;
        Ok(Self {
            names,
            earlier: lost(earlier, &self.earlier),
            allowed: self.allowed.clone(),
            tree: Arc::clone(&self.tree),
            original: self.original.clone(),
            users: Arc::clone(&self.users),
        })
    }

    /// It takes the place of another one of the same directory: who used that one uses this one.
    pub(crate) fn with_users_of(self, other: &Self) -> Self {
        let names = self.earlier.into_iter().map(|(name, _)| name);
        Self {
            users: Arc::clone(&other.users),
            earlier: lost(names, &other.earlier),
            ..self
        }
    }

    /// This client uses it now.
    pub(crate) fn note_use(&self, client: IpAddr) {
        self.users.note(self.tree.export_id(), client);
    }

    /// Where its directory is, as it was opened with.
    pub(crate) fn original(&self) -> Option<&Path> {
        self.original.as_deref()
    }

    pub(crate) fn users(&self) -> &Users {
        &self.users
    }

    /// When another export got this name, if this one had it earlier.
    pub(crate) fn lost(&self, name: &str) -> Option<Instant> {
        let mut earlier = self.earlier.iter();
        Some(earlier.find(|(own, _)| own == name)?.1)
    }

    /// The paths that clients mount it by.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What tells its handles from those of other exports: the same after a restart, and on another server with the same key,
    /// for as long as handles that were made before lead to their files.
    #[must_use]
    pub fn identity(&self) -> u32 {
        self.tree.export_id()
    }

    /// What its handles are made of: where it has several file systems, those that are least reliable.
    #[must_use]
    pub fn handles(&self) -> HandleScheme {
        self.tree.handle_scheme()
    }

    /// What it shows of file systems mounted below it.
    #[must_use]
    pub fn view(&self) -> MountView {
        self.tree.mount_view()
    }

    /// The file systems that were mounted below it when it was opened, and why those that are not served are not. Each
    /// comes after the one that it is mounted in.
    #[must_use]
    pub fn mounts_below(&self) -> &[MountBelow] {
        self.tree.below()
    }

    /// Whether something else is mounted below its directory now, or something less. To serve that, open the directory
    /// again: what is mounted later is not shown (in a private copy), or as an empty directory (in a live view).
    #[must_use]
    pub fn mounts_have_changed(&self) -> bool {
        self.tree.mounts_have_changed()
    }

    pub(crate) fn allowed(&self) -> &AddressList {
        &self.allowed
    }

    pub(crate) fn allows(&self, client: IpAddr) -> bool {
        self.allowed.contains(client)
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }
}

/// Names that another export has from now on, or since it got them.
fn lost(
    names: impl IntoIterator<Item = String>,
    known: &[(String, Instant)],
) -> Vec<(String, Instant)> {
    let now = Instant::now();
    let since = |name: String| {
        let known = known.iter().find(|(own, _)| *own == name);
        let since = known.map_or(now, |(_, since)| *since);
        (name, since)
    };
    names.into_iter().map(since).collect()
}

/// The first of the names, if all are fit to be mounted.
fn check(names: &[String]) -> Result<&str, ExportError> {
    let invalid =
        |name: &&String| !name.starts_with('/') || name.split('/').any(|part| part == "..");
    if let Some(name) = names.iter().find(invalid) {
        let name = name.clone();
        return Err(ExportError::Name { name });
    }
    names.first().map(String::as_str).ok_or(ExportError::Name {
        name: String::new(),
    })
}
