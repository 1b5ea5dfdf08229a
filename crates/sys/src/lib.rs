//! System calls that need unsafe code, and nothing else.
#![allow(unsafe_code)]
