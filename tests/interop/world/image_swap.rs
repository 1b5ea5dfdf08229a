//! The root of an image is exchanged (`netroot image swap`): who runs keeps the old one, also over a restart, and who boots gets
//! the new one with its kernel; all of it or nothing, and back by one command.

mod command;
mod lost;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, ensure};
use netroot_harness::{Finished, Net, NetrootServe, paths};
use nfs3_client::Nfs3Client;
use nfs3_types::nfs3::nfs_fh3;
use nfs3_types::rpc::{auth_unix, opaque_auth};

use super::root::{NEW, NFS, OLD, open_to_all, put_kernel, put_modules, who};
use crate::lan::{HTTP, TIMEOUT};
use crate::support::{Client, Stream, connect, root_handle};

/// How the server is told what to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// `netroot serve DIR`.
    Directory,
    /// A configuration.
    File,
}

/// Dropped in this order: the users of a network before the network.
struct Site {
    server: NetrootServe,
    /// Two machines, and one that boots.
    clients: [Net; 3],
    net: Net,
    folder: tempfile::TempDir,
    by: By,
}

impl Site {
    /// Serves the root `old`, by the name `debian` or (without a configuration) `old`. Beside it is `new`, with another
    /// kernel.
    fn new(name: &str, by: By) -> Result<Self> {
        Self::with(name, by, "old")
    }

    /// The same with another path of the root.
    fn with(name: &str, by: By, root: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let net = Net::new(name)?;
        let bridge = net.bridge("br0", "10.77.0.1/24")?;
        let clients =
            [("66", "eth0"), ("67", "eth1"), ("68", "eth2")].map(|(last, card)| -> Result<Net> {
                let client = Net::new(&format!("{name}-{last}"))?;
                net.cable(&bridge, &client, card, &format!("10.77.0.{last}/24"))?;
                Ok(client)
            });
        let [first, second, third] = clients;
        open_to_all(folder.path())?;
        fs::create_dir_all(folder.path().join("ipxe"))?;
        fs::create_dir_all(folder.path().join("etc"))?;
        for loader in ["undionly.kpxe", "snponly.efi"] {
            fs::write(folder.path().join("ipxe").join(loader), "a loader")?;
        }
        fs::write(folder.path().join("initrd.img"), "an initrd")?;
        for (root, kernel) in [("old", OLD), ("new", NEW)] {
            let root = folder.path().join(root);
            put_kernel(&root, kernel)?;
            put_modules(&root, kernel)?;
            open_to_all(&root)?;
        }
        fs::write(folder.path().join("old/who"), "old")?;
        fs::write(folder.path().join("new/who"), "new")?;
        symlink("old", folder.path().join("current"))?;
        let path = folder.path().display();
        let main = format!(
            "[server]\nstate = \"{path}/state\"\ncache = \"{path}/cache\"\nipxe = \"{path}/ipxe\"\n\
             control = \"{path}/control\"\n\
             [[network]]\ninterface = \"br0\"\nprobe = false\n\
             [image.debian]\nroot = \"{path}/{root}\"\ninitrd = \"{path}/initrd.img\"\n"
        );
        fs::write(folder.path().join("etc/netroot.toml"), main)?;
        let server = start(&net, folder.path(), by)?;
        Ok(Self {
            server,
            clients: [first?, second?, third?],
            net,
            folder,
            by,
        })
    }

