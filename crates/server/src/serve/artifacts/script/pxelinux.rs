//! PXELINUX's syntax, for U-Boot and Petitboot, which start kernels and nothing else. Absolute paths are of the server and
//! protocol that it came by.

use std::fmt::Write;

use netroot_net::Mac;
use netroot_printable::Printable;

use super::menu::Menu;
use super::words::words;
use crate::catalog::{Image, ImageFile, ImageKind, KernelImage, Recipient};

/// What keeps PXELINUX from showing its prompt, where Shift or a default that cannot be loaded would: at it, a command line
/// can be changed and any file loaded. Other loaders ignore these words (U-Boot says so).
const NO_PROMPT: &str = "noescape 1\n";
/// The same of what a prompt takes beside the labels: where it is the menu, it cannot be left out (with `noescape`, PXELINUX
/// would boot the default at once).
const LABELS_ONLY: &str = "allowoptions 0\nimplicit 0\n";

/// What [`super::boot`] does, as a configuration. Without a MAC the loader adds `BOOTIF` itself (`ipappend 2`).
pub(crate) fn pxelinux(image: &Image, to: &Recipient<'_>) -> String {
    let mac = to.values.mac;
    let whom = mac.map_or_else(|| "any machine".to_owned(), |mac| mac.to_string());
    let name = &image.name;
    let with = image
        .linux()
        .map(|version| format!(" with Linux {version}"));
    let with = with.unwrap_or_default();
    let mut config = format!("# netroot: {whom} boots {name}{with}\n");
    if !image.offers_shell() {
        config = config + NO_PROMPT + LABELS_ONLY;
    }
    match label(image, to) {
        Ok(label) => {
            let _ = write!(config, "default {name}\nprompt 0\n\n{label}");
        }
        Err(why) => {
            let _ = writeln!(config, "# netroot: nothing can be booted: {why}");
        }
    }
    config
}

/// The menu as a configuration. What cannot be booted so is named in a comment. `shell`: whoever chooses may change the
/// command line, or load something else.
pub(crate) fn pxelinux_menu(menu: &Menu<'_>, to: &Recipient<'_>, shell: bool) -> String {
    let mut config = format!("menu title {}\n", menu.title(to.server));
    if !shell {
        config += LABELS_ONLY;
    }
    if let Some(default) = menu.default() {
        let _ = writeln!(config, "default {default}");
    }
    // In tenths of a second; 0 is for ever.
    let timeout = menu
        .timeout
        .map_or(0, |time| time.as_millis().div_ceil(100));
    let _ = writeln!(config, "prompt 1\ntimeout {timeout}");
    for image in &menu.images {
        match label(image, to) {
            Ok(label) => config = config + "\n" + &label,
            Err(why) => {
                let _ = writeln!(config, "\n# netroot: without {}: {why}", image.name);
            }
        }
    }
    config
}

/// The configuration of a machine that boots nothing; `why` is what says so. As in the scripts for that, there is no prompt.
pub(crate) fn pxelinux_nothing(mac: Option<Mac>, what: &str, why: &str) -> String {
    let whom = mac.map_or_else(|| "this machine".to_owned(), |mac| mac.to_string());
    format!("# netroot: {whom} {what}: {}\n{NO_PROMPT}", Printable(why))
}

/// One entry, or why there is none.
fn label(image: &Image, to: &Recipient<'_>) -> Result<String, String> {
    let initrds = match &image.kind {
        ImageKind::Root(_) => 1,
        ImageKind::Kernel(KernelImage { initrds, .. }) => initrds.len(),
        ImageKind::LocalDisk => {
            let title = words(image.title());
            return Ok(format!(
                "label {}\n\tmenu label netroot: {title}\n\tlocalboot 0\n",
                image.name
            ));
        }
        ImageKind::Efi(_) => return Err(format!("{} is an EFI program", image.name)),
        ImageKind::Disk(_) | ImageKind::Iso(_) => {
            return Err(format!("{} is the image of a disk", image.name));
        }
    };
    if initrds > 1 {
        return Err(format!(
            "{} has {initrds} initrds, and this loader takes one; write them into one file (cat)",
            image.name
        ));
    }
    let mac = to.values.mac;
    let nic = mac.map(Mac::hyphenated);
    let arguments = image.arguments(to, nic.as_deref());
    let title = words(image.title());
    let version = image.linux().map(|version| format!(", Linux {version}"));
    let mut label = format!(
        "label {}\n\tmenu label netroot: {title}{}\n\tkernel /{}\n",
        image.name,
        version.unwrap_or_default(),
        image.file_name(ImageFile::Kernel),
    );
    if initrds > 0 {
        let _ = writeln!(label, "\tinitrd /{}", image.file_name(ImageFile::INITRD));
    }
    for parameter in &arguments.left_out {
        let parameter = Printable(parameter);
        let _ = writeln!(
            label,
            "# netroot: without {parameter}: what that stands for is not known of this machine"
        );
    }
    let _ = writeln!(label, "\tappend {}", arguments.line);
    if mac.is_none() && image.root().is_some() {
        label += "\tipappend 2\n";
    }
    Ok(label)
}

/// The machine for which a name is PXELINUX's configuration: `None` in it for any (`default`, and U-Boot's
/// `default-arm` and `default-arm-<processor>`). Its other names, by UUID or address, are not served: it goes on to these.
pub(crate) fn pxelinux_machine(name: &str) -> Option<Option<Mac>> {
    let name = name.strip_prefix("pxelinux.cfg/")?;
    match name.strip_prefix("01-") {
        Some(mac) => mac.parse().ok().map(Some),
        None => (name == "default" || name.starts_with("default-")).then_some(None),
    }
}
