//! What EFI firmware keeps in its variables about Secure Boot. Pure, and small enough for the init.
//!
//! ```text
//! SecureBoot, SetupMode, db → SecureBoot      what a machine reports of itself
//! EFI_SIGNATURE_LIST → Signature              db, dbx, and shim's own lists
//! ```
//!
//! Sources: the UEFI specification 2.10, §3.3 (variables) and §32.4.1 (signature lists); the kernel's
//! `Documentation/filesystems/efivarfs.rst`; RFC 5280 §4.1.

mod certificate_name;
mod secure_boot;
mod signature_list;

pub use self::certificate_name::common_name;
pub use self::secure_boot::{DB, SECURE_BOOT, SETUP_MODE, SecureBoot};
pub use self::signature_list::{ListError, Signature, signatures};
