//! iPXE waits sixteen seconds for an IPv6 router, unless our server answers that there is none.

use anyhow::{Context, Result};
use netroot_harness::{Nic, Rom, TinyRoot};

use crate::lan::{Lan, MACHINE, TIMEOUT};

/// How often iPXE asks before it gives up, after 0.25 + 0.5 + 1 + 2 + 4 + 8 s by its own clock.
const ASKED_IN_VAIN: u64 = 6;

#[test]
fn ipxe_asks_for_its_script_without_waiting_for_an_ipv6_router() -> Result<()> {
    let lan = Lan::new("ipv6-router")?;
    let root = TinyRoot::make()?;
    let server = lan.serve(root.path(), &[])?;
    let rules = format!(
        "add table netdev asked
         add chain netdev asked from {{ type filter hook ingress device {} priority 0; }}
         add rule netdev asked from icmpv6 type nd-router-solicit counter",
        lan.tap.0
    );
    lan.net.run(&["nft", &rules])?;
    let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
    let _vm = lan.machine().nic(nic).start()?;
    server.wait_for_kind("script", TIMEOUT)?;
    let counted = lan.net.run(&["nft", "list", "table", "netdev", "asked"])?;
    let asked = counted
        .split_once("counter packets ")
        .and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<u64>().ok());
    let asked = asked.with_context(|| format!("a counter in {counted}"))?;
    assert!(
        (1..ASKED_IN_VAIN).contains(&asked),
        "asked for a router {asked} times"
    );
    Ok(())
}
