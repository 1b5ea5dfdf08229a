//! The root of an image is exchanged (`netroot image swap`): who runs keeps the old one, also over a restart, and who boots gets
//! the new one with its kernel; all of it or nothing, and back by one command.

mod command;
mod lost;
mod site;

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Result, ensure};
use netroot_harness::{Finished, paths};

use self::site::{By, Reader, Site, start};
use super::root::{NEW, OLD, who};
use crate::lan::TIMEOUT;

fn swapped_and_back(name: &str, by: By) -> Result<()> {
    let mut site = Site::new(name, by)?;
    let path = format!("/{}", site.image());
    site.boots(OLD, "")?;
    let old = site.handle(0, &path)?;
    let mut first = site.connected(0, old.clone())?;
    assert_eq!(who(&mut first), "old");
    let reader = Reader::start(site.connected(0, old.clone())?, "old");
    let done = site.swap("new")?;
    ensure!(done.status.success(), "{done:?}");
    let says = format!(
        "boots {} now; 1 machine still runs from an earlier root",
        site.text("new")
    );
    ensure!(done.stdout.contains(&says), "{done:?}");
    // It has its script from before, and has mounted nothing.
    ensure!(site.handle(2, &path)? == old);
    site.boots(NEW, "@tree2")?;
    // Who boots gets the new one, who runs has the old one, however it asks.
    let new = site.handle(1, &path)?;
    ensure!(new != old && site.handle(1, &format!("{path}@tree2"))? == new);
    assert_eq!(who(&mut site.connected(1, new.clone())?), "new");
    ensure!(site.handle(0, &path)? == old && site.handle(0, "/")? == old);
    ensure!(site.handle(1, &format!("{path}@tree1"))? == old);
    reader.stop()?;
    let shown = site.shown()?;
    let before = format!(
        "before: {}, kept; run from it: 10.77.0.66",
        site.text("old")
    );
    ensure!(shown.contains(&before), "{shown}");

    // A crash.
    site.restart()?;
    site.boots(NEW, "@tree2")?;
    assert_eq!(who(&mut site.connected(0, old.clone())?), "old");
    assert_eq!(who(&mut site.connected(1, new.clone())?), "new");
    ensure!(site.handle(0, &path)? == old && site.handle(1, &path)? == new);
    let shown = site.shown()?;
    ensure!(shown.contains(&before), "{shown}");

    let readers = [
        Reader::start(site.connected(0, old.clone())?, "old"),
        Reader::start(site.connected(1, new.clone())?, "new"),
    ];
    let done = site.netroot(&["image", "rollback", site.image()])?;
    ensure!(done.status.success(), "{done:?}");
    site.boots(OLD, "@tree1")?;
    ensure!(site.handle(0, &path)? == old && site.handle(1, &path)? == new);
    for reader in readers {
        reader.stop()?;
    }
    site.restart()?;
    site.boots(OLD, "@tree1")?;
    assert_eq!(who(&mut site.connected(0, old)?), "old");
    assert_eq!(who(&mut site.connected(1, new.clone())?), "new");
    ensure!(site.handle(1, &path)? == new);
    // And forward again, to the tree that machines run from.
    ensure!(
        site.netroot(&["image", "rollback", site.image()])?
            .status
            .success()
    );
    site.boots(NEW, "@tree2")?;
    ensure!(site.handle(1, &format!("{path}@tree2"))? == new);
    let warnings = site.server.events().into_iter();
    let warnings: Vec<_> = warnings
        .filter(|(_, event)| event.kind == "warning")
        .collect();
    ensure!(
        !warnings
            .iter()
            .any(|(_, event)| event.text.contains("an earlier root")),
        "{warnings:?}"
    );
    Ok(())
}

#[test]
fn a_configured_root_is_exchanged_under_machines_that_run_and_back() -> Result<()> {
    swapped_and_back("swap-file", By::File)
}

