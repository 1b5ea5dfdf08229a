//! The init that this program carries, for each architecture: `build.rs` puts it here.

use netroot_initramfs::Architecture;

mod carried {
    include!(concat!(env!("OUT_DIR"), "/embedded_init.rs"));
}

/// The init for machines of this architecture, where one was built in.
pub(crate) fn for_architecture(architecture: Architecture) -> Option<&'static [u8]> {
    match architecture {
        Architecture::X86_64 => carried::X86_64,
        Architecture::Aarch64 => carried::AARCH64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_carried_is_a_program_for_its_architecture() {
        for architecture in [Architecture::X86_64, Architecture::Aarch64] {
            if let Some(init) = for_architecture(architecture) {
                let machine = u16::from_le_bytes([init[18], init[19]]);
                assert_eq!(&init[..4], b"\x7fELF");
                assert_eq!(machine, architecture.elf_machine());
            }
        }
    }
}
