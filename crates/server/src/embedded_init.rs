//! The init that is built into this program, for each architecture (`build.rs`).

use netroot_initramfs::Architecture;

mod built {
    include!(concat!(env!("OUT_DIR"), "/embedded_init.rs"));
}

/// The init for machines of this architecture, if one is built in.
pub(crate) fn for_architecture(architecture: Architecture) -> Option<&'static [u8]> {
    match architecture {
        Architecture::X86_64 => built::X86_64,
        Architecture::Aarch64 => built::AARCH64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedded_init_is_a_program_for_its_architecture() {
        for architecture in [Architecture::X86_64, Architecture::Aarch64] {
            if let Some(init) = for_architecture(architecture) {
                let machine = u16::from_le_bytes([init[18], init[19]]);
                assert_eq!(&init[..4], b"\x7fELF");
                assert_eq!(machine, architecture.elf_machine());
            }
        }
    }
}
