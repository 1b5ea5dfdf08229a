//! Roots that were swapped (`netroot image swap`): what machines boot is looked at, and not what the configuration names.

use std::path::Path;

use crate::config::{Mistake, Places};
use crate::error_chain::with_causes;
use crate::serve::opened::Opened;
use crate::settings::{ImageSettings, ImageSource, Settings};
use crate::swaps::{self, Swaps, file};

/// Gives each image the root that it has in a server that starts now. Returns where that is another than the configured one,
/// and what is wrong with it.
pub(super) fn apply(settings: &mut Settings, places: &Places) -> Vec<Mistake> {
    let path = file::path(&settings.state);
    match file::read(&path) {
        Ok(swaps) => apply_these(settings, &swaps, &path, places),
        Err(error) => {
            let text = format!("{error}; until then machines boot the configured roots");
            let told = Mistake::at(&places.of_main(&[]), String::new(), text);
            told.into_iter().collect()
        }
    }
}

fn apply_these(
    settings: &mut Settings,
    swaps: &Swaps,
    path: &Path,
    places: &Places,
) -> Vec<Mistake> {
    let idle = file::apply_at_start(settings, swaps, path).into_iter();
    let main = places.of_main(&[]);
    let idle = idle.filter_map(|text| Mistake::at(&main, String::new(), text));
    let mut told: Vec<Mistake> = idle.collect();
    for image in &mut settings.catalog.images {
        let place = places.key(&image.origin, "root");
        let text = booted(image);
        let name = image.name.as_deref().unwrap_or_default();
        let about = format!("image.{name}.root");
        told.extend(text.and_then(|text| Mistake::at(&place, about, text)));
    }
    told
}

/// Gives an image whose root was swapped the one that machines boot: an earlier one, if it cannot be opened. Returns the
/// sentence about that, if it is not the configured one.
fn booted(image: &mut ImageSettings) -> Option<String> {
    let root = image.source.root()?;
    let configured = root.swapped.as_ref()?.configured.clone();
    let swapped_to = root.directory.clone();
    let (mut first_error, mut is_last) = (None, false);
    while let Some(error) = Opened::open(image).err() {
        first_error.get_or_insert_with(|| with_causes(&error));
        let ImageSource::Root(root) = &mut image.source else {
            break;
        };
        match swaps::roots::earlier(root) {
            Some(earlier) => *root = earlier,
            // What is wrong with it is a mistake of the image.
            None => {
                is_last = true;
                break;
            }
        }
    }
    let booted = &image.source.root()?.directory;
    let swapped_to = swapped_to.display();
    match first_error {
        Some(error) => {
            let instead = match is_last {
                true => "nor can an earlier one".to_owned(),
                false => format!("machines boot {}", booted.display()),
            };
            Some(format!(
                "{swapped_to}, the root since `netroot image swap`, cannot be served: {error}; {instead}"
            ))
        }
        None if *booted != configured => Some(format!(
            "machines boot {swapped_to} since `netroot image swap`, not {}",
            configured.display()
        )),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config;
    use crate::serve::config_files::Snapshot;
    use crate::settings::ConfigPlace;
    use crate::swaps::{Served, When};

    /// What is told where `/old` is configured and was swapped to `/new`, of a folder with roots of these names.
    fn told(roots: &[&str]) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let at = |name: &str| folder.join(name);
        for root in roots {
            fs::create_dir_all(at(root).join("boot")).unwrap();
            fs::create_dir_all(at(root).join("lib/modules/6.1.0")).unwrap();
            let mut kernel = vec![0u8; 0x1000];
            kernel[0x202..0x206].copy_from_slice(b"HdrS");
            fs::write(at(root).join("boot/vmlinuz-6.1.0"), kernel).unwrap();
        }
        let place = ConfigPlace::of_file(at("netroot.toml"));
        let main = format!("[image.debian]\nroot = \"{}\"\n", at("old").display());
        fs::write(&place.file, main).unwrap();
        let parsed = config::read(&place, &Snapshot::read(&place).unwrap().files);
        let (mut settings, places) = (parsed.settings, parsed.places);
        let mut swaps = Swaps::default();
        let (old, new) = (at("old"), at("new"));
        let served = Served {
            configured: &old,
            now: &old,
        };
        let swapped = swaps.swap("debian", served, &new, (When::Now, &|_| false));
        swapped.unwrap();
        let told = apply_these(&mut settings, &swaps, Path::new("/swaps.json"), &places);
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        let image = settings.catalog.images.first().unwrap();
        let booted = image.source.root().unwrap().directory.clone();
        let shown = |text: &str| text.replace(&folder.display().to_string(), "");
        (
            shown(&told.join("\n")),
            shown(&booted.display().to_string()),
        )
    }

    #[test]
    fn the_root_that_machines_boot_is_told_where_it_is_not_the_configured_one() {
        let (told, booted) = told(&["old", "new"]);
        assert_eq!(
            told,
            "/netroot.toml:2: image.debian.root: machines boot /new since `netroot image swap`, not /old"
        );
        assert_eq!(booted, "/new");
    }

    #[test]
    fn the_configured_root_may_be_gone() {
        let (told, booted) = told(&["new"]);
        assert!(told.contains("machines boot /new since"), "{told}");
        assert_eq!(booted, "/new");
    }

    #[test]
    fn nothing_is_said_to_boot_where_no_root_can_be_served() {
        let (told, _) = told(&[]);
        assert!(told.ends_with("; nor can an earlier one"), "{told}");
    }

    #[test]
    fn an_earlier_root_is_booted_where_the_last_one_cannot_be_served() {
        let (told, booted) = told(&["old"]);
        assert!(
            told.contains("/new, the root since `netroot image swap`, cannot be served: ")
                && told.ends_with("; machines boot /old"),
            "{told}"
        );
        assert_eq!(booted, "/old");
    }
}
