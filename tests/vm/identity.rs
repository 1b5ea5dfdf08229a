//! The identity that firmware and init of one machine send, and the clock.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use netroot_harness::{Clients, Dnsmasq, Firmware, Ganesha, Net, Nic, Rom, TinyRoot};

use crate::lan::{Facts, Lan, MACHINE, SERVER, TIMEOUT};
use crate::several_dhcp_servers::router;

/// Its first three fields differ in the other byte order.
const UUID: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";

/// A socket in a network that receives what is sent to this port.
fn listen(net: &Net, port: u16) -> Result<UdpSocket> {
    net.within(move || {
        let socket = UdpSocket::bind(("0.0.0.0", port))?;
        socket.set_read_timeout(Some(Duration::from_millis(500)))?;
        Ok(socket)
    })
}

/// The options of the first message that contains this text.
fn options_of(socket: &UdpSocket, text: &str) -> Result<Vec<(u8, Vec<u8>)>> {
    let deadline = Instant::now() + TIMEOUT;
    let mut buffer = [0; 1500];
    while Instant::now() < deadline {
        let Ok(length) = socket.recv(&mut buffer) else {
            continue;
        };
        let message = buffer.get(..length).unwrap_or_default();
        if message
            .windows(text.len())
            .any(|part| part == text.as_bytes())
        {
            let mut options = Vec::new();
            let mut rest = message.get(240..).context("a DHCP message")?;
            while let [code @ 1..=254, length, after @ ..] = rest {
                let (value, after) = after.split_at(usize::from(*length));
                options.push((*code, value.to_vec()));
                rest = after;
            }
            return Ok(options);
        }
    }
    bail!("no message contained {text} within {TIMEOUT:?}")
}

#[test]
fn firmware_and_init_send_the_same_uuid() -> Result<()> {
    let lan = Lan::new("identity")?;
    let socket = listen(&lan.net, 67)?;
    let machine = || lan.machine().uuid(UUID);
    let plain = || Nic::virtio(&lan.tap, MACHINE);
    let said = |code: u8, options: &[(u8, Vec<u8>)]| {
        options
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, value)| value.clone())
    };

    let vm = machine().nic(plain().with_rom(Rom::Ipxe)).start()?;
    let ipxe = options_of(&socket, "iPXE")?;
    drop(vm);
    let vm = machine().firmware(Firmware::Uefi).nic(plain()).start()?;
    let ovmf = options_of(&socket, "PXEClient:Arch:00007")?;
    drop(vm);
    let vm = lan.boot_with(machine().nic(plain()), "root=dhcp ip=dhcp")?;
    let init = options_of(&socket, "netroot")?;
    drop(vm);

    let uuid = said(97, &init);
    assert_eq!(uuid.as_ref().map(Vec::len), Some(17));
    assert_eq!((said(97, &ipxe), said(97, &ovmf)), (uuid.clone(), uuid));
    assert_eq!(said(61, &ipxe), said(61, &init));
    assert_eq!(said(93, &ipxe), said(93, &init));
    Ok(())
}

/// Boots a machine through its firmware beside a router, which leases firmware, loader and
/// init the same address.
fn assert_one_lease(name: &str, firmware: Firmware, rom: Rom, askers: usize) -> Result<()> {
    let lan = Lan::new(name)?;
    let (_net, dnsmasq) = router(&lan, name, &["--dhcp-option=3,10.77.0.254"])?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(rom);
    let machine = lan.machine().uuid(UUID).firmware(firmware).nic(nic);
    let vm = machine.start()?;
    Facts::of(&vm)?.assert_overlay();
    let log = dnsmasq.log().text();
    let acks: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once("DHCPACK(lan) "))
        .filter_map(|(_, rest)| rest.split(' ').next())
        .collect();
    assert!(acks.len() >= askers, "{log}");
    assert_eq!(BTreeSet::from_iter(&acks).len(), 1, "{acks:?}");
    Ok(())
}

#[test]
fn bios_ipxe_and_init_are_one_client_with_one_lease() -> Result<()> {
    assert_one_lease("one-lease", Firmware::Bios, Rom::Ipxe, 2)
}

#[test]
fn uefi_firmware_ipxe_and_init_are_one_client_with_one_lease() -> Result<()> {
    assert_one_lease("one-lease-uefi", Firmware::Uefi, Rom::None, 3)
}

/// A time server, as long as the test runs. Its year is 2030.
fn tell_the_time(socket: &UdpSocket) {
    let mut question = [0; 48];
    // 1 January 2030, in seconds since 1900.
    let now = (1_893_456_000_u32 + 2_208_988_800).to_be_bytes();
    loop {
        if let Ok((48, peer)) = socket.recv_from(&mut question) {
            let mut answer = [0; 48];
            answer[..2].copy_from_slice(&[4 << 3 | 4, 1]);
            answer[24..32].copy_from_slice(&question[40..]);
            answer[40..44].copy_from_slice(&now);
            let _ = socket.send_to(&answer, peer);
        }
    }
}

#[test]
fn a_time_server_sets_a_wrong_clock_and_leaves_a_right_one() -> Result<()> {
    let lan = Lan::new("clock")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let options = [
        "--dhcp-option=42,10.77.0.1".to_owned(),
        format!("--dhcp-option=17,{SERVER}:/srv/root"),
    ];
    let options = options.each_ref().map(String::as_str);
    let _dnsmasq = Dnsmasq::start(&lan.net, "br0", "10.77.0.100", "10.77.0.199", &options)?;
    let socket = listen(&lan.net, 123)?;
    std::thread::spawn(move || tell_the_time(&socket));
    let boot = |clock: Option<&str>| {
        let machine = lan.machine().nic(Nic::virtio(&lan.tap, MACHINE));
        let machine = match clock {
            Some(clock) => machine.clock(clock),
            None => machine,
        };
        let vm = lan.boot_with(machine, "root=dhcp ip=dhcp ro")?;
        let year: u64 = Facts::of(&vm)?.all("clock").parse()?;
        let set = vm
            .console()
            .contains("it is now set by the time server 10.77.0.1");
        anyhow::Ok((1970 + year / 31_556_952, set))
    };
    assert_eq!(boot(Some("1990-01-01"))?, (2030, true));
    let (year, set) = boot(None)?;
    assert!((2025..2030).contains(&year) && !set, "{year} {set}");
    Ok(())
}
