//! One exported root: handles in, files out, and never one from outside.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::address_list::AddressList;
use crate::tree::handle_key::HandleKey;
use crate::tree::root_dir::{MountView, RootDirError};
use crate::tree::{HandleScheme, Tree, TreeError};

/// How a directory is exported.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// The paths that clients may mount it by, such as `/image` and `/`; the first is its name in lists. Each starts
    /// with `/`. Handles are good for as long as the first name stays the same.
    pub names: Vec<String>,
    /// The clients that may.
    pub allowed: AddressList,
    /// What handles are signed with. Keep it ([`HandleKey::load_or_create`]), or clients lose their root when the
    /// server restarts.
    pub key: HandleKey,
}

/// Why a directory cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No name, or one that does not start with `/`, or one with `..` in it.
    #[error("{name:?} cannot be the name of an export: give an absolute path without `..`")]
    Name {
        /// The offending name; empty when there was none.
        name: String,
    },
    /// The directory cannot be opened.
    #[error("{} cannot be exported", path.display())]
    Root {
        /// The directory.
        path: PathBuf,
        /// Which step failed.
        source: RootDirError,
    },
    /// The directory cannot be told from others.
    #[error("{} cannot be exported: its identity cannot be read", path.display())]
    Identity {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// A directory ready to be served.
#[derive(Debug)]
pub struct Export {
    names: Vec<String>,
    allowed: AddressList,
    tree: Tree,
}

impl Export {
    /// Opens the directory at `path`, following links on the way to it.
    ///
    /// What is mounted at `path` now is what is exported until the value is dropped, whatever is mounted there later.
    ///
    /// # Errors
    /// [`ExportError`], which names the directory and what was tried.
    pub fn open(path: &Path, options: ExportOptions) -> Result<Self, ExportError> {
        let unfit =
            |name: &&String| !name.starts_with('/') || name.split('/').any(|part| part == "..");
        if let Some(name) = options.names.iter().find(unfit) {
            let name = name.clone();
            return Err(ExportError::Name { name });
        }
        let Some(first) = options.names.first() else {
            let name = String::new();
            return Err(ExportError::Name { name });
        };
        let tree = Tree::open(path, first, &options.key).map_err(|error| {
            let path = path.to_owned();
            match error {
                TreeError::Root(source) => ExportError::Root { path, source },
                TreeError::Identity(source) => ExportError::Identity { path, source },
            }
        })?;
        Ok(Self {
            names: options.names,
            allowed: options.allowed,
            tree,
        })
    }

    /// The paths that it is mounted by.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What its handles are made of.
    #[must_use]
    pub fn handles(&self) -> HandleScheme {
        self.tree.handle_scheme()
    }

    /// What it shows where something is mounted beneath it.
    #[must_use]
    pub fn view(&self) -> MountView {
        self.tree.mount_view()
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
