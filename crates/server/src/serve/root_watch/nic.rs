//! The initrds for one network card each, made one after the other for the machines that ask for their scripts.

use std::sync::Arc;
use std::time::Instant;

use netroot_initramfs::NicDrivers;
use netroot_net::PciId;

use super::RootWatch;
use super::nic_build::{Job, Made, NicBuilt, make};
use super::root::Root;
use crate::serve::events::{Change, Event, Warning};
use crate::serve::look_requests::NicRequest;

impl RootWatch {
    /// A machine wants one.
    pub(super) fn take_nic(&mut self, request: NicRequest) {
        self.nics.add(request);
        self.start_nic();
    }

    fn start_nic(&mut self) {
        while let Some((image, nic)) = self.nics.start() {
            if self.start_nic_of(&image, nic).is_some() {
                return;
            }
            self.nics.end();
        }
    }

    fn start_nic_of(&mut self, name: &str, nic: PciId) -> Option<()> {
        let mut images = self.images.iter();
        let image = images.find(|image| image.followed.name == name)?;
        let root = self.roots.get(image.followed.root)?;
        // Another kernel takes this one's place.
        if image.building.is_some() || image.settling.is_unsettled() || !Root::is_at_its_path(root)
        {
            return None;
        }
        let facts = image.followed.served.clone();
        let nics = self.world.artifacts.nics(name)?;
        let job = Job {
            tree: root.tree(),
            found: facts.kernel.clone().ok()?,
            settings: image.followed.settings.clone(),
            number: image.followed.number,
            nics: Arc::clone(&nics),
            nic,
            helper: Arc::clone(&self.world.file_helper),
            builds: Arc::clone(&self.nics.builds),
            now: self.nics.since.elapsed(),
        };
        let id = image.id;
        let (cache, done) = (self.cache.clone(), self.building_nics.clone());
        let name = name.to_owned();
        tokio::spawn(async move {
            let made = make(job, &cache).await;
            let _ = done.send(NicBuilt {
                image: id,
                name,
                facts,
                nics,
                made,
            });
        });
        Some(())
    }

    /// Serves what was made, unless the root has changed meanwhile.
    pub(super) async fn take_nic_built(&mut self, built: NicBuilt) {
        let NicBuilt {
            image,
            name,
            facts,
            nics,
            made,
        } = built;
        let now = Instant::now();
        match made {
            Made::Nothing => {}
            Made::Initrd {
                drivers,
                initrd,
                took,
            } => {
                // Of something else, it would not fit the kernel.
                let number = self.images.iter().position(|one| one.id == image);
                let found = match number {
                    Some(number) => self.facts(number).await,
                    None => None,
                };
                if found.is_some_and(|(found, _)| found == facts) {
                    let bytes = initrd.length();
                    nics.put(drivers.clone(), initrd, now);
                    if let Some(took) = took {
                        self.say(Event::Change(Change::NicInitrd {
                            image: name,
                            drivers: drivers.to_string(),
                            bytes,
                            took,
                        }));
                    }
                }
            }
            Made::Failed {
                drivers,
                nic,
                error,
            } => {
                match drivers {
                    Some(drivers) => nics.fail(drivers, now),
                    // Nothing is made from an index that cannot be read.
                    None => nics.know_drivers(NicDrivers::default()),
                }
                self.say(Event::Warning(Warning::NoNicInitrd {
                    image: name,
                    nic: nic.to_string(),
                    error,
                }));
            }
        }
        self.nics.end();
        self.start_nic();
    }
}
