//! Virtual machines without a disk, from the firmware to the root's init.

mod the_harness;
