//! The smallest media that a firmware boots: each prints a line on the console and stops there.

mod archive;
mod bios;
mod efi;
mod fat;
mod iso;

pub use archive::{archive, paths_in};
pub use bios::disk;
pub use efi::{program, program_for};
pub use fat::volume;
pub use iso::iso;
