//! What firmware says of Secure Boot, which the server chooses a boot loader by.
//!
//! To mount efivarfs, the kernel asks firmware for the name and the size of every variable, which takes some machines a tenth of
//! a second and more. So this is left to the [uploader](super::uploader), which nobody waits for.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use netroot_efi::{DB, SECURE_BOOT, SETUP_MODE, SecureBoot};
use netroot_proto::cmdline::BootPlan;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use super::json::{extend, text};
use crate::identity::is_efi;

/// The uploader's argument for a machine that has EFI variables.
pub(super) const READ: &str = "efi";
/// The file system of EFI variables, and the module that has it.
const EFIVARFS: &str = "efivarfs";
/// The longest variable that is read, in bytes. Firmware's own limit is usually 64 KiB for all of them.
const LONGEST: u64 = 128 << 10;

/// The modules that a report needs, if one is to be uploaded.
pub(crate) fn modules(plan: &BootPlan) -> impl Iterator<Item = &'static str> {
    let is_needed = plan.report.is_some() && is_efi();
    is_needed.then_some(EFIVARFS).into_iter()
}

/// The machine's Secure Boot; `None` if this kernel shows no variables, or firmware says nothing. Firmware that has no such
/// variable enforces nothing.
pub(super) fn read() -> io::Result<Option<SecureBoot>> {
    let variables = match variables() {
        // No efivarfs in the kernel, or none on this firmware.
        Err(Errno::NODEV | Errno::OPNOTSUPP) => return Ok(None),
        other => other?,
    };
    let Some(secure_boot) = variable(&variables, SECURE_BOOT)? else {
        return Ok(Some(SecureBoot::default()));
    };
    let [setup_mode, db] = [SETUP_MODE, DB].map(|name| variable(&variables, name).ok().flatten());
    Ok(SecureBoot::read(
        &secure_boot,
        setup_mode.as_deref(),
        db.as_deref(),
    ))
}

/// A mount of efivarfs that is nowhere in the tree and ends with this program. The root's init makes its own.
fn variables() -> Result<OwnedFd, Errno> {
    let context = fsopen(EFIVARFS, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let flags = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)
}

fn variable(variables: impl AsFd, name: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match openat(
        variables,
        name,
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    ) {
        Err(Errno::NOENT) => return Ok(None),
        other => File::from(other?),
    };
    let mut content = Vec::new();
    file.take(LONGEST).read_to_end(&mut content)?;
    Ok(Some(content))
}

/// Adds it to a report.
pub(super) fn add(report: &mut String, state: Option<&SecureBoot>) {
    let Some(state) = state else {
        return;
    };
    extend(report, |o| {
        o.object("secure_boot", |o| {
            o.boolean("enforcing", state.enforcing);
            o.boolean("setup_mode", state.setup_mode);
            o.list("authorities", &state.authorities, |out, name| {
                text(out, name);
            });
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_member_of_the_report() {
        let mut report = String::from("{\"format\":1}\n");
        add(&mut report, None);
        let state = SecureBoot {
            enforcing: true,
            setup_mode: false,
            authorities: vec!["Microsoft \"UEFI\" CA 2023".into()],
        };
        add(&mut report, Some(&state));
        let read: serde_json::Value = serde_json::from_str(&report).unwrap();
        let expected = serde_json::json!({
            "enforcing": true, "setup_mode": false, "authorities": ["Microsoft \"UEFI\" CA 2023"],
        });
        assert_eq!(read["secure_boot"], expected);
        let described = include_str!("../../REPORT.md");
        for name in ["secure_boot", "enforcing", "setup_mode", "authorities"] {
            assert!(described.contains(&format!("`{name}`")), "{name}");
        }
    }
}
