//! What ends a pause before its time: what the boot failed for want of has come.

use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use crate::failure::Failure;
use crate::link::Nics;

/// How long one look at a server may take. A server in the same network answers within a millisecond, and one whose
/// answer takes longer is found by the next try.
const LOOK: Duration = Duration::from_millis(300);

/// A pause's reason to end.
#[derive(Debug)]
pub(crate) struct RetryTrigger {
    /// The port that nobody answered at.
    server: Option<SocketAddrV4>,
    /// It has been looked at during this pause, and nobody answered.
    silent: bool,
}

impl RetryTrigger {
    /// What would help after this failure.
    pub(crate) fn after(failure: &Failure) -> Self {
        let server = match failure {
            Failure::Nfs { fault, .. } => fault.awaited(),
            _ => None,
        };
        Self {
            server,
            silent: false,
        }
    }

    /// Looks whether another try has become worth it: a cable was put in, or the server is back. Takes 0.3 s at the
    /// most.
    pub(crate) fn has_fired(&mut self, nics: &mut Nics) -> bool {
        nics.carrier_came() || self.server_is_back()
    }

    fn server_is_back(&mut self) -> bool {
        let Some(server) = self.server else {
            return false;
        };
        // From a port of the kernel's choice, not a reserved one: those are few, and nothing is asked.
        let answers = TcpStream::connect_timeout(&SocketAddr::V4(server), LOOK).is_ok();
        self.observe(answers)
    }

    /// Only silence that ends is news. Who answers here all the time and was silent to the question itself is not
    /// asked any more often than the pauses say.
    fn observe(&mut self, answers: bool) -> bool {
        let news = answers && self.silent;
        self.silent = !answers;
        news
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::nfs::NfsFault;

    fn closed(port: u16) -> Failure {
        Failure::Nfs {
            root: "127.0.0.1:/srv".to_owned(),
            fault: NfsFault::Closed {
                server: Ipv4Addr::LOCALHOST,
                port,
                what: "portmapper",
            },
            loss: None,
        }
    }

    #[test]
    fn a_server_that_comes_back_is_news_once() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        let mut trigger = RetryTrigger::after(&closed(address.port()));
        assert!(!trigger.server_is_back());
        let _listener = TcpListener::bind(address).expect("the same port");
        assert!(trigger.server_is_back());
        assert!(!trigger.server_is_back());
    }

    #[test]
    fn a_server_that_answered_all_the_time_is_no_news() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let mut trigger = RetryTrigger::after(&closed(port));
        assert!(!trigger.server_is_back());
        assert!(!trigger.server_is_back());
    }

    #[test]
    fn nothing_is_looked_at_after_another_failure() {
        let waited = Duration::from_secs(120);
        let interfaces = "eth0".to_owned();
        let mut trigger = RetryTrigger::after(&Failure::NoCarrier { interfaces, waited });
        assert_eq!(trigger.server, None);
        assert!(!trigger.server_is_back());
    }
}
