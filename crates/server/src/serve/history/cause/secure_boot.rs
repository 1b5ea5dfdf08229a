//! Where a boot by signed files stopped, and what to do: the machine itself says "Security Violation", or nothing.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use netroot_secure_boot::{Condition, Part};

use crate::serve::artifacts::signed_chain::{ChainFacts, SignedState};
use crate::serve::artifacts::signed_ipxe;

/// A boot by signed files that stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignedStop {
    /// The shim that firmware loaded.
    pub(crate) shim: String,
    /// Where it stopped.
    pub(crate) at: SignedStage,
    /// What is known of the files.
    pub(crate) facts: Option<Arc<ChainFacts>>,
}

/// How far a boot by signed files came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SignedStage {
    /// Firmware loaded shim, which asked for nothing.
    ShimRefused,
    /// Shim asked for a file that is not served, and for nothing that is.
    ShimLacksFile {
        /// The file.
        name: String,
    },
    /// Shim started, and did not load GRUB.
    GrubNotAsked,
    /// Shim loaded GRUB, which asked for nothing.
    GrubRefused {
        /// GRUB's file.
        name: String,
        /// Shim asked for MokManager, which it starts where it may not start GRUB.
        is_certain: bool,
    },
    /// The same with a GRUB that looks for its files on the server that gave the address, which is another one.
    GrubAsksElsewhere {
        /// GRUB's file.
        name: String,
    },
    /// Shim started, and did not load iPXE.
    IpxeNotAsked,
    /// Shim loaded iPXE, which asked for nothing.
    IpxeRefused {
        /// iPXE's file.
        name: String,
        /// Shim asked for MokManager, which it starts where it may not start iPXE.
        is_certain: bool,
    },
    /// GRUB asked for a file that is not served, and for nothing that is.
    GrubLacksFile {
        /// The file.
        name: String,
    },
    /// GRUB has its configuration, and did not load a kernel.
    KernelNotAsked,
    /// GRUB loaded the kernel, and did not go on to the initrd.
    KernelRefused {
        /// The kernel's file.
        name: String,
    },
    /// iPXE loaded kernel and initrd, and the kernel was not started.
    KernelNotStarted {
        /// The kernel's file.
        name: String,
    },
}

impl SignedStage {
    /// Its name for programs.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::ShimRefused => "shim-refused",
            Self::ShimLacksFile { .. } => "shim-lacks-file",
            Self::GrubNotAsked => "grub-not-asked",
            Self::GrubRefused { .. } => "grub-refused",
            Self::GrubAsksElsewhere { .. } => "grub-asks-elsewhere",
            Self::GrubLacksFile { .. } => "grub-lacks-file",
            Self::KernelNotAsked => "kernel-not-asked",
            Self::KernelRefused { .. } | Self::KernelNotStarted { .. } => "kernel-refused",
            Self::IpxeNotAsked => "ipxe-not-asked",
            Self::IpxeRefused { .. } => "ipxe-refused",
        }
    }
}

impl SignedStop {
    /// The certificate that must be enrolled for this file, if there is one.
    fn condition(&self, of: Part) -> Option<&Condition> {
        let mut conditions = self.facts.as_ref()?.checked.conditions.iter();
        conditions.find(|condition| condition.part() == of)
    }

    /// Whose signature on shim firmware has to accept.
    fn authorities(&self) -> Option<String> {
        let authorities = &self.facts.as_ref()?.checked.authorities;
        let names: Vec<String> = authorities.iter().map(ToString::to_string).collect();
        (!names.is_empty()).then(|| names.join(" or "))
    }

    /// What to do with this file: to enrol its certificate, or to install a newer one.
    fn cure(&self, of: Part) -> String {
        let install = match (&self.facts, of) {
            (Some(facts), Part::Kernel) => &facts.kernel_cure,
            (Some(facts), Part::Shim | Part::Loader) => &facts.cure,
            // In a menu nobody has chosen a root yet.
            (None, _) if signed_ipxe::is_shim(&self.shim) => signed_ipxe::cure(of),
            (None, _) => "install the distribution's newest signed files in the root",
        };
        match self.condition(of) {
            Some(_) if of == Part::Shim => {
                format!("enrol that certificate in the firmware's setup, or {install}")
            }
            Some(_) => {
                format!("enrol that certificate on the machine (mokutil --import), or {install}")
            }
            None => install.to_owned(),
        }
    }
}

