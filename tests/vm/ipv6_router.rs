//! iPXE waits sixteen seconds for an IPv6 router, unless our server says that there is none.

use std::time::Duration;

use anyhow::{Context, Result};
use netroot_harness::{Nic, Rom, TinyRoot};

use crate::lan::{Lan, MACHINE, TIMEOUT};

/// iPXE gives up after 0.25 + 0.5 + 1 + 2 + 4 + 8 s by its own clock, however fast the machine is.
const IN_VAIN: Duration = Duration::from_secs(15);

#[test]
fn ipxe_asks_for_its_script_without_waiting_for_an_ipv6_router() -> Result<()> {
    let lan = Lan::new("ipv6-router")?;
    let root = TinyRoot::make()?;
    let server = lan.serve(root.path(), &[])?;
    let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
    let _vm = lan.machine().nic(nic).start()?;
    server.wait_for_kind("script", TIMEOUT)?;
    let events = server.events();
    let at = |kind: &str| {
        let found = events.iter().find(|(_, event)| event.kind == kind);
        found
            .map(|(at, _)| *at)
            .with_context(|| format!("no {kind}: {events:#?}"))
    };
    let waited = at("script")?.saturating_sub(at("dhcp-ack")?);
    assert!(waited < IN_VAIN / 2, "{waited:?} between lease and script");
    Ok(())
}
