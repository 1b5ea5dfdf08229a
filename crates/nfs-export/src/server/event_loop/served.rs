//! A connection of an event loop, which one thread serves at a time.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::server::calls::{Buffers, Next, Session};
use crate::server::connection::Connection;
use crate::server::deadlines::Deadlines;
use crate::server::serving::Serving;

/// Nobody serves it: the next event makes it ready.
const IDLE: u8 = 0;
/// It is ready, or a thread serves it.
const TAKEN: u8 = 1;
/// The same, and there was an event since.
const TAKEN_AGAIN: u8 = 2;

pub(super) struct Served {
    pub(super) id: u64,
    pub(super) client: SocketAddr,
    connection: Arc<Connection>,
    session: Mutex<Session>,
    state: AtomicU8,
    /// Whether the client sends nothing more, or the connection is closed.
    ended: AtomicBool,
}

impl Served {
    pub(super) fn new(
        id: u64,
        client: SocketAddr,
        connection: Arc<Connection>,
        session: Session,
    ) -> Self {
        Self {
            id,
            client,
            connection,
            session: Mutex::new(session),
            state: AtomicU8::new(IDLE),
            ended: AtomicBool::new(false),
        }
    }

    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.connection.stream().as_fd()
    }

    /// There was an event. Whether it is to be served for that; otherwise a thread has it already, and will see.
    pub(super) fn event(&self, ended: bool) -> bool {
        if ended {
            self.ended.store(true, Ordering::SeqCst);
        }
        let before =
            self.state
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| match state {
                    IDLE => Some(TAKEN),
                    _ => Some(TAKEN_AGAIN),
                });
        before == Ok(IDLE)
    }

    /// Takes it if nobody has it.
    pub(super) fn take(&self) -> bool {
        self.state
            .compare_exchange(IDLE, TAKEN, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// Lets go of it, unless there was an event since the last time.
    pub(super) fn let_go(&self) -> bool {
        let free = self
            .state
            .compare_exchange(TAKEN, IDLE, Ordering::SeqCst, Ordering::SeqCst);
        if free.is_err() {
            self.state.store(TAKEN, Ordering::SeqCst);
        }
        free.is_ok()
    }

    /// Serves it, if this thread has it. A panic is the end of this connection alone.
    pub(super) fn turn(
        &self,
        serving: &Serving,
        buffers: &mut Buffers,
        may_wait: &dyn Fn() -> io::Result<()>,
    ) -> Next {
        let ended = self.ended.load(Ordering::SeqCst);
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = || session.turn(serving, (&self.connection, ended), buffers, may_wait);
        match catch_unwind(AssertUnwindSafe(turn)) {
            Ok(next) => next,
            Err(_) => Next::Close,
        }
    }

    /// [`Session::look_after`], if this thread has it. A panic is the end of this connection alone.
    pub(super) fn look_after(&self, deadlines: &Deadlines) -> Next {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let look = || session.look_after(&self.connection, deadlines);
        catch_unwind(AssertUnwindSafe(look)).unwrap_or(Next::Close)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::exports::Exports;
    use crate::server_state::{Ports, ServerState};

    #[test]
    fn no_event_is_lost_while_a_thread_has_the_connection() {
        let exports = Exports::new(Vec::new()).ok().unwrap();
        let state = ServerState::new(exports, Ports::default(), Box::new(|_| ()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let connection = Connection::new(listener.accept().unwrap().0).unwrap();
        let address = client.local_addr().unwrap();
        let session = Session::new(&state, &connection, address).unwrap();
        let served = Served::new(7, address, Arc::new(connection), session);
        let serving = Serving::new(Arc::new(state));
        let mut buffers = Buffers::default();
        let mut turn = || served.turn(&serving, &mut buffers, &|| Ok(()));

        assert!(served.event(false));
        assert!(!served.take(), "it has been taken");
        assert_eq!(turn(), Next::Wait);
        assert!(!served.event(false), "a thread has it");
        assert!(!served.let_go(), "and is to look again");
        assert!(served.let_go());
        assert!(served.take());
        assert!(served.let_go());

        drop(client);
        assert!(served.event(true));
        assert_eq!(turn(), Next::Close);
    }
}
