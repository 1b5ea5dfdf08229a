//! Where a root comes from, which of its servers can be mounted from, and what is mounted in the end.
//!
//! ```text
//! BootPlan, Address → RootSource → Candidate → Mounted
//! ```
//!
//! What is NFS about it is in [`nfs`]. Another kind of root (an image over HTTP, say) is another variant of
//! [`RootSource`] and of [`Candidate`], and a module beside that one.

use std::time::Duration;

use netroot_proto::cmdline::{BootPlan, Overlay, RootRequest};
use netroot_proto::mount::{RootChoice, Version};
use netroot_proto::root::{NoRoot, choose_root_of};

use crate::console::{info, warn};
use crate::identity;
use crate::modules::Loader;
use crate::net::address::Address;
use crate::root::mount_point::{DirectoryError, LOWER, ROOT, make_directory};
use crate::root::nested;
use crate::root::nfs;
pub(crate) use crate::root::nfs::Questions;
use crate::root::nfs::export::Export;
use crate::root::overlay::{self, OverlayError};
use crate::root::programs;
use crate::root::squash;

/// How long a mount may take once the server answered every question before it.
const MOUNT_TIMEOUT: Duration = Duration::from_secs(45);
/// The same where another candidate is left.
const MOUNT_TIMEOUT_IF_OTHERS: Duration = Duration::from_secs(15);

/// How long a mount may take before the server is asked first after all. On a network with half a second of delay, where
/// a packet is lost, it still takes less.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(8);

/// The root that the command line and the network name.
#[derive(Debug)]
pub(crate) enum RootSource {
    /// An export of one or several NFS servers.
    Nfs(RootChoice),
}

/// A root that can be mounted, as far as its server says.
#[derive(Debug)]
pub(crate) enum Candidate {
    /// An export of one NFS server.
    Nfs(Box<Export>),
}

/// The root, mounted at [`ROOT`].
#[derive(Debug)]
pub(crate) struct Mounted {
    /// As messages name it: `server:path`.
    pub(crate) name: String,
    /// Its init, if that was found out before the mount.
    pub(crate) init: Option<String>,
}

/// Why there is nothing to mount.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindError {
    /// Nothing says what the root is.
    #[error("no root: {0}")]
    NoRoot(#[source] NoRoot),
    /// No NFS server can be mounted from.
    #[error(transparent)]
    Nfs(#[from] nfs::export::FindError),
}

/// Why no candidate was mounted.
#[derive(Debug, thiserror::Error)]
#[error("cannot mount the root {root}: {cause}; {}", cause.advice())]
pub(crate) struct MountError {
    /// The candidate, as messages name it.
    pub(crate) root: String,
    /// What failed.
    pub(crate) cause: MountCause,
}

/// What failed about a mount.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MountCause {
    /// The kernel's NFS client.
    #[error(transparent)]
    Nfs(#[from] nfs::mount::MountError),
    /// No directory to mount on.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The writable layer.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    /// Nothing was found to mount.
    #[error("no server of it was found")]
    NoCandidate,
}

impl MountCause {
    /// What to do about it.
    fn advice(&self) -> String {
        match self {
            Self::Nfs(error) => error.advice(),
            Self::Directory(_) => "give the machine more memory".to_owned(),
            Self::Overlay(error) => error.advice().to_owned(),
            Self::NoCandidate => "name one with root=".to_owned(),
        }
    }
}

/// The modules that mounting this root will need: loaded while the network comes up.
pub(crate) fn modules(request: &RootRequest) -> Vec<&'static str> {
    let versions = match request {
        RootRequest::Nfs(request) => request.options.versions.as_slice(),
        RootRequest::FromDhcp { options, .. } => options.versions.as_slice(),
        RootRequest::Unsupported { .. } | RootRequest::Missing => &[],
    };
    let mut modules = Vec::new();
    if versions.is_empty() || versions.contains(&Version::V3) {
        modules.push("nfsv3");
    }
    if versions.iter().any(|v| matches!(v, Version::V4(_))) {
        modules.push("nfsv4");
    }
    modules
}

