//! Folders with many names that change while they are read, and inode numbers of 64 bits.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nfs3_types::nfs3::nfs_fh3;

use crate::nfs_compared::tree;
use crate::nfs_lab::{Lab, ROOT, SERVER};
use crate::support::{Client, root_handle_over};

const PATIENCE: Duration = Duration::from_secs(120);

fn client() -> Result<Client> {
    let connect = || {
        let stream = TcpStream::connect((SERVER, 2049)).context("connect to the export")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        anyhow::Ok(stream)
    };
    let root = root_handle_over(connect()?, "/root");
    Ok(Client::over(connect()?, root, 0, 0, &[]))
}

fn name(number: usize) -> String {
    format!("{number:06}-{}", "n".repeat(number % 40))
}

/// All names that were there all the time are listed, once each.
fn assert_whole(what: &str, names: usize, listed: &[(u64, Vec<u8>)]) -> Result<()> {
    let mut times: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (_, name) in listed {
        *times.entry(name).or_default() += 1;
    }
    let expected = (0..names).map(name).chain([".", ".."].map(str::to_owned));
    for name in expected {
        let seen = times.get(name.as_bytes()).copied().unwrap_or(0);
        ensure!(seen == 1, "{what}: {name} {seen} times");
    }
    Ok(())
}

/// Makes, renames and removes other names until it is told to end; counts how often.
fn change(folder: &Path, ended: &AtomicBool, counted: &AtomicUsize) -> Result<()> {
    let mut changes = 0;
    while !ended.load(Ordering::Relaxed) {
        let other = |what: &str| folder.join(format!("other-{what}-{}", changes % 500));
        std::fs::write(other("new"), "")?;
        std::fs::rename(other("new"), other("renamed"))?;
        if changes % 3 == 0 {
            std::fs::remove_file(other("renamed"))?;
        }
        changes += 1;
        counted.store(changes, Ordering::Relaxed);
        // The folder is locked by each change.
        std::thread::sleep(Duration::from_micros(300));
    }
    Ok(())
}

fn list_all(folder: &str, names: usize) -> Result<()> {
    let mut client = client()?;
    let folder = client.find(folder);
    for count in [4096, 65_536] {
        let listed = client.list(&folder, count);
        let listed = listed.map_err(|status| anyhow!("READDIR by {count}: {status}"))?;
        assert_whole(&format!("READDIR by {count}"), names, &listed)?;
    }
    let listed = client.list_plus(&folder, 8192, 32_768);
    let listed = listed.map_err(|status| anyhow!("READDIRPLUS: {status}"))?;
    let listed: Vec<_> = listed
        .into_iter()
        .map(|entry| (entry.fileid, entry.name.as_ref().to_vec()))
        .collect();
    assert_whole("READDIRPLUS", names, &listed)?;
    Ok(())
}

#[test]
fn a_folder_of_100_000_names_is_listed_whole_while_it_changes() -> Result<()> {
    for (kind, names, mount) in [
        (
            "ext4",
            100_000,
            "truncate -s 600M disk.img; mkfs.ext4 -q -N 150000 disk.img; mount -o loop disk.img root",
        ),
        ("tmpfs", 10_000, "mount -t tmpfs -o size=200M large root"),
    ] {
        let mut lab = Lab::new(&format!("nfs-large-{kind}"))?;
        lab.net.shell(&format!("cd /run; {mount}"))?;
        let root = lab.net.path(ROOT);
        tree::bootable(&root)?;
        let folder = root.join("folder");
        std::fs::create_dir(&folder)?;
        for number in 0..names {
            std::fs::write(folder.join(name(number)), "")?;
        }
        lab.serve()?;
        let (ended, changes) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let changer = scope.spawn(|| change(&folder, &ended, &changes));
            while changes.load(Ordering::Relaxed) == 0 && !changer.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let listed = lab.clients.within(|| list_all("folder", names));
            ended.store(true, Ordering::Relaxed);
            changer.join().map_err(|_| anyhow!("no changes"))??;
            let changes = changes.load(Ordering::Relaxed);
            println!("{kind}: {changes} changes");
            ensure!(changes > 0, "{kind}: nothing has changed");
            listed.context(kind)
        })?;
    }
    Ok(())
}

/// Every number in a listing is the file's own.
fn numbers(client: &mut Client, folder: &nfs_fh3) -> Result<BTreeMap<Vec<u8>, u64>> {
    let listed = client.list(folder, 8192);
    let listed = listed.map_err(|status| anyhow!("READDIR: {status}"))?;
    let mut numbers = BTreeMap::new();
    for (number, name) in listed {
        let found = client.lookup_in(folder, &name);
        let file = found.map_err(|status| anyhow!("LOOKUP: {status}"))?.object;
        let attributes = client.attributes(&file);
        let attributes = attributes.map_err(|status| anyhow!("GETATTR: {status}"))?;
        // `..` of the root is the root.
        ensure!(
            attributes.fileid == number,
            "{name:?}: {number} {attributes:?}"
        );
        numbers.insert(name, number);
    }
    Ok(numbers)
}

#[test]
fn inode_numbers_of_64_bits_are_those_of_the_server() -> Result<()> {
    let mut lab = Lab::new("nfs-64-bits")?;
    // Beyond 2 TiB the numbers of XFS have more than 32 bits; folders are spread over the whole.
    lab.net.shell(
        "cd /run; truncate -s 15T disk.img; mkfs.xfs -q -K -l size=64m disk.img; mount -o loop,inode64 disk.img root
         for number in $(seq 60); do mkdir root/$number; echo $number > root/$number/file; done",
    )?;
    let root = lab.net.path(ROOT);
    tree::bootable(&root)?;
    lab.serve()?;
    lab.clients.within(|| {
        let mut client = client()?;
        let top = client.root.clone();
        let seen = numbers(&mut client, &top)?;
        let mut large = 0;
        for number in 1..=60 {
            let real = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(
                root.join(number.to_string()),
            )?);
            ensure!(
                seen.get(number.to_string().as_bytes()) == Some(&real),
                "{number}"
            );
            large += usize::from(real > u64::from(u32::MAX));
            let folder = client.find(&number.to_string());
            let inside = numbers(&mut client, &folder)?;
            let file = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(
                root.join(format!("{number}/file")),
            )?);
            ensure!(inside.get(&b"file"[..]) == Some(&file), "{number}/file");
        }
        ensure!(large > 10, "only {large} numbers have more than 32 bits");
        Ok(())
    })
}
