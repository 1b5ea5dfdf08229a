//! What is checked: the part of the settings that this host has to fit.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::arguments::CheckArgs;
use crate::catalog::name_of_directory;
use crate::settings::{
    ImageSettings, ImageSource, InitrdSource, Mode, NetworkSettings, Origin, RootSettings, Settings,
};

/// What would be served, and how.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    /// The interface; `None` for the only one that is up with an address.
    pub(super) interface: Option<String>,
    /// The range that netroot would give addresses from; `None` as a proxy.
    pub(super) range: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Whether the interface is to be a network of its own, which netroot gives an address.
    pub(super) isolated: bool,
    /// The other interfaces of the configuration.
    pub(super) others: Vec<String>,
    /// The images.
    pub(super) images: Vec<ImageSettings>,
    /// The HTTP server's TCP port.
    pub(super) http_port: u16,
    /// The TCP port of NFS and MOUNT; `None` if nothing is exported.
    pub(super) nfs_port: Option<u16>,
    /// Whether port 111 is wanted.
    pub(super) portmapper: bool,
    /// The folder of iPXE's binaries.
    pub(super) ipxe: Option<PathBuf>,
    /// The state folder.
    pub(super) state: PathBuf,
    /// The cache folder.
    pub(super) cache: PathBuf,
}

/// The words of the command line contradict each other.
#[derive(Debug, thiserror::Error)]
pub(super) enum SubjectError {
    /// Two of one kind.
    #[error(
        "expected at most one interface and one directory, not {first} and {second}; a directory has a slash, such as ./{second}"
    )]
    Two {
        /// The first.
        first: String,
        /// The second.
        second: String,
    },
    /// The interface is not among those of the configuration.
    #[error("the configuration does not serve {interface}; its interfaces are {}", known.join(", "))]
    NotConfigured {
        /// As given.
        interface: String,
        /// Those that it names.
        known: Vec<String>,
    },
}

/// The interface and the directory among the words: a directory has a slash.
fn words(words: &[String]) -> Result<(Option<String>, Option<PathBuf>), SubjectError> {
    let (mut interface, mut directory) = (None, None);
    for word in words {
        let place = match word.contains('/') || word == "." || word == ".." {
            true => &mut directory,
            false => &mut interface,
        };
        if let Some(first) = place.replace(word.clone()) {
            return Err(SubjectError::Two {
                first,
                second: word.clone(),
            });
        }
    }
    Ok((interface, directory.map(PathBuf::from)))
}

impl Subject {
    /// The name of the first image that has a root.
    pub(super) fn image_name(&self) -> Option<String> {
        let mut images = self.images.iter();
        images.find_map(|image| match &image.name {
            Some(name) => Some(name.clone()),
            None => name_of_directory(&image.source.root()?.directory).ok(),
        })
    }

    /// Of the command line alone.
    pub(super) fn of_arguments(args: &CheckArgs) -> Result<Self, SubjectError> {
        let (interface, directory) = words(&args.what)?;
        let image = |directory| ImageSettings {
            name: None,
            title: None,
            source: ImageSource::Root(RootSettings {
                directory,
                nfsroot: None,
                kernel: args.kernel.clone(),
                initrd: InitrdSource::Build {
                    modules: "netboot".to_owned(),
                    init: None,
                },
                overlay: true,
                hidden: netroot_nfs_export::HiddenPaths::default(),
                submounts: true,
                generations: false,
            }),
            append: None,
            origin: Origin::CommandLine,
        };
        Ok(Self {
            interface,
            range: args.dhcp.map(|range| (range.first, range.last)),
            isolated: false,
            others: Vec::new(),
            images: directory.map(image).into_iter().collect(),
            http_port: args.http_port,
            nfs_port: Some(args.nfs_port),
            portmapper: false,
            ipxe: args.ipxe.clone(),
            state: args.state.clone(),
            cache: args.cache.clone(),
        })
    }

    /// The same interface and directory in a configuration.
    pub(super) fn configured(self, settings: Settings) -> Result<Self, SubjectError> {
        let given = self;
        let named = |network: &&NetworkSettings| {
            given.interface.is_none() || network.interface == given.interface
        };
        let network = settings.networks.iter().find(named);
        if network.is_none()
            && let Some(interface) = given.interface
        {
            let known = settings.networks.iter();
            return Err(SubjectError::NotConfigured {
                interface,
                known: known.filter_map(|it| it.interface.clone()).collect(),
            });
        }
        let ranges = match network.map(|network| &network.mode) {
            Some(Mode::Dhcp(dhcp)) => dhcp.ranges.as_slice(),
            Some(Mode::Isolated(isolated)) => isolated.ranges.as_slice(),
            Some(Mode::Proxy) | None => &[],
        };
        let interface = network.and_then(|network| network.interface.clone());
        let others = settings.networks.iter();
        let others = others.filter_map(|network| network.interface.clone());
        let others = others
            .filter(|name| Some(name) != interface.as_ref())
            .collect();
        // One behind a relay is not for this interface's machines.
        let here = ranges.iter().find(|range| range.length.is_none());
        let exported = |image: &ImageSettings| {
            let root = image.source.root();
            root.is_some_and(|root| root.nfsroot.is_none())
        };
        let mut images = settings.catalog.images;
        images.extend(given.images);
        Ok(Self {
            interface,
            range: here.map(|range| (range.first, range.last)),
            isolated: matches!(network.map(|it| &it.mode), Some(Mode::Isolated(_))),
            others,
            nfs_port: images.iter().any(exported).then_some(settings.nfs_port),
            images,
            http_port: settings.http_port,
            portmapper: settings.portmapper,
            ipxe: settings.ipxe,
            state: settings.state,
            cache: settings.cache,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_a_slash_is_the_directory_in_either_order() {
        let read = |text: &[&str]| {
            let all: Vec<String> = text.iter().map(|word| (*word).to_owned()).collect();
            words(&all)
        };
        let both = (Some("eth0".to_owned()), Some(PathBuf::from("/srv/debian")));
        assert_eq!(read(&["eth0", "/srv/debian"]).unwrap(), both);
        assert_eq!(read(&["/srv/debian", "eth0"]).unwrap(), both);
        assert_eq!(read(&["."]).unwrap().1, Some(PathBuf::from(".")));
        let error = read(&["eth0", "debian"]).unwrap_err().to_string();
        assert!(error.ends_with("such as ./debian"), "{error}");
    }
}
