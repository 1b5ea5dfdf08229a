//! The name with which a directory's handles are made, which outlives the image that had it first.
//!
//! Handles depend on a name, so that two exports of one directory have different ones. Images come, go and are renamed
//! while machines run from the directory, and a restart in between must not cost them their root: the name of the first
//! export is kept in the state folder.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use netroot_nfs_export::ExportOptions;

/// The file in the state folder.
const FILE: &str = "export.names";
/// How many directories are remembered, those that are exported among them.
const MOST: usize = 1024;

/// The names, by directory.
#[derive(Debug, Default)]
pub(super) struct HandleNames {
    file: PathBuf,
    names: BTreeMap<String, String>,
}

impl HandleNames {
    /// As they were kept. Without the file, or with one that makes no sense, each directory has its first name.
    pub(super) fn load(state: &Path) -> Self {
        let file = state.join(FILE);
        let kept = fs::read(&file).unwrap_or_default();
        let names = serde_json::from_slice(&kept).unwrap_or_default();
        Self { file, names }
    }

    /// Gives each of the exports its name. Those that are new are kept from now on.
    pub(super) fn name(&mut self, exports: &mut [(PathBuf, ExportOptions)]) {
        let before = self.names.len();
        for (directory, options) in &mut *exports {
            let (Some(directory), Some(first)) = (directory.to_str(), options.names.first()) else {
                continue;
            };
            if !self.names.contains_key(directory) {
                // Another directory's, which may be the same one by another path.
                let is_taken = self.names.values().any(|name| name == first);
                let name = match is_taken {
                    true => format!("{first} {directory}"),
                    false => first.clone(),
                };
                self.names.insert(directory.to_owned(), name);
            }
            options.handles_of = self.names.get(directory).cloned();
        }
        if self.names.len() == before {
            return;
        }
        if self.names.len() > MOST {
            let is_exported = |kept: &str| exports.iter().any(|(path, _)| path == Path::new(kept));
            self.names.retain(|directory, _| is_exported(directory));
        }
        // At worst a later start names them anew; that the folder cannot be written is told at the start.
        let _ = self.save();
    }

    fn save(&self) -> io::Result<()> {
        let part = self.file.with_extension("names.part");
        fs::write(&part, serde_json::to_vec(&self.names)?)?;
        fs::rename(part, &self.file)
    }
}

#[cfg(test)]
mod tests {
    use netroot_nfs_export::{AddressList, HandleKey, HiddenPaths, Submounts};

    use super::*;

    fn exported(directory: &str, names: &[&str]) -> (PathBuf, ExportOptions) {
        let options = ExportOptions {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            allowed: AddressList::networks([]),
            key: HandleKey::from_bytes([0; 16]),
            hidden: HiddenPaths::default(),
            submounts: Submounts::OwnFsid,
            original: None,
            handles_of: None,
            earlier: Vec::new(),
        };
        (PathBuf::from(directory), options)
    }

    #[test]
    fn a_directory_keeps_the_name_that_it_had_first() {
        let state = tempfile::tempdir().unwrap();
        let named = |exports: &mut [(PathBuf, ExportOptions)]| -> Vec<Option<String>> {
            HandleNames::load(state.path()).name(exports);
            let exports = exports.iter();
            exports
                .map(|(_, options)| options.handles_of.clone())
                .collect()
        };
        let first = |name: &str| Some(name.to_owned());
        let names = named(&mut [exported("/srv/a", &["/debian", "/"])]);
        assert_eq!(names, [first("/debian")]);
        // Another image of the same directory comes before it, then the first one goes.
        let both = [
            exported("/srv/a", &["/also", "/debian"]),
            exported("/srv/b", &["/lab"]),
        ];
        assert_eq!(named(&mut both.clone()), [first("/debian"), first("/lab")]);
        assert_eq!(
            named(&mut [exported("/srv/a", &["/also"])]),
            [first("/debian")]
        );
        let moved = named(&mut [exported("/srv/link", &["/lab"])]);
        assert_eq!(moved, [first("/lab /srv/link")]);
        fs::write(state.path().join(FILE), "no JSON").unwrap();
        assert_eq!(
            named(&mut [exported("/srv/a", &["/also"])]),
            [first("/also")]
        );
    }
}
