//! When a change of a root counts, and what it leads to. Pure: facts and times in, a step out.
//!
//! A package manager writes in steps: the kernel, thousands of modules, `modules.dep`, and often the old kernel's end. A
//! change counts once two looks have found the same, [`QUIET`] apart.

use std::time::{Duration, Instant};

use crate::serve::root_facts::{Facts, FoundKernel};

/// How long nothing may have changed before a change counts. `cp` of a kernel and `depmod` change something at least
/// every second.
pub(super) const QUIET: Duration = Duration::from_secs(2);

/// What the changes of something have come to.
#[derive(Debug)]
pub(super) struct Quiet<T> {
    /// What the last look found, and when it found that first.
    last: Option<(T, Instant)>,
    /// What was acted on and came to nothing: it is neither tried nor told again.
    done_with: Option<T>,
}

/// Whether a change counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// There is none.
    NoChange,
    /// Not yet.
    NotYet,
    /// It does.
    Now,
}

impl<T> Default for Quiet<T> {
    fn default() -> Self {
        Self {
            last: None,
            done_with: None,
        }
    }
}

impl<T: Clone + PartialEq> Quiet<T> {
    /// Of a look that found `now`, while `served` is served.
    pub(super) fn counts(&mut self, served: &T, now: &T, at: Instant) -> Counts {
        self.counts_after(QUIET, served, now, at)
    }

    /// The same, where this long without a change is enough.
    pub(super) fn counts_after(
        &mut self,
        quiet: Duration,
        served: &T,
        now: &T,
        at: Instant,
    ) -> Counts {
        if now == served {
            *self = Self::default();
            return Counts::NoChange;
        }
        if self.done_with.as_ref() == Some(now) {
            self.last = None;
            return Counts::NoChange;
        }
        let since = match &self.last {
            Some((last, since)) if last == now => *since,
            _ => {
                self.last = Some((now.clone(), at));
                return Counts::NotYet;
            }
        };
        if at.saturating_duration_since(since) < quiet {
            return Counts::NotYet;
        }
        self.last = None;
        Counts::Now
    }

    /// Nothing came of this: it is left alone until something changes.
    pub(super) fn done_with(&mut self, now: T) {
        self.done_with = Some(now);
    }

    /// An administrator asks: everything is tried again.
    pub(super) fn forget_failures(&mut self) {
        self.done_with = None;
    }

    /// Whether a change is being looked at.
    pub(super) fn is_unsettled(&self) -> bool {
        self.last.is_some()
    }
}

/// The changes of an image.
pub(super) type Settling = Quiet<Facts>;

/// What to do after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// All is as it is served, or has been told.
    Nothing,
    /// Something has just changed.
    LookAgain,
    /// What is served stays, and this is why.
    Keep(Obstacle),
    /// Serve this kernel, with an initrd made for it.
    Exchange,
}

/// Why what a root holds now cannot be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// No kernel can be chosen.
    NoKernel(String),
    /// This kernel has no modules, or no `modules.dep` for them.
    NoModules(String),
}

impl Settling {
    /// What follows from a look that found `now`, while what `served` describes is served.
    pub(super) fn after_look(&mut self, served: &Facts, now: &Facts, at: Instant) -> Step {
        match self.counts(served, now, at) {
            Counts::NoChange => Step::Nothing,
            Counts::NotYet => Step::LookAgain,
            Counts::Now => {
                let step = judge(served, now);
                if step != Step::Exchange {
                    self.done_with(now.clone());
                }
                step
            }
        }
    }
}

/// Whether a kernel has no modules yet, where the one that was served had some. A kernel with everything built in needs none.
pub(super) fn lacks_modules(served: &Facts, found: &FoundKernel) -> bool {
    let before = served.kernel.as_ref().ok();
    let needs_modules = before.is_none_or(|before| before.modules_dep.is_some());
    needs_modules && found.modules_dep.is_none()
}

