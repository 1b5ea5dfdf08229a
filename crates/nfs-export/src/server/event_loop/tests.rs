use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Mutex;

use super::*;
use crate::event::Event;
use crate::exports::Exports;
use crate::server::connections::OpenConnection;
use crate::server::deadlines::Deadlines;
use crate::server_state::{Ports, ServerState};

/// A loop without threads: the test is the one that has it.
struct Fixture {
    one: Arc<EventLoop>,
    listener: TcpListener,
    told: Arc<Mutex<Vec<Event>>>,
}

/// A call of NFS's procedure 0 (RFC 1813, section 3.3.0).
fn null() -> Vec<u8> {
    let words = [0x8000_0028_u32, 7, 0, 2, 100_003, 3, 0, 0, 0, 0, 0];
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

impl Fixture {
    /// `stack_size` as given, of the threads that it starts.
    fn new(deadlines: Deadlines, stack_size: usize) -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let events = Arc::clone(&told);
        let exports = Exports::new(Vec::new()).ok().unwrap();
        let report = Box::new(move |event| events.lock().unwrap().push(event));
        let state = ServerState::new(exports, Ports::default(), report);
        let mut serving = Serving::new(Arc::new(state));
        serving.deadlines = deadlines;
        let mut one = EventLoop::new(&Arc::new(serving), &Arc::default()).unwrap();
        one.stack_size = stack_size;
        let one = Arc::new(one);
        // That of the test.
        one.role.start_thread(|| Ok::<_, io::Error>(())).unwrap();
        Self {
            one,
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            told,
        }
    }

    /// No thread of theirs can be had: no machine has so much memory.
    fn without_threads() -> Self {
        Self::new(Deadlines::default(), 1 << 60)
    }

    /// A client and its connection, which seems to be of `address`.
    fn connect(&self, address: [u8; 4]) -> (TcpStream, Arc<Served>) {
        let client = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        let connection = Connection::new(self.listener.accept().unwrap().0).unwrap();
        let connection = Arc::new(connection);
        let address = SocketAddr::from((Ipv4Addr::from(address), 700));
        let id = self.one.serving.opened(OpenConnection {
            client: address.ip(),
            authorized: true,
            connection: Arc::clone(&connection),
        });
        self.one.add(id, &connection, address);
        let served = self.one.role.with(|all| Arc::clone(&all.all[&id]));
        (client, served)
    }

    /// Collects what there is to do; returns how much.
    fn collect(&self, term: &Arc<Term>) -> usize {
        let (mut events, mut polling) = (Vec::with_capacity(MOST_EVENTS), Polling::default());
        self.one.collect(term, &mut events, &mut polling).unwrap()
    }

    /// Gives those that are ready their turns.
    fn serve(&self, term: &Arc<Term>) {
        while let Some(served) = self.one.role.with(|all| all.ready.pop_front()) {
            self.one.serve(term, &served, &mut Buffers::default());
        }
    }

    /// Whether the loop has been woken since it was last asked.
    fn was_woken(&self) -> bool {
        rustix::io::read(&self.one.wake, &mut [0; 8]).is_ok()
    }

    fn told(&self) -> usize {
        self.told.lock().unwrap().len()
    }
}

fn is_closed(served: &Served) -> bool {
    // Its own end says so at once, the client's when the system comes to it.
    let ends = served.connection().stream().peek(&mut [0]);
    ends.map_or_else(|error| error.kind() != ErrorKind::WouldBlock, |_| true)
}

#[test]
fn deadlines_are_held_however_busy_the_loop_is() {
    let deadlines = Deadlines {
        record: Duration::ZERO,
        look: Duration::ZERO,
        ..Deadlines::default()
    };
    let fixture = Fixture::new(deadlines, STACK_SIZE);
    let term = fixture.one.role.begin().unwrap();
    let (mut client, slow) = fixture.connect([192, 0, 2, 1]);
    let (mut busy, _) = fixture.connect([192, 0, 2, 2]);
    client.write_all(&null()[..30]).unwrap();
    while fixture.collect(&term) == 0 {}
    fixture.serve(&term);
    assert!(!is_closed(&slow), "it has just begun");
    busy.write_all(&null()).unwrap();
    // That event is there at the next look already: the loop does not wait.
    let mut poll_fd = [PollFd::new(&fixture.one.epoll, PollFlags::IN)];
    poll(&mut poll_fd, None).unwrap();
    assert_eq!(fixture.collect(&term), 1);
    assert!(is_closed(&slow));
    fixture.serve(&term);
    assert_eq!(busy.read(&mut [0; 100]).unwrap(), 28);
}

