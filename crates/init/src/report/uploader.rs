//! The process that uploads the report of a good boot, so that the boot need not wait for it.
//!
//! It is this same program under another name, run from the copy that is left for [`crate::after::shutdown`], so that nothing
//! of the initrd has to be kept for it. It continues while the root's init starts, retries for a while, and exits. It also adds
//! what the boot has no time to find out.

use std::fmt::Arguments;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use netroot_proto::cmdline::BootPlan;

use super::http_post::post;
use super::secure_boot;
use crate::clock::Moment;
use crate::net::resolve::Resolver;
use crate::threads;

/// The name it is started under.
pub(crate) const NAME: &str = "@netroot-report";
/// How long it retries altogether.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);
/// The timeout of one attempt, and the pause before the next.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);
/// How long it waits for firmware to tell its variables.
const FIRMWARE_TIMEOUT: Duration = Duration::from_secs(15);
/// The stack of the thread that asks firmware, in bytes.
const STACK: usize = 256 << 10;
/// The longest report, in bytes.
const MAX_LENGTH: u64 = 256 << 10;

/// Runs the uploader: the report comes in on standard input, the URL and the resolver's configuration as arguments.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let [url, servers, search, more @ ..] = arguments else {
        return ExitCode::FAILURE;
    };
    let Some(url) = BootPlan::parse(&format!("netroot.report={url}")).report else {
        return ExitCode::FAILURE;
    };
    let (url, resolver) = (url.value, Resolver::read(servers, search));
    let mut text = String::new();
    if io::stdin()
        .take(MAX_LENGTH)
        .read_to_string(&mut text)
        .is_err()
    {
        return ExitCode::FAILURE;
    }
    if more.iter().any(|one| one == secure_boot::READ) {
        add_secure_boot(&mut text);
    }
    let deadline = Moment::now().after(TOTAL_TIMEOUT);
    loop {
        match post(
            &url,
            &resolver,
            &text,
            ATTEMPT_TIMEOUT.min(deadline.remaining()),
        ) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(e) if e.is_final() || deadline.remaining() <= PAUSE => {
                log(format_args!("the boot report was not sent to {url}: {e}"));
                return ExitCode::FAILURE;
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Adds what firmware says of Secure Boot, unless it takes too long: nothing limits how long a call to firmware takes.
fn add_secure_boot(text: &mut String) {
    let (sender, receiver) = mpsc::channel();
    let read = threads::start(STACK, move || {
        let _ = sender.send(secure_boot::read());
    });
    match read.map(|_| receiver.recv_timeout(FIRMWARE_TIMEOUT)) {
        Ok(Ok(Ok(state))) => secure_boot::add(text, state.as_ref()),
        Ok(Ok(Err(e))) | Err(e) => log(format_args!("cannot read the state of Secure Boot: {e}")),
        Ok(Err(_)) => log(format_args!(
            "the boot report has no state of Secure Boot: firmware did not tell it within {} s",
            FIRMWARE_TIMEOUT.as_secs()
        )),
    }
}

/// Logs a warning in the kernel's log.
fn log(sentence: Arguments<'_>) {
    // One call, one line: `<28>` is LOG_DAEMON, a warning.
    let line = format!("<28>netroot: {sentence}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}
