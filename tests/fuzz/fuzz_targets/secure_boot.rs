//! The EFI binaries of a root, and lists of signatures.
#![no_main]

use netroot_secure_boot::{Binary, check, signature_list};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = signature_list(bytes);
    let Ok(binary) = Binary::parse(bytes) else {
        return;
    };
    let _ = binary.valid_signatures().map(|one| one.signer()).count();
    // Nobody here has a key of Microsoft's.
    if let Ok(chain) = check(&binary, &binary, Some(&binary)) {
        assert!(chain.authorities.is_empty());
    }
});
