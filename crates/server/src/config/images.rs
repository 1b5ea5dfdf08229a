//! `[image.NAME]`: what can be booted.

use super::section::Section;
use super::values::absolute;
use crate::catalog::is_name;
use crate::option_value::{appended, nfsroot};
use crate::settings::{
    self, Choice, ImageSettings, ImageSource, InitrdSource, Kind, Location, Origin, RootSettings,
    hidden,
};

/// What only a root has.
const OF_ROOT: [&str; 12] = [
    "nfsroot",
    "kernel",
    "initrd",
    "modules",
    "init",
    "overlay",
    "hide",
    "hide-secrets",
    "submounts",
    "generations",
    "secure-boot-files",
    "uki",
];

/// An image as it is written.
#[derive(Debug)]
pub(super) struct NamedImage {
    pub(super) name: String,
    pub(super) origin: Origin,
    /// What it is, unless that is wrong.
    pub(super) settings: Option<ImageSettings>,
}

impl NamedImage {
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// The images of a file, in its order.
pub(super) fn read(whole: &mut Section<'_>) -> Vec<NamedImage> {
    let images = whole.named("image").into_iter();
    images
        .map(|(name, section)| NamedImage {
            origin: section.origin(),
            settings: read_image(name.clone(), section),
            name,
        })
        .collect()
}

fn read_image(name: String, mut image: Section<'_>) -> Option<ImageSettings> {
    if Choice::WORDS.contains(&name.as_str()) {
        image.mistake(format!(
            "no image can have the name {name}, which means something else"
        ));
    }
    if !is_name(&name) {
        image.mistake(
            "an image's name is part of URLs: use letters, digits, dots, hyphens and underscores",
        );
    }
    let kinds = Kind::ALL.map(Kind::key);
    let given: Vec<&str> = kinds.into_iter().filter(|kind| image.has(kind)).collect();
    let source = match given.as_slice() {
        ["root"] => read_root(&mut image).map(ImageSource::Root),
        ["kernel-file"] => read_kernel(&mut image),
        ["efi"] => image.path("efi").map(ImageSource::Efi),
        ["disk"] => location(&mut image, "disk").map(ImageSource::Disk),
        ["iso"] => location(&mut image, "iso").map(ImageSource::Iso),
        ["local-disk"] => {
            if image.boolean("local-disk") == Some(false) {
                image.mistake("local-disk = false is no image; leave it out");
            }
            Some(ImageSource::LocalDisk)
        }
        [] => {
            let kinds = kinds.join(", ");
            image.mistake(format!(
                "does not say what to boot: expected one of {kinds}"
            ));
            None
        }
        several => {
            let kinds = several.join(" and ");
            image.mistake(format!("has {kinds}, and can be only one of them"));
            None
        }
    };
    // The other keys of one that is of no kind, or of two, are not what is wrong with it.
    if given.len() != 1 {
        let others = kinds.iter().chain(&OF_ROOT).chain(&["initrds"]);
        others.for_each(|key| image.pass_over(key));
    } else if given != ["root"] {
        image.refuse(&OF_ROOT, "is for images with a root");
    }
    if given != ["kernel-file"] {
        image.refuse(&["initrds"], "is for images with a kernel-file");
    }
    let settings = source.map(|source| ImageSettings {
        name: Some(name),
        title: image.text("title"),
        source,
        append: image.parsed("append", "a command line", |text| appended(&text)),
        origin: image.origin(),
    });
    image.finish();
    settings
}

fn read_root(image: &mut Section<'_>) -> Option<RootSettings> {
    let directory = image.path("root");
    let nfsroot = image.parsed("nfsroot", "an export", |text| nfsroot(&text));
    if nfsroot.is_some() {
        let why = "is for a root that netroot exports, not for one on another server (nfsroot)";
        image.refuse(&["hide", "hide-secrets", "submounts"], why);
    }
    let kernel = image.text("kernel");
    let initrd = if image.has("initrd") {
        image.refuse(&["modules", "init"], "is for an initrd that netroot builds");
        image.path("initrd").map(InitrdSource::File)
    } else {
        let modules = image.text("modules");
        Some(InitrdSource::Build {
            modules: modules.unwrap_or_else(|| settings::MODULES.to_owned()),
            init: image.path("init"),
        })
    };
    let hide = image.list("hide", "a path below the root", |text| text.parse());
    let secrets = image.boolean("hide-secrets").unwrap_or_default();
    let overlay = image.boolean("overlay").unwrap_or(true);
    let submounts = image.boolean("submounts").unwrap_or(true);
    let generations = image.generations("generations");
    let secure_boot_files = image.path("secure-boot-files");
    Some(RootSettings {
        directory: directory?,
        nfsroot,
        kernel,
        initrd: initrd?,
        overlay,
        hidden: hidden(hide, secrets),
        submounts,
        uki: image.boolean("uki").unwrap_or_default(),
        generations,
        secure_boot_files,
        swapped: None,
    })
}

fn read_kernel(image: &mut Section<'_>) -> Option<ImageSource> {
    let kernel = image.path("kernel-file");
    let initrds = image.list("initrds", "a path", |text| absolute(&text));
    Some(ImageSource::Kernel {
        kernel: kernel?,
        initrds,
    })
}

/// A path, or what iPXE can open.
fn location(image: &mut Section<'_>, key: &'static str) -> Option<Location> {
    image.parsed(key, "a path or a URL", |text| {
        if text.starts_with('/') {
            return Ok(Location::File(text.into()));
        }
        // A URI's scheme (RFC 3986 §3.1).
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        let is_scheme = scheme.is_some_and(|it| {
            it.len() > 1 && it.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+')
        });
        match is_scheme && !text.contains(char::is_whitespace) {
            true => Ok(Location::Url(text)),
            false => Err("expected a path from the root directory on, or a URL such as http://10.0.0.5/x.iso"),
        }
    })
}