fn judge(served: &Facts, now: &Facts) -> Step {
    let found = match &now.kernel {
        Ok(found) => found,
        Err(why) => return Step::Keep(Obstacle::NoKernel(why.clone())),
    };
    let before = served.kernel.as_ref().ok();
    if lacks_modules(served, found) {
        let version = found.kernel.version.clone();
        return Step::Keep(Obstacle::NoModules(version));
    }
    let is_same = Some(found) == before && now.given == served.given;
    if is_same && now.signed == served.signed && now.stub == served.stub {
        return match &now.without_modules {
            Some(newer) => Step::Keep(Obstacle::NoModules(newer.clone())),
            None => Step::Nothing,
        };
    }
    Step::Exchange
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use netroot_initramfs::RootTree;
    use proptest::prelude::*;

    use super::*;
    use crate::serve::root_facts::{self, look};
    use crate::settings::{RootSettings, Settings};

    /// A kernel's header alone (Documentation/arch/x86/boot.rst).
    fn put_kernel(root: &Path, version: &str) {
        let mut kernel = vec![0; 0x400];
        kernel[0x1fe..0x202].copy_from_slice(&[0x55, 0xaa, 0, 0]);
        kernel[0x202..0x206].copy_from_slice(b"HdrS");
        kernel[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        kernel[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        kernel[0x236] = 1;
        let text = format!("{version} (someone) #1\0");
        kernel[0x300..0x300 + text.len()].copy_from_slice(text.as_bytes());
        fs::create_dir_all(root.join("boot")).unwrap();
        fs::write(root.join(format!("boot/vmlinuz-{version}")), kernel).unwrap();
    }

    fn modules(root: &Path, version: &str) -> std::path::PathBuf {
        root.join("lib/modules").join(version)
    }

    fn put_modules(root: &Path, version: &str) {
        fs::create_dir_all(modules(root, version)).unwrap();
    }

    fn depmod(root: &Path, version: &str) {
        fs::write(modules(root, version).join("modules.dep"), "").unwrap();
    }

    fn settings(root: &Path) -> RootSettings {
        let root = root.to_str().unwrap();
        let settings = Settings::from(crate::cli::tests::serve(&[root]).unwrap());
        settings.catalog.roots().next().unwrap().1.clone()
    }

    /// A root with one whole kernel, and a watch over it.
    struct Watched {
        folder: tempfile::TempDir,
        served: Facts,
        settling: Settling,
        now: Instant,
    }

    impl Watched {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            put_kernel(root, "6.1.0-50");
            put_modules(root, "6.1.0-50");
            depmod(root, "6.1.0-50");
            let tree = RootTree::open(root).unwrap();
            Self {
                served: look(&tree, &settings(root)),
                settling: Settling::default(),
                now: Instant::now(),
                folder,
            }
        }

        fn facts(&self) -> Facts {
            let root = self.folder.path();
            look(&RootTree::open(root).unwrap(), &settings(root))
        }

        fn look(&mut self) -> Step {
            let facts = self.facts();
            self.settling.after_look(&self.served, &facts, self.now)
        }

        fn after(&mut self, time: Duration) -> Step {
            self.now += time;
            self.look()
        }
    }

    #[test]
    fn a_new_stub_is_a_change_of_an_image_that_starts_with_it() {
        let watched = Watched::new();
        let root = watched.folder.path();
        let mut settings = settings(root);
        let tree = RootTree::open(root).unwrap();
        let before = [false, true].map(|uki| {
            settings.uki = uki;
            look(&tree, &settings)
        });
        assert_eq!(before[0], before[1]);
        let stub = root.join("usr/lib/systemd/boot/efi");
        fs::create_dir_all(&stub).unwrap();
        fs::write(stub.join("linuxx64.efi.stub"), "stub").unwrap();
        let now = look(&tree, &settings);
        assert_ne!(now, before[1]);
        for (served, now) in [(&before[1], &now), (&now, &before[1])] {
            assert_eq!(judge(served, now), Step::Exchange);
        }
        settings.uki = false;
        assert_eq!(look(&tree, &settings), before[0]);
    }

    #[test]
    fn an_upgrade_counts_when_it_is_whole_and_quiet() {
        let mut watched = Watched::new();
        let root = watched.folder.path().to_owned();
        assert_eq!(watched.look(), Step::Nothing);
        put_kernel(&root, "6.1.0-51");
        assert_eq!(watched.after(QUIET), Step::LookAgain);
        put_modules(&root, "6.1.0-51");
        // Its modules are still being written.
        let waits = Step::Keep(Obstacle::NoModules("6.1.0-51".to_owned()));
        assert_eq!(watched.after(QUIET), waits);
        assert_eq!(watched.after(QUIET), Step::Nothing, "told once");
        depmod(&root, "6.1.0-51");
        assert_eq!(watched.after(QUIET), Step::LookAgain);
        assert_eq!(watched.after(QUIET / 2), Step::LookAgain);
        assert!(watched.settling.is_unsettled());
        assert_eq!(watched.after(QUIET / 2), Step::Exchange);
        watched.served = watched.facts();
        assert_eq!(watched.look(), Step::Nothing);
    }

    #[test]
    fn a_kernel_without_modules_is_told_of_once_and_its_end_is_nothing() {
        let mut watched = Watched::new();
        let root = watched.folder.path().to_owned();
        put_kernel(&root, "6.2.0");
        assert_eq!(watched.look(), Step::LookAgain);
        let told = Step::Keep(Obstacle::NoModules("6.2.0".to_owned()));
        assert_eq!(watched.after(QUIET), told);
        assert_eq!(watched.after(QUIET), Step::Nothing);
        fs::remove_file(root.join("boot/vmlinuz-6.2.0")).unwrap();
        assert_eq!(watched.after(QUIET), Step::Nothing);
    }

    #[test]
    fn the_same_version_again_is_exchanged_and_what_failed_is_not_tried_again() {
        let mut watched = Watched::new();
        let root = watched.folder.path().to_owned();
        fs::remove_file(root.join("boot/vmlinuz-6.1.0-50")).unwrap();
        put_kernel(&root, "6.1.0-50");
        fs::write(modules(&root, "6.1.0-50").join("modules.dep"), "a:\n").unwrap();
        assert_eq!(watched.look(), Step::LookAgain);
        assert_eq!(watched.after(QUIET), Step::Exchange);
        let facts = watched.facts();
        watched.settling.done_with(facts);
        assert_eq!(watched.after(QUIET), Step::Nothing);
        watched.settling.forget_failures();
        assert_eq!(watched.after(QUIET), Step::LookAgain);
        assert_eq!(watched.after(QUIET), Step::Exchange);
    }

    #[test]
    fn a_shim_that_is_installed_or_upgraded_counts() {
        let mut watched = Watched::new();
        let shim = watched.folder.path().join("usr/lib/shim");
        fs::create_dir_all(&shim).unwrap();
        for content in ["one", "another"] {
            fs::write(shim.join("shimx64.efi.signed"), content).unwrap();
            assert_eq!(watched.after(QUIET), Step::LookAgain);
            assert_eq!(watched.after(QUIET), Step::Exchange);
            watched.served = watched.facts();
            assert_eq!(watched.after(QUIET), Step::Nothing);
        }
    }

    #[test]
    fn a_root_that_loses_its_kernel_is_told_of() {
        let mut watched = Watched::new();
        let root = watched.folder.path().to_owned();
        fs::remove_dir_all(root.join("boot")).unwrap();
        assert_eq!(watched.look(), Step::LookAgain);
        let step = watched.after(QUIET);
        assert!(
            matches!(&step, Step::Keep(Obstacle::NoKernel(why)) if why.contains("there is no kernel")),
            "{step:?}"
        );
        let tree = RootTree::open(&root).unwrap();
        let served = watched.served.kernel.as_ref().unwrap();
        assert!(!root_facts::has_lost_modules(&tree, served));
        fs::remove_dir_all(modules(&root, "6.1.0-50")).unwrap();
        assert!(root_facts::has_lost_modules(&tree, served));
    }

    proptest! {
        /// Whatever is written between looks, nothing counts that has just changed, and no kernel without its modules.
        #[test]
        fn only_what_is_quiet_and_whole_counts(steps in proptest::collection::vec(0..6_u8, 1..40)) {
            let mut watched = Watched::new();
            let root = watched.folder.path().to_owned();
            let mut before = watched.facts();
            for step in steps {
                match step {
                    0 => put_kernel(&root, "6.1.0-51"),
                    1 => put_modules(&root, "6.1.0-51"),
                    2 if modules(&root, "6.1.0-51").exists() => depmod(&root, "6.1.0-51"),
                    3 => drop(fs::remove_dir_all(modules(&root, "6.1.0-50"))),
                    4 => drop(fs::remove_file(root.join("boot/vmlinuz-6.1.0-51"))),
                    _ => {}
                }
                let facts = watched.facts();
                watched.now += QUIET;
                if watched.look() == Step::Exchange {
                    prop_assert_eq!(&before, &facts);
                    prop_assert!(facts.kernel.as_ref().unwrap().modules_dep.is_some());
                    watched.served = facts.clone();
                }
                before = facts;
            }
        }
    }
}
