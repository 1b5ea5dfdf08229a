//! Starts threads.
//!
//! Each kind of closure would have a copy of its own of what the standard library does to start a thread, some hundred
//! blocks of code that run once. Here all closures are of one kind.

use std::io;
use std::thread::Builder;

/// Starts a thread with a stack of so many bytes. Nobody waits for it: it ends with the process, or by itself.
///
/// # Errors
/// When the kernel has no thread to give.
pub(crate) fn start(stack: usize, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    start_boxed(None, stack, Box::new(work))
}

/// The same with a name, which the kernel's messages about the thread have.
///
/// # Errors
/// As [`start`].
pub(crate) fn start_named(
    name: &str,
    stack: usize,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    start_boxed(Some(name), stack, Box::new(work))
}

#[inline(never)]
fn start_boxed(name: Option<&str>, stack: usize, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    let mut builder = Builder::new().stack_size(stack);
    if let Some(name) = name {
        builder = builder.name(name.to_owned());
    }
    builder.spawn(work).map(drop)
}
