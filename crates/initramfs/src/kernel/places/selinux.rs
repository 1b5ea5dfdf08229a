//! SELinux in a root that is read over NFS.

use super::folder::{MAX_FILE, names};
use crate::root_tree::RootTree;

/// selinux_config(5).
const CONFIG: &str = "/etc/selinux/config";
/// The policy of Fedora and RHEL, where the configuration names none.
const USUAL_TYPE: &str = "targeted";

/// The kernel's parameter that turns SELinux off.
pub(in crate::kernel) const WITHOUT_SELINUX: &str = "selinux=0";

/// `selinux=0` for a root whose init would load a policy (Fedora, RHEL, openSUSE).
///
/// NFS version 3 has no labels: every file of the root is then of type `nfs_t`, as the policy says, so that systemd stays
/// `kernel_t` and, where the policy is enforced, nobody can log in. A root with `/.autorelabel`, which installers leave
/// and which stays in the export, would label the layer over it at each boot and then restart, without end. Both look
/// first whether the kernel has SELinux (`selinux_init_load_policy`; `selinux-autorelabel-generator.sh` of
/// policycoreutils).
pub(super) fn parameter(root: &RootTree) -> Option<String> {
    let text = root.read(CONFIG, MAX_FILE).ok()?;
    let text = String::from_utf8_lossy(&text);
    let value = |key: &str| {
        text.lines().rev().find_map(|line| {
            let value = line.trim().strip_prefix(key)?.strip_prefix('=')?;
            Some(value.trim().to_owned())
        })
    };
    let mode = value("SELINUX").unwrap_or_default();
    if !matches!(mode.as_str(), "enforcing" | "permissive") {
        return None;
    }
    let kind = value("SELINUXTYPE").unwrap_or_else(|| USUAL_TYPE.to_owned());
    let policies = names(root, &format!("/etc/selinux/{kind}/policy"));
    let has_policy = policies.iter().any(|name| name.starts_with("policy."));
    has_policy.then(|| WITHOUT_SELINUX.to_owned())
}
