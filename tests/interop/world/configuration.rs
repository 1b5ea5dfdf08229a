//! The configuration changes: other services add drop-ins and take them away. No restart, and all of it or nothing.

mod site;

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use netroot_harness::NetrootServe;

pub(super) use self::site::Site;
use self::site::{NAMED, OTHER, drop_in, image, put_root};
use super::root::{NEW, OLD, open_to_all, put_kernel, put_modules, who};
use crate::lan::{HTTP, TIMEOUT};

#[test]
fn a_drop_in_that_comes_is_what_the_next_machine_boots_and_one_that_goes_stays_with_who_runs()
-> Result<()> {
    let site = Site::new("drop-in")?;
    ensure!(site.mounts("/debian")? && site.mounts("/")?);
    let mut debian = site.mount("/debian")?;
    put_root(site.path(), "lab", NEW)?;
    site.add("lab", &site.lab(""))?;
    let script = site.wait_for(NAMED, "/lab,")?;
    ensure!(script.contains(&format!("Linux {NEW}")), "{script}");
    let kernel = script.lines().find_map(|line| line.strip_prefix("kernel "));
    let kernel = kernel.and_then(|line| line.split(' ').next()?.strip_prefix(HTTP));
    let kernel = kernel.context("the kernel's URL")?.trim_start_matches('/');
    ensure!(site.get(kernel)?.contains(NEW));
    ensure!(site.script(OTHER)?.contains("/debian,"));
    let mut lab = site.mount("/lab")?;
    assert_eq!(
        (who(&mut lab), who(&mut debian)),
        ("lab".into(), "debian".into())
    );
    // Of two images none is the root of all.
    ensure!(!site.mounts("/")?);
    let added = site.of_kind("image-added");
    assert_eq!(added.len(), 1, "{added:?}");
    assert_eq!(added[0].text, "the image lab was added");

    fs::remove_file(site.drop_in("lab"))?;
    site.wait_for(NAMED, "/debian,")?;
    ensure!(!site.mounts("/lab")? && site.mounts("/")?);
    ensure!(site.get("images/lab/vmlinuz").is_err());
    assert_eq!(
        (who(&mut lab), who(&mut debian)),
        ("lab".into(), "debian".into())
    );
    assert_eq!(site.of_kind("image-removed").len(), 1);
    // It comes back to who has kept it.
    site.add("lab", &site.lab(""))?;
    site.wait_for(NAMED, "/lab,")?;
    assert_eq!(site.mount("/lab")?.root, lab.root);
    ensure!(site.of_kind("warning").is_empty());
    Ok(())
}

#[test]
fn a_drop_in_with_a_mistake_changes_nothing_and_is_told_once_with_its_line() -> Result<()> {
    let site = Site::new("drop-in-wrong")?;
    put_root(site.path(), "lab", NEW)?;
    let unchanged = |site: &Site| -> Result<()> {
        ensure!(site.script(NAMED)?.contains("/debian,"));
        ensure!(!site.mounts("/lab")? && site.mounts("/")?);
        Ok(())
    };
    site.add("lab", &site.lab("overlai = true"))?;
    let why = site.refused(1)?;
    ensure!(
        why.contains("conf.d/lab.toml:4: ") && why.contains("overlay"),
        "{why}"
    );
    unchanged(&site)?;
    // A directory that is not there, beside a drop-in in which nothing is wrong.
    put_root(site.path(), "other", OLD)?;
    site.add("other", &image(site.path(), "other", ""))?;
    let lab = site.path().join("lab");
    fs::rename(&lab, site.path().join("aside"))?;
    site.add("lab", &site.lab(""))?;
    let why = site.refused(2)?;
    ensure!(why.contains("conf.d/lab.toml:1: the image lab: "), "{why}");
    unchanged(&site)?;
    ensure!(!site.mounts("/other")?);
    // One that is a root without a kernel.
    fs::rename(site.path().join("aside"), &lab)?;
    fs::remove_dir_all(lab.join("boot"))?;
    let done = site.reload()?;
    ensure!(
        !done.status.success() && done.stdout.contains("kernel"),
        "{done:?}"
    );
    unchanged(&site)?;
    // It is mended where nothing is looked at; and not half of it was taken over until now.
    put_kernel(&lab, NEW)?;
    let done = site.reload()?;
    ensure!(done.status.success(), "{done:?}");
    ensure!(done.stdout.contains("the image lab was added"), "{done:?}");
    ensure!(
        done.stdout.contains("the image other was added"),
        "{done:?}"
    );
    ensure!(site.script(NAMED)?.contains("/lab,"));
    assert_eq!(who(&mut site.mount("/other")?), "other");
    Ok(())
}

#[test]
fn a_drop_in_that_is_half_written_is_not_taken_for_a_whole_one() -> Result<()> {
    let site = Site::new("drop-in-half")?;
    put_root(site.path(), "lab", NEW)?;
    let whole = site.lab("");
    let (first, second) = whole.split_at(whole.len() / 2);
    let mut file = fs::File::create(site.drop_in("lab"))?;
    file.write_all(first.as_bytes())?;
    ensure!(site.script(NAMED)?.contains("/debian,"));
    file.write_all(second.as_bytes())?;
    site.wait_for(NAMED, "/lab,")?;
    assert_eq!(site.of_kind("image-added").len(), 1);
    Ok(())
}

