//! How far a boot has come.

/// How far a boot has come. Each stage is reached by what the machine itself asks for, does or says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    /// It asked for an address.
    Discover,
    /// Its firmware was told what to load.
    Offer,
    /// It has the boot loader.
    Loader,
    /// iPXE asked for an address, or for what it runs first.
    Ipxe,
    /// It has its script.
    Script,
    /// It has the kernel.
    Kernel,
    /// It has the initrd.
    Initrd,
    /// netroot's init asked for an address, or reported.
    Init,
    /// It has mounted its root.
    Mount,
    /// It reads files.
    Reads,
    /// It runs.
    Running,
}

impl Stage {
    /// Its name for programs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Offer => "offer",
            Self::Loader => "loader",
            Self::Ipxe => "ipxe",
            Self::Script => "script",
            Self::Kernel => "kernel",
            Self::Initrd => "initrd",
            Self::Init => "init",
            Self::Mount => "mount",
            Self::Reads => "reads",
            Self::Running => "running",
        }
    }
}
