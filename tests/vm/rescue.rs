//! The rescue prompt, used through the serial line, and the boot reports at the server.

use anyhow::{Context, Result};
use netroot_harness::{NetrootServe, Nic, TinyRoot};

use crate::lan::{Facts, Lan, MACHINE, SERVER, STATIC, TIMEOUT, own_export};
use crate::links;

/// The machine's reports, at the server.
fn reported(server: &NetrootServe) -> Vec<String> {
    let events = server.events().into_iter().map(|(_, event)| event);
    events
        .filter(|event| matches!(event.kind.as_str(), "booted" | "boot-failed"))
        .filter(|event| event.machine.as_deref() == Some(MACHINE))
        .map(|event| event.text)
        .collect()
}

#[test]
fn a_wrong_root_is_corrected_at_the_prompt_and_both_boots_are_reported() -> Result<()> {
    let lan = Lan::new("prompt")?;
    let root = TinyRoot::make()?;
    let server = lan.serve_beside(root.path())?;
    let wrong =
        format!("nfsroot={SERVER}:/absent,vers=3,proto=tcp,port=2049,mountport=2049,nolock");
    let mut vm = lan.boot(&format!(
        "root=/dev/nfs {wrong} {STATIC} ro {}",
        lan.report_parameter()?
    ))?;
    vm.wait_for(
        "; Enter opens a prompt",
        "the failure and the way out",
        TIMEOUT,
    )?;
    vm.type_in("\n")?;
    vm.wait_for("netroot> ", "the prompt", TIMEOUT)?;
    let right = own_export(root.path())?;
    let nfsroot = right.split(' ').find(|word| word.starts_with("nfsroot="));
    let nfsroot = nfsroot.context("a command line with nfsroot=")?;
    vm.type_in(&format!("set {nfsroot}\nshow\n"))?;
    let seen = vm.wait_for("command line  ", "the command line as it is now", TIMEOUT)?;
    assert!(seen.line.contains(nfsroot), "{}", seen.line);
    assert!(!seen.line.contains("/absent"), "{}", seen.line);
    vm.wait_for(
        "address       10.77.0.50/24 on eth0 (ip=)",
        "the machine as it is",
        TIMEOUT,
    )?;
    vm.type_in("log\nretry\n")?;
    vm.wait_for("] netroot: boot failed: ", "the log", TIMEOUT)?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    let report: serde_json::Value = serde_json::from_str(&facts.all("report"))?;
    assert_eq!(report["outcome"], "switch_root");
    assert!(report["failed_attempts"].as_u64() >= Some(1));
    assert_eq!(report["address"]["address"], "10.77.0.50/24");
    // The report is uploaded in parallel, and may arrive after the root's first output.
    server
        .output()
        .wait_for("root mounted ", "the report of the good boot", TIMEOUT)?;
    let reported = reported(&server);
    let (failed, mounted) = reported.first().zip(reported.last()).context("reports")?;
    assert!(
        failed.starts_with("boot failed: ") && failed.contains("does not export /absent"),
        "{failed}"
    );
    assert!(
        mounted.starts_with("root mounted ") && mounted.contains(" s after init started, after "),
        "{mounted}"
    );
    Ok(())
}

#[test]
fn rd_break_stops_the_boot_until_retry() -> Result<()> {
    let lan = Lan::new("break")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let mut vm = lan.boot(&format!(
        "{} {STATIC} rd.overlay rd.break=pre-mount break=bottom",
        own_export(root.path())?
    ))?;
    for stop in [
        "stopped before the mount (",
        "stopped before the switch to the root (",
    ] {
        let seen = vm.wait_for(stop, "the stop", TIMEOUT)?;
        vm.console()
            .wait_after(seen.end, "netroot> ", "the prompt", TIMEOUT)?;
        vm.type_in("retry\n")?;
    }
    Facts::of(&vm)?.assert_overlay();
    Ok(())
}

