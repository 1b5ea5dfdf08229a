//! `net.ifnames=`, `net.naming_scheme=`: which of udev's names for NICs count.

/// Which of udev's names a NIC may be called by, beside the kernel's. udev reads these parameters as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UdevNaming {
    /// Those of every naming scheme: which udev the root has is not known yet.
    #[default]
    AnyScheme,
    /// Those of one scheme, by systemd's version: 238 for `net.naming_scheme=v238`.
    Scheme(u16),
    /// None (`net.ifnames=0`).
    Off,
}

impl UdevNaming {
    /// Follows a parameter, if it is one of these.
    pub(super) fn note(&mut self, name: &str, value: Option<&str>) {
        match (name, value, *self) {
            ("net.ifnames", Some("0"), _) => *self = Self::Off,
            ("net.ifnames", Some("1"), Self::Off) => *self = Self::AnyScheme,
            // Those of distributions (`rhel-9.4`) and `latest` leave it open.
            ("net.naming_scheme", Some(scheme), Self::AnyScheme | Self::Scheme(_)) => {
                let version = scheme.strip_prefix('v').and_then(|v| v.parse().ok());
                *self = version.map_or(Self::AnyScheme, Self::Scheme);
            }
            _ => {}
        }
    }
}
