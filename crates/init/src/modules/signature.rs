//! Modules that the kernel refuses for want of a signature.

use std::fs::{self, File};
use std::io::{self, Read};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

/// Why the kernel refused a module, and what to do.
pub(crate) const NO_SIGNATURE: &str =
    "it has no signature that the kernel trusts, and with Secure Boot the kernel loads no other";
pub(crate) const SIGNATURE_ADVICE: &str = "use the module of the distribution's own kernel package, sign it with a key that is enrolled on this machine (mokutil \
    --import), or switch Secure Boot off";

/// The sysctl by which the kernel takes no module at all any more (`1`), whatever its signature.
const MODULES_DISABLED: &str = "/proc/sys/kernel/modules_disabled";
/// The file of securityfs that says how far the kernel is locked down (`security/lockdown/lockdown.c`).
const LOCKDOWN: &str = "lockdown";

/// Whether the kernel refused a module for its signature (`mod_verify_sig` and `module_sig_check`,
/// `kernel/module/signing.c`): EKEYREJECTED where it enforces signatures, EPERM where it is locked down. EPERM has other
/// reasons as well, so that it is the signature only if the kernel `is_locked_down`.
pub(super) fn is_for_signature(error: &io::Error, is_locked_down: impl FnOnce() -> bool) -> bool {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::KEYREJECTED) => true,
        Some(Errno::PERM) => is_locked_down(),
        _ => false,
    }
}

/// Whether this kernel is locked down, and takes modules otherwise; if it does not say so, it does not.
pub(super) fn refuses_unsigned() -> bool {
    let disabled = fs::read_to_string(MODULES_DISABLED).unwrap_or_default();
    disabled.trim_end() != "1" && lockdown().is_ok_and(|text| is_locked_down(&text))
}

/// What the kernel says of its lockdown: `none [integrity] confidentiality`. It is read from a mount of securityfs that is
/// nowhere in the tree: the root's init makes its own.
fn lockdown() -> io::Result<String> {
    let context = fsopen("securityfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let mount = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let mut text = String::new();
    File::from(openat(mount, LOCKDOWN, flags, Mode::empty())?).read_to_string(&mut text)?;
    Ok(text)
}

/// The level in brackets counts.
fn is_locked_down(text: &str) -> bool {
    let mut levels = text.split_whitespace();
    levels.any(|level| level.starts_with('[') && level != "[none]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_in_brackets_is_the_kernels() {
        assert!(is_locked_down("none [integrity] confidentiality\n"));
        assert!(is_locked_down("none integrity [confidentiality]\n"));
        for not in ["[none] integrity confidentiality\n", "", "integrity"] {
            assert!(!is_locked_down(not), "{not}");
        }
    }

    #[test]
    fn what_is_not_permitted_is_the_signature_only_where_the_kernel_is_locked_down() {
        let is_for =
            |errno: Errno, is_locked_down| is_for_signature(&errno.into(), || is_locked_down);
        assert!(is_for(Errno::PERM, true) && !is_for(Errno::PERM, false));
        assert!(is_for(Errno::KEYREJECTED, false));
        assert!(!is_for(Errno::NOEXEC, true));
        assert!(!is_for_signature(&io::Error::other("no errno"), || true));
    }
}
