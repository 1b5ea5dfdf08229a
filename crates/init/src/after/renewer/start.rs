//! Starts the renewer from process 1, and passes the lease on to it.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::clock::timespec;
use crate::console::{debug, warn};
use crate::net::address::Address;
use crate::net::lease_exchange::LeaseExchange;

/// The name that the renewer is started under: see [`super`] for the `@`.
pub(crate) const NAME: &str = "@netroot-renew";
/// How long process 1 waits for it to be ready.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts the renewer, if the address is a lease that expires. `program` is a copy of this program that outlives the
/// initrd.
pub(crate) fn start(address: &Address, program: &str) {
    let Some(exchange) = &address.exchange else {
        return;
    };
    let expires = address
        .lease
        .as_ref()
        .is_some_and(|l| l.renew_after.is_some());
    if !expires {
        return;
    }
    match spawn(address, exchange, program) {
        Ok(pid) => {
            debug!("{}: process {pid} renews the lease", address.nic.name);
            // Debian's sysvinit does not kill the processes that are listed there at shutdown.
            let _ = std::fs::create_dir_all("/run/sendsigs.omit.d");
            let _ = std::fs::write("/run/sendsigs.omit.d/netroot", format!("{pid}\n"));
        }
        Err(e) => warn!(
            "{}: cannot start the process that renews the lease: {e}",
            address.nic.name
        ),
    }
}

fn spawn(address: &Address, exchange: &LeaseExchange, program: &str) -> io::Result<u32> {
    let mut child = Command::new(program)
        .arg0(NAME)
        .arg(address.nic.index.to_string())
        .arg(exchange.at.since_kernel().as_secs().to_string())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        for frame in [&exchange.request, &exchange.ack] {
            let length = u16::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidData)?;
            input.write_all(&length.to_be_bytes())?;
            input.write_all(frame)?;
        }
    }
    // It writes one byte once it has opened everything; then the initrd may go.
    if let Some(mut output) = child.stdout.take() {
        let timeout = timespec(READY_TIMEOUT);
        poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&timeout))?;
        let mut ready = [0];
        // Closed without that byte: it exited.
        if output.read(&mut ready)? == 0 {
            return Err(io::Error::other("it exited"));
        }
    }
    Ok(child.id())
}
