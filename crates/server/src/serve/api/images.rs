//! The images as they are shown: what machines boot and, to who may know, which directories their roots are and who runs
//! from those that were before.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use netroot_nfs_export::ExportUsers;
use serde::Serialize;
use serde_json::{Value, json};

use super::machines::name_of;
use super::sources::Sources;
use crate::catalog::{Image, RootLocation, export_path, tree_path};
use crate::serve::nfs::{Runner, TreeUser};

#[derive(Serialize)]
struct ShownImages {
    images: Vec<Value>,
    default: String,
    /// The file of the roots that were exchanged; not for everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    swaps: Option<String>,
}

#[derive(Serialize)]
struct ShownImage<'a> {
    name: &'a str,
    title: &'a str,
    kind: &'static str,
    kernel: Option<&'a str>,
    source: Option<String>,
    /// The value of a TPM's PCR 11 after its unified kernel image has started.
    pcr_11: Option<String>,
    /// The root that this server exports; not for everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<ShownRoot>,
}

#[derive(Serialize)]
struct ShownRoot {
    /// The directory that the configuration names.
    configured: String,
    /// That which machines boot.
    #[serde(flatten)]
    now: ShownTree,
    /// Those after it, the latest first: they cannot be served.
    unserved: Vec<ShownTree>,
    /// Those before, the latest first.
    before: Vec<ShownTree>,
}

#[derive(Serialize)]
struct ShownTree {
    /// Its number; `None` where none was exchanged, and of a directory that was replaced at its path.
    tree: Option<u32>,
    directory: String,
    /// Whether machines that run from it get what they read.
    served: bool,
    /// Whether it is not exported any more, since no machine runs from it. Where neither is, it could not be opened.
    let_go: bool,
    machines: Vec<ShownRunner>,
}

#[derive(Serialize)]
struct ShownRunner {
    address: IpAddr,
    mac: Option<String>,
    name: Option<String>,
    /// How long it has made no call.
    idle_seconds: u64,
}

/// All of them.
pub(super) fn all(sources: &Sources, may_order: bool) -> Value {
    let server = sources
        .status
        .listeners()
        .first()
        .map(|first| first.address);
    let server = server.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let catalog = sources.artifacts.catalog();
    let used = sources.nfs.as_ref().filter(|_| may_order);
    let used = used.map(|nfs| nfs.users()).unwrap_or_default();
    let shown = |image: &Image| {
        json!(ShownImage {
            name: &image.name,
            title: image.title(),
            kind: image.kind.word(),
            kernel: image.linux(),
            source: image.nfsroot(server),
            pcr_11: sources
                .artifacts
                .pcr_11(&image.name)
                .map(|value| value.to_string()),
            root: may_order.then(|| root(sources, image, &used)).flatten(),
        })
    };
    let images: Vec<_> = catalog.images().map(shown).collect();
    json!(ShownImages {
        images,
        default: catalog.default().to_string(),
        swaps: may_order.then(|| sources.swaps.to_string_lossy().into_owned()),
    })
}

fn root(sources: &Sources, image: &Image, used: &[ExportUsers]) -> Option<ShownRoot> {
    let RootLocation::Own {
        directory, swapped, ..
    } = &image.root()?.location
    else {
        return None;
    };
    let plain = export_path(&image.name);
    let has = |of: &ExportUsers, name: &String| of.names.contains(name);
    let is_let_go = |directory: &Path| {
        let terms = sources.terms.as_ref();
        terms.is_some_and(|terms| terms.trees().is_let_go(directory))
    };
    let tree = |tree, directory: &Path, users: Option<&ExportUsers>| ShownTree {
        tree,
        directory: directory.to_string_lossy().into_owned(),
        served: users.is_some(),
        let_go: users.is_none() && is_let_go(directory),
        machines: users
            .map(|of| runners(sources, directory, of))
            .unwrap_or_default(),
    };
    let of_name = |name: &String| used.iter().find(|of| !of.replaced && has(of, name));
    let number = swapped.as_ref().map(|swapped| swapped.tree);
    let other = |(number, directory): &(u32, PathBuf)| {
        let users = of_name(&tree_path(&image.name, *number));
        tree(Some(*number), directory, users)
    };
    let newer = swapped.iter().flat_map(|swapped| &swapped.newer);
    let before = swapped.iter().flat_map(|swapped| &swapped.before);
    let before = before.map(other);
    let replaced = used.iter().filter(|of| of.replaced && has(of, &plain));
    let replaced = replaced.map(|of| {
        // Another path was configured then, perhaps.
        let path = of.original.as_deref().unwrap_or(directory);
        tree(None, path, Some(of))
    });
    let configured = swapped.as_ref().map(|swapped| &swapped.configured);
    Some(ShownRoot {
        configured: configured
            .unwrap_or(directory)
            .to_string_lossy()
            .into_owned(),
        now: tree(number, directory, of_name(&plain)),
        unserved: newer.map(other).collect(),
        before: before.chain(replaced).collect(),
    })
}

/// The machines that run from a root still.
fn runners(sources: &Sources, directory: &Path, of: &ExportUsers) -> Vec<ShownRunner> {
    let machines = sources.timeline.machines();
    let terms = sources.terms.as_ref().filter(|_| !of.replaced);
    let mut users = match terms {
        Some(terms) => {
            let mut trees = terms.trees();
            trees.note(std::slice::from_ref(of), |address| machines.at(address));
            trees.users_of(directory)
        }
        None => {
            let user = |user: &netroot_nfs_export::ExportUser| TreeUser {
                address: user.client,
                mac: machines.at(user.client),
                idle: user.idle,
            };
            of.users.iter().map(user).collect()
        }
    };
    users.sort_by_key(|user| user.address);
    let runs = |user: &TreeUser| {
        let booted = user.mac.and_then(|mac| sources.history.booted(mac));
        let runner = Runner {
            idle: user.idle,
            booted,
        };
        !runner.is_gone()
    };
    let shown = |user: TreeUser| ShownRunner {
        address: user.address,
        mac: user.mac.map(|mac| mac.to_string()),
        name: user.mac.and_then(|mac| name_of(sources, mac)),
        idle_seconds: user.idle.as_secs(),
    };
    users.into_iter().filter(runs).map(shown).collect()
}
