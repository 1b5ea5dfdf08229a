//! TCP's congestion control in the networks of a bench.

use anyhow::Result;
use netroot_harness::Net;

/// As Debian has it, whatever this machine has: BBR paces, and servers differ in how well it guesses.
const CONGESTION_CONTROL: &str = "cubic";

/// Has connections of this network's `interface` to `prefix`, which it is part of, use Debian's.
///
/// # Errors
/// When the route cannot be replaced.
pub(super) fn as_in_debian(net: &Net, interface: &str, prefix: &str) -> Result<()> {
    net.shell(&format!(
        "ip route replace {prefix} dev {interface} congctl {CONGESTION_CONTROL}"
    ))?;
    Ok(())
}
