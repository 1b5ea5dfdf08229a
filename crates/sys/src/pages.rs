//! Memory straight from the kernel (`mmap`), for large short-lived buffers.
//!
//! An allocator keeps freed memory, in one arena per thread; a server with a thread per client would then hold a large
//! buffer for each client that was ever busy. Pages are returned to the kernel when they are dropped, and cost nothing
//! until they are touched.

use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A buffer of zeroed bytes in memory of its own.
#[derive(Debug)]
pub struct Pages {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping belongs to this value alone, like a `Box<[u8]>`, and has no ties to the thread that made it.
unsafe impl Send for Pages {}

impl Pages {
    /// `length` bytes, all zero.
    ///
    /// # Errors
    /// `EINVAL` for a length of 0, `ENOMEM` when memory is short.
    pub fn new(length: usize) -> io::Result<Self> {
        // SAFETY: an anonymous private mapping at an address of the kernel's choice touches no memory that exists.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(start.cast())
            .map(|start| Self { start, length })
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `start` is the beginning of `length` mapped bytes, zeroed by the kernel, that live as long as `self`;
        // while they are borrowed, nothing can change them, since that takes `&mut self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` makes this the only way to them.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` mapped, once, and no slice of it can outlive `self`. It fails only for arguments
        // that `new` would have refused.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_zeroed_and_keep_what_is_written() {
        let mut pages = Pages::new(100_000).unwrap();
        assert!(pages.iter().all(|byte| *byte == 0));
        pages[99_999] = 7;
        let moved = std::thread::spawn(move || pages[99_999]).join().unwrap();
        assert_eq!(moved, 7);
    }

    #[test]
    fn a_length_of_zero_is_an_error() {
        assert_eq!(
            Pages::new(0).unwrap_err().raw_os_error(),
            Some(libc::EINVAL)
        );
    }
}
