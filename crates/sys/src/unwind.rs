//! What stands in the place of the unwinder (libunwind) in a program that aborts on a panic.
//!
//! The standard library can print the calls that led to a panic. For that it carries a reader of DWARF, an unpacker, a
//! demangler and libunwind: 250 KiB, which a stripped program without unwind tables has nothing to feed. They hang on
//! one call, `_Unwind_Backtrace`, which gives each caller's frame to a function of the standard library. Here it gives
//! none; the optimiser sees that, and all of the printer goes away. A panic still says where it was and why.
//!
//! The linker takes a member of libunwind's archive only for a name that nobody has defined. So every name that the
//! standard library asks for is defined here, with the types of the Itanium C++ ABI (exception handling, §1.5). Should
//! a later standard library ask for one more, the link fails with "duplicate symbol: _Unwind_…": add the name here.
//! Nothing but `_Unwind_Backtrace` is ever called: the rest belongs to what an unwinder would call, and to landing pads
//! that nobody lands on.

use std::ffi::{c_int, c_void};

/// `_URC_END_OF_STACK`.
const END_OF_STACK: c_int = 5;

/// There is no caller to tell of.
// SAFETY: the signature is the ABI's; no other definition is linked, or the linker complains.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_each: *const c_void, _argument: *mut c_void) -> c_int {
    END_OF_STACK
}

/// Ends the program where an unwinder would have been needed.
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
