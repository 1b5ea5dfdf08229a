//! What the shim of iPXE's own signed pair asks for in no folder.
//!
//! shim asks for its loader in the folder that it was loaded from, as far as firmware tells it that folder. Where it does not,
//! the loader's name alone is also that of an iPXE that nobody signed, or of the root's GRUB, and shim would refuse either.

use netroot_proto::pxe::strategy::LoaderChoice;

use super::ArtifactStore;
use super::asking::Asking;
use crate::catalog::ArrivedAt;
use crate::serve::artifacts::artifact::Artifact;
use crate::serve::artifacts::served::Served;
use crate::serve::artifacts::signed_ipxe;
use crate::serve::machines::Asker;

impl ArtifactStore {
    /// The pair's iPXE, for a machine that is given that pair and has loaded its shim in this boot. For everybody else the
    /// name is that of the other loader.
    pub(super) fn beside_given_shim(
        &self,
        served: &Served,
        name: &str,
        arrived: &ArrivedAt<'_>,
        asks: &Asker,
    ) -> Option<Artifact> {
        let machine = &asks.machine;
        if self.machines.loaded_now(machine.mac?) != Some(LoaderChoice::Signed) {
            return None;
        }
        let asking = Asking {
            machine,
            asks,
            arrived,
        };
        let assigned = self.assign_to_asker(&served.catalog, &asking);
        let mut loaders = served.catalog.loaders(&assigned).iter();
        let loader = loaders.find(|one| Some(one.platform) == machine.platform)?;
        let shim = &loader.signed.as_ref()?.file;
        served.find(&signed_ipxe::beside(shim, name)?)
    }
}
