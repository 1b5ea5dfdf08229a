//! The root changes: its kernel is upgraded, half or whole or badly; it is replaced; a loader is. No restart, and a line each.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Event, Finished, Net, NetrootServe, TinyRoot};

use crate::fixture::bzimage;
use crate::lan::{HTTP, Network, TIMEOUT};
use crate::support::{Client, connect, root_handle};

pub(super) const OLD: &str = "6.1.0-50-amd64";
pub(super) const NEW: &str = "6.1.0-51-amd64";
pub(super) const NFS: &str = "10.77.0.1:2049";

/// Dropped in this order: the users of a network before the network.
struct World {
    server: NetrootServe,
    client: Net,
    _net: Net,
    folder: tempfile::TempDir,
    control: String,
}

impl World {
    /// Serves a made-up root with the kernel [`OLD`], and an initrd that is given.
    fn new(name: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().join("debian");
        put_kernel(&root, OLD)?;
        put_modules(&root, OLD)?;
        fs::write(root.join("who"), "old")?;
        open_to_all(&root)?;
        let initrd = folder.path().join("initrd.img");
        fs::write(&initrd, "an initrd")?;
        let initrd = initrd.display().to_string();
        Self::serve(name, folder, &root, &["--initrd", &initrd])
    }

    fn serve(name: &str, folder: tempfile::TempDir, root: &Path, more: &[&str]) -> Result<Self> {
        let Network { net, client, .. } = Network::new(name)?;
        let ipxe = folder.path().join("ipxe");
        fs::create_dir(&ipxe)?;
        for loader in ["undionly.kpxe", "snponly.efi"] {
            fs::write(ipxe.join(loader), "a loader")?;
        }
        let ipxe = ipxe.display().to_string();
        let control = folder.path().join("control").display().to_string();
        let mut arguments = vec!["--interface", "br0", "--no-probe", "--ipxe", &ipxe];
        arguments.extend(["--control", &control]);
        arguments.extend(more);
        let server = NetrootServe::start(&net, root, &arguments)?;
        Ok(Self {
            server,
            client,
            _net: net,
            folder,
            control,
        })
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("debian")
    }

    fn get(&self, path: &str) -> Result<String> {
        let url = format!("{HTTP}/{path}");
        let argv = ["curl", "-sS", "--fail", "--max-time", "60", &url];
        self.client.run(&argv)
    }

    /// The script, and the name of the kernel in it.
    fn script(&self) -> Result<(String, String)> {
        let script = self.get("boot/52-54-00-77-00-01.ipxe")?;
        let line = script.lines().find_map(|line| line.strip_prefix("kernel "));
        let url = line.and_then(|line| line.split(' ').next());
        let name = url.and_then(|url| url.strip_prefix(HTTP)?.strip_prefix('/'));
        let name = name.with_context(|| script.clone())?.to_owned();
        Ok((script, name))
    }

    /// Fetches the script until it boots this kernel.
    fn wait_for_linux(&self, version: &str) -> Result<String> {
        let words = format!("Linux {version}");
        let mut last = String::new();
        for _ in 0..TIMEOUT.as_secs() {
            let (script, kernel) = self.script()?;
            if script.contains(&words) {
                return Ok(kernel);
            }
            last = script;
            std::thread::sleep(Duration::from_secs(1));
        }
        anyhow::bail!("no script for {words}; the last one:\n{last}")
    }

    fn mount(&self) -> Result<Client> {
        let server: SocketAddr = NFS.parse()?;
        self.client.within(|| {
            let root = root_handle(server, "/debian");
            Ok(Client::over(connect(server), root, 0, 0, &[]))
        })
    }

    /// The events of this kind so far.
    fn of_kind(&self, kind: &str) -> Vec<Event> {
        let events = self.server.events().into_iter().map(|(_, event)| event);
        events.filter(|event| event.kind == kind).collect()
    }

    fn reload(&self) -> Result<Finished> {
        let netroot = netroot_harness::paths::netroot()?.display().to_string();
        let argv = [&netroot, "reload", "--control", &self.control];
        self.client.run_for(&argv, TIMEOUT)
    }

    /// Puts a new root with the kernel [`NEW`] in the place of the root, and returns where the old one is.
    fn replace_root(&self) -> Result<PathBuf> {
        let [new, old] = ["new", "old"].map(|name| self.folder.path().join(name));
        put_kernel(&new, NEW)?;
        put_modules(&new, NEW)?;
        fs::write(new.join("who"), "new")?;
        fs::write(new.join("only-here"), "")?;
        open_to_all(&new)?;
        fs::rename(self.root(), &old)?;
        fs::rename(&new, self.root())?;
        Ok(old)
    }
}

pub(super) fn put_kernel(root: &Path, version: &str) -> Result<()> {
    fs::create_dir_all(root.join("boot"))?;
    Ok(fs::write(kernel(root, version), bzimage(version))?)
}

