//! Mount options that are flags of mount(2).

/// Flags of mount(2) that the NFS client refuses as text: they go to `fsmount` as
/// attributes, or to mount(2) as `MS_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one bool per flag of mount(2)"
)]
pub struct MountFlags {
    /// `noatime`
    pub no_atime: bool,
    /// `nodiratime`
    pub no_dir_atime: bool,
    /// `strictatime`
    pub strict_atime: bool,
    /// `nosuid`
    pub no_suid: bool,
    /// `nodev`
    pub no_dev: bool,
    /// `noexec`
    pub no_exec: bool,
}

impl MountFlags {
    /// Applies a word of mount(8) that sets or clears one of these flags.
    pub(super) fn take(&mut self, word: &str) -> bool {
        match word {
            "noatime" => self.no_atime = true,
            "atime" | "relatime" => (self.no_atime, self.strict_atime) = (false, false),
            "nodiratime" => self.no_dir_atime = true,
            "diratime" => self.no_dir_atime = false,
            "strictatime" => self.strict_atime = true,
            "nostrictatime" => self.strict_atime = false,
            "nosuid" => self.no_suid = true,
            "suid" => self.no_suid = false,
            "nodev" => self.no_dev = true,
            "dev" => self.no_dev = false,
            "noexec" => self.no_exec = true,
            "exec" => self.no_exec = false,
            _ => return false,
        }
        true
    }
}
