//! What firmware says of Secure Boot, read from the files of efivarfs.

use crate::certificate_name::common_name;
use crate::signature_list::{Signature, signatures};

/// The variable that says whether firmware enforces it (UEFI 2.10 §3.3), as efivarfs names it: with `EFI_GLOBAL_VARIABLE`.
pub const SECURE_BOOT: &str = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// The one that says whether anybody may enroll keys, for want of an owner's.
pub const SETUP_MODE: &str = "SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// Whose binaries firmware starts, with `EFI_IMAGE_SECURITY_DATABASE_GUID`.
pub const DB: &str = "db-d719b2cb-3d3a-4596-a3bc-dad00e67656f";

/// The attributes before a variable's value, in bytes.
const ATTRIBUTES: usize = 4;
/// The most certificates that are named; firmware is delivered with two to six.
const MOST: usize = 16;
/// What a certificate without a common name is called.
const NAMELESS: &str = "(a certificate without a common name)";

/// A machine's Secure Boot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecureBoot {
    /// Firmware starts only what is signed.
    pub enforcing: bool,
    /// Nobody's keys are enrolled.
    pub setup_mode: bool,
    /// The common names of the certificates in `db`, in its order, each once.
    pub authorities: Vec<String>,
}

impl SecureBoot {
    /// Reads the files of [`SECURE_BOOT`], [`SETUP_MODE`] and [`DB`]; firmware without Secure Boot has none of them. `None`
    /// if the first one says nothing.
    pub fn read(secure_boot: &[u8], setup_mode: Option<&[u8]>, db: Option<&[u8]>) -> Option<Self> {
        let enforcing = flag(secure_boot)?;
        let mut authorities: Vec<String> = Vec::new();
        let listed = db.and_then(|file| signatures(file.get(ATTRIBUTES..)?).ok());
        for signature in listed.unwrap_or_default() {
            let Signature::Certificate(certificate) = signature else {
                continue;
            };
            let name = common_name(certificate).unwrap_or_else(|| NAMELESS.to_owned());
            if authorities.len() < MOST && !authorities.contains(&name) {
                authorities.push(name);
            }
        }
        Some(Self {
            enforcing,
            setup_mode: setup_mode.and_then(flag).unwrap_or_default(),
            authorities,
        })
    }
}

/// A variable of one byte.
fn flag(file: &[u8]) -> Option<bool> {
    match file.get(ATTRIBUTES..)? {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_the_byte_behind_the_attributes() {
        let read = |bytes: &[u8]| SecureBoot::read(bytes, Some(&[6, 0, 0, 0, 1]), None);
        let on = read(&[6, 0, 0, 0, 1]).unwrap();
        assert!(on.enforcing && on.setup_mode && on.authorities.is_empty());
        assert!(!read(&[6, 0, 0, 0, 0]).unwrap().enforcing);
        for wrong in [
            &[][..],
            &[1],
            &[6, 0, 0, 0],
            &[6, 0, 0, 0, 2],
            &[6, 0, 0, 0, 1, 0],
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_db_that_cannot_be_read_names_nobody() {
        let state = SecureBoot::read(&[6, 0, 0, 0, 1], None, Some(&[7, 0, 0, 0, 1, 2, 3]));
        let expected = SecureBoot {
            enforcing: true,
            ..SecureBoot::default()
        };
        assert_eq!(state, Some(expected));
    }
}
