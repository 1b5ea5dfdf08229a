//! What commands do about swapped roots: one that is ended in the middle of a swap, `check-config`, and what is read ahead.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use netroot_harness::paths;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::root::{NEW, OLD, who};
use super::{By, Site, start};
use crate::lan::{HTTP, TIMEOUT};

/// The process of the server that opens roots for it.
fn helper_for_roots(server: Pid) -> Result<Pid> {
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.split(' ').nth(1));
        if stat.contains("(netroot-roots)") && parent == Some(&server.to_string()) {
            return Ok(Pid::from_raw(pid));
        }
    }
    anyhow::bail!("no helper for roots below {server}")
}

/// A process that stands still until this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn new(pid: Pid) -> Result<Self> {
        kill(pid, Signal::SIGSTOP)?;
        Ok(Self(pid))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

#[test]
fn a_swap_that_is_ended_in_the_middle_changes_nothing() -> Result<()> {
    let mut site = Site::new("swap-ended", By::File)?;
    let file = site.path("state-swaps/swaps.json");
    let server = site.server.program().pid()?;
    // The second time there is a file already, which is to be as it was.
    for (to, linux, tree) in [("new", OLD, ""), ("old", NEW, "@tree2")] {
        let before = fs::read(&file).ok();
        let netroot = paths::netroot()?.display().to_string();
        let (control, state) = (site.text("control"), site.text("state"));
        let to = site.text(to);
        let swap = [&netroot, "image", "swap", "debian", &to];
        let argv = [&swap[..], &["--control", &control, "--state", &state]].concat();
        // The new root cannot be opened meanwhile.
        let stopped = Stopped::new(helper_for_roots(server)?)?;
        let mut command = site.net.spawn(&argv)?;
        let deadline = Instant::now() + TIMEOUT;
        while fs::read(&file).ok() == before {
            ensure!(Instant::now() < deadline, "nothing was written");
            std::thread::sleep(Duration::from_millis(20));
        }
        kill(command.pid()?, Signal::SIGINT)?;
        let done = command.wait(TIMEOUT)?;
        ensure!(
            !done.status.success()
                && done
                    .stderr
                    .contains("ended by SIGINT: the root of debian is as it was"),
            "{done:?}"
        );
        ensure!(fs::read(&file).ok() == before, "the file was changed");
        drop(stopped);
        // The server comes to the same.
        ensure!(site.netroot(&["reload"])?.status.success());
        site.boots(linux, tree)?;
        if tree.is_empty() {
            ensure!(site.swap("new")?.status.success());
        }
    }
    Ok(())
}

fn check_config(site: &Site) -> Result<(bool, String)> {
    let netroot = paths::netroot()?.display().to_string();
    let file = site.text("etc/netroot.toml");
    let argv = [netroot.as_str(), "check-config", "--config", &file];
    let done = site.net.run_for(&argv, TIMEOUT)?;
    Ok((done.status.success(), done.stdout))
}

#[test]
fn check_config_tells_which_root_machines_boot_and_looks_at_that_one() -> Result<()> {
    let site = Site::new("swap-check", By::File)?;
    let (new, old) = (site.text("new"), site.text("old"));
    let (is_valid, said) = check_config(&site)?;
    ensure!(is_valid && !said.contains("netroot image swap"), "{said}");
    ensure!(site.swap("new")?.status.success());
    let (is_valid, said) = check_config(&site)?;
    let told = format!("machines boot {new} since `netroot image swap`, not {old}");
    ensure!(
        is_valid && said.contains(&told) && said.contains(&format!("Linux {NEW}")),
        "{said}"
    );
    // The configured one need not be there any more.
    fs::rename(site.path("old"), site.path("aside"))?;
    let (is_valid, said) = check_config(&site)?;
    ensure!(is_valid && said.contains(&told), "{said}");
    fs::rename(site.path("aside"), site.path("old"))?;
    fs::remove_dir_all(site.path("new/boot"))?;
    let (is_valid, said) = check_config(&site)?;
    ensure!(
        is_valid
            && said.contains(&format!(
                "{new}, the root since `netroot image swap`, cannot be served"
            ))
            && said.contains(&format!("; machines boot {old}"))
            && said.contains(&format!("Linux {OLD}")),
        "{said}"
    );
    fs::remove_dir_all(site.path("old/boot"))?;
    let (is_valid, said) = check_config(&site)?;
    ensure!(
        !is_valid && said.contains("nor can an earlier one"),
        "{said}"
    );
    Ok(())
}

/// The list of what boots of the image read, if there is one.
fn list(site: &Site) -> Result<Option<String>> {
    let [.., client] = &site.clients;
    let url = format!("{HTTP}/readahead/debian");
    let argv = ["curl", "-sS", "--fail", "--max-time", "60", url.as_str()];
    let done = client.run_for(&argv, TIMEOUT)?;
    Ok(done.status.success().then_some(done.stdout))
}

