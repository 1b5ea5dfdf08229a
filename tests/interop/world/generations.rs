//! Generations of a store system are made and deleted while we serve.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::configuration::Site;
use super::root::{open_to_all, who};
use crate::fixture::bzimage;
use crate::lan::TIMEOUT;

const MACHINE: &str = "52-54-00-77-00-01";
const MAC: &str = "52:54:00:77:00:01";
/// What a drop-in gives the second generation to.
const PINNED: &str = "52-54-00-77-00-02";

/// A generation as Guix System makes it: the system in the store, and a link to it.
pub(super) fn make(root: &Path, number: u32) -> Result<()> {
    let version = format!("6.{number}.0");
    let system = root.join(format!("gnu/store/{number}-system"));
    let modules = system.join("kernel/lib/modules").join(&version);
    fs::create_dir_all(&modules)?;
    fs::write(modules.join("modules.dep"), "")?;
    for file in ["boot", "activate"] {
        fs::write(system.join(file), "")?;
    }
    fs::write(system.join("kernel/bzImage"), bzimage(&version))?;
    fs::create_dir_all(root.join("var/guix/profiles"))?;
    Ok(symlink(
        format!("/gnu/store/{number}-system"),
        link(root, number),
    )?)
}

fn link(root: &Path, number: u32) -> std::path::PathBuf {
    root.join(format!("var/guix/profiles/system-{number}-link"))
}

/// Makes it the current one.
pub(super) fn switch(root: &Path, number: u32) -> Result<()> {
    let new = root.join("var/guix/profiles/system.new");
    symlink(format!("system-{number}-link"), &new)?;
    Ok(fs::rename(new, root.join("var/guix/profiles/system"))?)
}

/// As `guix system delete-generations` and `guix gc` do.
fn delete(root: &Path, number: u32) -> Result<()> {
    fs::remove_file(link(root, number))?;
    Ok(fs::remove_dir_all(
        root.join(format!("gnu/store/{number}-system")),
    )?)
}

/// The names of the images that the server offers.
fn images(site: &Site) -> Result<Vec<String>> {
    let text = site.order(&["images", "--json"])?.stdout;
    let images: serde_json::Value = serde_json::from_str(&text)?;
    let images = images.get("images").and_then(|images| images.as_array());
    Ok(images
        .into_iter()
        .flatten()
        .filter_map(|image| Some(image.get("name")?.as_str()?.to_owned()))
        .filter(|name| name.starts_with("guix"))
        .collect())
}

fn wait_for_images(site: &Site, wanted: &[&str]) -> Result<()> {
    let mut last = Vec::new();
    for _ in 0..TIMEOUT.as_secs() {
        last = images(site)?;
        if last == wanted {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    anyhow::bail!("the images are {last:?} and not {wanted:?}")
}

/// Whether the script boots this generation of the root by this export's name.
fn boots(script: &str, export: &str, number: u32) -> bool {
    let system = format!("/var/guix/profiles/system-{number}-link");
    script.contains(&format!("gnu.system={system} gnu.load={system}/boot"))
        && script.contains(&format!(":/{export},vers=3,"))
}

#[test]
fn a_generation_that_is_made_is_offered_and_booted_and_a_deleted_one_is_refused() -> Result<()> {
    let site = Site::new("generations")?;
    let root = site.path().join("guix");
    for number in [1, 2] {
        make(&root, number)?;
    }
    switch(&root, 2)?;
    fs::write(root.join("who"), "guix")?;
    open_to_all(&root)?;
    let path = site.path().display();
    site.add(
        "guix",
        &format!(
            "[image.guix]\nroot = \"{path}/guix\"\ninitrd = \"{path}/initrd.img\"\ngenerations = 2\n\
             [[rule]]\nmac = \"{}\"\nboot = \"guix@2\"\n[[rule]]\nboot = \"guix\"\n",
            PINNED.replace('-', ":"),
        ),
    )?;
    site.wait_for(MACHINE, "/guix,")?;
    wait_for_images(&site, &["guix", "guix@2", "guix@1"])?;
    ensure!(boots(&site.script(MACHINE)?, "guix", 2));
    ensure!(boots(&site.script(PINNED)?, "guix@2", 2));
    // It runs from then on.
    let mut running = site.mount("/guix@2")?;

    make(&root, 3)?;
    switch(&root, 3)?;
    // Two are wanted; the first is too old, and the second is somebody's.
    wait_for_images(&site, &["guix", "guix@3", "guix@2"])?;
    let script = site.wait_for(MACHINE, "system-3-link")?;
    ensure!(boots(&script, "guix", 3), "{script}");
    ensure!(boots(&site.script(PINNED)?, "guix@2", 2));
    let limited = site.of_kind("generations-limited");
    ensure!(limited.len() == 1, "{limited:?}");
    ensure!(
        limited[0].text.contains("of 3 generations the newest 2"),
        "{limited:?}"
    );
    let older = site.order(&["boot-once", MAC, "guix@2"])?;
    ensure!(older.status.success(), "{older:?}");

    make(&root, 4)?;
    // Not the current one so far; who chose the second keeps it beside the newest two.
    wait_for_images(&site, &["guix", "guix@4", "guix@3", "guix@2"])?;
    ensure!(boots(&site.script(MACHINE)?, "guix", 3));

    delete(&root, 2)?;
    wait_for_images(&site, &["guix", "guix@4", "guix@3"])?;
    let gone = site.order(&["boot-once", MAC, "guix@2"])?;
    ensure!(!gone.status.success(), "{gone:?}");
    for words in [
        "there is no image guix@2: that generation is not in the root (any more)",
        "the generations of guix are guix@4, guix@3",
    ] {
        ensure!(gone.stderr.contains(words), "{gone:?}");
    }
    let waits = site.wait_for(PINNED, "waits until")?;
    let words = "it is to boot the generation guix@2, which is not in the root (any more)";
    ensure!(waits.contains(words), "{waits}");
    let missing = site.of_kind("warning");
    for by in ["a rule (", &format!("an order for {MAC} ")] {
        ensure!(
            missing.iter().any(
                |one| one.text.contains(by) && one.text.contains("names the generation guix@2")
            ),
            "{missing:?}"
        );
    }
    // What runs goes on, and who has begun to boot it finds its root.
    assert_eq!(who(&mut running), "guix");
    ensure!(site.mounts("/guix@2")?);
    Ok(())
}