#[test]
fn a_kernel_that_is_written_anew_is_what_the_next_machine_boots() -> Result<()> {
    let site = Site::new("kernel-replaced")?;
    let (kernel, part) = (site.path().join("rescue"), site.path().join("part"));
    fs::write(&kernel, "the first kernel")?;
    let mac = NAMED.replace('-', ":");
    let image = format!(
        "[image.rescue]\nkernel-file = \"{}\"\n[[rule]]\nmac = \"{mac}\"\nboot = \"rescue\"\n",
        kernel.display()
    );
    site.add("rescue", &image)?;
    let name = |script: &str| {
        let line = script.lines().find_map(|line| line.strip_prefix("kernel "));
        let url = line.and_then(|line| line.split(' ').next()?.strip_prefix(HTTP));
        let name = url.map(|url| url.trim_start_matches('/').to_owned());
        name.context("the kernel's URL")
    };
    let first = name(&site.wait_for(NAMED, "images/rescue/vmlinuz-")?)?;
    assert_eq!(site.get(&first)?, "the first kernel");
    fs::write(&part, "the second kernel")?;
    fs::rename(&part, &kernel)?;
    let done = site.reload()?;
    ensure!(done.status.success(), "{done:?}");
    ensure!(
        done.stdout.contains("the image rescue was changed"),
        "{done:?}"
    );
    let second = name(&site.script(NAMED)?)?;
    ensure!(first != second);
    assert_eq!(site.get(&second)?, "the second kernel");
    // One that cannot be booted: machines keep what they have.
    fs::write(&part, "")?;
    fs::rename(&part, &kernel)?;
    let done = site.reload()?;
    ensure!(
        !done.status.success() && done.stdout.contains("it is empty"),
        "{done:?}"
    );
    assert_eq!(name(&site.script(NAMED)?)?, second);
    assert_eq!(site.get(&second)?, "the second kernel");
    // And one that is removed.
    fs::remove_file(&kernel)?;
    ensure!(site.reload()?.status.success());
    assert_eq!(site.get(&second)?, "the second kernel");
    Ok(())
}

#[test]
fn an_image_that_is_changed_is_what_the_next_machine_boots() -> Result<()> {
    let site = Site::new("drop-in-changed")?;
    put_root(site.path(), "lab", NEW)?;
    site.add("lab", &site.lab(""))?;
    site.wait_for(NAMED, "/lab,")?;
    let mut before = site.mount("/lab")?;
    site.add("lab", &site.lab("append = \"systemd.unit=exam.target\""))?;
    site.wait_for(NAMED, "systemd.unit=exam.target")?;
    put_kernel(&site.path().join("lab"), OLD)?;
    put_modules(&site.path().join("lab"), OLD)?;
    site.add(
        "lab",
        &site.lab(&format!("kernel = \"{OLD}\"\nhide = [\"/who\"]")),
    )?;
    let script = site.wait_for(NAMED, &format!("Linux {OLD}"))?;
    ensure!(!script.contains("exam.target"), "{script}");
    // What is hidden now is hidden from who runs, too.
    let root = before.root.clone();
    before.lookup_in(&root, b"who").unwrap_err();
    assert_eq!(site.of_kind("image-changed").len(), 2);
    // Another directory under the same name: who runs keeps the one before.
    put_root(site.path(), "elsewhere", NEW)?;
    let elsewhere = site.lab("").replace("/lab\"", "/elsewhere\"");
    site.add("lab", &elsewhere)?;
    site.wait_for(NAMED, &format!("Linux {NEW}"))?;
    let mut after = site.mount("/lab")?;
    assert_eq!(who(&mut after), "elsewhere");
    ensure!(after.root != before.root);
    before
        .attributes(&root)
        .map_err(|error| anyhow::anyhow!("{error:?}"))?;
    Ok(())
}

#[test]
fn who_runs_keeps_the_root_of_an_image_that_is_renamed_over_a_restart() -> Result<()> {
    let mut site = Site::new("image-renamed")?;
    let mut before = site.mount("/debian")?;
    let file = site.path().join("etc/netroot.toml");
    let text = fs::read_to_string(&file)?;
    fs::write(&file, text.replace("[image.debian]", "[image.bookworm]"))?;
    site.wait_for(NAMED, "/bookworm,")?;
    assert_eq!(who(&mut before), "debian");
    assert_eq!(site.mount("/bookworm")?.root, before.root);
    ensure!(site.server.terminate()?.status.success());
    site.server = NetrootServe::start_configured(&site.net, &file, &[])?;
    let mut after = site.mount("/bookworm")?;
    assert_eq!(
        (who(&mut after), after.root),
        ("debian".into(), before.root)
    );
    Ok(())
}

