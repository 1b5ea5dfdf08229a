//! `boot-once`: one boot for one machine, whoever else asks.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result, ensure};
use netroot_harness::Net;
use netroot_proto::dhcp::MessageType;

use super::dhcp_client::{Asks, leases, script_url};
use super::site::{A, Site, curl, image, script};
use crate::lan::TIMEOUT;

#[test]
fn one_boot_is_taken_once_by_its_machine_in_a_race_of_two_and_across_a_restart() -> Result<()> {
    let mut site = Site::new(
        "machines-once",
        "{\"02:00:00:00:00:0a\": {\"once\": \"second\"}}",
    )?;
    let [own, other] = &site.near;
    Asks::firmware(A).answered(own, None)?;
    let images = thread::scope(|scope| {
        let fetches = [own, other, own, other, own, other].map(|client| {
            scope.spawn(move || {
                let script = script(client, "10.77.0.1", A, "")?;
                anyhow::Ok((std::ptr::eq(client, own), image(&script).to_owned()))
            })
        });
        let fetches = fetches.into_iter();
        let fetches =
            fetches.map(|fetch| fetch.join().map_err(|_| anyhow::anyhow!("it panicked"))?);
        fetches.collect::<Result<Vec<_>>>()
    })?;
    for (is_own, image) in images {
        assert_eq!(image, if is_own { "second" } else { "first" });
    }
    let taken = site.wait_for("boots-once")?;
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert_eq!(taken[0].machine.as_deref(), Some("02:00:00:00:00:0a"));
    // Its loader tries again: the same boot, also where somebody asks in its name. Its firmware has an address again: the
    // next one.
    assert_eq!(image(&script(own, "10.77.0.1", A, "")?), "second");
    Asks::firmware(A).answered(other, None)?;
    assert_eq!(image(&script(own, "10.77.0.1", A, "")?), "second");
    leases(own, A)?;
    assert_eq!(image(&script(own, "10.77.0.1", A, "")?), "first");
    site.restart()?;
    assert_eq!(image(&script(&site.near[0], "10.77.0.1", A, "")?), "first");
    let kept = fs::read_to_string(site.folder.path().join("state/orders.json"))?;
    assert!(!kept.contains("once"), "{kept}");
    Ok(())
}

/// Before, its second boot had the URL of its first, and `boot-once` never ended.
#[test]
fn one_boot_is_one_boot_where_ipxe_is_the_firmware() -> Result<()> {
    let site = Site::new(
        "machines-ipxe",
        "{\"02:00:00:00:00:0a\": {\"once\": \"second\"}}",
    )?;
    let [own, other] = &site.near;
    let asks_dhcp = |client: &Net| -> Result<String> {
        let discover = Asks {
            ipxe: true,
            ..Asks::firmware(A)
        };
        let offer = discover.answered(client, None)?;
        let request = Asks {
            kind: MessageType::Request,
            requested: Some(offer.header.your_ip),
            ..discover
        };
        let answer = request.answered(client, None)?;
        ensure!(answer.kind() == Some(MessageType::Ack), "{answer:?}");
        let url = script_url(&answer);
        ensure!(url.contains("?dhcp=") && url == script_url(&offer), "{url}");
        Ok(url)
    };
    // All with one transaction number: iPXE's may be the same in each boot.
    let boots = || -> Result<String> {
        let url = asks_dhcp(own)?;
        let first = curl(own, &url)?;
        // Somebody asks in its name, and its script tries again.
        asks_dhcp(other)?;
        for again in [curl(own, &url)?, script(own, "10.77.0.1", A, "")?] {
            ensure!(image(&again) == image(&first), "{again}");
        }
        Ok(image(&first).to_owned())
    };
    assert_eq!([boots()?, boots()?, boots()?], ["second", "first", "first"]);
    let taken = site.wait_for("boots-once")?;
    assert_eq!(taken.len(), 1, "{taken:?}");
    let kept = fs::read_to_string(site.folder.path().join("state/orders.json"))?;
    assert!(!kept.contains("once"), "{kept}");
    Ok(())
}

/// A TFTP request for a name from an address and a port.
fn tftp(client: &Net, from: Ipv4Addr, name: &str) -> Result<UdpSocket> {
    let request = [b"\0\x01", name.as_bytes(), b"\0octet\0"].concat();
    client.within(move || {
        let socket = UdpSocket::bind((from, 0))?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.send_to(&request, "10.77.0.1:69")?;
        Ok(socket)
    })
}