fn kernel(root: &Path, version: &str) -> PathBuf {
    root.join(format!("boot/vmlinuz-{version}"))
}

fn modules(root: &Path, version: &str) -> PathBuf {
    root.join("lib/modules").join(version)
}

pub(super) fn put_modules(root: &Path, version: &str) -> Result<()> {
    fs::create_dir_all(modules(root, version))?;
    Ok(fs::write(modules(root, version).join("modules.dep"), "")?)
}

pub(super) fn open_to_all(root: &Path) -> Result<()> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    Ok(fs::set_permissions(root, mode)?)
}

#[allow(clippy::unwrap_used, reason = "the client is the export's tests'")]
pub(super) fn who(client: &mut Client) -> String {
    let file = client.find("who");
    String::from_utf8_lossy(&client.read(&file, 0, 100).unwrap().0).into_owned()
}

#[allow(clippy::unwrap_used, reason = "the client is the export's tests'")]
fn names(client: &mut Client) -> Vec<String> {
    let root = client.root.clone();
    let names = client.list(&root, 4096).unwrap().into_iter();
    names
        .map(|(_, name)| String::from_utf8_lossy(&name).into_owned())
        .collect()
}

#[test]
fn an_upgraded_kernel_is_what_the_next_machine_boots() -> Result<()> {
    let world = World::new("kernel-upgrade")?;
    let (script, old_kernel) = world.script()?;
    ensure!(script.contains(&format!("Linux {OLD}")), "{script}");
    let root = world.root();
    put_kernel(&root, NEW)?;
    put_modules(&root, NEW)?;
    fs::remove_file(kernel(&root, OLD))?;
    fs::remove_dir_all(modules(&root, OLD))?;
    // The modules of the old one are gone: a machine waits for the new one.
    let (script, new_kernel) = world.script()?;
    ensure!(script.contains(&format!("Linux {NEW}")), "{script}");
    ensure!(world.get(&new_kernel)?.contains(NEW));
    ensure!(world.get("vmlinuz")?.contains(NEW));
    ensure!(world.get("")?.contains(&format!("debian with Linux {NEW}")));
    // One that fetched its script before the upgrade gets what that names.
    ensure!(old_kernel != new_kernel && world.get(&old_kernel)?.contains(OLD));
    let told = world.of_kind("new-boots");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].text, format!("debian: new boots get Linux {NEW}"));
    Ok(())
}

#[test]
fn half_an_upgrade_changes_nothing_until_it_is_whole() -> Result<()> {
    let world = World::new("kernel-half")?;
    let root = world.root();
    put_kernel(&root, NEW)?;
    fs::create_dir_all(modules(&root, NEW))?;
    fs::rename(modules(&root, OLD), modules(&root, "removed"))?;
    world.server.output().wait_for(
        "\"warning\":\"kernel-kept\"",
        "the line about the kernel without modules",
        TIMEOUT,
    )?;
    let (script, _) = world.script()?;
    ensure!(script.contains(&format!("Linux {OLD}")), "{script}");
    let told = world.of_kind("warning");
    let told = told.iter().find(|event| event.text.contains("modules.dep"));
    let text = &told.context("a line that says why")?.text;
    ensure!(
        text.contains(&format!(
            "new boots still get Linux {OLD}, whose modules are no longer"
        )),
        "{text}"
    );
    put_modules(&root, NEW)?;
    world.wait_for_linux(NEW)?;
    Ok(())
}

#[test]
fn a_replaced_root_is_what_new_machines_mount_and_running_ones_keep_theirs() -> Result<()> {
    let world = World::new("root-replaced")?;
    let mut before = world.mount()?;
    assert_eq!(who(&mut before), "old");
    let old = world.replace_root()?;
    let mut after = world.mount()?;
    assert_eq!(who(&mut after), "new");
    ensure!(names(&mut after).contains(&"only-here".to_owned()));
    ensure!(before.root != after.root);
    assert_eq!(who(&mut before), "old");
    ensure!(!names(&mut before).contains(&"only-here".to_owned()));
    let (script, kernel) = world.script()?;
    ensure!(script.contains(&format!("Linux {NEW}")), "{script}");
    ensure!(world.get(&kernel)?.contains(NEW));
    assert_eq!(world.of_kind("root-replaced").len(), 1);
    // The administrator tidies up, and changes the mind.
    fs::rename(world.root(), world.folder.path().join("new"))?;
    fs::rename(&old, world.root())?;
    assert_eq!(who(&mut world.mount()?), "old");
    assert_eq!(who(&mut after), "new");
    world.wait_for_linux(OLD)?;
    fs::remove_dir_all(world.folder.path().join("new"))?;
    let mut again = world.mount()?;
    assert_eq!(
        (who(&mut again), again.root == before.root),
        ("old".to_owned(), true)
    );
    Ok(())
}

