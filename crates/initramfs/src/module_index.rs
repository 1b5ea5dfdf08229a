//! The module index that `depmod` wrote: read, searched, and written again for an initrd.
//!
//! Pure: texts in, values and texts out. The formats are those of kmod's `depmod` (modules.dep(5)) and
//! of the kernel's build (`modules.builtin`, `modules.builtin.modinfo`).

mod alias;
pub(crate) mod index;
mod parse;
pub(crate) mod pci;
mod suggestion;
pub(crate) mod write;
