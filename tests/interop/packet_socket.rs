//! Packet sockets of `netroot-sys` on a real interface.

use anyhow::Result;
use netroot_harness::Net;
use netroot_sys::packet::PacketSocket;

#[test]
fn a_socket_that_was_opened_before_its_interface_was_up_sends_its_first_frame() -> Result<()> {
    let net = Net::new("packet-socket")?;
    net.shell("ip link add near type veth peer name far\nip link set far up")?;
    let open = || {
        let index = nix::net::if_::if_nametoindex("near")?;
        Ok(PacketSocket::for_arp(index)?)
    };
    let socket = net.within(open)?;
    let frame = [0xff; 42];
    socket.send(&frame).unwrap_err();
    let socket = net.within(open)?;
    net.run(&["ip", "link", "set", "near", "up"])?;
    // The kernel still holds ENETDOWN for this socket.
    socket.send(&frame)?;
    Ok(())
}
