//! Whether machines would lose the root that they run from, if it were forgotten.

use std::path::Path;

use anyhow::{Result, bail};

use super::names::{machine, path};
use crate::client::answers::Root;

/// The entry of an image may be forgotten: no machine runs from a root that only the entry names.
pub(super) fn nobody_loses(name: &str, root: &Root) -> Result<()> {
    let now = Some(&root.now).filter(|now| now.directory != root.configured);
    let others = root
        .before
        .iter()
        .filter(|tree| tree.directory != root.configured);
    let trees = now.into_iter().chain(others);
    let machines: Vec<String> = trees.flat_map(|tree| &tree.machines).map(machine).collect();
    if !machines.is_empty() {
        bail!(
            "these machines run from another root than {}, and would lose it: {}; restart them first, or add --force ({name} \
             keeps its roots)",
            path(&root.configured),
            machines.join(", ")
        );
    }
    Ok(())
}

/// Without a server it is not known who runs from these. From a directory that is gone nobody does.
pub(super) fn all_are_gone<'a>(roots: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let mut roots = roots.into_iter();
    if let Some(there) = roots.find(|root| root.symlink_metadata().is_ok()) {
        bail!(
            "no server runs, so it is not known which machines run from {}; they would lose it: start the server first, or add \
             --force",
            path(there)
        );
    }
    Ok(())
}

/// An earlier root may be forgotten: no machine runs from it.
pub(super) fn nobody_runs_from(directory: &Path, root: &Root) -> Result<()> {
    let trees = root.unserved.iter().chain(&root.before);
    let it = trees.filter(|tree| tree.directory == directory && tree.tree.is_some());
    let machines: Vec<String> = it.flat_map(|tree| &tree.machines).map(machine).collect();
    if !machines.is_empty() {
        bail!(
            "these machines run from {}, and would lose it: {}; restart them first, or add --force",
            path(directory),
            machines.join(", ")
        );
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::client::image) fn root() -> Root {
        let json = serde_json::json!({
            "configured": "/srv/a", "tree": 2, "directory": "/srv/b", "served": true, "machines": [],
            "before": [
                { "tree": 1, "directory": "/srv/a", "served": true, "machines": [
                    { "address": "10.0.0.7", "mac": null, "name": "lab-1", "idle_seconds": 4 },
                ]},
                { "tree": 3, "directory": "/srv/c", "served": true, "machines": [
                    { "address": "10.0.0.8", "mac": null, "name": null, "idle_seconds": 300 },
                ]},
            ],
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn without_a_server_only_what_is_gone_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        all_are_gone([gone.as_path()]).unwrap();
        let refused = all_are_gone([gone.as_path(), folder.path()]).unwrap_err();
        assert!(refused.to_string().contains("--force"), "{refused}");
    }

    #[test]
    fn an_entry_is_not_forgotten_from_which_machines_run() {
        let refused = nobody_loses("debian", &root()).unwrap_err().to_string();
        assert!(
            refused.contains("10.0.0.8") && !refused.contains("lab-1"),
            "{refused}"
        );
        let mut left = root();
        left.before.pop();
        nobody_loses("debian", &left).unwrap();
    }
}
