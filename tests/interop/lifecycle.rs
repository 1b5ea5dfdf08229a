//! The server process: its memory when idle, and its end.

use anyhow::Result;

use crate::lan::{Lan, TIMEOUT};

#[test]
fn an_idle_server_of_a_minimal_root_stays_within_thirty_mebibytes() -> Result<()> {
    let mut lan = Lan::new("idle-memory")?;
    std::thread::sleep(std::time::Duration::from_secs(2));
    let resident = lan.server.program().resident_kib()?;
    println!("idle: {resident} KiB resident");
    assert!(resident <= 30 * 1024, "{resident} KiB");
    Ok(())
}

#[test]
fn sigterm_ends_the_server_cleanly_and_frees_its_ports() -> Result<()> {
    let mut lan = Lan::new("sigterm")?;
    // An open connection must not delay it.
    let address = "10.77.0.1:2049".parse()?;
    let _open = lan
        .client
        .within(|| Ok(std::net::TcpStream::connect_timeout(&address, TIMEOUT)?))?;
    let done = lan.server.terminate()?;
    assert!(done.status.success(), "{done:?}");
    assert!(
        done.stdout.contains("\"kind\":\"stopped\""),
        "{}",
        done.stdout
    );
    let refused = lan
        .client
        .within(|| Ok(std::net::TcpStream::connect_timeout(&address, TIMEOUT).is_err()))?;
    assert!(refused);
    Ok(())
}
