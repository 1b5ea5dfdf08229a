//! Why a boot stopped, as a value with its sentence.

pub(super) mod secure_boot;
mod text;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::cures::Problem;
use netroot_proto::pxe::inputs::Loader;

use self::secure_boot::SignedStop;
use super::stage::Stage;
use crate::serve::artifacts::FileKind;
use crate::serve::artifacts::signed_chain::SignedState;

/// Why a boot stopped. Its text is one sentence with the cure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CauseOfDeath {
    /// The machine's request was not answered.
    NotAnswered {
        /// Why.
        reason: String,
    },
    /// It got an address, but nothing to load.
    NothingToLoad {
        /// Why.
        reason: String,
    },
    /// A server that gives addresses says that it is a boot server, too (option 60).
    OtherClaimsBoot {
        /// The server.
        server: IpAddr,
        /// Option 60, such as `PXEClient`.
        class: Vec<u8>,
        /// What the machine was offered from here.
        loader: String,
        /// Where it stopped: iPXE does so in another way than firmware.
        stage: Stage,
    },
    /// Another ProxyDHCP server answers.
    OtherProxy {
        /// The server.
        server: IpAddr,
        /// What the machine was offered from here.
        loader: String,
    },
    /// A server that gives addresses names a boot file.
    OtherNamesFile {
        /// The server.
        server: IpAddr,
        /// The file.
        file: Vec<u8>,
        /// How far the boot had come.
        stage: Stage,
    },
    /// It was offered an address from here, and took another server's.
    OtherServerChosen {
        /// The server.
        server: IpAddr,
        /// What the machine was offered from here.
        loader: String,
    },
    /// It was offered an address from here, and did not take it.
    OfferNotTaken {
        /// The address.
        address: Ipv4Addr,
        /// Another server that offers addresses.
        other: Option<IpAddr>,
    },
    /// No DHCP server gave it an address.
    NoAddress,
    /// UEFI HTTP boot was offered a URL and did not ask for it.
    HttpNotAsked {
        /// The URL.
        url: String,
    },
    /// Firmware did not ask for the loader.
    LoaderNotAsked {
        /// Its name.
        loader: String,
        /// Where it was offered beside another server, as a proxy: the machine's platform.
        proxied: Option<Platform>,
    },
    /// A transfer stopped halfway.
    TransferStopped {
        /// What was transferred.
        kind: FileKind,
        /// Its name.
        name: String,
        /// So many bytes had been sent.
        sent: u64,
        /// Of so many.
        bytes: u64,
        /// By TFTP.
        tftp: bool,
    },
    /// A file that is served could not be read.
    Unreadable {
        /// Its name.
        name: String,
        /// The system's error.
        error: String,
    },
    /// Firmware loaded the loader more than once and did not start it.
    LoaderRefused {
        /// Its name.
        loader: String,
        /// How often.
        times: u32,
        /// Of UEFI: what it is given instead.
        uefi: Option<Instead>,
    },
    /// The loader was loaded, and iPXE did not ask for anything.
    LoaderSilent {
        /// Its name.
        loader: String,
        /// Of UEFI: what it is given instead.
        uefi: Option<Instead>,
    },
    /// Firmware loaded the unified kernel image, and nothing was heard since.
    UnifiedSilent {
        /// Its name.
        program: String,
    },
    /// A boot by the root's signed files.
    SecureBoot(SignedStop),
    /// iPXE asked for an address, and not for its script.
    ScriptNotAsked {
        /// Its address.
        address: IpxeAddress,
    },
    /// The script was fetched, the kernel was not.
    KernelNotAsked,
    /// The kernel was loaded, the initrd was not.
    InitrdNotAsked,
    /// Kernel and initrd were loaded, and nothing was heard from the init.
    InitSilent {
        /// The image.
        image: Option<String>,
        /// Its script has the address for a report.
        reports: bool,
    },
    /// The init asked for an address, and has not mounted.
    InitStopped,
    /// The mount was refused.
    MountRefused {
        /// Why.
        reason: String,
    },
    /// The root was mounted, and then nothing was read.
    SilentAfterMount {
        /// For so long.
        silent: Duration,
    },
}

/// What a machine can be given whose firmware does not start an unsigned loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instead {
    /// What the root has; `None` if the machine boots none.
    pub(crate) signed: Option<Arc<SignedState>>,
    /// Why it is not given that.
    pub(crate) why_not: Option<&'static str>,
}

/// Where iPXE has its address from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IpxeAddress {
    /// From this server.
    Here,
    /// From another one, as its own request says.
    From(IpAddr),
    /// Another server offers addresses; whether it took one is not known.
    OfferedBy(IpAddr),
    /// Nobody else was heard.
    Nowhere,
}

impl CauseOfDeath {
    /// The other server that is to blame, and what is wrong with it.
    pub(super) fn problem(&self) -> Option<(Option<IpAddr>, Problem)> {
        Some(match self {
            Self::OtherClaimsBoot { server, class, .. } => {
                let class = class.clone();
                (Some(*server), Problem::ClaimsBoot { class })
            }
            Self::OtherNamesFile { server, file, .. } => {
                let file = file.clone();
                (Some(*server), Problem::NamesFile { file })
            }
            Self::OtherProxy { server, .. } => (Some(*server), Problem::SecondProxy),
            Self::OtherServerChosen { server, .. } => (Some(*server), Problem::SecondServer),
            Self::OfferNotTaken { other, .. } => (Some((*other)?), Problem::SecondServer),
            Self::NoAddress => (None, Problem::NoAddress),
            Self::LoaderNotAsked {
                proxied: Some(_), ..
            } => (None, Problem::ProxyNotHeard),
            _ => return None,
        })
    }

    /// The loader that a machine was to load, where the cure names it.
    pub(super) fn loader(&self) -> Option<Loader> {
        match self {
            Self::LoaderNotAsked {
                loader,
                proxied: Some(platform),
            } => Some(Loader {
                platform: *platform,
                first: loader.clone(),
                second: None,
                signed: None,
            }),
            _ => None,
        }
    }

    /// Its name for programs.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::NotAnswered { .. } => "not-answered",
            Self::NothingToLoad { .. } => "nothing-to-load",
            Self::OtherClaimsBoot { .. } => "other-claims-boot",
            Self::OtherProxy { .. } => "other-proxy",
            Self::OtherNamesFile { .. } => "other-names-file",
            Self::OtherServerChosen { .. } => "other-server-chosen",
            Self::OfferNotTaken { .. } => "offer-not-taken",
            Self::NoAddress => "no-address",
            Self::HttpNotAsked { .. } => "http-not-asked",
            Self::LoaderNotAsked { .. } => "loader-not-asked",
            Self::TransferStopped { .. } => "transfer-stopped",
            Self::Unreadable { .. } => "unreadable",
            Self::LoaderRefused { .. } => "loader-refused",
            Self::LoaderSilent { .. } => "loader-silent",
            Self::SecureBoot(stop) => stop.at.kind(),
            Self::ScriptNotAsked { .. } => "script-not-asked",
            Self::KernelNotAsked => "kernel-not-asked",
            Self::InitrdNotAsked => "initrd-not-asked",
            Self::InitSilent { .. } => "init-silent",
            Self::UnifiedSilent { .. } => "unified-silent",
            Self::InitStopped => "init-stopped",
            Self::MountRefused { .. } => "mount-refused",
            Self::SilentAfterMount { .. } => "silent-after-mount",
        }
    }
}
