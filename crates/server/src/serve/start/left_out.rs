//! Starting without a drop-in whose image cannot be served: it must not keep every machine from booting after a power cut.

use std::path::Path;

use crate::generations;
use crate::serve::error::ServeError;
use crate::settings::{Choice, ImageSettings, Origin, Settings};

/// Says of an error which image it is about, if that is configured in a file or has a root that was swapped.
pub(super) fn about<T>(
    image: &ImageSettings,
    done: Result<T, impl Into<ServeError>>,
) -> Result<T, ServeError> {
    done.map_err(|error| match &image.origin {
        Origin::CommandLine if !is_swapped(image) => error.into(),
        origin => ServeError::OfImage {
            origin: origin.clone(),
            name: image.name.clone().unwrap_or_default(),
            source: Box::new(error.into()),
        },
    })
}

fn is_swapped(image: &ImageSettings) -> bool {
    (image.source.root()).is_some_and(|root| root.swapped.is_some())
}

/// The settings without the generation of a root that an error is about; `None` if it is about none. An old one that
/// cannot be booted must not keep the others from it.
pub(super) fn without_generation(settings: &Settings, error: &ServeError) -> Option<Settings> {
    let ServeError::OfImage { name, .. } = error else {
        return None;
    };
    let is_it = |image: &ImageSettings| {
        generations::is_one(image) && image.name.as_deref() == Some(name.as_str())
    };
    let mut left = settings.clone();
    left.catalog.images.retain(|image| !is_it(image));
    (left.catalog.images.len() < settings.catalog.images.len()).then_some(left)
}

/// The settings without the drop-in that an error is about. `None` if it is about none, or nothing would be left to serve.
/// What names its images elsewhere goes with them.
pub(super) fn without_drop_in(settings: &Settings, error: &ServeError) -> Option<Settings> {
    let ServeError::OfImage {
        origin: Origin::File { path, .. },
        ..
    } = error
    else {
        return None;
    };
    without_file(settings, path)
}

/// The settings without a drop-in. `None` if it is none, or nothing would be left to serve.
pub(crate) fn without_file(settings: &Settings, path: &Path) -> Option<Settings> {
    let is_drop_in = settings
        .config
        .as_ref()
        .is_some_and(|place| place.file != *path);
    let mut left = settings.clone();
    leave_out(&mut left, path);
    (is_drop_in && !left.catalog.images.is_empty()).then_some(left)
}

fn leave_out(settings: &mut Settings, path: &Path) {
    let is_of = |origin: &Origin| matches!(origin, Origin::File { path: of, .. } if of == path);
    let catalog = &mut settings.catalog;
    catalog.images.retain(|image| !is_of(&image.origin));
    catalog.machines.retain(|machine| !is_of(&machine.origin));
    catalog.rules.retain(|rule| !is_of(&rule.origin));
    let names: Vec<Option<String>> = catalog.images.iter().map(|one| one.name.clone()).collect();
    let is_left = |name: &String| names.iter().any(|left| left.as_ref() == Some(name));
    let is_gone =
        |choice: &Option<Choice>| matches!(choice, Some(Choice::Image(name)) if !is_left(name));
    catalog.rules.retain(|rule| !is_gone(&rule.choice));
    for machine in &mut catalog.machines {
        machine.choice = machine
            .choice
            .take()
            .filter(|choice| !is_gone(&Some(choice.clone())));
    }
    if is_gone(&catalog.default) {
        catalog.default = Some(Choice::Wait);
    }
    catalog.menu.images.retain(is_left);
    catalog.menu.default = catalog.menu.default.take().filter(is_left);
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config;
    use crate::error_chain::with_causes;
    use crate::settings::{ConfigPlace, Generations, ImageSource};

    #[test]
    fn a_drop_in_goes_with_all_that_names_its_images_and_the_main_file_stays() {
        let place = ConfigPlace::of_file(PathBuf::from("/etc/netroot/netroot.toml"));
        let text = |path: &str, text: &str| (PathBuf::from(path), text.to_owned());
        let drop_in = "/etc/netroot/conf.d/lab.toml";
        let main = "default = \"lab\"\n[image.debian]\nroot = \"/srv/debian\"\n\
            [[rule]]\nmac = \"52:54:00\"\nboot = \"lab\"\n[[rule]]\nboot = \"debian\"\n\
            [machine.a]\nmac = \"52:54:00:12:34:56\"\nboot = \"lab\"\n[menu]\nimages = [\"lab\", \"debian\"]\n";
        let lab = "[image.lab]\nroot = \"/srv/lab\"\n[[rule]]\nboot = \"wait\"\n";
        let texts = [text("/etc/netroot/netroot.toml", main), text(drop_in, lab)];
        let settings = config::parse(&place, &texts).unwrap();
        let error = |image: usize| {
            let failed: Result<(), ServeError> =
                Err(ServeError::Runtime(std::io::ErrorKind::Other.into()));
            about(&settings.catalog.images[image], failed).unwrap_err()
        };
        let left = without_drop_in(&settings, &error(1)).unwrap().catalog;
        assert_eq!(left.images.len(), 1);
        assert_eq!(left.rules.len(), 1);
        assert_eq!(left.default, Some(Choice::Wait));
        assert_eq!(
            (left.machines[0].choice.clone(), left.menu.images.len()),
            (None, 1)
        );
        assert!(without_drop_in(&settings, &error(0)).is_none());
        assert!(without_generation(&settings, &error(0)).is_none());
        let mut guix = settings.clone();
        if let ImageSource::Root(root) = &mut guix.catalog.images[1].source {
            root.generations = Generations::One(7);
        }
        let left = without_generation(&guix, &error(1)).unwrap();
        assert_eq!(left.catalog.images, settings.catalog.images[..1]);
        let told = with_causes(&error(1));
        assert!(
            told.starts_with("/etc/netroot/conf.d/lab.toml:1: the image lab: "),
            "{told}"
        );
    }
}
