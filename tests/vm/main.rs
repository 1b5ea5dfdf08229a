//! Virtual machines without a disk, from the firmware to the root's init.

mod direct;
mod failures;
mod firmware;
mod proxy;
mod restart;
mod the_harness;
mod wire;
