//! The server's Unix socket, where the subcommands of netroot find the API.
//!
//! It is made before privileges are given up. Root may connect, and who started the server.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::control_socket;
use crate::serve::api::connection;
use crate::serve::api::{Api, Caller};
use crate::serve::events::Warning;

/// Concurrent commands: also those that watch.
const COMMANDS: usize = 24;

/// The socket, and who may use it.
#[derive(Debug)]
pub(crate) struct Control {
    socket: UnixListener,
    /// Beside root.
    owner: u32,
}

/// Makes the socket at `given` (`--control`), or where it usually is.
///
/// # Errors
/// A warning: the server serves without it.
pub(crate) fn bind(given: Option<&Path>, state: &Path) -> Result<Control, Warning> {
    let mut failed = None;
    for path in control_socket::places(given, state) {
        match bind_at(&path) {
            Ok(socket) => {
                let owner = rustix::process::geteuid().as_raw();
                return Ok(Control { socket, owner });
            }
            Err(error) => failed = Some(no_control(path, &error)),
        }
    }
    Err(failed.unwrap_or_else(|| no_control(PathBuf::new(), &io::ErrorKind::NotFound.into())))
}

fn no_control(path: PathBuf, error: &io::Error) -> Warning {
    let error = error.to_string();
    Warning::NoControl { path, error }
}

fn bind_at(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        std::fs::create_dir(folder)?;
    }
    // One that a server has left is removed: that one could not, confined as it was. Nothing else is.
    let there = std::fs::symlink_metadata(path);
    if there.is_ok_and(|there| there.file_type().is_socket()) {
        match UnixStream::connect(path) {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path)?;
            }
            Err(_) => {}
        }
    }
    let socket = UnixListener::bind(path)?;
    // Until then others may connect, and are not answered: see `run`.
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(socket)
}

/// Answers commands until the runtime ends.
///
/// # Errors
/// Only when the socket cannot be used at all.
pub(crate) async fn run(control: Control, api: Arc<Api>) -> io::Result<()> {
    control.socket.set_nonblocking(true)?;
    let socket = tokio::net::UnixListener::from_std(control.socket)?;
    let commands = Arc::new(Semaphore::new(COMMANDS));
    loop {
        let Ok(slot) = Arc::clone(&commands).acquire_owned().await else {
            return Ok(());
        };
        let Ok((stream, _)) = socket.accept().await else {
            // Most likely out of file descriptors.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let peer = stream.peer_cred().map(|peer| peer.uid());
        if peer.is_ok_and(|uid| uid == 0 || uid == control.owner) {
            let api = Arc::clone(&api);
            tokio::spawn(async move {
                let _slot = slot;
                connection::serve(stream, &api, |_| Ok(Caller::LOCAL)).await;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_was_left_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/control");
        let first = bind_at(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(bind_at(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        // Another test's child has all descriptors until it is another program.
        let again = (0..1000).find_map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            bind_at(&path).ok()
        });
        again.unwrap();
        // What is no socket stays.
        let file = folder.path().join("file");
        std::fs::write(&file, "somebody's").unwrap();
        bind_at(&file).unwrap_err();
        assert_eq!(std::fs::read(&file).unwrap(), b"somebody's");
    }
}
