//! Tests that need root. Each folder is one test program:
//!
//! - `vm/`: virtual machines without a disk, through real firmware to a root's init;
//! - `interop/`: our servers against other people's clients and peers;
//! - `nfs_compared/`: part of both: the calls to our export and to other NFS servers, and how their answers may differ;
//! - `sim/`: client and server as pure code under a fake clock (needs no root).
//!
//! `cargo xtask test` builds what they need first. What they stand on is `harness/`;
//! `facts/` is the init of the smallest root that they boot.
