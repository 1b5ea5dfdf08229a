//! How process 1 starts the renewer, and hands the lease over.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::{NAME, timespec};
use crate::console::{debug, warn};
use crate::net::address::Address;
use crate::net::dialogue::Dialogue;

/// How long process 1 waits for it to be ready.
const START: Duration = Duration::from_secs(5);

/// Starts the renewer of a lease, if it needs one. `program` is this program in a place that outlives the image.
pub(crate) fn start(address: &Address, program: &str) {
    let Some(dialogue) = &address.dialogue else {
        return;
    };
    let has_end = address
        .lease
        .as_ref()
        .is_some_and(|l| l.renew_after.is_some());
    if !has_end {
        return;
    }
    match spawn(address, dialogue, program) {
        Ok(pid) => {
            debug!("{}: process {pid} renews the lease", address.nic.name);
            // Debian's sysvinit spares what is named there when it kills everything.
            let _ = std::fs::create_dir_all("/run/sendsigs.omit.d");
            let _ = std::fs::write("/run/sendsigs.omit.d/netroot", format!("{pid}\n"));
        }
        Err(e) => warn!("{}: nobody will renew the lease: {e}", address.nic.name),
    }
}

fn spawn(address: &Address, dialogue: &Dialogue, program: &str) -> io::Result<u32> {
    let mut child = Command::new(program)
        .arg0(NAME)
        .arg(address.nic.index.to_string())
        .arg(dialogue.at.since_kernel().as_secs().to_string())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        for frame in [&dialogue.asked, &dialogue.answered] {
            let length = u16::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidData)?;
            input.write_all(&length.to_be_bytes())?;
            input.write_all(frame)?;
        }
    }
    // It says one byte once it has opened everything; then the image may go.
    if let Some(mut output) = child.stdout.take() {
        let timeout = timespec(START);
        poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&timeout))?;
        let mut ready = [0];
        // Closed without a word: it ended.
        if output.read(&mut ready)? == 0 {
            return Err(io::Error::other("the process that should do it ended"));
        }
    }
    Ok(child.id())
}
