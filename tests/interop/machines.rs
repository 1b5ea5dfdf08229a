//! Machines and rules: who boots what on two interfaces at once, addresses that are kept, strangers, and one boot alone.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Event, Net, NetrootServe, TinyRoot};
use netroot_net::{Mac, Uuid};
use netroot_proto::dhcp::emit::{Draft, LONGEST};
use netroot_proto::dhcp::header::{BROADCAST_FLAG, Header};
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::{CLIENT_PORT, MessageType, SERVER_PORT, code};

use crate::lan::TIMEOUT;

const A: Mac = Mac([2, 0, 0, 0, 0, 0xa]);
const B: Mac = Mac([2, 0, 0, 0, 0, 0xb]);
const C: Mac = Mac([2, 0, 0, 0, 0, 0xc]);
const UUID: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";

/// Machines and rules of every test.
const MACHINES: &str = "
[machine.ada]
mac = \"02:00:00:00:00:0a\"
boot = \"first\"
[machine.bob]
uuid = \"1b4e28ba-2fa1-11d2-883f-0016d3cca427\"
boot = \"second\"
address = \"10.77.0.9\"
append = \"who=${name}\"
[machine.cora]
serial = \"MXL 1\"
boot = \"bare\"

[[rule]]
mac = \"02:00:00:00:01\"
boot = \"menu\"
[[rule]]
mac = \"02:00:00:00:02\"
boot = \"wait\"
[[rule]]
mac = \"02:00:00:00:03\"
boot = \"refuse\"
";

/// Dropped in this order: who uses a network before the network.
struct Site {
    server: NetrootServe,
    /// On br0, where netroot gives addresses: A's and B's.
    near: [Net; 2],
    /// On br1, beside another DHCP server: C's.
    far: Net,
    folder: tempfile::TempDir,
    net: Net,
    _roots: [TinyRoot; 2],
}

impl Site {
    /// `orders` is what was ordered before the server starts.
    fn new(name: &str, orders: &str) -> Result<Self> {
        let net = Net::new(name)?;
        let br0 = net.bridge("br0", "10.77.0.1/24")?;
        let br1 = net.bridge("br1", "10.79.0.1/24")?;
        let machine = |suffix: &str, bridge, mac: Mac, address: &str| {
            let machine = Net::new(&format!("{name}-{suffix}"))?;
            let nic = format!("eth{suffix}");
            net.cable(bridge, &machine, &nic, address)?;
            machine.shell(&format!(
                "ip link set {nic} address {mac}; ip route add default dev {nic}"
            ))?;
            anyhow::Ok(machine)
        };
        let near = [
            machine("a", &br0, A, "10.77.0.66/24")?,
            machine("b", &br0, B, "10.77.0.67/24")?,
        ];
        let far = machine("c", &br1, C, "10.79.0.66/24")?;
        let roots = [TinyRoot::without_init()?, TinyRoot::without_init()?];
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        fs::write(path.join("kernel"), "the bytes of a kernel")?;
        fs::write(path.join("initrd"), "the bytes of an initrd")?;
        fs::create_dir(path.join("state"))?;
        fs::write(path.join("state/orders.json"), orders)?;
        let file = path.join("netroot.toml");
        fs::write(&file, configuration(path, &roots))?;
        let server = NetrootServe::start_configured(&net, &file, &[])?;
        Ok(Self {
            server,
            near,
            far,
            folder,
            net,
            _roots: roots,
        })
    }

    fn restart(&mut self) -> Result<()> {
        self.server.program().terminate(TIMEOUT)?;
        let file = self.folder.path().join("netroot.toml");
        self.server = NetrootServe::start_configured(&self.net, &file, &[])?;
        Ok(())
    }

    /// The events of this kind, once there is one.
    fn wait_for(&self, kind: &str) -> Result<Vec<Event>> {
        for _ in 0..TIMEOUT.as_secs() {
            let events = self.server.events().into_iter().map(|(_, event)| event);
            let events: Vec<Event> = events.filter(|event| event.kind == kind).collect();
            if !events.is_empty() {
                return Ok(events);
            }
            thread::sleep(Duration::from_secs(1));
        }
        anyhow::bail!("no event {kind}")
    }
}

