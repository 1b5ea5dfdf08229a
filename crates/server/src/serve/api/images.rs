//! The images as they are shown: what machines boot and, to who may know, which directories their roots are and who runs
//! from those that were before.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use netroot_nfs_export::{ExportUser, ExportUsers};
use serde::Serialize;
use serde_json::{Value, json};

use super::machines::name_of;
use super::sources::Sources;
use crate::catalog::{Image, RootLocation, export_path, tree_path};

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
    let tree = |tree, directory: &Path, users: Option<&ExportUsers>| ShownTree {
        tree,
        directory: directory.to_string_lossy().into_owned(),
        served: users.is_some(),
        machines: users
            .map(|of| runners(sources, &of.users))
            .unwrap_or_default(),
    };
    let of_name = |name: &String| used.iter().find(|of| !of.replaced && has(of, name));
    let number = swapped.as_ref().map(|swapped| swapped.tree);
    let before = swapped.iter().flat_map(|swapped| &swapped.before);
    let before = before.map(|(number, directory)| {
        let users = of_name(&tree_path(&image.name, *number));
        tree(Some(*number), directory, users)
    });
    let replaced = used.iter().filter(|of| of.replaced && has(of, &plain));
    let replaced = replaced.map(|of| tree(None, directory, Some(of)));
    let configured = swapped.as_ref().map(|swapped| &swapped.configured);
    Some(ShownRoot {
        configured: configured
            .unwrap_or(directory)
            .to_string_lossy()
            .into_owned(),
        now: tree(number, directory, of_name(&plain)),
        before: before.chain(replaced).collect(),
    })
}

fn runners(sources: &Sources, users: &[ExportUser]) -> Vec<ShownRunner> {
    let mut users = users.to_vec();
    users.sort_by_key(|user| user.client);
    let shown = |user: ExportUser| {
        let mac = sources.timeline.machines().at(user.client);
        ShownRunner {
            address: user.client,
            mac: mac.map(|mac| mac.to_string()),
            name: mac.and_then(|mac| name_of(sources, mac)),
            idle_seconds: user.idle.as_secs(),
        }
    };
    users.into_iter().map(shown).collect()
}
