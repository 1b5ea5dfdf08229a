//! What a kernel was built with decides what its initrd is like.

use std::fs;
use std::io::Read;

use netroot_initramfs::Compression;

use crate::archive::read_initrd;
use crate::fake_root::{FakeRoot, VERSION, sentence};

#[test]
fn a_kernel_without_module_support_needs_no_modules() {
    let root = FakeRoot::new();
    fs::remove_dir_all(root.path("usr/lib/modules")).unwrap();
    let config = "CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_ZSTD=y\n# CONFIG_MODULES is not set\n";
    root.file(&format!("boot/config-{VERSION}"), config.as_bytes());
    let (summary, initrd) = root.build("netboot").unwrap();
    assert!(summary.modules.is_empty());
    assert!(read_initrd(&initrd).contains_key("init"));
}

#[test]
fn a_kernel_that_cannot_unpack_an_initrd_is_refused() {
    let root = FakeRoot::new();
    for config in [
        "CONFIG_BLK_DEV_INITRD=y\n# CONFIG_RD_GZIP is not set\n",
        "CONFIG_RD_GZIP=y\n",
    ] {
        root.file(&format!("boot/config-{VERSION}"), config.as_bytes());
        let text = sentence(root.build(""));
        let says =
            format!("config-{VERSION} lacks CONFIG_BLK_DEV_INITRD=y, and CONFIG_RD_ZSTD=y or");
        assert!(text.contains(&says), "{text}");
    }
}

#[test]
fn a_kernel_without_zstd_gets_gzip() {
    let root = FakeRoot::new();
    let (by_version, _) = root.build("").unwrap();
    assert_eq!(
        by_version.compression,
        Compression::Zstd,
        "{VERSION} has it by default"
    );
    // Where Fedora has it.
    let config = "CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_GZIP=y\n# CONFIG_RD_ZSTD is not set\n";
    root.file(
        &format!("usr/lib/modules/{VERSION}/config"),
        config.as_bytes(),
    );
    let (summary, initrd) = root.build("").unwrap();
    assert_eq!(summary.compression, Compression::Gzip);
    assert_eq!(
        root.build("").unwrap().1,
        initrd,
        "it is the same every time"
    );
    let mut archive = Vec::new();
    let mut gzip = flate2::read::GzDecoder::new(initrd.as_slice());
    gzip.read_to_end(&mut archive).unwrap();
    assert_eq!(archive.len() as u64, summary.uncompressed_size);
    let again = zstd::encode_all(archive.as_slice(), 1).unwrap();
    assert!(read_initrd(&again).contains_key("init"));
}