#[test]
fn the_root_of_the_command_line_is_exchanged_under_machines_that_run_and_back() -> Result<()> {
    swapped_and_back("swap-directory", By::Directory)
}

#[test]
fn what_cannot_be_served_changes_nothing() -> Result<()> {
    let site = Site::new("swap-refused", By::File)?;
    let file = site.path("state-swaps/swaps.json");
    fs::create_dir(site.path("empty"))?;
    fs::write(site.path("file"), "")?;
    for (to, why) in [
        ("empty", "kernel"),
        ("file", "it is no directory"),
        ("absent", "No such file"),
    ] {
        let done = site.swap(to)?;
        ensure!(!done.status.success(), "{to}: {done:?}");
        let said = format!("{}{}", done.stdout, done.stderr);
        ensure!(said.contains(why), "{to}: {said}");
        site.boots(OLD, "")?;
        ensure!(!file.exists());
    }
    let done = site.netroot(&["image", "rollback", "debian"])?;
    ensure!(done.stderr.contains("never swapped"), "{done:?}");
    let done = site.netroot(&["image", "swap", "debina", &site.text("new")])?;
    ensure!(done.stderr.contains("there are: debian"), "{done:?}");
    let done = site.swap("old")?;
    ensure!(
        done.stderr.contains("is the root of debian already"),
        "{done:?}"
    );
    // Another state folder than the server's.
    let netroot = paths::netroot()?.display().to_string();
    let (control, new) = (site.text("control"), site.text("new"));
    let argv = [
        &netroot,
        "image",
        "swap",
        "debian",
        &new,
        "--control",
        &control,
    ];
    let done = site.net.run_for(&argv, TIMEOUT)?;
    ensure!(done.stderr.contains("--state DIR"), "{done:?}");
    site.boots(OLD, "")?;
    // It can be exchanged after all that.
    ensure!(site.swap("new")?.status.success());
    site.boots(NEW, "@tree2")
}

#[test]
fn a_start_serves_the_configured_root_where_the_exchanged_one_cannot_be() -> Result<()> {
    for by in [By::File, By::Directory] {
        let mut site = Site::new(&format!("swap-start-{by:?}").to_lowercase(), by)?;
        let path = format!("/{}", site.image());
        ensure!(site.swap("new")?.status.success());
        let new = site.handle(1, &path)?;
        // Machines run from it, though no machine can boot it any more.
        fs::remove_dir_all(site.path("new/boot"))?;
        site.restart()?;
        site.boots(OLD, "@tree1")?;
        let told = |site: &Site, words: &str| {
            let events = site.server.events();
            events.iter().any(|(_, event)| event.text.contains(words))
        };
        ensure!(told(&site, "a swapped root is not served"), "{by:?}");
        assert_eq!(who(&mut site.connected(1, new)?), "new");
        // Somebody else could have written what is to be served.
        let file = site.path("state-swaps/swaps.json");
        std::os::unix::fs::chown(&file, Some(12345), None)?;
        site.restart()?;
        site.boots(OLD, "")?;
        ensure!(told(&site, "does not belong to root"), "{by:?}");
        std::os::unix::fs::chown(&file, Some(0), None)?;
        fs::write(&file, "{")?;
        site.restart()?;
        site.boots(OLD, "")?;
        ensure!(told(&site, "is damaged"), "{by:?}");
        fs::remove_file(&file)?;
        ensure!(site.netroot(&["reload"])?.status.success());
    }
    Ok(())
}

#[test]
fn a_start_serves_the_root_before_the_one_that_cannot_be() -> Result<()> {
    for by in [By::File, By::Directory] {
        let mut site = Site::new(&format!("swap-before-{by:?}").to_lowercase(), by)?;
        site.add_root("third")?;
        ensure!(site.swap("new")?.status.success());
        ensure!(site.swap("third")?.status.success());
        site.boots(NEW, "@tree3")?;
        fs::remove_dir_all(site.path("third/boot"))?;
        site.restart()?;
        site.boots(NEW, "@tree2")?;
        let done = site.netroot(&["image", "rollback", site.image()])?;
        ensure!(done.status.success(), "{by:?}: {done:?}");
        site.boots(NEW, "@tree2")?;
    }
    Ok(())
}

