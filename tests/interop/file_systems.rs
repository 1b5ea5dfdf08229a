//! Each file system that a root can be on, and what is mounted in a root: the whole tree as clients see it over NFS,
//! compared with the server's own, and with itself after the kernel has forgotten its inodes and after the server was
//! killed and started again.
//!
//! `cargo test --test interop file_systems -- --nocapture` prints a table. It has no line for ZFS: Debian has only its
//! sources (`zfs-dkms`, in contrib), and building the module takes longer than all these tests. What a root on ZFS
//! consists of, data sets mounted in each other with the same inode numbers in each, is in `mounts.rs`.

mod compare;
mod copies;
mod lab;
mod layers;
mod machine;
mod mounts;
mod plant;
mod real;

use std::sync::Once;

use anyhow::{Context, Result, ensure};

use crate::hostile::lab::client;
use lab::Lab;
use machine::{Look, Machine, Seen, Vague};
use real::Tree;

/// The size of the sparse file on file systems that keep holes.
const LARGE: u64 = 5 << 30;
/// Where an image is made by reading it.
const SMALL: u64 = 20 << 20;

/// A line of the table.
struct FileSystem {
    name: &'static str,
    /// Makes the mounts that are filled.
    before: &'static str,
    /// The folders that are filled with everything, and with a second layer.
    filled: &'static [&'static str],
    layered: &'static [&'static str],
    /// Mounts what is made of them, and changes it.
    after: &'static str,
    /// The folders of the root that are shown empty.
    empty: &'static [&'static str],
    vague: Vague,
    sparse: u64,
    /// More arguments of `netroot serve`.
    arguments: &'static [&'static str],
    /// Where the tree is that clients are to see.
    real: &'static str,
}

/// A root that is one folder, filled after `before`.
const PLAIN: FileSystem = FileSystem {
    name: "",
    before: "",
    filled: &["root"],
    layered: &[],
    after: "",
    empty: &[],
    vague: Vague {
        made_up: &[],
        links: false,
    },
    sparse: LARGE,
    arguments: &[],
    real: "root",
};

fn prove(system: &FileSystem) -> Result<()> {
    prove_with(system).map(drop)
}

/// The same; the server serves on.
fn prove_with(system: &FileSystem) -> Result<Lab> {
    let mut lab = Lab::new(system.name)?;
    lab.shell(system.before)?;
    for folder in system.filled {
        plant::everything(&lab.path(folder), system.sparse)?;
    }
    for folder in system.layered {
        plant::second_layer(&lab.path(folder))?;
    }
    lab.shell(system.after)?;
    lab.serve(system.arguments)?;
    let (first, before) = walk(&lab, system, Look::Closely)?;
    let mut real = real::read(&lab.path(system.real), system.empty)?;
    for (path, real) in &mut real {
        system.vague.without(path, &mut real.facts);
    }
    let differences = compare::with_real(&real, &first, system.empty, system.vague);
    ensure!(differences.is_empty(), "{}: {differences:#?}", system.name);
    let use_handles = |host, order| use_handles(host, &first, order, system.vague);

    lab.forget_inodes()?;
    lab.clients
        .within(|| use_handles(2, Order::Deepest).map(drop))
        .context("after caches were dropped")?;
    let forgotten = walk_again(&lab, system, &first)?;

    // Machines that were running use what they have, at once and in any order.
    lab.serve(system.arguments)?;
    lab.forget_inodes()?;
    let two = || {
        std::thread::scope(|scope| {
            let other = scope.spawn(|| use_handles(3, Order::Random));
            let delays = use_handles(2, Order::Deepest)?;
            match other.join() {
                Ok(others) => Ok(delays + others?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    };
    let delays = lab.clients.within(two).context("after a restart")?;
    let restarted = walk_again(&lab, system, &first)?;
    lab.serve(system.arguments)?;
    let again = lab
        .clients
        .within(|| use_handles(4, Order::Names))
        .context("after another restart")?;
    row(
        system.name,
        first.len(),
        [before, forgotten, delays + restarted + again],
    );
    Ok(lab)
}

/// Walks as a new client; returns how often the server asked for patience.
fn walk(lab: &Lab, system: &FileSystem, look: Look) -> Result<(Tree<Seen>, usize)> {
    lab.clients.within(|| {
        let mut machine = Machine::mount(client(5), system.vague)?;
        Ok((machine.walk(look)?, machine.delays))
    })
}

/// Walks as a new client, which finds what the first one found.
fn walk_again(lab: &Lab, system: &FileSystem, first: &Tree<Seen>) -> Result<usize> {
    let (seen, delays) = walk(lab, system, Look::Again)?;
    let differences = compare::with_earlier(first, &seen);
    ensure!(differences.is_empty(), "{}: {differences:#?}", system.name);
    Ok(delays)
}

/// The order in which a machine uses the files that it has open.
#[derive(Clone, Copy)]
enum Order {
    /// What lies deepest first: the server has seen nothing on the way to it.
    Deepest,
    Names,
    Random,
}

fn use_handles(host: u8, tree: &Tree<Seen>, order: Order, vague: Vague) -> Result<usize> {
    let mut machine = Machine::with_handles(client(host), vague)?;
    let mut files: Vec<_> = tree.iter().collect();
    match order {
        Order::Names => {}
        Order::Deepest => {
            let depth = |path: &[u8]| path.iter().filter(|byte| **byte == b'/').count();
            files.sort_by_key(|(path, _)| std::cmp::Reverse(depth(path)));
        }
        Order::Random => files.sort_by_cached_key(|(path, _)| real::hash(path)),
    }
    machine.use_handles(files)?;
    Ok(machine.delays)
}

fn row(name: &str, files: usize, delays: [usize; 3]) {
    static HEADER: Once = Once::new();
    HEADER.call_once(|| {
        println!(
            "{:<24} {:>6}  {:<18} {:<18} after restarts",
            "file system", "files", "before", "caches dropped"
        );
    });
    let [before, forgotten, restarted] = delays.map(|delays| match delays {
        0 => "equal".to_owned(),
        _ => format!("equal, {delays} delays"),
    });
    println!("{name:<24} {files:>6}  {before:<18} {forgotten:<18} {restarted}");
}

#[test]
fn tmpfs() -> Result<()> {
    prove(&FileSystem {
        name: "tmpfs",
        ..PLAIN
    })
}

#[test]
fn ext4() -> Result<()> {
    prove(&FileSystem {
        name: "ext4",
        // A folder of it is the root.
        before: "image disk 300M; mkfs.ext4 -q disk.img; on disk disk
            mkdir disk/root; mount --bind disk/root root",
        ..PLAIN
    })
}

#[test]
fn xfs() -> Result<()> {
    prove(&FileSystem {
        name: "xfs",
        before: "image disk 400M; mkfs.xfs -q disk.img; on disk root",
        ..PLAIN
    })
}

#[test]
fn squashfs() -> Result<()> {
    prove(&FileSystem {
        name: "squashfs",
        filled: &["source"],
        before: "mkdir source",
        after: "mksquashfs source disk.img -quiet -no-progress; on disk root",
        sparse: SMALL,
        ..PLAIN
    })
}

#[test]
fn erofs() -> Result<()> {
    prove(&FileSystem {
        name: "erofs",
        filled: &["source"],
        before: "mkdir source",
        // mkfs.erofs 1.5 cannot store names of 255 bytes.
        after: "LC_ALL=C find source/opt/names -depth -regextype posix-extended -regex '.*/.{255}' -delete
            mkfs.erofs -zlz4 disk.img source; on disk root",
        sparse: SMALL,
        ..PLAIN
    })
}
