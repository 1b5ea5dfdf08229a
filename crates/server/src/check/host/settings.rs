//! What `netroot serve` would refuse of the settings before it does anything.

use crate::check::finding::Finding;
use crate::check::subject::Subject;
use crate::config::Mistake;
use crate::serve::artifacts::Folder;
use crate::serve::preflight::{Host, Preflight, Then};

/// The mistakes and doubts that `netroot check-config` has, but for what is looked at more closely here: the interfaces
/// and the images. Nobody is asked on the network if `offline`.
pub(super) fn look(subject: &Subject, host: &Host, offline: bool) -> Vec<Finding> {
    let settings = &subject.settings;
    let Some((places, doubts)) = &subject.written else {
        let folder = settings.tftp_dir.iter();
        let wrong = folder.filter_map(|folder| Folder::open_path(folder).err());
        return wrong
            .map(|error| Finding::failed("folder", &error))
            .collect();
    };
    let mut preflight = Preflight::new(settings, places);
    preflight.tables(Then::Tell);
    if !offline {
        preflight.hook();
    }
    let mistakes = std::mem::take(&mut preflight.mistakes);
    // Its mistakes are those of the interfaces.
    preflight.networks(host);
    let doubts = doubts.iter().chain(&preflight.doubts);
    let told = |mistake: &Mistake| mistake.to_string();
    let problems = mistakes.iter().map(told);
    let problems = problems.map(|text| Finding::problem("settings", text));
    let warnings = doubts.map(told);
    let warnings = warnings.map(|text| Finding::warning("settings", text));
    problems.chain(warnings).collect()
}
