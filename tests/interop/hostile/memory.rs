//! What the server holds before anybody attacks it.

use anyhow::Result;

use super::lab::{HTTP, Lab, TIMEOUT, client, connect, server, udp};

#[test]
fn a_server_that_everybody_greets_once_holds_little_memory() -> Result<()> {
    let mut lab = Lab::new("greetings", &["--dhcp", "10.66.0.100-10.66.0.199"])?;
    lab.clients.within(|| {
        for host in 2..=90 {
            let socket = udp(client(host), 0)?;
            socket.set_read_timeout(Some(TIMEOUT))?;
            socket.send_to(b"\0\x01autoexec.ipxe\0octet\0", server(69))?;
            let (length, _) = socket.recv_from(&mut [0; 600])?;
            anyhow::ensure!(length > 4, "{length}");
            drop(connect(client(host), HTTP)?);
        }
        Ok(())
    })?;
    lab.assert_memory("greetings")
}
