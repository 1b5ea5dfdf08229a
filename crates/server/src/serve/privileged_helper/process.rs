//! Starting a helper process.

use std::os::fd::OwnedFd;

use netroot_sys::helper_process::{self, HelperProcessError};
use rustix::io::Errno;

use super::channel;
use super::client::HelperError;
use super::helper_end;

/// A helper cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// No process.
    #[error(transparent)]
    Process(#[from] HelperProcessError),
    /// No socket pair.
    #[error("cannot make the socket pair of a helper process")]
    Socket(#[source] Errno),
    /// It ended, or does not answer.
    #[error("the helper process did not start")]
    First(#[source] HelperError),
}

/// Starts a process that does `work`, and returns this end of the socket between them.
///
/// # Errors
/// [`StartError`]. Call it while there is one thread.
pub(super) fn start(work: impl FnOnce(OwnedFd)) -> Result<OwnedFd, StartError> {
    let (ours, theirs) = channel::pair().map_err(StartError::Socket)?;
    let server = rustix::process::getpid();
    helper_process::start(theirs, |socket| {
        // A helper without the rules that it lives by does not serve.
        if helper_end::live_with(server).is_ok() {
            work(socket);
        }
    })?;
    Ok(ours)
}
