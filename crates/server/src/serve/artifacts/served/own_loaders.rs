//! What firmware loads of an image's own files: its unified kernel image, or the shim of its root.

use std::sync::Arc;

use netroot_proto::pxe::inputs::{Loader, SignedLoader};

use super::super::boot_files::BootFiles;
use super::super::signed_chain::FoundChain;
use super::super::signed_ipxe::SignedIpxe;
use crate::catalog::{Image, ImageFile};

/// The image with what firmware loads of its files among its loaders. A unified kernel image is the first of its platform; a
/// machine that does not start it is given the signed chain, or the loader that is the first without it.
pub(super) fn with_own_loaders(
    image: Image,
    files: Option<&BootFiles>,
    pairs: &[Arc<SignedIpxe>],
) -> Image {
    let image = with_signed(image, files, pairs);
    let unified = files.and_then(|files| files.unified.as_ref());
    let unified_loaders = unified.map(|unified| {
        let (usual, others): (Vec<_>, Vec<_>) = image
            .loaders
            .iter()
            .cloned()
            .partition(|one| one.platform == unified.platform);
        // That it boots is seen when it mounts a root of ours: where the root is elsewhere, nothing may be concluded from
        // silence.
        let usual = usual.into_iter().next().filter(|_| image.is_mounted_here());
        let (second, signed) = usual.map_or((None, None), |one| (Some(one.first), one.signed));
        let own = Loader {
            platform: unified.platform,
            first: image.newest(ImageFile::Program),
            second,
            signed,
        };
        others.into_iter().chain([own]).collect()
    });
    Image {
        unified_loaders,
        ..image
    }
}

/// The image with what its files have for Secure Boot among its loaders, where iPXE's own signed files are not given instead.
/// Where there is no other loader for that platform, it is the first.
fn with_signed(image: Image, files: Option<&BootFiles>, pairs: &[Arc<SignedIpxe>]) -> Image {
    let found = files.and_then(|files| files.signed.as_ref());
    let by_ipxe = found.is_some_and(|found| pairs.iter().any(|pair| pair.is_for(found)));
    let signed = files.and_then(BootFiles::chain).filter(|_| !by_ipxe);
    let own = signed.map(|signed| {
        let shim = ImageFile::Shim(signed.facts.checked.architecture);
        let loader = SignedLoader {
            file: image.newest(shim),
            over_http: signed.facts.over_http,
            by_proxy: signed.facts.by_proxy,
        };
        (signed.platform(), loader)
    });
    let of = |platform| {
        let own = own.as_ref().filter(|(it, _)| *it == platform);
        let mut pairs = pairs.iter().filter(|pair| pair.platform() == platform);
        let own = own.map(|(_, loader)| loader.clone());
        own.or_else(|| pairs.next().map(|pair| pair.as_loader()))
    };
    // One that is there for want of another is made again.
    let others = image.loaders.iter().filter(|loader| {
        let signed = loader.signed.as_ref();
        signed.is_none_or(|signed| signed.file != loader.first)
    });
    let others = others.map(|loader| Loader {
        signed: of(loader.platform),
        ..loader.clone()
    });
    let mut loaders: Vec<Loader> = others.collect();
    let platforms = own.iter().map(|(platform, _)| *platform);
    for platform in platforms.chain(pairs.iter().map(|pair| pair.platform())) {
        if let Some(loader) = of(platform)
            && !loaders.iter().any(|one| one.platform == platform)
        {
            loaders.push(Loader {
                platform,
                first: loader.file.clone(),
                second: None,
                signed: Some(loader),
            });
        }
    }
    // Who has chosen it in a menu, or has waited for it, may have loaded a pair that is not given for it.
    let for_processor = |found: &FoundChain| pairs.iter().any(|it| it.is_for_processor_of(found));
    let has_shim = files.and_then(BootFiles::kernel_shim).is_some();
    Image {
        loaders: loaders.into(),
        kernel_shim: has_shim && found.is_some_and(for_processor),
        ..image
    }
}