#[test]
fn ten_drop_ins_that_are_written_at_once_are_all_served() -> Result<()> {
    let site = Site::new("drop-in-ten")?;
    let names: Vec<String> = (0..10).map(|number| format!("lab{number}")).collect();
    for name in &names {
        put_root(site.path(), name, NEW)?;
    }
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..)
            .zip(&names)
            .map(|(number, name)| {
                let site = &site;
                scope.spawn(move || {
                    let image = image(site.path(), name, "");
                    let rule = format!(
                        "[[rule]]\nmac = \"52:54:00:88:00:0{number}\"\nboot = \"{name}\"\n"
                    );
                    // In place, as any editor does.
                    fs::write(site.drop_in(name), image + &rule)
                })
            })
            .collect();
        for writer in writers {
            writer.join().map_err(|_| anyhow::anyhow!("a writer"))??;
        }
        anyhow::Ok(())
    })?;
    for (number, name) in names.iter().enumerate() {
        site.wait_for(&format!("52-54-00-88-00-0{number}"), &format!("/{name},"))?;
        assert_eq!(who(&mut site.mount(&format!("/{name}"))?), *name);
    }
    assert_eq!(site.of_kind("image-added").len(), 10);
    // And all are gone at once.
    for name in &names {
        fs::remove_file(site.drop_in(name))?;
    }
    let done = site.reload()?;
    ensure!(done.status.success(), "{done:?}");
    assert_eq!(site.of_kind("image-removed").len(), 10);
    ensure!(site.mounts("/")? && !site.mounts("/lab3")?);
    Ok(())
}

#[test]
fn a_broken_drop_in_does_not_keep_the_server_from_starting() -> Result<()> {
    let site = Site::with("drop-in-start", "", &[], |folder| {
        put_root(folder, "lab", NEW)?;
        fs::write(drop_in(folder, "bad"), "[image.bad]\nroot = \n")?;
        // Nothing is wrong in this one but that its directory is not there.
        let gone = image(folder, "gone", "") + "[[rule]]\nmac = \"52:54:00\"\nboot = \"gone\"\n";
        fs::write(drop_in(folder, "gone"), gone)?;
        Ok(fs::write(drop_in(folder, "lab"), image(folder, "lab", ""))?)
    })?;
    ensure!(site.script(NAMED)?.contains("/debian,"));
    assert_eq!(who(&mut site.mount("/lab")?), "lab");
    let warnings = site.of_kind("warning");
    for words in ["conf.d/bad.toml:2: ", "conf.d/gone.toml:2: "] {
        let told = warnings.iter().filter(|event| event.text.contains(words));
        let told: Vec<_> = told.collect();
        ensure!(told.len() == 1, "{words}: {warnings:?}");
        ensure!(told[0].text.contains("started without"), "{told:?}");
    }
    // Mended, all of it is served.
    put_root(site.path(), "gone", NEW)?;
    fs::remove_file(site.drop_in("bad"))?;
    site.wait_for(NAMED, "/gone,")?;
    Ok(())
}

#[test]
fn without_the_right_to_mount_what_is_below_the_named_folders_is_served() -> Result<()> {
    let roots = tempfile::tempdir()?;
    open_to_all(roots.path())?;
    let named = format!("roots = [\"{}\"]", roots.path().display());
    // As root in a container is, and a unit of systemd's.
    let by = ["setpriv", "--bounding-set", "-sys_admin", "--"];
    let site = Site::with("drop-in-roots", &named, &by, |_| Ok(()))?;
    put_root(roots.path(), "lab", NEW)?;
    let initrd = site.path().join("initrd.img").display().to_string();
    let image = |name: &str, folder: &Path| {
        let root = folder.join(name).display().to_string();
        format!("[image.{name}]\nroot = \"{root}\"\ninitrd = \"{initrd}\"\n")
    };
    site.add("lab", &image("lab", roots.path()))?;
    site.server.wait_for_kind("image-added", TIMEOUT)?;
    assert_eq!(who(&mut site.mount("/lab")?), "lab");
    ensure!(site.get("images/lab/vmlinuz")?.contains(NEW));
    // It follows a root that is replaced there, too.
    fs::rename(roots.path().join("lab"), roots.path().join("old"))?;
    put_root(roots.path(), "lab", OLD)?;
    fs::write(roots.path().join("lab/who"), "another")?;
    assert_eq!(who(&mut site.mount("/lab")?), "another");
    // Elsewhere takes a restart, or that folder's name.
    put_root(site.path(), "other", NEW)?;
    site.add("other", &image("other", site.path()))?;
    let why = site.refused(1)?;
    ensure!(why.contains("`roots` in [server]"), "{why}");
    ensure!(!site.mounts("/other")? && site.mounts("/lab")?);
    Ok(())
}

#[test]
fn what_takes_a_restart_is_told_and_the_rest_is_taken_over() -> Result<()> {
    let site = Site::new("drop-in-restart")?;
    let file = site.path().join("etc/netroot.toml");
    let text = fs::read_to_string(&file)?;
    let text = text.replace("[server]\n", "[server]\nhttp-port = 8070\n");
    fs::write(&file, text + "append = \"quiet\"\n")?;
    site.wait_for(NAMED, " quiet")?;
    let warnings = site.of_kind("warning");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    ensure!(warnings[0].text.contains("[server]"), "{warnings:?}");
    Ok(())
}
