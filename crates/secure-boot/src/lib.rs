//! What firmware with Secure Boot starts: EFI binaries, who signed them, and which of them start one another.
//!
//! ```text
//! firmware ─db→ shim ─its own certificate, SBAT→ GRUB ─shim's protocol→ kernel
//! ```
//!
//! Firmware starts what a certificate in its variable `db` has signed: for most machines one of [Microsoft's](Authority)
//! for third parties. They sign shim, which has its distribution's certificate inside, and starts what that one has
//! signed unless it is revoked, by [generation](sbat) or by its own list. GRUB asks shim whether it may start a kernel.
//! The initrd is signed by nobody.
//!
//! Everything here is pure: bytes in, values out. What it cannot know is what one machine has in `db`, in `dbx`, among
//! its owner keys (MOK) and in its own minimum generations (the variable `SbatLevelRT`).
//!
//! Sources: the UEFI specification 2.10, §32; Microsoft's "Windows Authenticode Portable Executable Signature Format";
//! shim's `SBAT.md`, `cert.S` and `sbat_var.S`.

mod authority;
mod binary;
mod certificate;
mod chain;
mod hashing;
pub mod sbat;
mod shim_names;
mod signature;
mod signature_list;
mod signing;

pub use self::authority::Authority;
pub use self::binary::{Architecture, Binary, BinaryError};
pub use self::certificate::Certificate;
pub use self::chain::{Chain, ChainError, Condition, Part, check, check_kernel};
pub use self::hashing::Hashing;
pub use self::signature::{Signature, SignatureError};
pub use self::signature_list::{Listed, signature_list};
pub use self::signing::{SignError, SigningKey, SigningKeyError};
pub use netroot_efi::ListError;
