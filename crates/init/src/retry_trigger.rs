//! Ends the pause after a failure early: what the boot failed for lack of is available now.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::failure::Failure;
use crate::net::link::Nics;

/// The timeout of one probe of a server. A server in the same network answers within a millisecond, and one that takes
/// longer is found by the next attempt.
const PROBE_TIMEOUT: Duration = Duration::from_millis(300);

/// Decides when a pause may end early.
#[derive(Debug)]
pub(crate) struct RetryTrigger {
    /// The port that did not answer.
    server: Option<SocketAddr>,
    /// It was probed during this pause and did not answer.
    was_silent: bool,
}

impl RetryTrigger {
    /// The trigger after this failure.
    pub(crate) fn after(failure: &Failure) -> Self {
        let server = match failure {
            Failure::Nfs { fault, .. } => fault.awaited(),
            _ => None,
        };
        Self {
            server,
            was_silent: false,
        }
    }

    /// Whether to retry now: a cable was plugged in, or the server is back. Takes up to 0.3 s.
    pub(crate) fn has_fired(&mut self, nics: &mut Nics) -> bool {
        nics.carrier_appeared() || self.server_is_back()
    }

    fn server_is_back(&mut self) -> bool {
        let Some(server) = self.server else {
            return false;
        };
        // From an ephemeral port, not a reserved one: those are few, and no request is sent.
        let answers = TcpStream::connect_timeout(&server, PROBE_TIMEOUT).is_ok();
        self.observe(answers)
    }

    /// Fires only when a silent server answers again. A server that accepts connections all along but did not answer
    /// the request itself is not tried more often than the pauses allow.
    fn observe(&mut self, answers: bool) -> bool {
        let is_back = answers && self.was_silent;
        self.was_silent = !answers;
        is_back
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::net::lease::LeaseError;
    use crate::root::nfs::NfsFault;

    /// Not 127.0.0.1, where another test may be given the port that this one just released.
    const SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

    fn closed(port: u16) -> Failure {
        Failure::Nfs {
            root: "127.0.0.77:/srv".to_owned(),
            fault: Box::new(NfsFault::Closed {
                server: SERVER.into(),
                port,
                what: "portmapper",
            }),
            loss: None,
        }
    }

    #[test]
    fn a_server_that_comes_back_fires_once() {
        let listener = TcpListener::bind((SERVER, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        let mut trigger = RetryTrigger::after(&closed(address.port()));
        assert!(!trigger.server_is_back());
        let _listener = TcpListener::bind(address).expect("the same port");
        assert!(trigger.server_is_back());
        assert!(!trigger.server_is_back());
    }

    #[test]
    fn a_server_that_answered_all_along_does_not_fire() {
        let listener = TcpListener::bind((SERVER, 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let mut trigger = RetryTrigger::after(&closed(port));
        assert!(!trigger.server_is_back());
        assert!(!trigger.server_is_back());
    }

    #[test]
    fn other_failures_probe_no_server() {
        let waited = Duration::from_secs(120);
        let interfaces = "eth0".to_owned();
        let mut trigger = RetryTrigger::after(&Failure::Lease(LeaseError::NoCarrier {
            interfaces,
            waited,
        }));
        assert_eq!(trigger.server, None);
        assert!(!trigger.server_is_back());
    }
}
