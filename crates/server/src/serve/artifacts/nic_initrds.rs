//! The initrds for one network card each, made for one kernel. They are made when a machine with such a card asks for its
//! script, and bounded in number.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netroot_initramfs::{NicDriver, NicDrivers};
use netroot_net::PciId;

use super::content::Content;

/// How many are open for one kernel.
const MOST: usize = 32;
/// How long after a failure it is not tried again.
const FAILED: Duration = Duration::from_secs(300);

/// What there is for a network card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NicInitrd {
    /// It is not known yet which cards the kernel has drivers for.
    Unknown,
    /// The kernel has no driver for it.
    NoDriver,
    /// An initrd.
    Ready(NicDriver),
    /// It can be made.
    Absent(NicDriver),
    /// It could not be made lately.
    Failed(NicDriver),
}

/// Those for one kernel of one image.
#[derive(Debug, Default)]
pub(crate) struct NicInitrds(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    drivers: Option<Arc<NicDrivers>>,
    ready: Vec<Ready>,
    failed: Vec<(NicDriver, Instant)>,
}

#[derive(Debug)]
struct Ready {
    drivers: NicDriver,
    initrd: Content,
    used: Instant,
}

impl NicInitrds {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is known which cards the kernel has drivers for.
    pub(crate) fn knows_drivers(&self) -> bool {
        self.state().drivers.is_some()
    }

    /// From now on it is.
    pub(crate) fn know_drivers(&self, drivers: NicDrivers) {
        self.state().drivers = Some(Arc::new(drivers));
    }

    /// What there is for a card.
    pub(crate) fn of(&self, nic: PciId, now: Instant) -> NicInitrd {
        let mut state = self.state();
        let Some(drivers) = &state.drivers else {
            return NicInitrd::Unknown;
        };
        let Some(drivers) = drivers.of(nic) else {
            return NicInitrd::NoDriver;
        };
        if let Some(ready) = state.ready.iter_mut().find(|one| one.drivers == drivers) {
            ready.used = now;
            return NicInitrd::Ready(drivers);
        }
        let is_recent = |then: Instant| now.saturating_duration_since(then) < FAILED;
        let mut failed = state.failed.iter();
        match failed.any(|(one, then)| *one == drivers && is_recent(*then)) {
            true => NicInitrd::Failed(drivers),
            false => NicInitrd::Absent(drivers),
        }
    }

    /// One that was made. The one that has not been asked for longest is closed where there are too many.
    pub(crate) fn put(&self, drivers: NicDriver, initrd: Content, now: Instant) {
        let mut state = self.state();
        state.failed.retain(|(one, _)| *one != drivers);
        state.ready.retain(|one| one.drivers != drivers);
        if state.ready.len() >= MOST {
            let ready = state.ready.iter().enumerate();
            let oldest = ready.min_by_key(|(_, one)| one.used).map(|(at, _)| at);
            oldest.map(|oldest| state.ready.swap_remove(oldest));
        }
        state.ready.push(Ready {
            drivers,
            initrd,
            used: now,
        });
    }

    /// One could not be made.
    pub(crate) fn fail(&self, drivers: NicDriver, now: Instant) {
        let mut state = self.state();
        state.failed.retain(|(one, _)| *one != drivers);
        if state.failed.len() >= MOST {
            state.failed.remove(0);
        }
        state.failed.push((drivers, now));
    }

    /// The one for cards with these drivers, if it is open.
    pub(super) fn get(&self, drivers: &str, now: Instant) -> Option<Content> {
        let mut state = self.state();
        let mut ready = state.ready.iter_mut();
        let found = ready.find(|one| one.drivers.as_str() == drivers)?;
        found.used = now;
        Some(found.initrd.clone())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fmt::Write;
    use std::fs;

    use hyper::body::Bytes;
    use netroot_initramfs::{Architecture, Contents, Kernel, RootTree};

    use super::*;

    /// The drivers of a kernel that has one for each of the vendor 8086's devices from 1 to `count`: `d1`, `d2` …
    pub(crate) fn drivers(count: u16) -> NicDrivers {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("lib/modules/6.1.0");
        fs::create_dir_all(&tree).unwrap();
        let (mut dep, mut alias) = (String::new(), String::new());
        for number in 1..=count {
            writeln!(dep, "kernel/drivers/net/ethernet/d{number}.ko:").unwrap();
            let pattern = format!("pci:v00008086d0000{number:04X}sv*sd*bc*sc*i*");
            writeln!(alias, "alias {pattern} d{number}").unwrap();
        }
        fs::write(tree.join("modules.dep"), dep).unwrap();
        fs::write(tree.join("modules.alias"), alias).unwrap();
        let kernel = Kernel {
            version: "6.1.0".to_owned(),
            path: "/boot/vmlinuz-6.1.0".to_owned(),
            part: None,
            architecture: Architecture::X86_64,
            modules: Some("/lib/modules/6.1.0".to_owned()),
            firmware: None,
            start: None,
        };
        let root = RootTree::open(folder.path()).unwrap();
        NicDrivers::read(&root, &kernel, &Contents::built_in().unwrap()).unwrap()
    }

    pub(crate) fn nic(device: u16) -> PciId {
        PciId {
            vendor: 0x8086,
            device,
        }
    }

    fn content() -> Content {
        Content::Memory(Bytes::from_static(b"initrd"))
    }

    #[test]
    fn a_card_has_an_initrd_once_it_is_made_and_a_failure_is_not_tried_again_at_once() {
        let (initrds, now) = (NicInitrds::default(), Instant::now());
        assert_eq!(initrds.of(nic(1), now), NicInitrd::Unknown);
        initrds.know_drivers(drivers(2));
        assert_eq!(initrds.of(nic(9), now), NicInitrd::NoDriver);
        let NicInitrd::Absent(one) = initrds.of(nic(1), now) else {
            panic!("{initrds:?}");
        };
        initrds.fail(one.clone(), now);
        assert_eq!(initrds.of(nic(1), now), NicInitrd::Failed(one.clone()));
        assert_eq!(
            initrds.of(nic(1), now + FAILED),
            NicInitrd::Absent(one.clone())
        );
        initrds.put(one.clone(), content(), now);
        assert_eq!(initrds.of(nic(1), now), NicInitrd::Ready(one));
        assert!(initrds.get("d1", now).is_some());
        assert!(initrds.get("d2", now).is_none());
    }

    #[test]
    fn those_that_are_asked_for_stay_and_their_number_is_bounded() {
        let (initrds, start) = (NicInitrds::default(), Instant::now());
        initrds.know_drivers(drivers(100));
        for number in 1..=100 {
            let now = start + Duration::from_secs(number.into());
            if let NicInitrd::Absent(drivers) = initrds.of(nic(number), now) {
                initrds.put(drivers.clone(), content(), now);
                initrds.fail(drivers, now);
            }
            // A machine that boots all the time.
            assert!(initrds.get("d1", now).is_some(), "{number}");
        }
        let state = initrds.state();
        assert_eq!((state.ready.len(), state.failed.len()), (MOST, MOST));
    }
}
