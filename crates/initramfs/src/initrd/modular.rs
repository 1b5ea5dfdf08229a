//! Whether a kernel can load modules at all, from its image: for kernels without a configuration and a module tree.

use crate::decompress::decompress;
use crate::kernel::Kernel;
use crate::little_endian::u32_le;
use crate::root_tree::RootTree;

/// The size limit of a kernel, compressed and not, in bytes.
const MAX_SIZE: u64 = 256 << 20;
/// What every kernel with `CONFIG_MODULES` prints about a module for another one (`kernel/module/main.c`).
const MARK: &[u8] = b"version magic '";

/// `None` if the image does not tell, as one that is compressed in another way than by gzip, xz or zstd.
pub(super) fn loads_modules(root: &RootTree, kernel: &Kernel) -> Option<bool> {
    let image = match kernel.part {
        Some(part) => root.read_part(&kernel.path, part.offset, part.length.min(MAX_SIZE)),
        None => root.read(&kernel.path, MAX_SIZE),
    };
    of_image(image.ok()?)
}

fn of_image(image: Vec<u8>) -> Option<bool> {
    // boot.rst: the payload of a bzImage, and where it is.
    let payload = (image.get(0x202..0x206) == Some(b"HdrS")).then(|| payload(&image));
    let code = match payload {
        Some(payload) => decompress(payload?.to_vec(), MAX_SIZE).ok()?,
        None => decompress(image, MAX_SIZE).ok()?,
    };
    let is_plain = code.starts_with(b"\x7fELF") || code.get(56..60) == Some(b"ARM\x64");
    is_plain.then(|| code.windows(MARK.len()).any(|part| part == MARK))
}

fn payload(image: &[u8]) -> Option<&[u8]> {
    let sectors = match usize::from(*image.get(0x1f1)?) {
        0 => 4,
        sectors => sectors,
    };
    let start = usize::try_from(u32_le(image, 0x248)?).ok()?;
    let length = usize::try_from(u32_le(image, 0x24c)?).ok()?;
    let start = start.checked_add((sectors + 1) * 512)?;
    let payload = image.get(start..start.checked_add(length)?)?;
    // The build appends the size of the content, but for gzip, which has it itself.
    match payload.starts_with(&[0x1f, 0x8b]) {
        true => Some(payload),
        false => payload.get(..payload.len().checked_sub(4)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bzimage(vmlinux: &[u8], compress: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let mut image = crate::fixture::bzimage("6.1.0");
        image.resize(5 * 512, 0);
        let payload = compress(vmlinux);
        let length = u32::try_from(payload.len()).unwrap();
        image[0x24c..0x250].copy_from_slice(&length.to_le_bytes());
        image.extend_from_slice(&payload);
        image
    }

    #[test]
    fn an_image_tells_whether_its_kernel_loads_modules() {
        let zstd = |vmlinux: &[u8]| {
            let mut payload = zstd::encode_all(vmlinux, 3).unwrap();
            payload.extend_from_slice(&[1, 2, 3, 4]);
            payload
        };
        let with = b"\x7fELF ... \x013%s: version magic '%s' should be '%s'";
        let without = b"\x7fELF ... nothing of the kind";
        assert_eq!(of_image(bzimage(with, zstd)), Some(true));
        assert_eq!(of_image(bzimage(without, zstd)), Some(false));
        let lz4 = |_: &[u8]| b"\x02\x21\x4c\x18 and so on".to_vec();
        assert_eq!(of_image(bzimage(with, lz4)), None);
        assert_eq!(of_image(crate::fixture::bzimage("6.1.0")), None);
        assert_eq!(of_image(Vec::new()), None);
    }
}
