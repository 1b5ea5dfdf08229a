//! What is chosen for a machine, and how far it comes with that.

/// How the boot file is announced to the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Proxy: "load this file" (43.6 = 8). DHCP: file and server in the header, as without
    /// PXE.
    #[default]
    Usual,
    /// Proxy: no option 43, so that the firmware sends a second request to port 4011. DHCP:
    /// with option 60 and 43.6 = 8.
    Other,
}

/// Which boot loader firmware is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoaderChoice {
    /// [`super::super::inputs::Loader::first`].
    #[default]
    First,
    /// [`super::super::inputs::Loader::signed`]; the first if there is none.
    Signed,
    /// [`super::super::inputs::Loader::second`]; the first if there is none.
    Second,
}

/// The way to boot a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strategy {
    /// How the boot file is announced.
    pub style: Style,
    /// Which loader.
    pub loader: LoaderChoice,
}

/// How far a machine has come since its last DHCP answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// It has been sent the name of its boot loader.
    Answered,
    /// It has loaded the boot loader.
    Loaded,
    /// The boot loader has requested its script: the strategy works.
    Booted,
}
