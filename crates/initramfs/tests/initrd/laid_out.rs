//! Roots with the names, links and headers of a distribution.

use std::fs;
use std::os::unix::fs::symlink;

use netroot_initramfs::{Kernel, RootTree, choose_kernel};

use crate::fixture::bzimage;

/// What a root has: a kernel of a version, a module tree, a link, a text, or a unified kernel image.
pub enum Has {
    Kernel(&'static str, &'static str),
    Modules(&'static str),
    Link(&'static str, &'static str),
    Text(&'static str, &'static str),
    Bytes(&'static str, Vec<u8>),
}
use Has::{Bytes, Kernel as Bzimage, Link, Modules, Text};

pub fn root_with(content: &[Has]) -> (tempfile::TempDir, RootTree) {
    let dir = tempfile::tempdir().unwrap();
    let file = |path: &str, bytes: &[u8]| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    for one in content {
        match one {
            Bzimage(path, version) => file(path, &bzimage(version)),
            Modules(tree) => file(&format!("{tree}/modules.dep"), b""),
            Link(path, target) => {
                let path = dir.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                symlink(target, path).unwrap();
            }
            Text(path, text) => file(path, text.as_bytes()),
            Bytes(path, bytes) => file(path, bytes),
        }
    }
    let root = RootTree::open(dir.path()).unwrap();
    (dir, root)
}

pub fn chosen(content: &[Has]) -> Kernel {
    let (_dir, root) = root_with(content);
    choose_kernel(&root, None).unwrap()
}

/// A gzip-compressed arm64 Image, whose version only its name shows.
pub fn arm64() -> Vec<u8> {
    let mut kernel = vec![0; 64];
    kernel[56..60].copy_from_slice(b"ARM\x64");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &kernel).unwrap();
    gzip.finish().unwrap()
}

pub fn assert_kernel(kernel: &Kernel, version: &str, path: &str, modules: Option<&str>) {
    let found = (kernel.version.as_str(), kernel.path.as_str());
    assert_eq!(found, (version, path));
    assert_eq!(kernel.modules.as_deref(), modules, "{path}");
}
