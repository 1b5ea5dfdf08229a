//! Virtual machines without disks.

mod builder;
mod machine;

pub use self::builder::{Firmware, KERNEL_PARAMETERS, VmBuilder};
pub use self::machine::Vm;
