//! Virtual machines without disks.

mod builder;
mod machine;
mod unpacked;

pub use self::builder::{Firmware, KERNEL_PARAMETERS, VmBuilder};
pub use self::machine::Vm;
