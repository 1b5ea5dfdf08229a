//! The initrd for one network card: found in the cache, or built by the helper.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use netroot_initramfs::{Contents, NicDriver, NicDrivers, RootTree};
use netroot_limits::RateLimiter;
use netroot_net::PciId;

use crate::serve::artifacts::{Content, NicInitrd, NicInitrds};
use crate::serve::initrd::{self, InitrdRequest, Scope};
use crate::serve::privileged_helper::{Client, FileRequest, ImageNumber};
use crate::serve::root_facts::{Facts, FoundKernel};
use crate::settings::{InitrdSource, RootSettings};

/// The end of the work on one.
#[derive(Debug)]
pub(super) struct NicBuilt {
    /// The image's id, and its name.
    pub(super) image: u64,
    pub(super) name: String,
    /// What it was made of.
    pub(super) facts: Facts,
    pub(super) nics: Arc<NicInitrds>,
    pub(super) made: Made,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Made {
    /// There is none to be made, or there is one already.
    Nothing,
    /// This one.
    Initrd {
        drivers: NicDriver,
        initrd: Content,
        /// How long it took, unless it was in the cache.
        took: Option<Duration>,
    },
    /// None.
    Failed {
        drivers: Option<NicDriver>,
        nic: PciId,
        error: String,
    },
}

/// Everything that one is made of.
pub(super) struct Job {
    pub(super) tree: Arc<RootTree>,
    pub(super) found: FoundKernel,
    pub(super) settings: RootSettings,
    pub(super) number: ImageNumber,
    pub(super) nics: Arc<NicInitrds>,
    pub(super) nic: PciId,
    pub(super) helper: Arc<Client<FileRequest>>,
    pub(super) builds: Arc<Mutex<RateLimiter<()>>>,
    /// The limiter's time.
    pub(super) now: Duration,
}

/// Finds it or has it built.
pub(super) async fn make(job: Job, cache: &Path) -> Made {
    let began = Instant::now();
    let (nic, number) = (job.nic, job.number);
    let (helper, builds, now) = (Arc::clone(&job.helper), Arc::clone(&job.builds), job.now);
    let cache = cache.to_owned();
    let looked = tokio::task::spawn_blocking(move || look_up(&job, &cache)).await;
    let failed = |drivers, error| Made::Failed {
        drivers,
        nic,
        error,
    };
    let (drivers, fingerprint) = match looked {
        Ok(Ok(Looked::Nothing)) => return Made::Nothing,
        Ok(Ok(Looked::Kept { drivers, initrd })) => {
            return Made::Initrd {
                drivers,
                initrd,
                took: None,
            };
        }
        Ok(Ok(Looked::Absent {
            drivers,
            fingerprint,
        })) => (drivers, fingerprint),
        Ok(Err(error)) => return failed(None, error),
        Err(error) => return failed(None, error.to_string()),
    };
    let may_build = {
        let mut builds = builds.lock().unwrap_or_else(PoisonError::into_inner);
        builds.allows((), now)
    };
    if !may_build {
        return Made::Nothing;
    }
    let built = helper.nic_initrd(number, fingerprint, nic).await;
    let opened = built
        .map_err(|error| error.to_string())
        .and_then(|file| Content::from_regular(file.into()).map_err(|error| error.to_string()));
    match opened {
        Ok(initrd) => Made::Initrd {
            drivers,
            initrd,
            took: Some(began.elapsed()),
        },
        Err(error) => failed(Some(drivers), error),
    }
}

/// What there is before anything is made.
enum Looked {
    Nothing,
    Kept {
        drivers: NicDriver,
        initrd: Content,
    },
    Absent {
        drivers: NicDriver,
        fingerprint: u64,
    },
}

/// Reads which cards the kernel has drivers for, if that is not known yet, and looks into the cache.
fn look_up(job: &Job, cache: &Path) -> Result<Looked, String> {
    let InitrdSource::Build { modules, init } = &job.settings.initrd else {
        return Ok(Looked::Nothing);
    };
    if !job.nics.knows_drivers() {
        let contents = Contents::built_in().map_err(|error| error.to_string())?;
        let drivers = NicDrivers::read(&job.tree, &job.found.kernel, &contents);
        job.nics
            .know_drivers(drivers.map_err(|error| error.to_string())?);
    }
    let NicInitrd::Absent(drivers) = job.nics.of(job.nic, Instant::now()) else {
        return Ok(Looked::Nothing);
    };
    let of_all = initrd::fingerprint(&InitrdRequest {
        root: &job.tree,
        kernel: &job.found.kernel,
        modules,
        init: init.as_deref(),
    });
    let fingerprint = initrd::of_drivers(of_all, &drivers);
    Ok(match initrd::kept(cache, Scope::OneNic, fingerprint) {
        Some(initrd) => Looked::Kept { drivers, initrd },
        None => Looked::Absent {
            drivers,
            fingerprint,
        },
    })
}