#[test]
fn who_lost_the_loop_and_queues_a_connection_wakes_who_has_it() {
    let fixture = Fixture::new(Deadlines::default(), STACK_SIZE);
    let term = fixture.one.role.begin().unwrap();
    let (_client, served) = fixture.connect([192, 0, 2, 1]);
    assert!(fixture.was_woken(), "by the connection");
    assert!(served.take());
    fixture.one.queue(&term, &served);
    assert!(!fixture.was_woken(), "it will look itself");
    let start = || fixture.one.role.start_thread(|| Ok::<_, io::Error>(()));
    start().unwrap();
    std::thread::scope(|scope| {
        let next = scope.spawn(|| fixture.one.role.begin());
        fixture
            .one
            .role
            .end(&term, || Ok::<_, io::Error>(()))
            .unwrap();
        let next = next.join().unwrap().unwrap();
        fixture.one.queue(&term, &served);
        assert!(fixture.was_woken());
        assert_eq!(fixture.collect(&next), 2);
    });
}

#[test]
fn a_connection_that_was_waited_for_is_the_loops_again_when_its_client_is_silent() {
    let fixture = Fixture::new(Deadlines::default(), STACK_SIZE);
    let term = fixture.one.role.begin().unwrap();
    let (mut client, served) = fixture.connect([192, 0, 2, 1]);
    client.write_all(&null()).unwrap();
    while fixture.collect(&term) == 0 {}
    assert!(!served.take(), "it is ready");
    let kept = (&served, Next::More);
    fixture.one.keep(&term, kept, &mut Buffers::default());
    assert_eq!(client.read(&mut [0; 100]).unwrap(), 28);
    assert!(served.take(), "nobody has it");
}

#[test]
fn without_another_thread_the_client_with_most_connections_loses_one() {
    let fixture = Fixture::without_threads();
    let term = fixture.one.role.begin().unwrap();
    let (_client, waits) = fixture.connect([192, 0, 2, 1]);
    let many = [(); 3].map(|()| fixture.connect([192, 0, 2, 2]));
    fixture.one.leave(&term, &waits).unwrap_err();
    let closed = many.iter().filter(|(_, served)| is_closed(served));
    assert_eq!(closed.count(), 1);
    // None was freed by that: this connection is not waited for.
    assert!(is_closed(&waits));
    assert!(!term.is_over());
    assert_eq!(fixture.told(), 1);
    // The one with most connections itself closes nobody else's.
    let (_, own) = &many[2];
    fixture.one.leave(&term, own).unwrap_err();
    assert!(is_closed(own));
}

#[test]
fn where_another_thread_has_nothing_to_do_nobody_loses_a_connection() {
    let fixture = Fixture::without_threads();
    let role = &fixture.one.role;
    let term = role.begin().unwrap();
    let (_client, waits) = fixture.connect([192, 0, 2, 1]);
    let many = [(); 3].map(|()| fixture.connect([192, 0, 2, 2]));
    role.start_thread(|| Ok::<_, io::Error>(())).unwrap();
    std::thread::scope(|scope| {
        let spare = scope.spawn(|| role.begin());
        // The test fails only by never ending.
        while role.lacks_spare() {
            std::thread::yield_now();
        }
        fixture.one.leave(&term, &waits).unwrap();
        assert_ne!(spare.join().unwrap().unwrap().number, term.number);
    });
    assert!(term.is_over());
    assert!(!is_closed(&waits));
    assert!(!many.iter().any(|(_, served)| is_closed(served)));
    assert_eq!(fixture.told(), 0);
}

#[test]
fn that_a_loop_cannot_be_taken_is_told_once_in_a_while() {
    let fixture = Fixture::without_threads();
    let term = fixture.one.role.begin().unwrap();
    let (_client, served) = fixture.connect([192, 0, 2, 1]);
    term.turn_begins(served.id);
    for _ in 0..3 {
        fixture.one.take_over(&term, term.turns());
    }
    assert!(!term.is_over());
    let told = fixture.told.lock().unwrap();
    assert!(matches!(&told[..], [Event::OutOfThreads { client }] if *client == served.client));
}
