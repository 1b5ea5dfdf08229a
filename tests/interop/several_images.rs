//! Two images chosen by the machine's address, on two interfaces at once, one of which has two addresses.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use netroot_harness::{Net, Program, TinyRoot};
use netroot_net::Mac;
use netroot_proto::dhcp::emit::{Draft, LONGEST};
use netroot_proto::dhcp::header::{BROADCAST_FLAG, Header};
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::{INIT_VENDOR_CLASS, MessageType, SERVER_PORT, code};

use crate::firmware;
use crate::lan::TIMEOUT;
use crate::support::root_handle;

const FIRST: Mac = Mac([2, 0, 0, 0, 0, 1]);
const SECOND: Mac = Mac([2, 0, 0, 0, 0, 2]);

/// Dropped in this order: who uses a network before the network.
struct TwoLans {
    server: Program,
    near: Net,
    far: Net,
    roots: [TinyRoot; 2],
    _net: Net,
}

impl TwoLans {
    /// Serves two roots; `near` is a machine on br0, `far` one on br1.
    fn new(name: &str) -> Result<Self> {
        let net = Net::new(name)?;
        let br0 = net.bridge("br0", "10.77.0.1/24")?;
        net.shell("ip addr add 10.78.0.1/24 dev br0")?;
        let br1 = net.bridge("br1", "10.79.0.1/24")?;
        let near = Net::new(&format!("{name}-near"))?;
        net.cable(&br0, &near, "eth0", "10.77.0.66/24")?;
        near.shell("ip addr add 10.78.0.66/24 dev eth0; ip route add default dev eth0")?;
        let far = Net::new(&format!("{name}-far"))?;
        net.cable(&br1, &far, "eth1", "10.79.0.66/24")?;
        far.shell("ip route add default dev eth1")?;
        let roots = [TinyRoot::without_init()?, TinyRoot::without_init()?];
        for (root, words) in roots.iter().zip(["first", "second"]) {
            std::fs::write(root.path().join("etc/witness"), words)?;
        }
        let state = net.logs().join("state");
        std::fs::create_dir_all(&state)?;
        let initrd = state.join("initrd");
        std::fs::write(&initrd, "the bytes of an initrd")?;
        let text = |path: &std::path::Path| path.display().to_string();
        let server = net.spawn(&[
            env!("CARGO_BIN_EXE_serve-several"),
            &text(&state),
            &text(&initrd),
            &text(roots[0].path()),
            &text(roots[1].path()),
            &SECOND.to_string(),
        ])?;
        server.wait_for("\"kind\":\"ready\"", "the server's readiness", TIMEOUT)?;
        Ok(Self {
            server,
            near,
            far,
            roots,
            _net: net,
        })
    }
}

fn curl(client: &Net, server: &str, path: &str) -> Result<String> {
    let url = format!("http://{server}:8069/{path}");
    client.run(&["curl", "-sS", "--fail", "--max-time", "30", &url])
}

/// What the init of a machine is offered on `client`'s network.
fn offered(client: &Net, mac: Mac) -> Result<Message> {
    let mut draft = Draft::new(Header {
        flags: BROADCAST_FLAG,
        ..Header::of_client(mac, 7)
    });
    draft.push(code::MESSAGE_TYPE, &[MessageType::Discover.into()]);
    draft.push(code::VENDOR_CLASS, INIT_VENDOR_CLASS);
    draft.push(code::PARAMETER_REQUEST_LIST, &[code::ROOT_PATH]);
    let discover = draft.emit(LONGEST).bytes;
    client.within(move || {
        let socket = firmware::client_socket(Ipv4Addr::UNSPECIFIED)?;
        socket.set_broadcast(true)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.send_to(&discover, (Ipv4Addr::BROADCAST, SERVER_PORT))?;
        let mut buffer = [0; 2000];
        let (length, _) = socket.recv_from(&mut buffer).context("no offer")?;
        let offer = buffer.get(..length).context("an offer of 2000 bytes")?;
        Ok(Message::read(offer)?)
    })
}

fn root_path(offer: &Message) -> String {
    let path = offer.options.text(code::ROOT_PATH).unwrap_or_default();
    String::from_utf8_lossy(path).into_owned()
}

#[test]
fn each_machine_is_given_its_own_image_on_either_interface() -> Result<()> {
    let lans = TwoLans::new("several-images")?;
    for (client, server) in [
        (&lans.near, "10.77.0.1"),
        (&lans.near, "10.78.0.1"),
        (&lans.far, "10.79.0.1"),
    ] {
        for (mac, image) in [(FIRST, "first"), (SECOND, "second")] {
            let script = curl(client, server, &format!("boot/{}.ipxe", mac.hyphenated()))?;
            let kernel = format!("\nkernel http://{server}:8069/images/{image}/vmlinuz-");
            assert!(script.contains(&kernel), "{script}");
            let root = format!(" nfsroot={server}:/{image},vers=3,");
            assert!(script.contains(&root), "{script}");
        }
    }
    let initrd = curl(&lans.far, "10.79.0.1", "images/second/initrd.img")?;
    assert_eq!(initrd, "the bytes of an initrd");
    ensure!(
        curl(&lans.near, "10.77.0.1", "vmlinuz").is_err(),
        "two images, and one of them has the short name"
    );
    let status: serde_json::Value =
        serde_json::from_str(&curl(&lans.near, "10.77.0.1", "status")?)?;
    assert_eq!(status["images"][1]["name"], "second");
    assert_eq!(status["listeners"][0]["interface"], "br0");
    assert_eq!(status["listeners"][1]["interface"], "br1");
    Ok(())
}

#[test]
fn dhcp_and_a_proxy_name_the_root_of_each_machines_image() -> Result<()> {
    let lans = TwoLans::new("several-offers")?;
    for (mac, image) in [(FIRST, "first"), (SECOND, "second")] {
        let near = offered(&lans.near, mac)?;
        assert_eq!(near.header.your_ip.octets()[..3], [10, 77, 0]);
        assert_eq!(
            near.options.address(code::SERVER_ID),
            Some(Ipv4Addr::new(10, 77, 0, 1))
        );
        let root = root_path(&near);
        assert!(root.starts_with(&format!("10.77.0.1:/{image},")), "{root}");
        let far = offered(&lans.far, mac)?;
        assert!(far.header.your_ip.is_unspecified(), "{far:?}");
        let root = root_path(&far);
        assert!(root.starts_with(&format!("10.79.0.1:/{image},")), "{root}");
    }
    Ok(())
}

#[test]
fn both_roots_are_exported_on_every_address_and_nothing_is_the_root_of_both() -> Result<()> {
    let mut lans = TwoLans::new("several-exports")?;
    for (client, server) in [
        (&lans.near, "10.77.0.1:2049"),
        (&lans.near, "10.78.0.1:2049"),
        (&lans.far, "10.79.0.1:2049"),
    ] {
        let server: SocketAddr = server.parse()?;
        let [first, second] = client.within(|| {
            Ok(["/first", "/second"].map(|path| root_handle(server, path).data.0.to_vec()))
        })?;
        assert_ne!(first, second);
    }
    assert_ne!(lans.roots[0].path(), lans.roots[1].path());
    let done = lans.server.terminate(TIMEOUT)?;
    assert!(done.status.success(), "{done:?}");
    Ok(())
}
