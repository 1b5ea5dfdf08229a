//! dnsmasq as both benches run it.

use std::time::Duration;

use anyhow::{Context, Result};
use netroot_harness::{Dnsmasq, Net, Program};

/// How long it may take to start.
const STARTING: Duration = Duration::from_secs(60);

/// Starts the dnsmasq at `program` on a processor, if one is named, and on an interface as the only DHCP server, without DNS and without this host's configuration; `more` are its
/// further arguments, among them `--dhcp-range`.
///
/// # Errors
/// When it does not start.
pub(super) fn start(
    net: &Net,
    program: &str,
    processor: Option<usize>,
    interface: &str,
    more: &[&str],
) -> Result<Program> {
    let interface = format!("--interface={interface}");
    let mut argv = vec![program, "--dhcp-authoritative", &interface];
    argv.extend(Dnsmasq::FOREGROUND);
    argv.extend(more);
    let program = net.spawn_on(processor, &argv)?;
    let started = program.stderr().wait_for("started", "dnsmasq", STARTING);
    started.context("the bench's dnsmasq")?;
    Ok(program)
}
