//! The export's whole service over a real directory: what a stranger may send, and what no reply may be.
//!
//! ```text
//! planted    the directory, and what is beside it and hidden in it
//! input      the bytes of an input as numbers and choices
//! calls      sequences of calls: handles, names, cookies of earlier replies, true, changed and made up
//! replies    what every reply has to fulfil
//! changes    what becomes of the directory meanwhile
//! ```

mod calls;
mod changes;
mod input;
mod planted;
mod replies;

use std::cell::RefCell;

use calls::Caller;
use changes::Changes;
use input::Input;
use planted::Planted;
use replies::Checks;

/// Whether the directory changes while it is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Never: whatever a handle led to once it leads to for ever.
    Fixed,
    /// Between calls, and at one place all the time.
    Changing,
}

/// The most descriptors that this process may have: what is kept open is so few that they are closed for others often.
const DESCRIPTORS: u64 = 400;

struct World {
    planted: Planted,
    checks: [Checks; 2],
    changes: Option<Changes>,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Mounts a file system of its own in the directory: before any other thread.
pub fn prepare() {
    planted::apart();
}

/// Runs one input.
pub fn run(kind: Kind, bytes: &[u8]) {
    WORLD.with_borrow_mut(|world| {
        let world = world.get_or_insert_with(|| World::new(kind));
        world.run(&mut Input::new(bytes));
    });
}

impl World {
    fn new(kind: Kind) -> Self {
        planted::limit_descriptors(DESCRIPTORS);
        let planted = Planted::new(kind == Kind::Changing);
        let changes = (kind == Kind::Changing).then(|| Changes::start(&planted));
        let checks = std::array::from_fn(|_| Checks::new(kind));
        Self {
            planted,
            checks,
            changes,
        }
    }

    fn run(&mut self, input: &mut Input<'_>) {
        if let Some(changes) = &mut self.changes {
            changes.begin();
            self.checks = std::array::from_fn(|_| Checks::new(Kind::Changing));
        }
        // By kernel handles, where the file system has them; and by places, as without capabilities.
        let which = usize::from(input.byte() & 1);
        let (sessions, checks) = (&self.planted.sessions, &mut self.checks);
        Caller::new(&sessions[which], &mut checks[which]).run(input, self.changes.as_mut());
        assert_eq!(sessions[which].charged(), 0, "memory is charged still");
        let open = planted::descriptors();
        assert!(open < DESCRIPTORS, "{open} descriptors are open");
    }
}