#[test]
fn a_root_that_is_gone_is_served_on_until_another_is_there() -> Result<()> {
    let world = World::new("root-gone")?;
    let mut running = world.mount()?;
    let aside = world.folder.path().join("aside");
    fs::rename(world.root(), &aside)?;
    assert_eq!(who(&mut world.mount()?), "old");
    world
        .server
        .output()
        .wait_for("\"warning\":\"root-gone\"", "the line", TIMEOUT)?;
    fs::rename(&aside, world.root())?;
    assert_eq!(who(&mut world.mount()?), "old");
    fs::remove_dir_all(world.root())?;
    fs::create_dir(world.root())?;
    put_kernel(&world.root(), NEW)?;
    put_modules(&world.root(), NEW)?;
    fs::write(world.root().join("who"), "another")?;
    open_to_all(&world.root())?;
    world.wait_for_linux(NEW)?;
    assert_eq!(who(&mut world.mount()?), "another");
    let root = running.root.clone();
    running.lookup_in(&root, b"who").unwrap_err();
    Ok(())
}

#[test]
fn reload_takes_over_at_once_and_says_what_has_changed() -> Result<()> {
    let world = World::new("reload")?;
    let done = world.reload()?;
    assert_eq!(done.stdout, "nothing has changed\n", "{done:?}");
    put_kernel(&world.root(), NEW)?;
    put_modules(&world.root(), NEW)?;
    let done = world.reload()?;
    ensure!(done.status.success(), "{done:?}");
    ensure!(
        done.stdout.contains(&format!("new boots get Linux {NEW}")),
        "{done:?}"
    );
    fs::write(world.folder.path().join("initrd.img"), "another initrd")?;
    let done = world.reload()?;
    ensure!(done.status.success(), "{done:?}");
    assert_eq!(world.get("initrd.img")?, "another initrd");
    fs::remove_dir_all(world.root().join("boot"))?;
    fs::remove_dir_all(world.root().join("lib"))?;
    let done = world.reload()?;
    ensure!(!done.status.success(), "{done:?}");
    ensure!(done.stdout.contains("there is no kernel"), "{done:?}");
    ensure!(world.script()?.0.contains(&format!("Linux {NEW}")));
    Ok(())
}

#[test]
fn a_loader_that_is_replaced_is_what_the_next_machine_loads() -> Result<()> {
    let world = World::new("loader-replaced")?;
    assert_eq!(world.get("snponly.efi")?, "a loader");
    let ipxe = world.folder.path().join("ipxe");
    fs::write(ipxe.join(".new"), "a newer loader")?;
    fs::rename(ipxe.join(".new"), ipxe.join("snponly.efi"))?;
    fs::write(ipxe.join("ipxe.efi"), "a second one")?;
    let done = world.reload()?;
    ensure!(done.stdout.contains("snponly.efi was replaced"), "{done:?}");
    assert_eq!(world.get("snponly.efi")?, "a newer loader");
    assert_eq!(world.get("ipxe.efi")?, "a second one");
    assert_eq!(world.get("undionly.kpxe")?, "a loader");
    Ok(())
}

#[test]
fn a_new_initrd_is_built_beside_the_old_one_and_a_broken_kernel_changes_nothing() -> Result<()> {
    let tiny = TinyRoot::without_init()?;
    let (version, _) = netroot_harness::paths::debian_kernel()?;
    let folder = tempfile::tempdir()?;
    let given = ["--modules", "virtio_net"];
    let mut world = World::serve("initrd-again", folder, tiny.path(), &given)?;
    let next = tiny.add_newer_modules()?;
    let tree = tiny.path().join("usr/lib/modules");
    let driver = tree.join(&next).join("kernel/drivers/net/virtio_net.ko");
    let whole = fs::read(&driver)?;
    fs::remove_file(&driver)?;
    fs::write(&driver, "not a module")?;
    tiny.add_newer_kernel(&next)?;

    let done = world.reload()?;
    ensure!(!done.status.success(), "{done:?}");
    let words = format!("new boots still get Linux {version}");
    ensure!(done.stdout.contains(&words), "{done:?}");
    ensure!(world.script()?.0.contains(&format!("Linux {version}")));

    // What is mended in a way that is not looked at is found on demand.
    fs::write(&driver, whole)?;
    let hangup = nix::sys::signal::Signal::SIGHUP;
    nix::sys::signal::kill(world.server.program().pid()?, hangup)?;
    let kernel = world.wait_for_linux(&next)?;
    ensure!(world.get(&kernel)?.len() > 1 << 20);
    let initrd = world.get("initrd.img")?;
    ensure!(initrd.len() > 100_000, "{} bytes", initrd.len());
    let built = world.of_kind("kernel-found");
    ensure!(
        built
            .iter()
            .all(|event| event.text.ends_with("building its initrd")),
        "{built:?}"
    );
    Ok(())
}
