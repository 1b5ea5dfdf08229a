//! What is checked: the part of the settings that this host has to fit.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::arguments::CheckArgs;
use crate::catalog::name_of_directory;
use crate::settings::{
    ImageSettings, ImageSource, InitrdSource, Mode, NetworkSettings, Origin, RootSettings, Settings,
};

/// A network that would be served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Network {
    /// The interface; `None` for the only one that is up with an address.
    pub(super) interface: Option<String>,
    /// The address by which machines are to know the server.
    pub(super) address: Option<Ipv4Addr>,
    /// The range that netroot would give addresses from; `None` as a proxy.
    pub(super) range: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Whether the interface is to be a network of its own, which netroot gives an address.
    pub(super) isolated: bool,
}

/// What would be served, and how.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    /// The networks, at least one.
    pub(super) networks: Vec<Network>,
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
    /// Two directories.
    #[error(
        "expected interfaces and at most one directory, not {first} and {second}; a directory has a slash, an interface has none"
    )]
    Two {
        /// The first.
        first: String,
        /// The second.
        second: String,
    },
    /// The interface is not among those of the configuration.
    #[error("the configuration does not serve {interface}; its interfaces are {}{}", known.join(", "), directory_hint(interface).unwrap_or_default())]
    NotConfigured {
        /// As given.
        interface: String,
        /// Those that it names.
        known: Vec<String>,
    },
}

/// What is added to an error about an interface that does not exist, where a directory has that name.
pub(super) fn directory_hint(interface: &str) -> Option<String> {
    let is_directory = Path::new(interface).is_dir();
    is_directory.then(|| format!("; for the directory of that name: ./{interface}"))
}

/// The interfaces and the directory among the words: a directory has a slash.
fn words(words: &[String]) -> Result<(Vec<String>, Option<PathBuf>), SubjectError> {
    let (mut interfaces, mut directory) = (Vec::new(), None::<&String>);
    for word in words {
        if !(word.contains('/') || word == "." || word == "..") {
            interfaces.push(word.clone());
        } else if let Some(first) = directory.replace(word) {
            return Err(SubjectError::Two {
                first: first.clone(),
                second: word.clone(),
            });
        }
    }
    Ok((interfaces, directory.map(PathBuf::from)))
}

impl Network {
    fn named(interface: String, range: Option<(Ipv4Addr, Ipv4Addr)>) -> Self {
        Self {
            interface: Some(interface),
            range,
            ..Self::default()
        }
    }

    fn configured(network: &NetworkSettings) -> Self {
        let ranges = match &network.mode {
            Mode::Dhcp(dhcp) => dhcp.ranges.as_slice(),
            Mode::Isolated(isolated) => isolated.ranges.as_slice(),
            Mode::Proxy => &[],
        };
        // One behind a relay is not for this interface's machines.
        let here = ranges.iter().find(|range| range.length.is_none());
        Self {
            interface: network.interface.clone(),
            address: network.address,
            range: here.map(|range| (range.first, range.last)),
            isolated: matches!(network.mode, Mode::Isolated(_)),
        }
    }
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
        let (mut interfaces, directory) = words(&args.what)?;
        interfaces.extend(args.interface.iter().cloned());
        let range = args.dhcp.map(|range| (range.first, range.last));
        let mut networks: Vec<Network> = Vec::new();
        for interface in interfaces {
            let network = Network::named(interface, range);
            if !networks.contains(&network) {
                networks.push(network);
            }
        }
        if networks.is_empty() {
            networks.push(Network {
                range,
                ..Network::default()
            });
        }
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
            networks,
            images: directory.map(image).into_iter().collect(),
            http_port: args.http_port,
            nfs_port: Some(args.nfs_port),
            portmapper: false,
            ipxe: args.ipxe.clone(),
            state: args.state.clone(),
            cache: args.cache.clone(),
        })
    }

    /// The same interfaces and directory in a configuration; all of its interfaces if none is named.
    pub(super) fn configured(self, settings: Settings) -> Result<Self, SubjectError> {
        let given = self;
        let all: Vec<Network> = settings.networks.iter().map(Network::configured).collect();
        let mut networks = Vec::new();
        for wanted in given.networks.iter().filter_map(|it| it.interface.as_ref()) {
            let known = all.iter().filter_map(|it| it.interface.as_ref());
            let mut found = all
                .iter()
                .filter(|it| it.interface.as_ref() == Some(wanted));
            networks.push(
                found
                    .next()
                    .cloned()
                    .ok_or_else(|| SubjectError::NotConfigured {
                        interface: wanted.clone(),
                        known: known.cloned().collect(),
                    })?,
            );
        }
        if networks.is_empty() {
            networks = all;
        }
        if networks.is_empty() {
            networks.push(Network::default());
        }
        let exported = |image: &ImageSettings| {
            let root = image.source.root();
            root.is_some_and(|root| root.nfsroot.is_none())
        };
        let mut images = settings.catalog.images;
        images.extend(given.images);
        Ok(Self {
            networks,
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
        let both = (vec!["eth0".to_owned()], Some(PathBuf::from("/srv/debian")));
        assert_eq!(read(&["eth0", "/srv/debian"]).unwrap(), both);
        assert_eq!(read(&["/srv/debian", "eth0"]).unwrap(), both);
        assert_eq!(read(&["."]).unwrap().1, Some(PathBuf::from(".")));
        assert_eq!(read(&["eth0", "./debian", "eth1"]).unwrap().0.len(), 2);
        let error = read(&["./a", "eth0", "./b"]).unwrap_err().to_string();
        assert!(error.contains("not ./a and ./b"), "{error}");
    }
}
