//! Whether a kept initrd is still the one that would be built.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use netroot_initramfs::{NicDriver, RootTree};

use super::request::InitrdRequest;

/// How deep module and firmware trees are looked into; real ones have seven levels.
const DEPTH: usize = 12;

/// A number that changes when the initrd would: this program (it carries the init and the lists), the choice,
/// and the names, sizes and times of the root's modules and firmware. Contents are not read: that would take
/// longer than packing them.
pub(crate) fn fingerprint(request: &InitrdRequest<'_>) -> u64 {
    let mut hash = DefaultHasher::new();
    for text in [request.kernel.version.as_str(), request.modules] {
        hash.write(text.as_bytes());
        hash.write_u8(0xff);
    }
    for program in [Some(Path::new("/proc/self/exe")), request.init] {
        match program.map(fs::metadata) {
            Some(Ok(metadata)) => add_file(&mut hash, &metadata),
            // An init that is absent is not no init: the child is to say so.
            Some(Err(_)) => hash.write_u8(1),
            None => hash.write_u8(0),
        }
    }
    if let Some(modules) = &request.kernel.modules {
        add_tree(&mut hash, request.root, modules, DEPTH);
    }
    let firmware = request.kernel.firmware.iter().map(String::as_str);
    for folder in firmware.chain(["/lib/firmware"]) {
        add_tree(&mut hash, request.root, folder, DEPTH);
    }
    hash.finish()
}

/// The same for the initrd for network cards with these drivers, from the fingerprint of the one for every card.
pub(crate) fn of_drivers(of_all: u64, drivers: &NicDriver) -> u64 {
    let mut hash = DefaultHasher::new();
    hash.write_u64(of_all);
    hash.write(drivers.as_str().as_bytes());
    hash.finish()
}

fn add_tree(hash: &mut DefaultHasher, root: &RootTree, folder: &str, depth: usize) {
    for name in root.names_in(folder).unwrap_or_default() {
        // Links to kernel headers: large, and without effect on the initrd.
        if depth == DEPTH && matches!(name.as_str(), "build" | "source") {
            continue;
        }
        let path = format!("{folder}/{name}");
        hash.write(path.as_bytes());
        match root
            .open_file(&path)
            .and_then(|file| metadata(root, &path, &file))
        {
            Ok(metadata) => add_file(hash, &metadata),
            Err(_) if depth > 0 && root.has_directory(&path) => {
                add_tree(hash, root, &path, depth - 1);
            }
            Err(_) => {}
        }
    }
}

fn metadata(
    root: &RootTree,
    path: &str,
    file: &File,
) -> Result<fs::Metadata, netroot_initramfs::RootTreeError> {
    file.metadata()
        .map_err(|source| netroot_initramfs::RootTreeError::Read {
            path: root.host_path(path),
            source,
        })
}

fn add_file(hash: &mut DefaultHasher, metadata: &fs::Metadata) {
    hash.write_u64(metadata.size());
    hash.write_i64(metadata.mtime());
    hash.write_i64(metadata.mtime_nsec());
}

#[cfg(test)]
mod tests {
    use netroot_initramfs::{Architecture, Kernel};

    use super::*;

    fn kernel() -> Kernel {
        Kernel {
            version: "6.1.0".to_owned(),
            path: "/boot/vmlinuz-6.1.0".to_owned(),
            part: None,
            architecture: Architecture::X86_64,
            modules: Some("/lib/modules/6.1.0".to_owned()),
            firmware: None,
            start: None,
        }
    }

    #[test]
    fn a_changed_module_or_choice_changes_the_fingerprint_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let modules = folder.path().join("lib/modules/6.1.0/kernel/net");
        fs::create_dir_all(&modules).unwrap();
        fs::write(modules.join("a.ko"), "module").unwrap();
        let root = RootTree::open(folder.path()).unwrap();
        let kernel = kernel();
        let of = |modules| {
            fingerprint(&InitrdRequest {
                root: &root,
                kernel: &kernel,
                modules,
                init: None,
            })
        };
        let before = of("netboot");
        assert_eq!(before, of("netboot"));
        assert_ne!(before, of("virtio_net"));
        let absent = Some(Path::new("/nonexistent/init"));
        let request = InitrdRequest {
            root: &root,
            kernel: &kernel,
            modules: "netboot",
            init: absent,
        };
        assert_ne!(before, fingerprint(&request), "an init that is absent");
        fs::write(folder.path().join("etc"), "elsewhere").unwrap();
        assert_eq!(before, of("netboot"));
        fs::write(modules.join("a.ko"), "longer module").unwrap();
        assert_ne!(before, of("netboot"));
    }
}