fn configuration(path: &Path, roots: &[TinyRoot; 2]) -> String {
    let (path, [first, second]) = (
        path.display(),
        roots.each_ref().map(|root| root.path().display()),
    );
    format!(
        "default = \"first\"
[server]
state = \"{path}/state\"
cache = \"{path}/cache\"
control = \"{path}/control\"
[[network]]
interface = \"br0\"
mode = \"dhcp\"
probe = false
range = [\"10.77.0.100-10.77.0.199\"]
[[network]]
interface = \"br1\"
probe = false
[image.first]
root = \"{first}\"
initrd = \"{path}/initrd\"
[image.second]
root = \"{second}\"
initrd = \"{path}/initrd\"
[image.bare]
kernel-file = \"{path}/kernel\"
initrds = [\"{path}/initrd\"]
append = \"console=ttyS0\"
{MACHINES}"
    )
}

fn curl(client: &Net, url: &str) -> Result<String> {
    client.run(&["curl", "-sS", "--fail", "--max-time", "60", url])
}

fn script(client: &Net, server: &str, mac: Mac, query: &str) -> Result<String> {
    let url = format!("http://{server}:8069/boot/{}.ipxe{query}", mac.hyphenated());
    curl(client, &url)
}

/// The image whose kernel a script names.
fn image(script: &str) -> &str {
    let after = script.split_once("/images/").map(|(_, after)| after);
    after
        .and_then(|after| after.split('/').next())
        .unwrap_or("none")
}

/// What a machine asks DHCP with.
#[derive(Clone, Copy)]
struct Asks<'a> {
    mac: Mac,
    class: &'a [u8],
    uuid: Option<&'a str>,
    ipxe: bool,
    client_id: &'a [u8],
    kind: MessageType,
    requested: Option<Ipv4Addr>,
}

impl Asks<'_> {
    /// UEFI's.
    fn firmware(mac: Mac) -> Self {
        Self {
            mac,
            class: b"PXEClient:Arch:00007:UNDI:003001",
            uuid: None,
            ipxe: false,
            client_id: &[],
            kind: MessageType::Discover,
            requested: None,
        }
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        let mut draft = Draft::new(Header {
            flags: BROADCAST_FLAG,
            ..Header::of_client(self.mac, 7)
        });
        draft.push(code::MESSAGE_TYPE, &[self.kind.into()]);
        if !self.class.is_empty() {
            draft.push(code::VENDOR_CLASS, self.class);
        }
        if self.class.starts_with(b"PXEClient") {
            draft.push(code::CLIENT_ARCH, &7_u16.to_be_bytes());
        }
        if let Some(uuid) = self.uuid {
            let uuid: Uuid = uuid.parse()?;
            draft.push(code::CLIENT_UUID, &[&[0], &uuid.to_firmware()[..]].concat());
        }
        if self.ipxe {
            draft.push(code::USER_CLASS, b"iPXE");
        }
        if !self.client_id.is_empty() {
            draft.push(code::CLIENT_ID, self.client_id);
        }
        if let Some(address) = self.requested {
            draft.push(code::REQUESTED_ADDRESS, &address.octets());
            draft.push(code::SERVER_ID, &[10, 77, 0, 1]);
        }
        draft.push(
            code::PARAMETER_REQUEST_LIST,
            &[code::HOST_NAME, code::BOOT_FILE_NAME],
        );
        Ok(draft.emit(LONGEST).bytes)
    }

    /// The answer; `None` if there is none. What is not answered is asked before something that is, so that nothing is
    /// waited for that does not come.
    fn answered(&self, client: &Net, then: Option<Asks<'_>>) -> Result<Message> {
        let asked = self.bytes()?;
        let then = then.map(|then| then.bytes()).transpose()?;
        client.within(move || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, CLIENT_PORT))?;
            socket.set_broadcast(true)?;
            socket.set_read_timeout(Some(TIMEOUT))?;
            let server = (Ipv4Addr::BROADCAST, SERVER_PORT);
            socket.send_to(&asked, server)?;
            if let Some(then) = &then {
                socket.send_to(then, server)?;
            }
            let mut buffer = [0; 2000];
            let (length, _) = socket.recv_from(&mut buffer).context("no answer")?;
            let answer = buffer.get(..length).context("an answer of 2000 bytes")?;
            Ok(Message::read(answer)?)
        })
    }
}

/// The address that a machine is offered and takes.
fn leases(client: &Net, mac: Mac) -> Result<Ipv4Addr> {
    let asks = Asks::firmware(mac);
    let address = asks.answered(client, None)?.header.your_ip;
    let request = Asks {
        kind: MessageType::Request,
        requested: Some(address),
        ..asks
    };
    let answer = request.answered(client, None)?;
    ensure!(answer.kind() == Some(MessageType::Ack), "{answer:?}");
    Ok(answer.header.your_ip)
}

