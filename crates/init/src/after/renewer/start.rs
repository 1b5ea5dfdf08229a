//! Starts the renewer from process 1, and passes the lease on to it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};

use crate::background;
use crate::console::{debug, warn};
use crate::directory;
use crate::net::address::Address;
use crate::net::lease_exchange::LeaseExchange;

/// The name that the renewer is started under: see [`super`] for the `@`.
pub(crate) const NAME: &str = "@netroot-renew";
/// The file in `/run` with the exchange that granted the lease, which it reads and removes.
pub(super) const EXCHANGE: &str = "netroot/lease-exchange";

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
            let _ = directory::make("/run/sendsigs.omit.d");
            let _ = std::fs::write("/run/sendsigs.omit.d/netroot", format!("{pid}\n"));
        }
        Err(e) => warn!(
            "{}: cannot start the process that renews the lease: {e}",
            address.nic.name
        ),
    }
}

/// Does not wait until it is ready: the root's init starts meanwhile. So it finds nothing by a path, which may lead nowhere
/// by then: `/proc` is its standard input, `/run` its output, and the kernel's log its error output.
fn spawn(address: &Address, exchange: &LeaseExchange, program: &str) -> io::Result<u32> {
    write(exchange)?;
    let directory = |path: &str| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty())
    };
    let log = OpenOptions::new().write(true).open("/dev/kmsg")?;
    let mut command = Command::new(program);
    command
        .arg0(NAME)
        .arg(address.nic.index.to_string())
        .arg(exchange.at.since_kernel().as_secs().to_string())
        .env_clear()
        .stdin(Stdio::from(directory("/proc")?))
        .stdout(Stdio::from(directory("/run")?))
        .stderr(Stdio::from(log));
    Ok(background::spawn(&mut command)?.id())
}

/// Writes the two frames, each after its length in two bytes.
fn write(exchange: &LeaseExchange) -> io::Result<()> {
    let mut message = Vec::new();
    for frame in [&exchange.request, &exchange.ack] {
        let length = u16::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        message.extend(length.to_be_bytes());
        message.extend(frame);
    }
    let mut file = OpenOptions::new();
    let file = file.write(true).create(true).truncate(true).mode(0o600);
    file.open(format!("/run/{EXCHANGE}"))?.write_all(&message)
}
