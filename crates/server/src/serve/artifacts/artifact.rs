//! What has a name over TFTP and HTTP.

use std::sync::Arc;

use netroot_net::Mac;

use super::content::Content;
use crate::settings::Choice;

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) struct Artifact {
    /// The bytes.
    pub(crate) content: Content,
    /// Its Content-Type, which EDK2's HTTP boot depends on.
    pub(crate) content_type: &'static str,
    /// What it is to a boot.
    pub(crate) kind: FileKind,
    /// The machine whose script it is. Anybody may fetch it: this says nothing about who does.
    pub(crate) machine: Option<Mac>,
    /// What a script boots.
    pub(crate) chosen: Option<Arc<Chosen>>,
}

impl Artifact {
    /// Whether it is a script whose command line names where the init reports to.
    pub(super) fn names_report(&self) -> bool {
        self.text().contains(" netroot.report=")
    }

    /// What was made for a machine, as text.
    pub(super) fn text(&self) -> String {
        match &self.content {
            Content::Memory(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        }
    }
}

/// What a script makes a machine boot, and why that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// The image, or what the machine does without one.
    pub(crate) choice: Choice,
    /// Why.
    pub(crate) why: String,
    /// What is heard of the machine afterwards, if all goes well.
    pub(crate) follows: Follows,
    /// The script itself.
    pub(crate) script: String,
}

impl Chosen {
    /// The image's name; `None` if the machine is to ask, to wait, or to boot nothing.
    pub(crate) fn image(&self) -> Option<&str> {
        match &self.choice {
            Choice::Image(name) => Some(name),
            Choice::Menu | Choice::Wait | Choice::Refuse => None,
        }
    }
}

/// What is heard of a machine that runs its script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// It asks again, once somebody has chosen.
    Script,
    /// Nothing, or files in an order of their own.
    Nothing,
    /// It fetches a kernel, and initrds if it has any; what these do is their own affair.
    Kernel {
        /// It has initrds.
        initrd: bool,
    },
    /// It fetches kernel and initrd, and mounts its root.
    Root {
        /// Its command line names where to report to.
        reports: bool,
    },
}

/// What a file is to a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// What firmware loads.
    Loader,
    /// The loader's script.
    Script,
    /// The kernel.
    Kernel,
    /// The initrd.
    Initrd,
    /// Anything else.
    Other,
}

/// A file that is the same for every machine.
pub(super) fn plain(name: &str, content: Content, kind: FileKind) -> Artifact {
    Artifact {
        content,
        content_type: content_type(name),
        kind,
        machine: None,
        chosen: None,
    }
}

/// EDK2 takes `application/efi` or the extension `.efi`; the rest is for people with a browser.
pub(super) fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("efi") => "application/efi",
        Some("ipxe" | "cfg" | "txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efi_programs_have_the_type_that_firmware_looks_for() {
        assert_eq!(content_type("snponly.efi"), "application/efi");
        assert_eq!(content_type("initrd.img"), "application/octet-stream");
    }
}
