//! What can be asked of a helper, and how it answers, as bytes. Pure.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_limits::Rate;
use netroot_net::PciId;

use super::channel::MOST_BYTES;
use crate::generations;
use crate::settings::CatalogSettings;

/// The length of a request, in bytes.
pub(super) const LENGTH: usize = 32;
/// The number of the message with which a helper begins, and of no request.
pub(super) const INTRODUCTION: u16 = 0;

/// The number of the request after the one with this number.
pub(super) const fn next(number: u16) -> u16 {
    match number.wrapping_add(1) {
        INTRODUCTION => INTRODUCTION + 1,
        next => next,
    }
}

/// How long an initrd may take to build, and a little: a slow machine takes minutes.
const INITRD: Duration = Duration::from_secs(16 * 60);
/// How long anything else may take: the disk that a root is on may be asleep.
pub(super) const USUAL: Duration = Duration::from_secs(30);

/// A kind of requests: those of one helper.
pub(crate) trait Request: Copy {
    /// How often the helper works: a server that was taken over can only repeat what was allowed anyway.
    const RATE: Rate;

    /// As bytes.
    fn encode(self) -> [u8; LENGTH];

    /// From bytes; `None` for what is no request.
    fn decode(bytes: [u8; LENGTH]) -> Option<Self>;

    /// How long the answer is waited for.
    fn patience(self) -> Duration;
}

/// What the helper for roots does. Images are named by their number in a configuration, which is named by its digest: 0 for
/// that of the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RootRequest {
    /// Open the image's directory anew, so that the confined server can read what is below it.
    Root {
        /// The image.
        image: ImageNumber,
    },
    /// Read the configuration, if it has this digest, so that images of it can be named.
    Configuration {
        /// Which one.
        digest: u64,
        /// The one that is served, of which images can still be named afterwards.
        served: u64,
    },
}

/// An image in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ImageNumber {
    /// The digest of the configuration; 0 for that of the start.
    pub(crate) configuration: u64,
    /// Its number there.
    pub(crate) image: u16,
    /// Which generation of its root it is; 0 for the image as it is written.
    pub(crate) generation: u32,
    /// Which of the directories that are or were its root (`netroot image swap`); 0 for its root, if it was never swapped.
    pub(crate) tree: u32,
}

/// What the helper for files does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileRequest {
    /// Build the initrd of what is at the image's path now, or open the one that is given (`--initrd`).
    Initrd {
        /// The image.
        image: ImageNumber,
        /// The fingerprint under which a built one is kept.
        fingerprint: u64,
    },
    /// Build the initrd for one network card of what is at the image's path now.
    NicInitrd {
        /// The image.
        image: ImageNumber,
        /// The fingerprint under which it is kept.
        fingerprint: u64,
        /// The card.
        nic: PciId,
    },
    /// Open the boot loaders.
    Loaders,
    /// Read the configuration. Images of it can be named afterwards, and of the one that is served.
    Configuration {
        /// The digest of that one.
        served: u64,
    },
    /// Open one of the files that an image is made of.
    File {
        /// The image.
        image: ImageNumber,
        /// Which one.
        file: u16,
    },
}

impl Request for RootRequest {
    const RATE: Rate = Rate {
        burst: 128,
        every: Duration::from_secs(2),
    };

    fn encode(self) -> [u8; LENGTH] {
        match self {
            Self::Root { image } => request(1, image, 0),
            Self::Configuration { digest, served } => request(4, ImageNumber::none(served), digest),
        }
    }

    fn decode(bytes: [u8; LENGTH]) -> Option<Self> {
        match parts(bytes) {
            (1, image, 0, 0) => Some(Self::Root { image }),
            (4, of, digest, 0) if of == ImageNumber::none(of.configuration) => {
                Some(Self::Configuration {
                    digest,
                    served: of.configuration,
                })
            }
            _ => None,
        }
    }

    fn patience(self) -> Duration {
        USUAL
    }
}

impl Request for FileRequest {
    const RATE: Rate = RootRequest::RATE;

    fn encode(self) -> [u8; LENGTH] {
        match self {
            Self::Initrd { image, fingerprint } => request(2, image, fingerprint),
            Self::NicInitrd {
                image,
                fingerprint,
                nic,
            } => request_for_nic(7, image, fingerprint, nic),
            Self::Loaders => request(3, ImageNumber::none(0), 0),
            Self::Configuration { served } => request(5, ImageNumber::none(served), 0),
            Self::File { image, file } => request(6, image, u64::from(file)),
        }
    }

