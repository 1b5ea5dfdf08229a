//! The EFI binaries of a root, lists of signatures, and the variables of a machine's firmware.
#![no_main]

use netroot_efi::{SecureBoot, common_name};
use netroot_secure_boot::{Binary, check, check_kernel, signature_list};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = signature_list(bytes);
    let _ = common_name(bytes);
    let state = SecureBoot::read(&[6, 0, 0, 0, 1], None, Some(bytes));
    assert!(state.is_some_and(|it| it.enforcing && it.authorities.len() <= 16));
    let Ok(binary) = Binary::parse(bytes) else {
        return;
    };
    let _ = binary.valid_signatures().map(|one| one.signer()).count();
    // Nobody here has a key of Microsoft's.
    if let Ok(chain) = check(&binary, &binary, Some(&binary)) {
        assert!(chain.authorities.is_empty());
    }
    if let Ok(chain) = check_kernel(&binary, &binary) {
        assert!(chain.authorities.is_empty() && chain.loader.is_empty());
    }
});
