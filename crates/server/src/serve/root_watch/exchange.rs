//! From a change that counts to what machines boot: the initrd is found or built, then the kernel and the initrd are served.

use std::sync::Arc;

use super::RootWatch;
use super::boot_files::{Kept, built_initrd, kept_initrd, open_kernel};
use super::image::{Built, kept};
use super::root::Root;
use super::settling::Settling;
use crate::catalog::{ImageKind, KernelFile};
use crate::serve::artifacts::{BootFiles, Content, signed_chain};
use crate::serve::events::{Change, Event};
use crate::serve::root_facts::Facts;
use crate::serve::unified::UnifiedOwned;

impl RootWatch {
    /// Finds or builds the initrd of what is served already, in which more may have changed than is looked at.
    pub(super) fn start_build(&mut self, number: usize) {
        let image = self.images.get(number);
        let idle = image.filter(|image| {
            let root = self.roots.get(image.followed.root);
            image.building.is_none() && root.is_some_and(Root::is_at_its_path)
        });
        if let Some(facts) = idle.map(|image| image.followed.served.clone()) {
            self.start_build_for(number, facts);
        }
    }

    pub(super) fn start_build_for(&mut self, number: usize, facts: Facts) {
        let Some(image) = self.images.get_mut(number) else {
            return;
        };
        let (Some(root), Ok(found)) = (self.roots.get(image.followed.root), &facts.kernel) else {
            return;
        };
        image.building = Some(facts.clone());
        let (tree, kernel) = (root.tree(), found.kernel.clone());
        let (helper, done) = (Arc::clone(&self.world.file_helper), self.building.clone());
        let (settings, cache) = (image.followed.settings.clone(), self.cache.clone());
        let (id, in_settings) = (image.id, image.followed.number);
        tokio::spawn(async move {
            let look = move || kept_initrd(&tree, &kernel, &settings, &cache);
            let initrd = match tokio::task::spawn_blocking(look).await {
                Ok(Kept::Found(content)) => Ok((content, Vec::new())),
                Ok(Kept::Absent(fingerprint)) => {
                    built_initrd(&helper, in_settings, fingerprint).await
                }
                Err(error) => Err(error.to_string()),
            };
            let _ = done.send(Built {
                image: id,
                facts,
                initrd,
            });
        });
    }

    /// Serves what was built, unless the root has changed meanwhile.
    pub(super) async fn take_built(&mut self, built: Built) {
        let Built {
            image: id,
            facts,
            initrd,
        } = built;
        // It may be configured in another way by now, or not at all.
        let Some(number) = self.images.iter().position(|image| image.id == id) else {
            return;
        };
        let now = self.facts(number).await;
        let Some(image) = self.images.get_mut(number) else {
            return;
        };
        image.building = None;
        if now.is_none_or(|(now, _)| now != facts) {
            return;
        }
        let exchanged = match initrd {
            Ok((initrd, notes)) => self.exchange(number, &facts, initrd, &notes).await,
            Err(error) => Err(error),
        };
        if let Err(error) = exchanged
            && let Some(image) = self.images.get_mut(number)
        {
            image.settling.done_with(facts);
            let kept = kept(image, error);
            self.say(kept);
        }
    }

    async fn exchange(
        &mut self,
        number: usize,
        facts: &Facts,
        initrd: Content,
        notes: &[String],
    ) -> Result<(), String> {
        let (Some(image), Ok(found)) = (self.images.get(number), &facts.kernel) else {
            return Ok(());
        };
        let Some(root) = self.roots.get(image.followed.root) else {
            return Ok(());
        };
        let (tree, found, name) = (root.tree(), found.clone(), image.followed.name.clone());
        let path = tree.host_path(&found.kernel.path);
        let opened = {
            let (found, settings) = (found.clone(), image.followed.settings.clone());
            let tree = Arc::clone(&tree);
            tokio::task::spawn_blocking(move || -> Result<_, String> {
                let kernel = open_kernel(&tree, &found)?;
                let signed = signed_chain::find(&tree, &found.kernel, &settings);
                Ok((kernel, signed))
            })
            .await
        };
        let (kernel, signed) = opened.map_err(|error| error.to_string())??;
        let signed_state = self.world.artifacts.signed_state_of(&signed);
        let catalog = self.world.artifacts.catalog();
        let Some(before) = catalog.images().find(|one| one.name == name) else {
            return Ok(());
        };
        let request = UnifiedOwned {
            name: name.clone(),
            root: tree,
            settings: image.followed.settings.clone(),
            kernel: found.kernel.clone(),
            initrd: initrd.clone(),
            append: before.append.clone(),
        };
        let made = self.world.unified.make(request).await;
        let is_unified = made.unified.is_some();
        let files = BootFiles::of_root(kernel, initrd, signed).with_unified(made.unified);
        let tag = files.tag();
        let mut new = before.tagged(tag);
        if new.tag == before.tag {
            // The same kernel and the same initrd, and no unified kernel image before and now, perhaps for another reason.
            self.serve_facts(number, facts);
            if let Some(warning) = made.warning {
                self.say(Event::Warning(warning));
            }
            return Ok(());
        }
        let linux = found.kernel.version.clone();
        if let ImageKind::Root(root) = &mut new.kind {
            root.kernel = KernelFile {
                version: linux.clone(),
                architecture: found.kernel.architecture,
                path,
                start: found.kernel.start.clone(),
            };
        }
        self.world.artifacts.put_image(new, files);
        self.serve_facts(number, facts);
        for note in notes {
            let note = note.clone();
            self.say(Event::InitrdNote { note });
        }
        let image = name.clone();
        self.say(Event::Change(Change::NewBoots { image, linux }));
        if let Some(warning) = made.warning {
            self.say(Event::Warning(warning));
        }
        let timeline = &self.world.timeline;
        timeline.tell_signed(&name, &signed_state, is_unified);
        Ok(())
    }

    fn serve_facts(&mut self, number: usize, facts: &Facts) {
        if let Some(image) = self.images.get_mut(number) {
            image.followed.served = facts.clone();
            image.settling = Settling::default();
            image.modules_gone = false;
        }
    }
}
