//! Tells systemd that the server is ready: one datagram to the socket in `$NOTIFY_SOCKET` (`sd_notify(3)`), so that
//! `systemctl start netroot` returns once machines can boot.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// systemd's socket cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot reach the service manager at {socket:?} (NOTIFY_SOCKET); unset that variable if there is none"
)]
pub(crate) struct ServiceManagerError {
    socket: OsString,
    source: io::Error,
}

/// The service manager that waits for this server; none where a person has started it.
#[derive(Debug)]
pub(crate) struct ServiceManager(Option<UnixDatagram>);

impl ServiceManager {
    /// Connects to the service manager, while nothing is refused to this process yet.
    ///
    /// # Errors
    /// When a service manager is named, but does not listen.
    pub(crate) fn connect() -> Result<Self, ServiceManagerError> {
        let Some(socket) = env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else {
            return Ok(Self(None));
        };
        match connect_to(&socket) {
            Ok(connected) => Ok(Self(Some(connected))),
            Err(source) => Err(ServiceManagerError { socket, source }),
        }
    }

    /// Says that the server is ready. systemd ends a server from which it does not hear that in time.
    pub(crate) fn ready(&self) {
        if let Some(socket) = &self.0 {
            let _ = socket.send(b"READY=1");
        }
    }
}

/// A path, or after `@` a name in Linux's abstract name space.
fn connect_to(socket: &OsStr) -> io::Result<UnixDatagram> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let datagram = UnixDatagram::unbound()?;
    datagram.connect_addr(&address)?;
    // A full queue of systemd's must not stop the server.
    datagram.set_nonblocking(true)?;
    Ok(datagram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_reaches_a_path_and_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("netroot-test-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        for (listener, socket) in [
            (UnixDatagram::bind(&path), path.into_os_string()),
            (
                UnixDatagram::bind_addr(&abstract_name),
                format!("@{name}").into(),
            ),
        ] {
            let listener = listener.unwrap();
            ServiceManager(Some(connect_to(&socket).unwrap())).ready();
            let mut text = [0; 64];
            let length = listener.recv(&mut text).unwrap();
            assert_eq!(&text[..length], b"READY=1");
        }
        assert!(connect_to(OsStr::new("/nowhere")).is_err());
        ServiceManager(None).ready();
    }
}
