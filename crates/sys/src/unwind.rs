//! Replaces the unwinder (libunwind) in a program that aborts on a panic.
//!
//! The standard library can print a backtrace of a panic. For that it links a DWARF parser, a decompressor, a demangler
//! and libunwind: 250 KiB, of no use in a stripped program without unwind tables. All of it depends on one call,
//! `_Unwind_Backtrace`, which passes each stack frame to a function of the standard library. Here it passes none; the
//! optimiser sees that and drops the rest. A panic still reports its place and its reason.
//!
//! The linker takes a member of libunwind's archive only for an undefined symbol. So every symbol that the standard
//! library refers to is defined here, with the types of the Itanium C++ ABI (exception handling, §1.5). If a later
//! standard library refers to one more, the link fails with "duplicate symbol: _Unwind_…": add the symbol here.
//! Only `_Unwind_Backtrace` is ever called; the others are called by unwinders and by landing pads, which do not run.

use std::ffi::{c_int, c_void};

/// `_URC_END_OF_STACK`.
const END_OF_STACK: c_int = 5;

/// Reports the end of the stack at once.
// SAFETY: the signature is the ABI's; no other definition is linked, or the linker complains.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_each: *const c_void, _argument: *mut c_void) -> c_int {
    END_OF_STACK
}

/// Aborts where an unwinder would have been needed.
macro_rules! never_called {
    ($($name:ident)*) => {$(
        // SAFETY: it neither reads arguments nor returns, which fits every signature; no other definition is linked,
        // or the linker complains.
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> ! {
            std::process::abort()
        }
    )*};
}

never_called! {
    _Unwind_GetDataRelBase _Unwind_GetIP _Unwind_GetIPInfo _Unwind_GetLanguageSpecificData _Unwind_GetRegionStart
    _Unwind_GetTextRelBase _Unwind_Resume _Unwind_SetGR _Unwind_SetIP
}
