//! What the loader fetches and boots: iPXE's scripts, and the same in the syntax of PXELINUX and of GRUB. Pure.

mod grub;
mod ipxe;
pub(crate) mod menu;
mod pxelinux;
mod words;

pub(crate) use self::grub::{
    grub, grub_ask_again, grub_machine, grub_menu, grub_nothing, grub_unknown,
};
pub(crate) use self::ipxe::{autoexec, boot, refuse, wait};
pub(crate) use self::menu::Menu;
pub(crate) use self::pxelinux::{pxelinux, pxelinux_machine, pxelinux_menu, pxelinux_nothing};
use crate::catalog::{Image, ImageKind, Recipient};

use netroot_net::Mac;

/// The script that iPXE requests from the folder of its own binary.
pub(crate) const AUTOEXEC: &str = "autoexec.ipxe";
/// The script for a machine that does not identify itself.
pub(crate) const GENERIC: &str = "boot.ipxe";

/// The kernel's command line alone, as the ROM of a Raspberry Pi reads it: one line. `None` for what that ROM cannot
/// boot, which has its kernel from its own files.
pub(crate) fn command_line(image: &Image, to: &Recipient<'_>) -> Option<String> {
    if !matches!(image.kind, ImageKind::Root(_) | ImageKind::Kernel(_)) {
        return None;
    }
    let nic = to.values.mac.map(Mac::hyphenated);
    Some(image.arguments(to, nic.as_deref()).line + "\n")
}

#[cfg(test)]
mod tests;
