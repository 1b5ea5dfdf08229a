//! Threads without what the standard library keeps for each of its own.
//!
//! The standard library gives a thread a stack for signal handlers, a handle to wait for it, and a place for its result.
//! That is half a thousand blocks of code, of the kernel's as well, in a program that starts its first thread. What is lost
//! is one message: a thread whose stack overflows still ends the program, at the guard page below that stack, but
//! nothing says which thread it was.

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// What a thread does.
pub type Work = Box<dyn FnOnce() + Send>;

/// Starts a thread with a stack of so many bytes (pthread_create(3)). Nobody can wait for it: it ends with the process, or
/// by itself. A panic in it ends the process.
///
/// # Errors
/// When the kernel has no thread to give, or the stack is too small for one.
pub fn start(stack: usize, work: Work) -> io::Result<()> {
    let mut attributes = Attributes::new()?;
    attributes.set(stack)?;
    let argument = Box::into_raw(Box::new(work));
    let mut thread = MaybeUninit::uninit();
    // SAFETY: `attributes` are initialised; `argument` is a `Box<Work>` that nothing else owns, as `run` wants it. The
    // closure may run in another thread (`Send`) at any time (it borrows nothing that ends: `'static`).
    let result =
        unsafe { libc::pthread_create(thread.as_mut_ptr(), &attributes.0, run, argument.cast()) };
    if result == 0 {
        return Ok(());
    }
    // SAFETY: no thread was started, so that `argument` is still owned here alone.
    drop(unsafe { Box::from_raw(argument) });
    Err(io::Error::from_raw_os_error(result))
}

extern "C" fn run(argument: *mut c_void) -> *mut c_void {
    // SAFETY: `start` passes a `Box<Work>` to each thread, and leaves it to that.
    let work = unsafe { Box::from_raw(argument.cast::<Work>()) };
    work();
    ptr::null_mut()
}

/// The attributes of a thread that is to be started.
struct Attributes(libc::pthread_attr_t);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: pthread_attr_init(3) initialises what it is given a pointer to.
        check(unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: it is initialised, since that returned zero.
        Ok(Self(unsafe { attributes.assume_init() }))
    }

    fn set(&mut self, stack: usize) -> io::Result<()> {
        // SAFETY: the attributes are initialised, and nobody else uses them.
        check(unsafe { libc::pthread_attr_setstacksize(&mut self.0, stack) })?;
        // SAFETY: as above.
        check(unsafe {
            libc::pthread_attr_setdetachstate(&mut self.0, libc::PTHREAD_CREATE_DETACHED)
        })
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: they are initialised, and not used again.
        unsafe { libc::pthread_attr_destroy(&mut self.0) };
    }
}

/// These functions return the error's number, and do not set `errno`.
fn check(result: libc::c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_thread_runs_its_closure_once_and_drops_it() {
        let held = Arc::new(7);
        let (sender, receiver) = channel();
        let in_thread = Arc::clone(&held);
        start(
            64 << 10,
            Box::new(move || {
                let own = std::thread::current().id();
                let _ = sender.send((*in_thread, own));
            }),
        )
        .unwrap();
        let (seen, other) = receiver.recv().unwrap();
        assert_eq!(seen, 7);
        assert_ne!(other, std::thread::current().id());
        // The sender is dropped with the closure.
        assert!(receiver.recv().is_err());
    }

    #[test]
    fn the_closure_of_a_thread_that_cannot_be_started_is_dropped() {
        let held = Arc::new(());
        let in_thread = Arc::clone(&held);
        // Larger than the address space.
        let refused = start(1 << 55, Box::new(move || drop(in_thread)));
        assert!(refused.is_err());
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