    /// Another root with the new kernel.
    fn add_root(&self, name: &str) -> Result<()> {
        let root = self.path(name);
        put_kernel(&root, NEW)?;
        put_modules(&root, NEW)?;
        open_to_all(&root)?;
        Ok(fs::write(root.join("who"), name)?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn image(&self) -> &'static str {
        match self.by {
            By::Directory => "old",
            By::File => "debian",
        }
    }

    /// Kills the server, and starts it again.
    fn restart(&mut self) -> Result<()> {
        self.server.program().kill()?;
        self.server = start(&self.net, self.folder.path(), self.by)?;
        Ok(())
    }

    fn netroot(&self, arguments: &[&str]) -> Result<Finished> {
        let netroot = paths::netroot()?.display().to_string();
        let (control, state) = (self.text("control"), self.text("state"));
        let mut argv = vec![netroot.as_str()];
        argv.extend(arguments);
        argv.extend(["--control", &control, "--state", &state]);
        self.net.run_for(&argv, TIMEOUT)
    }

    fn swap(&self, to: &str) -> Result<Finished> {
        self.netroot(&["image", "swap", self.image(), &self.text(to)])
    }

    fn script(&self) -> Result<String> {
        let url = format!("{HTTP}/boot/52-54-00-77-00-01.ipxe");
        let [.., client] = &self.clients;
        client.run(&["curl", "-sS", "--fail", "--max-time", "60", &url])
    }

    /// Whether machines boot this kernel and mount this path now.
    fn boots(&self, linux: &str, tree: &str) -> Result<()> {
        let script = self.script()?;
        let root = format!(":/{}{tree},vers=3,", self.image());
        ensure!(
            script.contains(&format!("Linux {linux}")) && script.contains(&root),
            "{linux} {root}: {script}"
        );
        Ok(())
    }

    fn handle(&self, client: usize, path: &str) -> Result<nfs_fh3> {
        let server: SocketAddr = NFS.parse()?;
        self.machine(client)?
            .within(|| Ok(root_handle(server, path)))
    }

    fn machine(&self, number: usize) -> Result<&Net> {
        self.clients.get(number).context("three machines")
    }

    /// A connection of a machine that has this root.
    fn connected(&self, client: usize, root: nfs_fh3) -> Result<Client> {
        let server: SocketAddr = NFS.parse()?;
        self.machine(client)?.within(|| {
            let credential = opaque_auth::auth_unix(&auth_unix::default());
            let stream = Stream(connect(server));
            Ok(Client {
                nfs: Nfs3Client::new_with_auth(stream, credential, opaque_auth::default()),
                root,
            })
        })
    }

    fn mount(&self, client: usize, path: &str) -> Result<Client> {
        self.connected(client, self.handle(client, path)?)
    }

    /// What is told of each image's root.
    fn shown(&self) -> Result<String> {
        Ok(self.netroot(&["image"])?.stdout)
    }
}

fn start(net: &Net, folder: &Path, by: By) -> Result<NetrootServe> {
    let text = |name: &str| folder.join(name).display().to_string();
    match by {
        By::File => NetrootServe::start_configured(net, &folder.join("etc/netroot.toml"), &[]),
        By::Directory => {
            let [ipxe, initrd, control, state] =
                ["ipxe", "initrd.img", "control", "state"].map(text);
            let arguments = [
                ["--interface", "br0"],
                ["--ipxe", &ipxe],
                ["--initrd", &initrd],
                ["--control", &control],
            ];
            let mut arguments = arguments.concat();
            arguments.push("--no-probe");
            NetrootServe::start_with_state(net, &folder.join("old"), &state, &arguments)
        }
    }
}

/// A machine that reads its root without a pause.
struct Reader {
    stop: Arc<AtomicBool>,
    reads: JoinHandle<Result<u32>>,
}

impl Reader {
    fn start(mut client: Client, says: &'static str) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let ends = Arc::clone(&stop);
        let reads = std::thread::spawn(move || {
            let mut reads = 0;
            while !ends.load(Ordering::Relaxed) {
                let read = who(&mut client);
                ensure!(read == says, "{read} instead of {says} after {reads} reads");
                reads += 1;
            }
            Ok(reads)
        });
        Self { stop, reads }
    }

    fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let reads = self.reads.join().map_err(|_| anyhow!("a read failed"))??;
        ensure!(reads > 0, "nothing was read");
        Ok(())
    }
}

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
