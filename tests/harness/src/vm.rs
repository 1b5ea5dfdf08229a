//! Virtual machines without disks.

mod builder;
mod machine;

pub use self::builder::{Firmware, VmBuilder};
pub use self::machine::Vm;