impl RootSource {
    /// The root that the plan names, or what came with the address.
    pub(crate) fn choose(plan: &BootPlan, address: &Address) -> Result<Self, FindError> {
        let machine = identity::of(address.nic.mac);
        let choice = choose_root_of(plan, &address.facts(), &machine).map_err(FindError::NoRoot)?;
        nfs::export::announce(&choice);
        Ok(Self::Nfs(choice))
    }

    /// Asks its servers about it. Returns those that can be mounted from, the best one first.
    pub(crate) fn find(
        &self,
        plan: &BootPlan,
        address: &Address,
        questions: Questions,
    ) -> Result<Vec<Candidate>, FindError> {
        let candidates = match self {
            Self::Nfs(choice) => nfs::export::find(choice.clone(), plan, address, questions)?,
        };
        let candidates = candidates.into_iter().map(Box::new);
        Ok(candidates.map(Candidate::Nfs).collect())
    }
}

impl Candidate {
    fn name(&self) -> String {
        match self {
            Self::Nfs(export) => export.name(),
        }
    }

    /// Whether it is mounted to see whether that works at once: its server was not asked for the reasons why it may not.
    pub(crate) fn is_trial(&self) -> bool {
        match self {
            Self::Nfs(export) => export.asked == Questions::Ports,
        }
    }

    fn warn_of_squash(&self, target: &str) {
        match self {
            Self::Nfs(export) => squash::warn_of_squash(&self.name(), target, export.choice.access),
        }
    }

    fn init(&self) -> Option<String> {
        match self {
            Self::Nfs(export) => export.init.clone(),
        }
    }

    /// Mounts it at `target`. Returns how, for the console: `nfs vers=3 over tcp, ro`.
    fn mount(
        &self,
        programs: &[String],
        target: &str,
        loader: &Loader,
        timeout: Duration,
    ) -> Result<String, MountCause> {
        make_directory(target)?;
        match self {
            Self::Nfs(export) => {
                let version = nfs::mount::mount_export(export, programs, target, loader, timeout)?;
                let access = export.choice.access;
                Ok(format!("nfs vers={version} over tcp, {access}"))
            }
        }
    }
}

/// Mounts the first of the candidates that can be mounted, under a writable layer if the plan asks for one.
pub(crate) fn mount(
    candidates: &[Candidate],
    plan: &BootPlan,
    loader: &Loader,
) -> Result<Mounted, MountError> {
    let overlay = &plan.overlay.value;
    let layered = *overlay != Overlay::Off;
    let target = if layered { LOWER } else { ROOT };
    let programs = programs::candidates(plan);
    let (candidate, how) = mount_first(candidates, &programs, target, loader)?;
    let name = candidate.name();
    candidate.warn_of_squash(target);
    if let Overlay::Tmpfs { size } = overlay {
        let nested = nested::find(target, &programs);
        overlay::layer(target, &nested, size.as_deref(), loader).map_err(|error| MountError {
            root: name.clone(),
            cause: error.into(),
        })?;
    }
    let over = if layered {
        " under a tmpfs overlay"
    } else {
        ""
    };
    info!("mounted {name} ({how}){over}");
    Ok(Mounted {
        init: candidate.init(),
        name,
    })
}

/// Mounts one candidate: if it cannot be mounted, the next. The error is the first one's.
fn mount_first<'a>(
    candidates: &'a [Candidate],
    programs: &[String],
    target: &str,
    loader: &Loader,
) -> Result<(&'a Candidate, String), MountError> {
    let mut first = None;
    let mut left = candidates.len();
    for candidate in candidates {
        left -= 1;
        let timeout = match left {
            _ if candidate.is_trial() => TRIAL_TIMEOUT,
            0 => MOUNT_TIMEOUT,
            _ => MOUNT_TIMEOUT_IF_OTHERS,
        };
        match candidate.mount(programs, target, loader, timeout) {
            Ok(how) => return Ok((candidate, how)),
            Err(cause) => {
                let root = candidate.name();
                let error = MountError { root, cause };
                if left > 0 {
                    warn!("{error}; trying the next server");
                }
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or(MountError {
        root: "(none)".to_owned(),
        cause: MountCause::NoCandidate,
    }))
}
