//! Names of modules.

/// The path of a module file without `.ko` and the compression suffix: `kernel/fs/nfs/nfs` of
/// `kernel/fs/nfs/nfs.ko.xz`. A path without `.ko` in its last component is returned unchanged.
#[must_use]
pub fn module_stem(path: &str) -> &str {
    let file_at = path.rfind('/').map_or(0, |at| at + 1);
    let (directory, file) = path.split_at(file_at);
    match file.find(".ko") {
        Some(at) => path.get(..directory.len() + at).unwrap_or(path),
        None => path,
    }
}

/// The name of a module, as the kernel spells it: the last component of its path, without suffix, with `_` for `-`.
/// modprobe(8) treats the two as the same.
#[must_use]
pub fn module_name(path: &str) -> String {
    let stem = module_stem(path);
    stem.rsplit('/').next().unwrap_or(stem).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_file_name_loses_its_suffix() {
        assert_eq!(module_stem("kernel/x.ko/a-b.ko.zst"), "kernel/x.ko/a-b");
        assert_eq!(module_stem("a.ko"), "a");
        assert_eq!(module_stem("a"), "a");
    }

    #[test]
    fn a_module_is_named_after_its_file_with_underscores() {
        assert_eq!(
            module_name("kernel/drivers/net/usb/lg-vl600.ko.xz"),
            "lg_vl600"
        );
        assert_eq!(module_name("crc32c-intel"), "crc32c_intel");
    }
}