#[test]
fn the_rescue_shell_is_the_roots_own() -> Result<()> {
    let lan = Lan::new("shell")?;
    let root = TinyRoot::make()?;
    // The program that prints facts stands in for a shell.
    std::fs::create_dir_all(root.path().join("bin"))?;
    std::fs::copy(root.path().join("sbin/init"), root.path().join("bin/sh"))?;
    let _server = lan.serve_beside(root.path())?;
    let mut vm = lan.boot(&format!(
        "{} {STATIC} break=bottom",
        own_export(root.path())?
    ))?;
    vm.wait_for("netroot> ", "the prompt", TIMEOUT)?;
    vm.type_in("shell\n")?;
    let facts = Facts::of(&vm)?;
    assert_eq!(facts.all("witness"), "the root's own words");
    assert_ne!(facts.all("pid"), "1");
    // The kernel's file systems are mounted for it.
    assert!(!facts.mount("/proc").is_empty(), "{}", facts.all("mount"));
    Ok(())
}

#[test]
fn devices_follow_parameters_changed_at_the_prompt() -> Result<()> {
    let lan = Lan::new("prompt-devices")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let static_on = |device: &str| format!("ip=10.77.0.50:::255.255.255.0::{device}:off");
    let machine = lan.machine().nic(Nic::virtio(&lan.tap, MACHINE));
    let mut vm = links::boot(
        machine,
        &format!(
            "root=/dev/nfs nfsroot={SERVER}:/absent,vers=3,port=2049,mountport=2049 \
             ifname=lan:{MACHINE} bridge=br0:lan {} ro",
            static_on("br0")
        ),
    )?;
    vm.wait_for("netroot: boot failed: ", "the wrong root", TIMEOUT)?;
    vm.wait_for("; Enter opens a prompt", "the way out", TIMEOUT)?;
    vm.type_in("\n")?;
    vm.wait_for("netroot> ", "the prompt", TIMEOUT)?;
    let right = own_export(root.path())?;
    let nfsroot = right.split(' ').find(|word| word.starts_with("nfsroot="));
    let nfsroot = nfsroot.context("a command line with nfsroot=")?;
    vm.type_in(&format!(
        "unset bridge\nunset ifname\nset bond=bond0:eth0:mode=active-backup\nset {}\n\
         set {nfsroot}\nretry\n",
        static_on("bond0")
    ))?;
    vm.wait_for("netroot: br0: gone", "the end of the bridge", TIMEOUT)?;
    vm.wait_for("netroot: lan: now eth0 again", "the old name", TIMEOUT)?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    let link = facts.all("link");
    for words in [
        &format!("eth0 {MACHINE} master bond0"),
        &format!("bond0 {MACHINE} master -"),
    ] {
        assert!(link.contains(words.as_str()), "{words}: {link}");
    }
    assert!(!link.contains("br0"), "{link}");
    Ok(())
}

#[test]
fn the_prompt_supports_line_editing() -> Result<()> {
    let lan = Lan::new("prompt-editing")?;
    let mut vm = lan.boot(&format!("root=/dev/nfs {STATIC} rd.break=pre-mount"))?;
    vm.wait_for("netroot> ", "the prompt", TIMEOUT)?;
    // Backspace deletes a character, ^U the whole line.
    vm.type_in("junk\u{15}set rd.onf\u{7f}\u{7f}\u{7f}debug\nshow\n")?;
    let seen = vm.wait_for("command line  ", "the command line as it is now", TIMEOUT)?;
    assert!(seen.line.ends_with(" rd.debug"), "{}", seen.line);
    // ^C discards the line and nothing else; ^D continues, like retry.
    vm.type_in("reboot\u{3}\nhelp\n")?;
    let help = vm.wait_for("restart the machine", "the help", TIMEOUT)?;
    vm.type_in("\u{4}")?;
    vm.console().wait_after(
        help.end,
        "netroot: boot failed: no root: ",
        "the boot continues",
        TIMEOUT,
    )?;
    Ok(())
}