/// What a request for `boot-once` of A in its name does: nothing. Before, each of these took the order.
#[test]
fn an_order_is_not_taken_by_who_invents_its_machines_address() -> Result<()> {
    let site = Site::new(
        "machines-forged",
        "{\"02:00:00:00:00:0a\": {\"once\": \"second\", \"image\": \"bare\"}}",
    )?;
    let [own, other] = &site.near;
    let is_ordered = || {
        let kept = fs::read_to_string(site.folder.path().join("state/orders.json"))?;
        anyhow::Ok(kept.contains("\"once\""))
    };
    // The server knows the victim's card, by what is not its script.
    curl(own, "http://10.77.0.1:8069/status")?;
    let address = Ipv4Addr::new(10, 77, 0, 66);
    other.shell(
        "sysctl -q net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2;
         ip addr add 10.77.0.66/32 dev lo",
    )?;
    for name in [
        "boot/02-00-00-00-00-0a.ipxe",
        "pxelinux.cfg/01-02-00-00-00-00-0a",
        "02-00-00-00-00-0a/cmdline.txt",
    ] {
        tftp(other, address, name)?;
    }
    other.shell("ip addr del 10.77.0.66/32 dev lo")?;
    // Each of them is given up: the victim answered nothing, or that it has no such port.
    for _ in 0..TIMEOUT.as_secs() {
        let stopped = site.server.events().into_iter();
        let stopped = stopped.filter(|(_, event)| event.kind == "fetch-stopped");
        if stopped.count() >= 3 {
            break;
        }
        thread::sleep(Duration::from_secs(1));
    }
    let stopped = site.wait_for("fetch-stopped")?;
    assert_eq!(stopped.len(), 3, "{stopped:?}");
    assert!(is_ordered()?);

    // Who takes the address over that was acknowledged to the victim.
    let address = leases(own, A)?;
    other.shell(&format!("ip addr add {address}/24 dev ethb"))?;
    let from = address.to_string();
    let url = "http://10.77.0.1:8069/boot/02-00-00-00-00-0a.ipxe";
    let script = |client: &Net, from: &str| {
        client.run(&[
            "curl",
            "-sS",
            "--fail",
            "--max-time",
            "60",
            "--interface",
            from,
            url,
        ])
    };
    // Nor is anybody else shown what it boots.
    assert_eq!(image(&script(other, &from)?), "first");
    assert_eq!(image(&script(other, "10.77.0.67")?), "first");
    other.shell(&format!("ip addr del {address}/24 dev ethb"))?;
    assert!(is_ordered()?);
    let taken = site.server.events().into_iter();
    let taken = taken.filter(|(_, event)| event.kind == "boots-once");
    assert_eq!(taken.count(), 0);

    // The victim itself takes it over TFTP, with its first ACK.
    let socket = tftp(
        own,
        Ipv4Addr::new(10, 77, 0, 66),
        "boot/02-00-00-00-00-0a.ipxe",
    )?;
    let mut whole = Vec::new();
    loop {
        let mut buffer = [0; 600];
        let (length, from) = socket.recv_from(&mut buffer)?;
        let data = buffer.get(4..length).context("a block")?;
        whole.extend_from_slice(data);
        socket.send_to(&[0, 4, buffer[2], buffer[3]], from)?;
        if data.len() < 512 {
            break;
        }
    }
    assert_eq!(image(&String::from_utf8(whole)?), "second");
    let taken = site.wait_for("boots-once")?;
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert!(!is_ordered()?);
    Ok(())
}

/// Before, the order was said to be kept, and the machine booted it twice.
#[test]
fn what_cannot_be_written_is_refused_and_not_taken() -> Result<()> {
    let site = Site::new(
        "machines-unwritable",
        "{\"02:00:00:00:00:0a\": {\"once\": \"second\"}}",
    )?;
    let [own, _] = &site.near;
    let new = site.folder.path().join("state/orders.json.new");
    fs::create_dir(&new)?;
    assert_eq!(image(&script(own, "10.77.0.1", A, "")?), "first");
    let netroot = netroot_harness::paths::netroot()?.display().to_string();
    let control = site.folder.path().join("control").display().to_string();
    let once = |image: &str| {
        let argv = [&netroot, "boot-once", "ada", image, "--control", &control];
        site.net.run_for(&argv.map(|word| word as &str), TIMEOUT)
    };
    let refused = once("bare")?;
    ensure!(!refused.status.success(), "{refused:?}");
    let why = "cannot write ";
    ensure!(
        refused.stderr.contains(why) && refused.stderr.contains("nothing is changed"),
        "{refused:?}"
    );
    fs::remove_dir(&new)?;
    assert_eq!(image(&script(own, "10.77.0.1", A, "")?), "second");
    let told = site.wait_for("warning")?;
    let told = told
        .iter()
        .filter(|event| event.text.contains("orders.json"));
    assert_eq!(told.count(), 1, "once");
    Ok(())
}
