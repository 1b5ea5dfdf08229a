//! Our export and NFS-Ganesha on the same tree, call by call (`nfs_compared/compared.rs`); and libnfs, a client that has
//! nothing in common with Linux's.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use netroot_harness::{Clients, Ganesha, Net};

use crate::nfs_compared::{ask, assert_equal, faults, tree};
use crate::nfs_lab::{Lab, OTHER, ROOT, SERVER};

/// Makes the image of the tree.
fn make_image(lab: &Lab) -> Result<String> {
    let image = lab.net.logs().join("tree.img").display().to_string();
    tree::make_image(&lab.net, &image)?;
    Ok(image)
}

fn mount(image: &str, host: &Net) -> Result<()> {
    host.shell(&format!("mount -o loop,ro {image} {ROOT}"))?;
    Ok(())
}

#[test]
fn every_answer_is_ganeshas_but_for_the_differences_that_are_explained() -> Result<()> {
    let mut lab = Lab::new("nfs-compared")?;
    let image = make_image(&lab)?;
    faults::damage(&lab.net, &image)?;
    // A disk of its own for each server: a lease is of one of them.
    let copy = lab.net.logs().join("copy.img").display().to_string();
    lab.net.run(&["cp", "--sparse=always", &image, &copy])?;
    let mut holders = Vec::new();
    for (image, host) in [(&image, &lab.net), (&copy, &lab.other)] {
        mount(image, host)?;
        faults::cut(image)?;
        holders.push(faults::lease(host, ROOT)?);
    }
    let _ganesha = Ganesha::start(&lab.other, Path::new(ROOT), "/root", &Clients::All)?;
    lab.serve()?;
    let ours = lab.clients.within(|| ask("netroot", SERVER, "/root"))?;
    let theirs = lab.clients.within(|| ask("Ganesha", OTHER, "/root"))?;
    for holder in &holders {
        faults::is_given_back(holder)?;
    }
    assert_equal("Ganesha", &ours, &theirs)
}

/// The end of a line of `nfs-ls`: links, owner, group, size, name. It has owners beyond 31 bits negative.
fn line_of(entry: &std::fs::DirEntry) -> Result<[String; 5]> {
    let stat = entry.metadata()?;
    let [owner, group] = [stat.uid(), stat.gid()].map(|id| id.cast_signed().to_string());
    let name = entry.file_name().to_string_lossy().into_owned();
    let [links, size] = [stat.nlink(), stat.size()].map(|number| number.to_string());
    Ok([links, owner, group, size, name])
}

#[test]
fn libnfs_lists_and_reads_what_the_server_has() -> Result<()> {
    let mut lab = Lab::new("nfs-libnfs")?;
    mount(&make_image(&lab)?, &lab.net)?;
    lab.serve()?;
    for folder in ["", "/many", "/boot"] {
        let listed = lab
            .clients
            .run(&["nfs-ls", &format!("nfs://{SERVER}/root{folder}")])?;
        let listed: BTreeSet<[String; 5]> = listed
            .lines()
            .filter_map(|line| {
                let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
                words.get(1..6)?.to_vec().try_into().ok()
            })
            .filter(|[.., name]: &[String; 5]| name != "." && name != "..")
            .collect();
        let real = std::fs::read_dir(lab.net.path(&format!("{ROOT}{folder}")))?
            .map(|entry| line_of(&entry?))
            .collect::<Result<BTreeSet<_>>>()?;
        assert_eq!(listed, real, "{folder}");
    }
    for file in [
        "plain",
        "empty",
        "setuid",
        "linked-too",
        "listed-folder/file",
    ] {
        let url = format!("nfs://{SERVER}/root/{file}");
        let read = lab.clients.run(&["nfs-cat", &url])?;
        let real = std::fs::read_to_string(lab.net.path(&format!("{ROOT}/{file}")));
        assert_eq!(read, real.with_context(|| file.to_owned())?, "{file}");
    }
    // Byte for byte, by calls of its own size.
    lab.clients.shell(&format!(
        "nfs-cat nfs://{SERVER}/root/boot/vmlinuz-* > /run/none 2>&1 && exit 1
         for kernel in $(nfs-ls nfs://{SERVER}/root/boot | awk '{{print $6}}' | grep vmlinuz)
         do nfs-cat nfs://{SERVER}/root/boot/$kernel > /run/kernel
         done"
    ))?;
    let read = std::fs::read(lab.clients.path("/run/kernel"))?;
    let (_, kernel) = netroot_harness::paths::debian_kernel()?;
    assert!(read == std::fs::read(kernel)?, "another kernel");
    Ok(())
}
