//! Starts threads.
//!
//! Each kind of closure would have a copy of its own of what starts a thread. Here all closures are of one kind.

use std::ffi::CStr;
use std::io;

use netroot_sys::thread::{self, Work};

/// Starts a thread with a stack of so many bytes. Nobody waits for it: it ends with the process, or by itself.
///
/// # Errors
/// When the kernel has no thread to give.
pub(crate) fn start(stack: usize, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::start(stack, Box::new(work))
}

/// The same with a name, which the kernel's messages about the thread have.
///
/// # Errors
/// As [`start`].
pub(crate) fn start_named(
    name: &'static CStr,
    stack: usize,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    start_boxed(name, stack, Box::new(work))
}

#[inline(never)]
fn start_boxed(name: &'static CStr, stack: usize, work: Work) -> io::Result<()> {
    start(stack, move || {
        let _ = rustix::thread::set_name(name);
        work();
    })
}