#[test]
fn a_swap_counts_as_long_as_one_of_its_roots_is_configured() -> Result<()> {
    let mut site = Site::new("swap-counts", By::File)?;
    site.add_root("third")?;
    let old = site.handle(0, "/debian")?;
    assert_eq!(who(&mut site.connected(0, old.clone())?), "old");
    // The server that runs does not obey it, whatever it looks at.
    let new = site.text("new");
    let done = site.netroot(&["image", "swap", "debian", &new, "--at-restart"])?;
    ensure!(done.status.success(), "{done:?}");
    ensure!(site.netroot(&["reload"])?.status.success());
    site.boots(OLD, "")?;
    site.restart()?;
    site.boots(NEW, "@tree2")?;
    let said = format!(
        "machines boot {new}, not the configured {}",
        site.text("old")
    );
    let told = |site: &Site, words: &str| {
        let events = site.server.events();
        events.iter().any(|(_, event)| event.text.contains(words))
    };
    ensure!(told(&site, &said), "{said}");
    // What was swapped to is configured for good.
    let configure = |site: &Site, from: &str, to: &str| -> Result<Finished> {
        let file = site.path("etc/netroot.toml");
        let line = |root: &str| format!("root = \"{}\"", site.text(root));
        let main = fs::read_to_string(&file)?.replace(&line(from), &line(to));
        fs::write(&file, main)?;
        site.netroot(&["reload"])
    };
    let done = configure(&site, "old", "new")?;
    ensure!(done.status.success(), "{done:?}");
    site.boots(NEW, "@tree2")?;
    assert_eq!(who(&mut site.connected(0, old.clone())?), "old");
    site.restart()?;
    assert_eq!(who(&mut site.connected(0, old.clone())?), "old");
    ensure!(
        site.netroot(&["image", "rollback", "debian"])?
            .status
            .success()
    );
    site.boots(OLD, "@tree1")?;
    // Without a server, for its next start.
    site.server.program().kill()?;
    let done = site.netroot(&["image", "rollback", "debian", "--at-restart"])?;
    ensure!(done.status.success(), "{done:?}");
    site.server = start(&site.net, site.folder.path(), site.by)?;
    site.boots(NEW, "@tree2")?;
    // Another one is booted, and the entry is told and dropped.
    let done = configure(&site, "new", "third")?;
    site.boots(NEW, "")?;
    ensure!(
        done.stdout
            .contains("`netroot image forget debian` drops the entry"),
        "{done:?}"
    );
    let done = site.netroot(&["image", "forget", "debian"])?;
    ensure!(done.status.success(), "{done:?}");
    ensure!(!site.path("state-swaps/swaps.json").exists());
    configure(&site, "third", "old")?;
    site.boots(OLD, "")
}

#[test]
fn a_link_that_is_pointed_elsewhere_exchanges_the_root_of_who_boots() -> Result<()> {
    let site = Site::with("swap-link", By::File, "current")?;
    let old = site.handle(0, "/debian")?;
    let reader = Reader::start(site.connected(0, old.clone())?, "old");
    symlink("new", site.path("next"))?;
    fs::rename(site.path("next"), site.path("current"))?;
    let done = site.netroot(&["reload"])?;
    ensure!(done.status.success(), "{done:?}");
    site.boots(NEW, "")?;
    let mut second = site.mount(1, "/debian")?;
    assert_eq!(who(&mut second), "new");
    ensure!(second.root != old);
    reader.stop()?;
    assert_eq!(who(&mut site.connected(0, old)?), "old");
    let shown = site.shown()?;
    let before = format!(
        "before: {}, replaced at its path; run from it: 10.77.0.66",
        site.text("current")
    );
    ensure!(shown.contains(&before), "{shown}");
    Ok(())
}