    fn decode(bytes: [u8; LENGTH]) -> Option<Self> {
        let nothing = ImageNumber::none(0);
        match parts(bytes) {
            (2, image, fingerprint, 0) => Some(Self::Initrd { image, fingerprint }),
            (3, image, 0, 0) if image == nothing => Some(Self::Loaders),
            (5, of, 0, 0) if of == ImageNumber::none(of.configuration) => {
                Some(Self::Configuration {
                    served: of.configuration,
                })
            }
            (6, image, file, 0) => Some(Self::File {
                image,
                file: u16::try_from(file).ok()?,
            }),
            (7, image, fingerprint, nic) => Some(Self::NicInitrd {
                image,
                fingerprint,
                nic: nic_of(nic),
            }),
            _ => None,
        }
    }

    fn patience(self) -> Duration {
        match self {
            Self::Initrd { .. } | Self::NicInitrd { .. } => INITRD,
            _ => USUAL,
        }
    }
}

impl ImageNumber {
    /// The image at this place in what the configuration with this digest says, with the generations behind it.
    pub(crate) fn of(configuration: u64, catalog: &CatalogSettings, place: usize) -> Self {
        let swapped =
            (catalog.images.get(place)).and_then(|image| image.source.root()?.swapped.as_ref());
        let tree = swapped.map_or(0, |swapped| swapped.tree);
        Self::of_tree(configuration, catalog, (place, tree))
    }

    /// The same with another one of the directories that are or were its root.
    pub(crate) fn of_tree(
        configuration: u64,
        catalog: &CatalogSettings,
        (place, tree): (usize, u32),
    ) -> Self {
        let (image, generation) = generations::number(catalog, place);
        Self {
            configuration,
            image: u16::try_from(image).unwrap_or(u16::MAX),
            generation,
            tree,
        }
    }

    /// A number alone.
    fn bare(image: u16) -> Self {
        Self {
            image,
            ..Self::none(0)
        }
    }

    /// A configuration alone.
    fn none(configuration: u64) -> Self {
        Self {
            configuration,
            image: 0,
            generation: 0,
            tree: 0,
        }
    }
}

/// What the helper for the network does. Interfaces are named by their number in `Settings::networks`; each is the one
/// of the start, under whatever name it has now, or else the one that has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NetworkRequest {
    /// Make the sockets of the interface itself.
    Device {
        /// The interface.
        listener: u16,
    },
    /// Listen at one of its addresses.
    Listen {
        /// The interface.
        listener: u16,
        /// The address. Another one is refused.
        address: Ipv4Addr,
    },
}

impl Request for NetworkRequest {
    const RATE: Rate = Rate {
        burst: 256,
        every: Duration::from_secs(1),
    };

    fn encode(self) -> [u8; LENGTH] {
        let (kind, listener, address) = match self {
            Self::Device { listener } => (1, listener, Ipv4Addr::UNSPECIFIED),
            Self::Listen { listener, address } => (2, listener, address),
        };
        request(
            kind,
            ImageNumber::bare(listener),
            u64::from(address.to_bits()),
        )
    }

    fn decode(bytes: [u8; LENGTH]) -> Option<Self> {
        let (kind, number, address, nothing) = parts(bytes);
        let address = Ipv4Addr::from_bits(u32::try_from(address).ok()?);
        let listener = number.image;
        match kind {
            _ if number != ImageNumber::bare(listener) || nothing != 0 => None,
            1 if address.is_unspecified() => Some(Self::Device { listener }),
            2 => Some(Self::Listen { listener, address }),
            _ => None,
        }
    }

    fn patience(self) -> Duration {
        USUAL
    }
}

fn request(kind: u16, image: ImageNumber, number: u64) -> [u8; LENGTH] {
    let nothing = nic_of(0);
    request_for_nic(kind, image, number, nothing)
}

fn request_for_nic(kind: u16, image: ImageNumber, number: u64, nic: PciId) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let all = [
        &kind.to_be_bytes()[..],
        &image.image.to_be_bytes(),
        &image.generation.to_be_bytes(),
        &image.tree.to_be_bytes(),
        &image.configuration.to_be_bytes(),
        &number.to_be_bytes(),
        &nic.vendor.to_be_bytes(),
        &nic.device.to_be_bytes(),
    ];
    for (place, byte) in bytes.iter_mut().zip(all.into_iter().flatten()) {
        *place = *byte;
    }
    bytes
}

/// A network card, as one number.
fn nic_of(number: u32) -> PciId {
    let [a, b, c, d] = number.to_be_bytes();
    PciId {
        vendor: u16::from_be_bytes([a, b]),
        device: u16::from_be_bytes([c, d]),
    }
}

