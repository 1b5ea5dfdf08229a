//! curl, atftp and dnsmasq's relatives: clients that were not written for netroot.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Loss, paths};

use crate::lan::{Lan, SERVER, TIMEOUT};

/// The tiny root's kernel, as it is on disk.
fn kernel_file() -> Result<Vec<u8>> {
    let (_, kernel) = paths::debian_kernel()?;
    std::fs::read(&kernel).with_context(|| kernel.display().to_string())
}

/// On a lossy cable each loss costs a retransmission timeout of the server or atftp.
const TRANSFER: Duration = Duration::from_secs(300);

/// Fetches `name` with atftp, and returns the content.
fn atftp(lan: &Lan, name: &str, options: &[&str]) -> Result<Vec<u8>> {
    let local = PathBuf::from("/run/fetched");
    let local_name = local.display().to_string();
    let server = SERVER.to_string();
    let mut argv = vec!["atftp", "--get", "-r", name, "-l", &local_name];
    argv.extend(options);
    argv.push(&server);
    let done = lan.client.run_for(&argv, TRANSFER)?;
    ensure!(
        done.status.success() && !done.stderr.contains("rror"),
        "atftp {name}: {}: {}{}",
        done.status,
        done.stdout,
        done.stderr
    );
    let fetched = lan.client.path("/run/fetched");
    std::fs::read(&fetched).with_context(|| fetched.display().to_string())
}

#[test]
fn curl_fetches_the_kernel_whole_and_by_ranges() -> Result<()> {
    let lan = Lan::new("curl")?;
    let kernel = kernel_file()?;

    lan.curl("/vmlinuz", &["-o", "/run/vmlinuz"])?;
    assert!(
        std::fs::read(lan.client.path("/run/vmlinuz"))? == kernel,
        "not the kernel"
    );

    let head = lan.curl("/vmlinuz", &["--head"])?.to_lowercase();
    assert!(head.contains("200 ok"), "{head}");
    assert!(
        head.contains(&format!("content-length: {}", kernel.len())),
        "{head}"
    );

    lan.curl("/vmlinuz", &["--range", "1000-1999", "-o", "/run/part"])?;
    assert!(std::fs::read(lan.client.path("/run/part"))? == kernel[1000..2000]);
    let last = lan.curl("/vmlinuz", &["--range", "-5", "-o", "/run/part", "-D", "-"])?;
    assert!(last.contains(" 206 "), "{last}");
    assert!(std::fs::read(lan.client.path("/run/part"))? == kernel[kernel.len() - 5..]);
    let beyond = lan.curl(
        "/vmlinuz",
        &["--range", "99999999-", "-o", "/dev/null", "-D", "-"],
    )?;
    assert!(beyond.contains(" 416 "), "{beyond}");
    Ok(())
}

#[test]
fn the_script_is_made_for_the_machine_with_absolute_addresses() -> Result<()> {
    let lan = Lan::new("script")?;
    let script = lan.curl("/boot/52-54-00-77-00-01.ipxe", &[])?;
    assert!(script.starts_with("#!ipxe"), "{script}");
    let name = lan.root.path().file_name().context("the root's name")?;
    let kernel = format!("http://10.77.0.1:8069/images/{}/vmlinuz-", name.display());
    assert!(script.contains(&kernel), "{script}");
    assert!(script.contains("nfsroot=10.77.0.1:/tiny-root-"), "{script}");
    assert!(script.contains("port=2049,mountport=2049"), "{script}");
    assert!(script.contains(" rd.overlay"), "{script}");
    Ok(())
}

#[test]
fn http_serves_nothing_outside_its_files() -> Result<()> {
    let lan = Lan::new("http-traversal")?;
    for path in [
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/boot/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/etc/passwd",
        "/sbin/init",
        "/vmlinuz/../../etc/passwd",
        "/boot/%00.ipxe",
    ] {
        let status = lan.status_of(path)?;
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    let posted = lan.curl(
        "/vmlinuz",
        &["-d", "x", "-o", "/dev/null", "-w", "%{http_code}"],
    )?;
    assert_eq!(posted.trim(), "405");
    let put = [
        "-X",
        "PUT",
        "-d",
        "x",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
    ];
    assert_eq!(lan.curl("/new", &put)?.trim(), "405");
    Ok(())
}

#[test]
fn atftp_fetches_with_every_block_and_window_size() -> Result<()> {
    let lan = Lan::new("atftp")?;
    let whole = kernel_file()?;
    for options in [
        &["--option", "blksize 1468"][..],
        &["--option", "blksize 1468", "--option", "windowsize 4"],
        &["--option", "blksize 1468", "--option", "windowsize 64"],
        &[
            "--option",
            "blksize 8192",
            "--option",
            "windowsize 16",
            "--option",
            "tsize",
        ],
    ] {
        let fetched = atftp(&lan, "vmlinuz", options).with_context(|| options.join(" "))?;
        assert!(fetched == whole, "{options:?}: not the kernel");
    }
    // 512 bytes a block and no window: 8 MB make the block number roll over. A client
    // from 1981 has no options at all.
    assert!(atftp(&lan, "vmlinuz", &[])? == whole);
    assert!(atftp(&lan, "/vmlinuz", &["--option", "blksize 1468"])? == whole);
    Ok(())
}

#[test]
fn tftp_serves_nothing_outside_its_files_and_refuses_writes() -> Result<()> {
    let lan = Lan::new("tftp-traversal")?;
    for name in [
        "../../../../etc/passwd",
        "/etc/passwd",
        "..\\..\\etc\\passwd",
        "boot/../../etc/passwd",
        "sbin/init",
        "nothing",
    ] {
        let refused =
            atftp(&lan, name, &[]).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(refused.is_err(), "{name}: {refused:?}");
    }
    std::fs::write(lan.client.path("/run/upload"), "x")?;
    let server = SERVER.to_string();
    let put = [
        "atftp",
        "--put",
        "-l",
        "/run/upload",
        "-r",
        "uploaded",
        &server,
    ];
    let done = lan.client.run_for(&put, TIMEOUT)?;
    assert!(
        !done.status.success() || done.stderr.contains("rror"),
        "{done:?}"
    );
    assert!(!lan.root.path().join("uploaded").exists());
    Ok(())
}

#[test]
fn atftp_fetches_over_five_percent_loss_each_way() -> Result<()> {
    let lan = Lan::new("tftp-loss")?;
    lan.net.lose("to-eth0", Loss::each_way(5))?;
    // Without options: atftp 0.8 aborts on a repeated OACK, which follows a lost ACK.
    let script = atftp(&lan, "autoexec.ipxe", &[])?;
    assert!(script.starts_with(b"#!ipxe"));
    let image = atftp(&lan, "undionly.kpxe", &[])?;
    assert!(
        image == std::fs::read("/usr/lib/ipxe/undionly.kpxe")?,
        "not the loader"
    );
    let lost = lan.net.lost("to-eth0")?;
    assert!(lost > 0, "no frame was lost");
    Ok(())
}
