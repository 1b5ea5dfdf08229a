//! What is checked: the part of the settings that this host has to fit.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::arguments::CheckArgs;
use crate::catalog::name_of_directory;
use crate::config::{Mistake, Parsed, Places};
use crate::serve::nfs;
use crate::settings::{Mode, NetworkSettings, Settings};

/// A network that would be served.
#[derive(Debug, Clone)]
pub(super) struct Network(pub(super) NetworkSettings);

/// What would be served, and how.
#[derive(Debug)]
pub(super) struct Subject {
    /// The networks that are looked at, at least one.
    pub(super) networks: Vec<Network>,
    /// Everything that would be served.
    pub(super) settings: Settings,
    /// Where it is written, and what is doubtful there; `None` for the command line alone.
    pub(super) written: Option<(Places, Vec<Mistake>)>,
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
    /// The same with an interface.
    pub(super) fn on(&self, interface: String) -> Self {
        Self(NetworkSettings {
            interface: Some(interface),
            ..self.0.clone()
        })
    }

    /// The interface; `None` for the only one that is up with an address.
    pub(super) fn interface(&self) -> Option<&str> {
        self.0.interface.as_deref()
    }

    /// Whether the interface is to be a network of its own, which netroot gives an address.
    pub(super) fn is_isolated(&self) -> bool {
        matches!(self.0.mode, Mode::Isolated(_))
    }

    /// Whether it is one whose machines reach the outside.
    pub(super) fn has_nat(&self) -> bool {
        matches!(&self.0.mode, Mode::Isolated(isolated) if isolated.nat)
    }

    /// The range that netroot would give addresses from; `None` as a proxy.
    pub(super) fn range(&self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let ranges = match &self.0.mode {
            Mode::Dhcp(dhcp) => dhcp.ranges.as_slice(),
            Mode::Isolated(isolated) => isolated.ranges.as_slice(),
            Mode::Proxy => &[],
        };
        // One behind a relay is not for this interface's machines.
        let here = ranges.iter().find(|range| range.length.is_none());
        here.map(|range| (range.first, range.last))
    }
}

impl Subject {
    /// The name of the first image that has a root.
    pub(super) fn image_name(&self) -> Option<String> {
        let mut images = self.settings.catalog.images.iter();
        images.find_map(|image| match &image.name {
            Some(name) => Some(name.clone()),
            None => name_of_directory(&image.source.root()?.directory).ok(),
        })
    }

    /// The TCP port of NFS and MOUNT; `None` if nothing is exported.
    pub(super) fn nfs_port(&self) -> Option<u16> {
        let settings = &self.settings;
        // Without a directory: the one that will be served.
        let exports = settings.catalog.images.is_empty() || nfs::exports_own(settings);
        exports.then_some(settings.nfs_port)
    }

    /// Of the command line alone: what `netroot serve` would do with the same words.
    pub(super) fn of_arguments(args: &CheckArgs) -> Result<Self, SubjectError> {
        let (mut interfaces, directory) = words(&args.what)?;
        let mut options = args.options.clone();
        for interface in std::mem::take(&mut options.interface) {
            if !interfaces.contains(&interface) {
                interfaces.push(interface);
            }
        }
        options.interface = interfaces;
        let settings = options.settings(directory);
        Ok(Self {
            networks: settings.networks.iter().cloned().map(Network).collect(),
            settings,
            written: None,
        })
    }

    /// The same interfaces and directory in a configuration; all of its interfaces if none is named.
    pub(super) fn configured(self, parsed: Parsed) -> Result<Self, SubjectError> {
        let given = self;
        let mut settings = parsed.settings;
        let all = || settings.networks.iter().cloned().map(Network);
        let mut networks = Vec::new();
        for wanted in given.networks.iter().filter_map(Network::interface) {
            let found = all().find(|it| it.interface() == Some(wanted));
            networks.push(found.ok_or_else(|| {
                let known = settings.networks.iter();
                SubjectError::NotConfigured {
                    interface: wanted.to_owned(),
                    known: known.filter_map(|it| it.interface.clone()).collect(),
                }
            })?);
        }
        if networks.is_empty() {
            networks = all().collect();
        }
        settings
            .catalog
            .images
            .extend(given.settings.catalog.images);
        Ok(Self {
            networks,
            settings,
            written: Some((parsed.places, parsed.doubts)),
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