/// The kind, the image, the number and the network card of a request.
fn parts(bytes: [u8; LENGTH]) -> (u16, ImageNumber, u64, u32) {
    let (kind, rest) = split::<2>(&bytes);
    let (image, rest) = split::<2>(rest);
    let (generation, rest) = split::<4>(rest);
    let (tree, rest) = split::<4>(rest);
    let (configuration, rest) = split::<8>(rest);
    let (number, rest) = split::<8>(rest);
    let (nic, _) = split::<4>(rest);
    let image = ImageNumber {
        configuration: u64::from_be_bytes(configuration),
        image: u16::from_be_bytes(image),
        generation: u32::from_be_bytes(generation),
        tree: u32::from_be_bytes(tree),
    };
    let number = u64::from_be_bytes(number);
    let nic = u32::from_be_bytes(nic);
    (u16::from_be_bytes(kind), image, number, nic)
}

/// The first bytes, which are there in a request.
fn split<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    let first = bytes.split_first_chunk();
    first.map_or(([0; N], &[]), |(first, rest)| (*first, rest))
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is done.
    Done,
    /// It failed; the text says why.
    Failed,
    /// It can never be done, for want of rights or of a newer kernel; the text says why.
    Impossible,
}

/// The bytes of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// The number of the request that is answered.
    pub(super) number: u16,
    pub(super) outcome: Outcome,
    /// Which of the descriptors that may be missing are there, a bit for each.
    pub(super) present: u8,
    /// Why it failed, what was noted, or what was asked for.
    pub(super) content: Vec<u8>,
}

impl Reply {
    /// As bytes. A content that is too long is cut.
    pub(super) fn encode(&self) -> Vec<u8> {
        let [high, low] = self.number.to_be_bytes();
        let outcome = match self.outcome {
            Outcome::Done => 0,
            Outcome::Failed => 1,
            Outcome::Impossible => 2,
        };
        let mut bytes = vec![high, low, outcome, self.present];
        bytes.extend(&self.content);
        bytes.truncate(MOST_BYTES);
        bytes
    }

    /// From bytes; `None` for what is no answer.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[high, low, outcome, present], content) = bytes.split_first_chunk()?;
        Some(Self {
            number: u16::from_be_bytes([high, low]),
            outcome: match outcome {
                0 => Outcome::Done,
                1 => Outcome::Failed,
                2 => Outcome::Impossible,
                _ => return None,
            },
            present,
            content: content.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_are_read_as_they_were_written() {
        let image = ImageNumber {
            configuration: 0x1112_1314_1516_1718,
            image: 0x102,
            generation: 0x0304_0506,
            tree: 0x0708_090a,
        };
        let (digest, served) = (image.configuration, 7);
        for request in [
            RootRequest::Root { image },
            RootRequest::Configuration { digest, served },
        ] {
            assert_eq!(RootRequest::decode(request.encode()), Some(request));
        }
        let initrd = FileRequest::Initrd {
            image,
            fingerprint: 0x0102_0304_0506_0708,
        };
        let configuration = FileRequest::Configuration { served: digest };
        let file = FileRequest::File { image, file: 3 };
        for request in [initrd, FileRequest::Loaders, configuration, file] {
            assert_eq!(FileRequest::decode(request.encode()), Some(request));
            assert_eq!(RootRequest::decode(request.encode()), None);
        }
    }

    #[test]
    fn requests_to_the_network_are_read_as_they_were_written() {
        let address = Ipv4Addr::new(10, 0, 0, 1);
        for request in [
            NetworkRequest::Device { listener: 0x102 },
            NetworkRequest::Listen {
                listener: 7,
                address,
            },
        ] {
            assert_eq!(NetworkRequest::decode(request.encode()), Some(request));
        }
    }

    #[test]
    fn a_content_that_is_too_long_is_cut() {
        let reply = Reply {
            number: 0x102,
            outcome: Outcome::Failed,
            present: 5,
            content: vec![1; MOST_BYTES],
        };
        let bytes = reply.encode();
        assert_eq!(bytes.len(), MOST_BYTES);
        let read = Reply::decode(&bytes).unwrap();
        assert_eq!((read.number, read.present), (0x102, 5));
        assert!(reply.content.starts_with(&read.content));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_that_is_written_the_same_or_none(bytes: [u8; LENGTH]) {
            if let Some(request) = RootRequest::decode(bytes) {
                prop_assert_eq!(request.encode(), bytes);
            }
            if let Some(request) = NetworkRequest::decode(bytes) {
                prop_assert_eq!(request.encode(), bytes);
            }
            if let Some(request) = FileRequest::decode(bytes) {
                prop_assert_eq!(request.encode(), bytes);
            }
        }
    }
}