/// A machine boots: it fetches its script, and reads this many files of its root.
#[allow(clippy::unwrap_used, reason = "the client is the export's tests'")]
fn boot(site: &Site, path: &str, files: usize) -> Result<()> {
    let client = site.clients.first().context("a machine")?;
    let url = format!("{HTTP}/boot/52-54-00-77-00-01.ipxe");
    client.run(&["curl", "-sS", "--fail", "--max-time", "60", &url])?;
    let mut machine = site.mount(0, path)?;
    for number in 0..files {
        let file = machine.find(&format!("file-{number}"));
        machine.read(&file, 0, 100).unwrap();
    }
    who(&mut machine);
    Ok(())
}

fn put_files(root: &Path, files: usize) -> Result<()> {
    for number in 0..files {
        fs::write(root.join(format!("file-{number}")), "read ahead")?;
    }
    Ok(())
}

#[test]
fn what_boots_of_the_old_root_read_is_not_read_ahead_of_the_new_one() -> Result<()> {
    let site = Site::new("swap-readahead", By::File)?;
    put_files(&site.path("old"), 12)?;
    put_files(&site.path("new"), 12)?;
    boot(&site, "/debian", 12)?;
    let deadline = Instant::now() + 3 * TIMEOUT;
    let of_old = loop {
        if let Some(list) = list(&site)? {
            break list;
        }
        ensure!(Instant::now() < deadline, "no list was made");
        std::thread::sleep(Duration::from_secs(1));
    };
    ensure!(of_old.contains("F file-7 "), "{of_old}");
    ensure!(site.swap("new")?.status.success());
    ensure!(list(&site)?.is_none(), "{:?}", list(&site)?);
    // It is that one's again when it is the root again.
    ensure!(
        site.netroot(&["image", "rollback", "debian"])?
            .status
            .success()
    );
    ensure!(list(&site)?.as_ref() == Some(&of_old), "{:?}", list(&site)?);
    Ok(())
}

#[test]
fn a_root_that_was_written_into_the_configuration_is_rolled_back_without_a_server() -> Result<()> {
    let mut site = Site::new("swap-alone", By::File)?;
    ensure!(site.swap("new")?.status.success());
    let file = site.path("etc/netroot.toml");
    let line = |root: &str| format!("root = \"{}\"", site.text(root));
    let main = fs::read_to_string(&file)?.replace(&line("old"), &line("new"));
    fs::write(&file, main)?;
    ensure!(site.netroot(&["reload"])?.status.success());
    site.boots(NEW, "@tree2")?;
    site.server.program().kill()?;
    let config = site.text("etc/netroot.toml");
    let argv = [
        "image",
        "rollback",
        "debian",
        "--at-restart",
        "--config",
        &config,
    ];
    let done = site.netroot(&argv)?;
    ensure!(done.status.success(), "{done:?}");
    site.server = start(&site.net, site.folder.path(), site.by)?;
    site.boots(OLD, "@tree1")
}

/// A control socket whose server refuses whatever it is asked.
fn refusing(path: &Path) -> Result<()> {
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else {
                return;
            };
            let _ = connection.read(&mut [0; 4096]);
            let refusal = "{\"error\":\"not now\"}";
            let length = refusal.len();
            let _ = write!(
                connection,
                "HTTP/1.1 503 Service Unavailable\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{refusal}"
            );
        }
    });
    Ok(())
}

#[test]
fn nothing_is_forgotten_while_a_server_refuses_and_without_one_only_by_force() -> Result<()> {
    let mut site = Site::new("swap-forget-alone", By::File)?;
    ensure!(site.swap("new")?.status.success());
    ensure!(
        site.netroot(&["image", "rollback", "debian"])?
            .status
            .success()
    );
    site.server.program().kill()?;
    let (new, file) = (site.text("new"), site.path("state-swaps/swaps.json"));
    let before = fs::read(&file)?;
    let one: &[&str] = &["image", "forget", "debian", &new];
    let all = ["image", "forget", "debian"];
    // Nobody listens.
    for forget in [one, &all] {
        let done = site.netroot(forget)?;
        ensure!(
            !done.status.success() && done.stderr.contains("add --force"),
            "{done:?}"
        );
    }
    refusing(&site.path("control"))?;
    for forget in [one, &all] {
        for more in [&[][..], &["--force"]] {
            let done = site.netroot(&[forget, more].concat())?;
            ensure!(
                !done.status.success() && done.stderr.contains("not now"),
                "{done:?}"
            );
        }
    }
    ensure!(fs::read(&file)? == before, "the file was changed");
    fs::remove_file(site.path("control"))?;
    let done = site.netroot(&[one, &["--force"]].concat())?;
    ensure!(
        done.status.success() && fs::read(&file)? != before,
        "{done:?}"
    );
    Ok(())
}