impl Display for SignedStop {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { shim, at, facts } = self;
        match at {
            SignedStage::ShimRefused => {
                write!(f, "{shim} was loaded and asked for nothing: the firmware refuses it (Security Violation): ")?;
                match (self.condition(Part::Shim), self.authorities()) {
                    (Some(condition), _) => write!(f, "{condition}")?,
                    (None, Some(authorities)) => write!(
                        f,
                        "it starts shim only where it trusts {authorities} (db; some setups call that the third-party CA) and \
                         has not revoked this shim (dbx)"
                    )?,
                    (None, None) => f.write_str("it does not trust who signed it (db), or has revoked it (dbx)")?,
                }
                write!(f, "; {}, or switch Secure Boot off", self.cure(Part::Shim))
            }
            SignedStage::ShimLacksFile { name } => write!(
                f,
                "{shim} asked for {name}, which is not served: it is a shim of another distribution than netroot knows; {}",
                self.cure(Part::Shim)
            ),
            SignedStage::GrubNotAsked => write!(
                f,
                "{shim} was started and never asked for GRUB: its screen says why; does a firewall drop UDP between high ports \
                 (TFTP)?"
            ),
            SignedStage::IpxeNotAsked => write!(
                f,
                "{shim} was started and never asked for iPXE: its screen says why; does a firewall drop UDP between high ports \
                 (TFTP)?"
            ),
            SignedStage::GrubRefused { name, is_certain } | SignedStage::IpxeRefused { name, is_certain } => {
                match is_certain {
                    true => write!(f, "shim loaded {name} and refused it: ")?,
                    false => write!(
                        f,
                        "{name} was loaded and asked for nothing; where the screen says \"Security Violation\", shim refused it: "
                    )?,
                }
                let generations = facts.as_ref().map(|facts| facts.checked.loader.to_string());
                match (self.condition(Part::Loader), generations) {
                    (Some(condition), _) => write!(f, "{condition}")?,
                    (None, Some(generations)) => write!(
                        f,
                        "this machine takes only newer generations (SBAT) than this file's {generations}, or has revoked who \
                         signed it"
                    )?,
                    (None, None) => f.write_str("shim does not trust who signed it, or it is revoked")?,
                }
                write!(f, "; {}", self.cure(Part::Loader))
            }
            SignedStage::GrubAsksElsewhere { name } => write!(
                f,
                "{name} was loaded and asked for nothing here: GRUB before 2.12 looks for its files on the server that gave the \
                 address; let netroot give addresses (--dhcp FIRST-LAST), or put a newer GRUB into the root"
            ),
            SignedStage::GrubLacksFile { name } => write!(
                f,
                "GRUB asked for {name}, which is not served, and for nothing that is; {}",
                self.cure(Part::Loader)
            ),
            SignedStage::KernelNotAsked => f.write_str(
                "GRUB has its configuration and never asked for the kernel: its screen says why; does somebody sit at its menu?",
            ),
            SignedStage::KernelNotStarted { name } => {
                write!(f, "iPXE loaded the kernel {name}, which was not started where Secure Boot is on: ")?;
                if let Some(why) = facts.as_ref().and_then(|facts| facts.no_kernel.as_ref()) {
                    return f.write_str(why);
                }
                match self.condition(Part::Kernel) {
                    Some(condition) => write!(f, "{condition}")?,
                    None => f.write_str("the machine does not trust who signed it, or has revoked it; its screen says why")?,
                }
                write!(f, "; {}", self.cure(Part::Kernel))
            }
            SignedStage::KernelRefused { name } => {
                write!(f, "GRUB loaded the kernel {name} and nothing after it: shim refuses that kernel (bad shim signature): ")?;
                match self.condition(Part::Kernel) {
                    Some(condition) => write!(f, "{condition}")?,
                    None => f.write_str("the machine has revoked it, or who signed it; GRUB's screen says why")?,
                }
                write!(f, "; {}", self.cure(Part::Kernel))
            }
        }
    }
}

/// What to do about a loader that Secure Boot may have refused: a clause that begins with a verb. `why_not` says why the
/// machine is not given what is there.
pub(super) fn instead(signed: Option<&SignedState>, why_not: Option<&str>) -> String {
    const OFF: &str = "switch Secure Boot off in the firmware's setup";
    match (signed, why_not) {
        (Some(SignedState::Usable(_)), None) => {
            "boot once more: a signed shim is offered then".to_owned()
        }
        (Some(SignedState::Usable(_)), Some(why_not)) => {
            format!("{OFF} (the root's signed files are not for it: {why_not})")
        }
        (Some(SignedState::Unusable { error }), _) => {
            format!("{OFF}, or mend the root's signed files, which no machine boots: {error}")
        }
        (Some(SignedState::Nothing { cure }), _) => {
            format!("{OFF}, or {cure}, and boot once more: what is signed is offered then")
        }
        (None, _) => OFF.to_owned(),
    }
}
