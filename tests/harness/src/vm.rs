//! Virtual machines without disks.

mod builder;
mod firmware;
mod machine;
mod snapshot;
mod tpm;
mod unpacked;
mod variable_store;

pub use self::builder::{KERNEL_PARAMETERS, QUICK_KERNEL_PARAMETERS, VmBuilder};
pub use self::firmware::Firmware;
pub use self::machine::Vm;
pub use self::variable_store::SignatureLists;
