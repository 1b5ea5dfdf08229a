//! Another DHCP server, with the worst options that it can be made to send.

use std::net::UdpSocket;

use anyhow::Result;
use netroot_harness::{Clients, Dnsmasq, Ganesha, TinyRoot, Vm};

use crate::lan::{Facts, Lan, SERVER, TIMEOUT};

/// The options that dnsmasq is forced to send, requested or not. The address and its times
/// cannot be forced.
fn nonsense_options() -> Vec<String> {
    let long = "x".repeat(250);
    [
        "1,255.0.255.0".to_owned(),
        "3,192.0.2.1,10.77.0.254".to_owned(),
        format!("12,{long}"),
        format!("15,{long}"),
        // Clears a terminal, rings its bell and starts a line.
        "17,10.77.0.1:/\x1b[2J\x07\r\nroot".to_owned(),
        "26,68".to_owned(),
        "28,127.0.0.1".to_owned(),
        "42,0.0.0.0,255.255.255.255".to_owned(),
        "58,4294967295".to_owned(),
        "59,1".to_owned(),
        // A name that points to itself, and a route with a prefix of 77 bits.
        "119,c0:00".to_owned(),
        "121,4d:01:02:03:04:05".to_owned(),
    ]
    .map(|option| format!("--dhcp-option-force={option}"))
    .into()
}

/// A DHCP server that answers every request with the same address and options, as long
/// as the test runs.
fn hostile_server(lan: &Lan, address: [u8; 4], options: &'static [u8]) -> Result<()> {
    // Broadcasts leave through this interface.
    lan.net
        .run(&["ip", "route", "add", "255.255.255.255", "dev", "br0"])?;
    let socket = lan.net.within(|| {
        let socket = UdpSocket::bind("0.0.0.0:67")?;
        socket.set_broadcast(true)?;
        Ok(socket)
    })?;
    std::thread::spawn(move || {
        let mut asked = [0; 1500];
        while let Ok((length, _)) = socket.recv_from(&mut asked) {
            if let Some(reply) = asked
                .get(..length)
                .and_then(|asked| lied(asked, address, options))
            {
                let _ = socket.send_to(&reply, "255.255.255.255:68");
            }
        }
    });
    Ok(())
}

/// The OFFER to a DISCOVER, and an ACK to anything else, with these bytes as options.
fn lied(asked: &[u8], address: [u8; 4], options: &[u8]) -> Option<Vec<u8>> {
    let is_discover = asked.windows(3).any(|option| option == [53, 1, 1]);
    let mut reply = asked.get(..236)?.to_vec();
    *reply.first_mut()? = 2;
    reply.get_mut(16..20)?.copy_from_slice(&address);
    reply.extend([99, 130, 83, 99, 53, 1, if is_discover { 2 } else { 5 }]);
    reply.extend([54, 4, 10, 77, 0, 1]);
    reply.extend(options);
    Some(reply)
}

/// Nothing that our init prints contains control characters or an extra line.
fn assert_printable(vm: &Vm) -> Result<()> {
    let console = std::fs::read(vm.log())?;
    let lines = console.split(|byte| *byte == b'\n');
    let ours: Vec<&[u8]> = lines
        .filter(|line| line.starts_with(b"netroot: "))
        .collect();
    assert!(ours.len() > 5, "{}", vm.console().text());
    for line in ours {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(!line.iter().any(u8::is_ascii_control), "{line:?}");
    }
    Ok(())
}

#[test]
fn nonsense_dhcp_options_do_not_stop_a_machine_with_a_configured_root() -> Result<()> {
    let lan = Lan::new("hostile-dhcp")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let options = nonsense_options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let dnsmasq = Dnsmasq::start(&lan.net, "br0", "10.77.0.100", "10.77.0.199", &options)?;
    let vm = lan.boot(&format!(
        "root=/dev/nfs nfsroot={SERVER}:/srv/root ip=dhcp ro"
    ))?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    let console = vm.console().text();
    for message in [
        "255.0.255.0 (option 1) is not a netmask for this address; using /8, its class",
        "2 routers (option 3); 10.77.0.254 is used",
        "option 12 (250 bytes) is not a valid name; ignored",
        "an MTU of 68 (option 26) is ignored",
        "the root path (option 17) contains control characters",
        "the routes (option 121) end in invalid data; 0 kept",
    ] {
        assert!(console.contains(message), "{message}:\n{console}");
    }
    assert!(facts.all("route").contains("00000000\tFE004D0A"));
    assert!(facts.all("mtu").contains("eth0 1500"));
    assert_printable(&vm)?;
    assert!(dnsmasq.log().contains("DHCPACK(br0)"));
    Ok(())
}

#[test]
fn a_machine_that_depends_on_nonsense_options_reports_one_failure() -> Result<()> {
    let lan = Lan::new("hostile-dhcp-believed")?;
    let options = nonsense_options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let _dnsmasq = Dnsmasq::start(&lan.net, "br0", "10.77.0.100", "10.77.0.199", &options)?;
    let mut vm = lan.boot("root=dhcp ip=dhcp")?;
    let failed = vm.wait_for("netroot: boot failed: ", "the failure", TIMEOUT)?;
    for words in [
        "no root: DHCP option 17 (root-path) names no NFS root",
        "; correct it on the DHCP server",
    ] {
        assert!(failed.line.contains(words), "{}", failed.line);
    }
    vm.console().wait_after(
        failed.end,
        "netroot: trying again in ",
        "another attempt",
        TIMEOUT,
    )?;
    assert_printable(&vm)?;
    assert!(vm.running()?);
    Ok(())
}

#[test]
fn leases_of_one_second_do_not_delay_the_boot_for_ever() -> Result<()> {
    let lan = Lan::new("hostile-dhcp-second")?;
    // A mask, a second, no root and no end.
    let options = &[1, 4, 255, 255, 255, 0, 51, 4, 0, 0, 0, 1, 17, 0, 6, 200, 1];
    hostile_server(&lan, [10, 77, 0, 100], options)?;
    let vm = lan.boot("root=dhcp ip=dhcp")?;
    let failed = vm.wait_for("netroot: boot failed: ", "the failure", TIMEOUT)?;
    assert!(failed.line.contains("no root: neither"), "{}", failed.line);
    let message = "a lease of 1 s (option 51) expires at once; the address is kept anyway";
    assert!(vm.console().contains(message), "{}", vm.console().text());
    assert_printable(&vm)
}

#[test]
fn an_offer_of_an_invalid_address_is_ignored() -> Result<()> {
    let lan = Lan::new("hostile-dhcp-loopback")?;
    hostile_server(
        &lan,
        [127, 0, 0, 1],
        &[1, 4, 255, 0, 0, 0, 17, 2, b'/', b'r', 255],
    )?;
    let vm = lan.boot("root=dhcp ip=dhcp rd.net.timeout.dhcp=8")?;
    let failed = vm.wait_for("netroot: boot failed: ", "the failure", TIMEOUT)?;
    let sentence = "no DHCP server answered on eth0";
    assert!(failed.line.contains(sentence), "{}", failed.line);
    let message = "eth0: the DHCP server 10.77.0.1 sent an unusable offer: \
                the server assigns 127.0.0.1, which no host can have";
    let console = vm.console().text();
    assert_eq!(console.matches(message).count(), 1, "{console}");
    Ok(())
}
