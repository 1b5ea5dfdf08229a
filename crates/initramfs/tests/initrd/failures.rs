//! What cannot be built, and what is reported.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use netroot_initramfs::{
    BuildRequest, CompressionOptions, Contents, ModuleSelection, RootTree, build, choose_kernel,
};

use crate::fake_root::{FakeRoot, VERSION, sentence};
use crate::fixture;

#[test]
fn a_fault_of_the_root_is_reported_with_its_fix() {
    let root = FakeRoot::new();
    let host = root.dir.path().display().to_string();
    assert_eq!(
        sentence(root.build("fast-nik")),
        "kernel 6.1.0-50-amd64 has no module \"fast-nik\"; did you mean fast_nic?"
    );
    let tree = root.path(&format!("usr/lib/modules/{VERSION}"));

    let nfs = tree.join("kernel/fs/nfs/nfs.ko.xz");
    let good = fs::read(&nfs).unwrap();
    fs::write(&nfs, &good[..good.len() / 2]).unwrap();
    let text = sentence(root.build(""));
    let place = format!("cannot use {host}/lib/modules/{VERSION}/kernel/fs/nfs/nfs.ko.xz");
    assert!(text.starts_with(&place) && text.contains("xz"), "{text}");
    fs::write(&nfs, fixture::module(183, "")).unwrap();
    let text = sentence(root.build(""));
    assert!(
        text.ends_with("nfs.ko.xz is not a module for x86_64"),
        "{text}"
    );
    fs::write(&nfs, good).unwrap();

    let dep = fs::read_to_string(tree.join("modules.dep")).unwrap();
    fs::write(
        tree.join("modules.dep"),
        dep.replace("kernel/fs/nfs/nfsv3", "/nfsv3"),
    )
    .unwrap();
    let text = sentence(root.build(""));
    assert!(
        text.contains(&format!(
            "run `depmod -b {host} {VERSION}`: modules.dep, line 3"
        )),
        "{text}"
    );
    let without_nfs3: String = dep
        .lines()
        .filter(|line| !line.contains("nfsv3"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(tree.join("modules.dep"), without_nfs3).unwrap();
    let text = sentence(root.build(""));
    assert!(
        text.contains("has no nfsv3, neither as a module nor built in"),
        "{text}"
    );

    fs::remove_file(tree.join("modules.dep")).unwrap();
    let text = sentence(root.build(""));
    assert_eq!(
        text,
        format!(
            "{host}/lib/modules/{VERSION} has no modules.dep: run `depmod -b {host} {VERSION}`"
        )
    );
    fs::rename(&tree, tree.with_extension("gone")).unwrap();
    let config = "CONFIG_MODULES=y\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_ZSTD=y\n";
    root.file(&format!("boot/config-{VERSION}"), config.as_bytes());
    let text = sentence(root.build(""));
    assert!(
        text.contains(&format!("{host}/lib/modules/{VERSION} is missing")),
        "{text}"
    );
}

#[test]
fn a_module_that_is_a_link_out_of_the_root_is_not_followed() {
    let root = FakeRoot::new();
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("nfs.ko");
    fs::write(&secret, fixture::module(62, "secret=1\0")).unwrap();
    let nfs = root.path(&format!(
        "usr/lib/modules/{VERSION}/kernel/fs/nfs/nfs.ko.xz"
    ));
    fs::remove_file(&nfs).unwrap();
    symlink(Path::new(&secret), &nfs).unwrap();
    let text = sentence(root.build(""));
    assert!(text.starts_with("cannot open"), "{text}");
}

#[test]
fn an_init_that_cannot_run_is_refused() {
    let root = FakeRoot::new();
    let opened = RootTree::open(root.dir.path()).unwrap();
    let kernel = choose_kernel(&opened, None).unwrap();
    let contents = Contents::built_in().unwrap();
    let modules = ModuleSelection::default();
    let dynamic = fs::read("/proc/self/exe").unwrap();
    for (init, fault) in [
        (b"#!/bin/sh\n".to_vec(), "not a 64-bit ELF program"),
        (fixture::module(183, ""), "for another machine"),
        (dynamic, "dynamically linked"),
    ] {
        let request = BuildRequest {
            root: &opened,
            kernel: &kernel,
            modules: &modules,
            contents: &contents,
            init: &init,
            timestamp: 0,
            compression: CompressionOptions {
                level: 1,
                threads: 1,
            },
            sys: Path::new("/sys"),
        };
        let error = build(&request, std::io::sink()).unwrap_err().to_string();
        assert!(error.contains(fault), "{error}");
    }
}
