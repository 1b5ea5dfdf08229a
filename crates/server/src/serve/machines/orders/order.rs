//! The order for one machine, and its boot that goes on.

use serde::{Deserialize, Serialize};

/// How many reported attempts have to fail until a machine goes back to the image before.
const FAILED_ATTEMPTS: u64 = 3;

/// The order for one machine. What is on the disk is all but the boot that goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The image of its next boot alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) once: Option<String>,
    /// The image of every boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<String>,
    /// Set until it is known that this one boots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trial: Option<Trial>,
    /// The image that failed to boot, where the machine went back to the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<String>,
    #[serde(skip)]
    pub(super) boot: Boot,
    /// `once` could not be taken off the disk.
    #[serde(skip)]
    pub(super) unwritable: bool,
}

/// An image of which nobody knows yet whether it boots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trial {
    /// What was ordered before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<String>,
    /// The failed attempts of earlier boots.
    #[serde(skip)]
    pub(super) failed_before: u64,
    /// The boot whose failed attempts are counted, and how many.
    #[serde(skip)]
    pub(super) counted: (String, u64),
}

/// By what a machine fetches its script: which boot it does so in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FetchedBy {
    /// By the URL in an answer of DHCP, which has this number: an iPXE that starts again has one with another number.
    DhcpUrl(u32),
    /// By iPXE's name for it, without a number: a script does that when it tries again, and an iPXE that has a script of
    /// its own.
    IpxeUrl,
    /// By the name of a file over TFTP, or that of another loader: of any boot. So is a unified kernel image, which is its
    /// own script.
    FileName,
}

/// A boot that goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Boot {
    /// The image that it took for once.
    pub(super) once: Option<String>,
    /// The ordered image that the script had which it fetched.
    pub(super) image: Option<String>,
    /// The number in the URL of DHCP by which iPXE fetched the script.
    pub(super) number: Option<u32>,
    /// Whether other firmware than iPXE asked DHCP before the script was fetched.
    pub(super) has_firmware: bool,
    /// Whether the machine itself has fetched its loader from here.
    pub(super) has_loader: bool,
    /// Whether its firmware asked DHCP since the last script was fetched, or somebody in its name.
    pub(super) firmware_asked: bool,
    /// The same of iPXE.
    pub(super) ipxe_asked: bool,
}

impl Boot {
    /// Whether it has ended if the machine itself fetches its script by this now. What a URL of DHCP began, another one of
    /// DHCP ends, or another loader.
    fn is_over(&self, by: FetchedBy) -> bool {
        // Firmware that starts again loads its loader again, which ends the boot.
        let by_firmware = self.firmware_asked && !self.has_loader;
        let firmware_starts = by_firmware || (self.ipxe_asked && !self.has_firmware);
        let is_same = match by {
            FetchedBy::DhcpUrl(number) => self.number == Some(number),
            FetchedBy::IpxeUrl => self.number.is_some(),
            FetchedBy::FileName => false,
        };
        firmware_starts && !is_same
    }
}

/// What is ordered, for one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ordered {
    /// The image of this boot alone.
    pub(crate) once: Option<String>,
    /// The image of every boot.
    pub(crate) image: Option<String>,
    /// Whether another one failed before.
    pub(crate) after_failure: bool,
}

/// What a report changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WentBack {
    /// The image that failed.
    pub(crate) failed: String,
    /// The ordered one that comes next; `None` for what the configuration says.
    pub(crate) to: Option<String>,
}

impl Order {
    /// The machine itself fetches its script by this: a boot begins, or goes on. Returns the image that it takes for once.
    pub(super) fn fetches_script(&mut self, by: FetchedBy) -> Option<String> {
        let (boot, unwritable) = (&mut self.boot, self.unwritable);
        boot.image.clone_from(&self.image);
        if boot.is_over(by) {
            boot.once = None;
        }
        let firmware_asked = std::mem::take(&mut boot.firmware_asked);
        boot.ipxe_asked = false;
        if boot.once.is_some() {
            // Somebody asked in its name; or it has another loader than before, and the next time that counts.
            boot.has_loader &= !firmware_asked;
            return None;
        }
        boot.has_firmware = firmware_asked;
        boot.number = match by {
            FetchedBy::DhcpUrl(number) => Some(number),
            FetchedBy::IpxeUrl | FetchedBy::FileName => None,
        };
        let once = self.once.take_if(|_| !unwritable)?;
        boot.once = Some(once.clone());
        Some(once)
    }

    /// The machine's init reported that it runs. True if that ended a trial.
    pub(super) fn booted(&mut self) -> bool {
        let on_trial = self.boot.once.is_none() && self.boot.image == self.image;
        on_trial && self.trial.take().is_some()
    }

    /// The machine's init reported that this many attempts of this boot failed. Returns what changed.
    pub(super) fn failed(&mut self, boot_id: &str, attempts: u64) -> Option<WentBack> {
        if let Some(failed) = self.boot.once.take() {
            return Some(WentBack {
                failed,
                to: self.image.clone(),
            });
        }
        if self.boot.image != self.image {
            return None;
        }
        let trial = self.trial.as_mut()?;
        if trial.counted.0 != boot_id || boot_id.is_empty() {
            trial.failed_before = trial.failed_before.saturating_add(trial.counted.1);
            trial.counted = (boot_id.to_owned(), 0);
        }
        trial.counted.1 = trial.counted.1.max(attempts);
        if trial.failed_before.saturating_add(trial.counted.1) < FAILED_ATTEMPTS {
            return None;
        }
        let before = self.trial.take().and_then(|trial| trial.before);
        let failed = std::mem::replace(&mut self.image, before)?;
        self.failed = Some(failed.clone());
        Some(WentBack {
            failed,
            to: self.image.clone(),
        })
    }

    /// The image that a boot took for once, unless that boot has ended if the machine fetches its script by this now.
    pub(super) fn taken(&self, by: FetchedBy) -> Option<&String> {
        let taken = self.boot.once.as_ref();
        taken.filter(|_| !self.boot.is_over(by))
    }

    pub(super) fn ordered(&self, once: Option<&String>) -> Ordered {
        Ordered {
            once: once.cloned(),
            image: self.image.clone(),
            after_failure: self.failed.is_some(),
        }
    }
}
