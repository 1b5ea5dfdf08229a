//! What was decided about a machine, as values.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::path::PathBuf;

use netroot_proto::pxe::client::Client;

use super::fields::Fields;

/// What was decided about a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decided {
    /// It is not in the configuration.
    Unknown {
        /// What it is given: an image's name, or a word.
        given: String,
        /// The lines that put it there.
        adopt: String,
        /// The file to which they are appended.
        file: PathBuf,
    },
    /// It asks to boot, and boots nothing from here.
    Refused {
        /// What kind of client asks.
        client: Client,
        /// What refuses it.
        why: String,
    },
    /// It fetched its script, and boots an image for once.
    BootsOnce {
        /// The image.
        image: String,
    },
    /// What it was ordered to boot failed.
    WentBack {
        /// The image that failed.
        failed: String,
        /// The ordered one that it boots next; `None` for what the configuration says.
        next: Option<String>,
    },
    /// It boots with the initrd for every network card from now on.
    EveryNic {
        /// The drivers of the card that it had one for.
        drivers: String,
        /// It reported that a driver was missing; else it was not heard of.
        reported: bool,
    },
    /// It is given the boot loader that is signed.
    GivenSigned {
        /// The loader that it would be given otherwise.
        refused: String,
        /// What it is given.
        signed: String,
        /// Why.
        why: WhySigned,
    },
    /// Another machine has the address that is kept for it, so it was given another one.
    KeptAddressInUse {
        /// The address.
        address: IpAddr,
    },
}

/// Why a machine is given the signed loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhySigned {
    /// Its firmware loaded the other one and did not start it.
    Refused,
    /// It did so before, or reported that Secure Boot is on.
    Known,
    /// The configuration says so.
    Configured,
}

impl WhySigned {
    /// As a word.
    const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Known => "known",
            Self::Configured => "configured",
        }
    }
}

impl Display for Decided {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { given, file, .. } => {
                write!(
                    f,
                    "not in the configuration, gets {given}; these lines at the end of {} adopt it:",
                    file.display()
                )
            }
            Self::Refused { client, why } => {
                write!(f, "{client}: boots no image: {why} refuses it")
            }
            Self::BootsOnce { image } => write!(f, "boots {image}, this once"),
            Self::WentBack { failed, next } => match next {
                Some(next) => write!(f, "{failed} failed to boot: back to {next}"),
                None => write!(
                    f,
                    "{failed} failed to boot: back to what the configuration says"
                ),
            },
            Self::EveryNic { drivers, reported } => {
                let why = match reported {
                    true => "reports that a driver is missing",
                    false => "did not report, twice",
                };
                write!(
                    f,
                    "boots with the initrd for every network card from now on: with the one for {drivers} it {why}"
                )
            }
            Self::GivenSigned {
                refused,
                signed,
                why,
            } => match why {
                WhySigned::Refused => write!(
                    f,
                    "loaded {refused} and did not start it, as firmware with Secure Boot would: it is given {signed}"
                ),
                WhySigned::Known => write!(
                    f,
                    "starts only what is signed, as it showed or reported before: it is given {signed} instead of {refused}"
                ),
                WhySigned::Configured => write!(
                    f,
                    "is given {signed} instead of {refused}, as the configuration says (secure-boot = \"always\")"
                ),
            },
            Self::KeptAddressInUse { address } => write!(
                f,
                "{address} is kept for it, but another machine uses it: it gets that at a boot after the other has \
                 given it up"
            ),
        }
    }
}

/// The kind of a decision.
pub(super) fn kind(decided: &Decided) -> &'static str {
    match decided {
        Decided::Unknown { .. } => "unknown-machine",
        Decided::Refused { .. } => "refused",
        Decided::BootsOnce { .. } => "boots-once",
        Decided::WentBack { .. } => "went-back",
        Decided::EveryNic { .. } => "every-nic",
        Decided::GivenSigned { .. } => "given-signed",
        Decided::KeptAddressInUse { .. } => "kept-address-in-use",
    }
}

/// The fields of a decision.
pub(super) fn add_fields(fields: &mut Fields, decided: &Decided) {
    match decided {
        Decided::Unknown { given, adopt, file } => {
            fields.add("given", given.as_str());
            fields.add_lines("adopt", adopt);
            fields.add("path", file.to_string_lossy());
        }
        Decided::Refused { client, why } => {
            fields.add_client(*client);
            fields.add("why", why.as_str());
        }
        Decided::BootsOnce { image } => fields.add("image", image.as_str()),
        Decided::EveryNic { drivers, reported } => {
            fields.add("drivers", drivers.as_str());
            fields.add("reported", *reported);
        }
        Decided::WentBack { failed, next } => {
            fields.add("failed", failed.as_str());
            fields.add("next", next.as_deref());
        }
        Decided::GivenSigned {
            refused,
            signed,
            why,
        } => {
            fields.add("refused", refused.as_str());
            fields.add("signed", signed.as_str());
            fields.add("why", why.word());
        }
        Decided::KeptAddressInUse { address } => fields.add("address", address.to_string()),
    }
}
