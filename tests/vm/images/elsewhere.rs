//! Disks and discs of other servers: netroot names their URL, and iPXE opens it.

use anyhow::{Result, ensure};
use netroot_harness::{Firmware, IscsiTarget, Net, Nginx, Vm, media};

use super::Site;
use crate::lan::{MACHINE, TIMEOUT};

/// Another host on the machines' network.
const ELSEWHERE: &str = "10.77.0.2";

fn host(site: &Site, name: &str) -> Result<Net> {
    let host = Net::new(&format!("{name}-elsewhere"))?;
    let address = format!("{ELSEWHERE}/24");
    site.lan
        .net
        .cable(&site.lan.bridge, &host, "lan", &address)?;
    Ok(host)
}

/// iPXE has read parts of this file.
fn assert_read_in_parts(nginx: &Nginx, host: &Net, file: &str) -> Result<()> {
    let requests = nginx.requests(host)?;
    let part = format!("GET /{file} 206");
    ensure!(requests.lines().any(|line| line == part), "{requests}");
    Ok(())
}

#[test]
fn a_disk_of_another_web_server_boots_under_bios() -> Result<()> {
    let site = Site::new("image-http-bios")?;
    let host = host(&site, "image-http-bios")?;
    site.file("disk.img", &media::disk("a disk elsewhere says so"))?;
    let nginx = Nginx::start(&host, site.folder.path())?;
    let url = format!("http://{ELSEWHERE}/disk.img");
    let server = site.serve("disk", &format!("[image.disk]\ndisk = \"{url}\"\n"))?;
    let vm = site.bios("")?;
    vm.wait_for(&format!("netroot: disk, from {url}"), "the script", TIMEOUT)?;
    vm.wait_for(
        "a disk elsewhere says so",
        "the disk's boot sector",
        TIMEOUT,
    )?;
    assert_read_in_parts(&nginx, &host, "disk.img")?;
    let events = server.events();
    let mut scripts = events.iter().filter(|(_, event)| event.kind == "script");
    ensure!(
        scripts.any(|(_, event)| event.machine.as_deref() == Some(MACHINE)),
        "{events:#?}"
    );
    Ok(())
}

#[test]
fn a_disc_of_another_web_server_boots_after_uefi_http_boot() -> Result<()> {
    let site = Site::new("image-http-uefi")?;
    let host = host(&site, "image-http-uefi")?;
    let volume = media::volume(&media::program("a CD elsewhere says so to UEFI"));
    let cd = media::iso("a CD elsewhere says so to a BIOS", &volume);
    site.file("cd.iso", &cd)?;
    let nginx = Nginx::start(&host, site.folder.path())?;
    let url = format!("http://{ELSEWHERE}/cd.iso");
    let server = site.serve("cd", &format!("[image.cd]\niso = \"{url}\"\n"))?;
    let vm = site.uefi_machine("").firmware(Firmware::UefiHttp).start()?;
    vm.wait_for(
        "a CD elsewhere says so to UEFI",
        "the CD's program",
        TIMEOUT,
    )?;
    assert_read_in_parts(&nginx, &host, "cd.iso")?;
    let events = server.events();
    let mut tftp = events.iter();
    ensure!(
        !tftp.any(|(_, event)| event.protocol.as_deref() == Some("tftp")),
        "{events:#?}"
    );
    Ok(())
}

/// The machine boots this disk of an iSCSI target, which prints a line.
fn boots_by_iscsi(
    name: &str,
    disk: &[u8],
    line: &str,
    start: impl Fn(&Site) -> Result<Vm>,
) -> Result<()> {
    let site = Site::new(name)?;
    let host = host(&site, name)?;
    let disk = site.file("disk.img", disk)?;
    let _target = IscsiTarget::start(&host, &disk)?;
    let url = IscsiTarget::url(ELSEWHERE);
    let _server = site.serve("disk", &format!("[image.disk]\ndisk = \"{url}\"\n"))?;
    let vm = start(&site)?;
    vm.wait_for(line, "what the disk has", TIMEOUT)?;
    Ok(())
}

#[test]
fn a_disk_of_an_iscsi_target_boots_under_bios() -> Result<()> {
    let line = "an iSCSI disk says so";
    boots_by_iscsi("image-iscsi-bios", &media::disk(line), line, |site| {
        site.bios("")
    })
}

#[test]
fn a_disk_of_an_iscsi_target_boots_under_uefi() -> Result<()> {
    let line = "an iSCSI disk says so to UEFI";
    let disk = media::volume(&media::program(line));
    boots_by_iscsi("image-iscsi-uefi", &disk, line, |site| site.uefi(""))
}
