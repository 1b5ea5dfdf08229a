//! The index of a root's kernel modules as the server reads it, and of the initrd's as the init does.
#![no_main]
#![allow(dead_code)]

#[path = "../../../crates/init/src/modules/index.rs"]
mod index;

libfuzzer_sys::fuzz_target!(|input: [&str; 4]| {
    let [dep, alias, softdep, builtin] = input;
    netroot_initramfs::fuzzing::module_index(dep, alias, softdep, builtin);
    let index = index::Index::read(&index::Texts {
        dep,
        alias,
        softdep,
        builtin,
    });
    for modalias in [
        "pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00",
        "virtio:d00000001v00001AF4",
    ] {
        for module in index.for_device(modalias) {
            let _ = index.resolve(&module);
        }
    }
});
