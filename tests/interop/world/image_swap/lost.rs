//! A root that an image was swapped to, or from, is lost: machines boot the latest that is left, and get the other one again once
//! it is back.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nfs3_types::nfs3::nfs_fh3;

use super::super::generations::{make, switch};
use super::super::root::{NEW, OLD, open_to_all, who};
use super::{By, Site, start};
use crate::lan::TIMEOUT;

/// Waits until machines boot this kernel from this tree.
fn comes_to_boot(site: &Site, linux: &str, tree: &str) -> Result<()> {
    // A root that is there again is looked into every minute.
    let deadline = Instant::now() + 3 * TIMEOUT;
    while let Err(error) = site.boots(linux, tree) {
        ensure!(Instant::now() < deadline, "{error:#}");
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}

/// The warnings that are shown.
fn warnings(site: &Site) -> Result<String> {
    Ok(site.netroot(&["status"])?.stdout)
}

/// Waits until it is in the log, where it comes to a moment after machines boot by it.
fn is_told(site: &Site, words: &str) -> Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let events = site.server.events();
        if events.iter().any(|(_, event)| event.text.contains(words)) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{words}: {events:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn lost_and_back(by: By) -> Result<()> {
    let mut site = Site::new(&format!("swap-lost-{by:?}").to_lowercase(), by)?;
    site.add_root("third")?;
    let path = format!("/{}", site.image());
    ensure!(site.swap("new")?.status.success());
    ensure!(site.swap("third")?.status.success());
    site.boots(NEW, "@tree3")?;
    let third = site.handle(1, &path)?;

    // Its directory is gone, and machines that run from it do not lose it.
    fs::rename(site.path("third"), site.path("aside"))?;
    comes_to_boot(&site, NEW, "@tree2")?;
    let said = format!(
        "{} cannot be served, machines boot {}",
        site.text("third"),
        site.text("new")
    );
    is_told(&site, &said)?;
    ensure!(warnings(&site)?.contains(&said), "{}", warnings(&site)?);
    assert_eq!(who(&mut site.connected(1, third.clone())?), "third");
    let shown = site.shown()?;
    let newer = format!("swapped to: {}, cannot be served", site.text("third"));
    ensure!(shown.contains(&newer), "{shown}");
    // So it is after a restart, and the configuration is followed meanwhile.
    site.restart()?;
    site.boots(NEW, "@tree2")?;
    is_told(&site, &said)?;
    ensure!(site.netroot(&["reload"])?.stdout.contains(&said));

    // It is back.
    fs::rename(site.path("aside"), site.path("third"))?;
    comes_to_boot(&site, NEW, "@tree3")?;
    ensure!(!warnings(&site)?.contains(&said), "{}", warnings(&site)?);
    assert_eq!(who(&mut site.connected(1, third.clone())?), "third");

    // Two of them have no kernel any more.
    fs::remove_dir_all(site.path("new/boot"))?;
    fs::remove_dir_all(site.path("third/boot"))?;
    comes_to_boot(&site, OLD, "@tree1")?;
    // The one that is booted is made the root for good.
    let done = site.swap("old")?;
    ensure!(done.status.success(), "{done:?}");
    site.boots(OLD, "@tree1")?;
    ensure!(!warnings(&site)?.contains("cannot be served"));
    site.restart()?;
    site.boots(OLD, "@tree1")
}

#[test]
fn a_configured_image_whose_root_is_lost_boots_the_one_before_until_it_is_back() -> Result<()> {
    lost_and_back(By::File)
}

#[test]
fn the_image_of_the_command_line_whose_root_is_lost_boots_the_one_before() -> Result<()> {
    lost_and_back(By::Directory)
}

#[test]
fn a_root_that_comes_back_in_steps_is_booted_once_its_modules_are_there() -> Result<()> {
    let site = Site::new("swap-steps", By::File)?;
    ensure!(site.swap("new")?.status.success());
    fs::rename(site.path("new"), site.path("aside"))?;
    comes_to_boot(&site, OLD, "@tree1")?;
    fs::create_dir(site.path("new"))?;
    open_to_all(&site.path("new"))?;
    fs::rename(site.path("aside/boot"), site.path("new/boot"))?;
    // For long enough to count, if it did.
    for _ in 0..10 {
        std::thread::sleep(Duration::from_secs(1));
        site.boots(OLD, "@tree1")?;
    }
    fs::rename(site.path("aside/lib"), site.path("new/lib"))?;
    fs::rename(site.path("aside/who"), site.path("new/who"))?;
    comes_to_boot(&site, NEW, "@tree2")
}

#[test]
fn the_configuration_is_followed_while_an_earlier_root_is_booted() -> Result<()> {
    let site = Site::new("swap-lost-follow", By::File)?;
    ensure!(site.swap("new")?.status.success());
    fs::rename(site.path("new"), site.path("aside"))?;
    comes_to_boot(&site, OLD, "@tree1")?;
    let file = site.path("etc/netroot.toml");
    let main = fs::read_to_string(&file)?;
    fs::write(&file, format!("{main}append = \"quiet\"\n"))?;
    // It tries the lost one again.
    let done = site.netroot(&["reload"])?;
    ensure!(done.stdout.contains(&site.text("new")), "{done:?}");
    site.boots(OLD, "@tree1")?;
    ensure!(site.script()?.contains(" quiet"), "{}", site.script()?);
    // Nobody needs the lost one any more.
    let new = site.text("new");
    let done = site.netroot(&["image", "forget", "debian", &new])?;
    ensure!(done.status.success(), "{done:?}");
    site.boots(OLD, "")?;
    let shown = site.shown()?;
    ensure!(!shown.contains(&new), "{shown}");
    Ok(())
}

#[test]
fn one_earlier_root_is_forgotten_and_who_runs_from_it_is_named_first() -> Result<()> {
    let site = Site::new("swap-forget", By::File)?;
    site.add_root("third")?;
    let path = format!("/{}", site.image());
    ensure!(site.swap("new")?.status.success());
    let new = site.handle(1, &path)?;
    assert_eq!(who(&mut site.connected(1, new)?), "new");
    ensure!(site.swap("third")?.status.success());
    let forget = |more: &[&str]| {
        let directory = site.text("new");
        let arguments = [&["image", "forget", "debian", &directory], more].concat();
        site.netroot(&arguments)
    };
    let refused = forget(&[])?;
    ensure!(
        !refused.status.success() && refused.stderr.contains("10.77.0.67"),
        "{refused:?}"
    );
    let done = forget(&["--force"])?;
    ensure!(done.status.success(), "{done:?}");
    site.boots(NEW, "@tree3")?;
    let shown = site.shown()?;
    ensure!(
        !shown.contains(&site.text("new")) && shown.contains(&site.text("old")),
        "{shown}"
    );
    let again = forget(&[])?;
    ensure!(
        again.stderr.contains("is none of the earlier roots"),
        "{again:?}"
    );
    Ok(())
}

#[test]
fn a_swapped_root_that_cannot_be_served_has_no_generations_and_the_one_before_has_its_own()
-> Result<()> {
    let mut site = Site::new("swap-generations", By::File)?;
    let systems: [(&str, &[u32]); 2] = [("first", &[1, 2]), ("second", &[7, 8])];
    for (root, numbers) in systems {
        let root = site.path(root);
        for number in numbers {
            make(&root, *number)?;
            switch(&root, *number)?;
        }
        fs::write(root.join("who"), "guix")?;
        open_to_all(&root)?;
    }
    let path = site.folder.path().display();
    let image = format!(
        "[image.guix]\nroot = \"{path}/first\"\ninitrd = \"{path}/initrd.img\"\ngenerations = 2\n"
    );
    let file = site.path("etc/netroot.toml");
    let main = fs::read_to_string(&file)?;
    fs::write(&file, format!("default = \"debian\"\n{main}{image}"))?;
    ensure!(site.netroot(&["reload"])?.status.success());
    let images = |site: &Site| -> Result<String> { Ok(site.netroot(&["images"])?.stdout) };
    ensure!(images(&site)?.contains("guix@2"), "{}", images(&site)?);
    let second = site.text("second");
    let done = site.netroot(&["image", "swap", "guix", &second])?;
    ensure!(done.status.success(), "{done:?}");
    let of_second = images(&site)?;
    ensure!(
        of_second.contains("guix@8") && !of_second.contains("guix@2"),
        "{of_second}"
    );
    fs::remove_dir_all(site.path("second/gnu"))?;
    site.restart()?;
    let of_first = images(&site)?;
    ensure!(
        ["guix@1", "guix@2"]
            .iter()
            .all(|name| of_first.contains(name))
            && !of_first.contains("guix@8"),
        "{of_first}"
    );
    Ok(())
}

/// Whether a machine can read from the root that it has.
fn reads(site: &Site, client: usize, root: &nfs_fh3) -> bool {
    let read = || {
        site.connected(client, root.clone())
            .map(|mut it| who(&mut it))
    };
    // The client of the tests gives up where it is refused.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).is_ok_and(|read| read.is_ok())
}

#[test]
fn an_earlier_root_that_is_missing_at_the_start_is_told_and_served_once_it_is_there() -> Result<()>
{
    let mut site = Site::new("swap-tree-gone", By::File)?;
    let old = site.handle(0, "/debian")?;
    assert_eq!(who(&mut site.connected(0, old.clone())?), "old");
    ensure!(site.swap("new")?.status.success());
    site.server.program().kill()?;
    fs::rename(site.path("old"), site.path("aside"))?;
    site.server = start(&site.net, site.folder.path(), site.by)?;
    site.boots(NEW, "@tree2")?;
    let warned = site.server.events().into_iter();
    let warned: Vec<_> = warned
        .filter(|(_, event)| {
            event
                .text
                .contains("machines that run from an earlier root are stuck")
        })
        .collect();
    ensure!(
        warned.len() == 1
            && warned
                .iter()
                .all(|(_, it)| it.text.contains(&site.text("old"))),
        "{warned:?}"
    );
    let shown = site.shown()?;
    let lost = format!("before: {}, cannot be opened", site.text("old"));
    ensure!(shown.contains(&lost), "{shown}");
    ensure!(!reads(&site, 0, &old));
    // Its disk is mounted by now, say.
    fs::rename(site.path("aside"), site.path("old"))?;
    let deadline = Instant::now() + 2 * TIMEOUT;
    while site.shown()?.contains(&lost) {
        ensure!(Instant::now() < deadline, "{}", site.shown()?);
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(who(&mut site.connected(0, old)?), "old");
    Ok(())
}