fn text(message: &Message, option: u8) -> String {
    let text = message.options.text(option).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// The URL of its script that an answer names, as iPXE expands it.
fn script_url(answer: &Message) -> String {
    text(answer, code::BOOT_FILE_NAME)
        .replace("${serial:uristring}", "")
        .replace("${product:uristring}", "")
}

#[test]
fn two_roots_and_a_bare_kernel_are_three_machines_at_once_on_two_interfaces() -> Result<()> {
    let site = Site::new("machines", "{}")?;
    // B is known by its UUID, of which its firmware told DHCP; C by its serial number.
    let b = Asks {
        uuid: Some(UUID),
        ..Asks::firmware(B)
    };
    b.answered(&site.near[1], None)?;
    let fetches = [
        (&site.near[0], "10.77.0.1", A, "", "first"),
        (&site.near[1], "10.77.0.1", B, "", "second"),
        (
            &site.far,
            "10.79.0.1",
            C,
            "?serial=MXL%201&product=",
            "bare",
        ),
    ];
    thread::scope(|scope| {
        let fetches = fetches.map(|(client, server, mac, query, wanted)| {
            scope.spawn(move || {
                for _ in 0..3 {
                    let script = script(client, server, mac, query)?;
                    ensure!(
                        image(&script) == wanted,
                        "{mac} boots no {wanted}:\n{script}"
                    );
                }
                Ok(())
            })
        });
        fetches
            .into_iter()
            .try_for_each(|fetch| fetch.join().map_err(|_| anyhow::anyhow!("it panicked"))?)
    })?;
    let script_of = |client, server, mac| script(client, server, mac, "");
    let ada = script_of(&site.near[0], "10.77.0.1", A)?;
    assert!(ada.contains(" nfsroot=10.77.0.1:/first,"), "{ada}");
    assert!(ada.contains(" ip=::::ada::dhcp "), "{ada}");
    let bob = script_of(&site.near[1], "10.77.0.1", B)?;
    assert!(
        bob.contains(" ip=::::bob::dhcp ") && bob.contains(" who=bob"),
        "{bob}"
    );
    // What was said once is known from then on.
    let cora = script_of(&site.far, "10.79.0.1", C)?;
    assert!(
        image(&cora) == "bare" && cora.contains("console=ttyS0"),
        "{cora}"
    );
    // Another machine that says so does not become it.
    let forged = script(&site.near[0], "10.77.0.1", B, "?serial=MXL%201")?;
    assert_eq!(image(&forged), "second");
    let kernel = curl(&site.far, "http://10.79.0.1:8069/images/bare/vmlinuz")?;
    assert_eq!(kernel, "the bytes of a kernel");
    Ok(())
}

#[test]
fn a_machine_has_its_address_and_its_name_whatever_asks() -> Result<()> {
    let mut site = Site::new("machines-kept", "{}")?;
    let kept = Ipv4Addr::new(10, 77, 0, 9);
    let firmware = Asks {
        uuid: Some(UUID),
        ..Asks::firmware(B)
    };
    let ipxe = Asks {
        client_id: &[1, 2, 0, 0, 0, 0, 0xb],
        ..Asks::firmware(B)
    };
    let system = Asks {
        class: b"",
        client_id: &[0xff, 1, 2, 3, 4, 0, 1],
        ..Asks::firmware(B)
    };
    for asks in [firmware, ipxe, system] {
        let offer = asks.answered(&site.near[1], None)?;
        assert_eq!(offer.header.your_ip, kept);
        assert_eq!(text(&offer, code::HOST_NAME), "bob");
        let request = Asks {
            kind: MessageType::Request,
            requested: Some(kept),
            ..asks
        };
        let answer = request.answered(&site.near[1], None)?;
        assert_eq!(
            (answer.kind(), answer.header.your_ip),
            (Some(MessageType::Ack), kept)
        );
    }
    // Nobody else gets it, also by asking for it.
    let wants = Asks {
        class: b"",
        ..Asks::firmware(A)
    };
    let offer = wants.answered(&site.near[0], None)?;
    assert_ne!(offer.header.your_ip, kept);
    assert_eq!(text(&offer, code::HOST_NAME), "ada");
    let takes = Asks {
        kind: MessageType::Request,
        requested: Some(kept),
        ..wants
    };
    let refused = takes.answered(&site.near[0], None)?;
    assert_eq!(refused.kind(), Some(MessageType::Nak));
    // After a restart its system has it, which says no UUID.
    site.restart()?;
    let offer = system.answered(&site.near[1], None)?;
    assert_eq!(offer.header.your_ip, kept);
    Ok(())
}

#[test]
fn strangers_get_the_default_a_menu_nothing_yet_or_nothing_at_all() -> Result<()> {
    let site = Site::new("machines-strangers", "{}")?;
    let stranger = |kind: u8| Mac([2, 0, 0, 0, kind, 0x77]);
    let [near, _] = &site.near;
    let script = |kind| script(near, "10.77.0.1", stranger(kind), "");
    assert_eq!(image(&script(0)?), "first");
    let menu = script(1)?;
    assert!(
        menu.contains("\nmenu ") && menu.contains("second"),
        "{menu}"
    );
    let wait = script(2)?;
    assert!(
        wait.contains("waits until") && wait.contains("chain --replace"),
        "{wait}"
    );
    let refuse = script(3)?;
    assert!(refuse.ends_with("exit 1\n"), "{refuse}");

    // Where netroot gives addresses, all get one; who is refused gets no boot file.
    for kind in 0..4 {
        let offer = Asks::firmware(stranger(kind)).answered(near, None)?;
        assert!(!offer.header.your_ip.is_unspecified());
        let has_file = !text(&offer, code::BOOT_FILE_NAME).is_empty();
        assert_eq!(has_file, kind != 3, "{kind}");
    }
    // Beside another server, who is refused hears nothing: the answer is the other machine's.
    let refused = Asks::firmware(stranger(3));
    let answered = Asks::firmware(stranger(0));
    let offer = refused.answered(&site.far, Some(answered))?;
    assert_eq!(offer.header.mac, stranger(0));

    let told = site.wait_for("unknown-machine")?;
    let machines: BTreeSet<_> = told.iter().map(|event| event.machine.clone()).collect();
    assert_eq!(machines.len(), told.len(), "each once: {told:?}");
    let refused = told.iter().find(|event| event.text.contains("gets refuse"));
    let refused = &refused.context("the one that is refused")?.text;
    let file = site.folder.path().join("netroot.toml");
    assert!(
        refused.contains(&format!("at the end of {} adopt it", file.display())),
        "{refused}"
    );
    // The lines are what they are said to be, at the end of the file and as a drop-in.
    let adopting = |kind: u8| -> Result<String> {
        let mac = Some(stranger(kind).to_string());
        let mut all = site.server.events().into_iter().map(|(_, event)| event);
        let event = all.find(|it| it.kind == "unknown-machine" && it.machine == mac);
        let event = event.with_context(|| format!("stranger {kind}"))?;
        event.adopt.context("the lines")
    };
    let folder = site.folder.path().join("conf.d");
    fs::create_dir(&folder)?;
    fs::write(folder.join("adopted.toml"), adopting(3)?)?;
    let before = fs::read_to_string(&file)?;
    fs::write(&file, before + &adopting(1)?)?;
    let netroot = netroot_harness::paths::netroot()?.display().to_string();
    let file = file.display().to_string();
    let checked = site
        .net
        .run(&[&netroot, "check-config", "--config", &file])?;
    for name in ["pc-020000000377", "pc-020000000177"] {
        let line = checked.lines().find(|line| line.contains(name));
        assert!(
            line.is_some_and(|it| it.contains(": first (machine")),
            "{checked}"
        );
    }
    Ok(())
}

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

/// Before, the last DHCP message in its name decided which machine it is.
#[test]
fn what_a_machine_boots_is_not_changed_by_what_is_claimed_in_its_name() -> Result<()> {
    let site = Site::new("machines-claimed", "{}")?;
    let [liar, own] = &site.near;
    let says = |uuid: &'static str, ipxe: bool| Asks {
        uuid: Some(uuid),
        ipxe,
        ..Asks::firmware(B)
    };
    let other = "1b4e28ba-2fa1-11d2-883f-000000000000";
    let offer = says(UUID, true).answered(own, None)?;
    let url = script_url(&offer);
    ensure!(url.contains("?dhcp="), "{url}");
    let forge = || -> Result<()> {
        for ipxe in [false, true] {
            says(other, ipxe).answered(liar, None)?;
        }
        Ok(())
    };
    forge()?;
    assert_eq!(image(&curl(own, &url)?), "second");
    forge()?;
    // Its script repeats itself.
    assert_eq!(image(&script(own, "10.77.0.1", B, "")?), "second");
    assert_eq!(image(&curl(own, &url)?), "second");
    // Nobody else confirms it.
    let forged = says(other, true).answered(liar, None)?;
    curl(liar, &script_url(&forged))?;
    assert_eq!(image(&script(own, "10.77.0.1", B, "")?), "second");
    Ok(())
}
