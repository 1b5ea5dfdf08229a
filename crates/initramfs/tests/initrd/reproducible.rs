//! The same input gives the same initrd.

use std::fs;

use netroot_initramfs::Contents;

use crate::archive::read_initrd;
use crate::fake_root::{FakeRoot, VERSION};

#[test]
fn two_roots_with_the_same_files_give_the_same_initrd() {
    let (one, two) = (FakeRoot::new(), FakeRoot::new());
    // Another order of creation, other times.
    let path = format!("usr/lib/modules/{VERSION}/kernel/fs/nfs/nfs.ko.xz");
    let content = fs::read(two.path(&path)).unwrap();
    fs::remove_file(two.path(&path)).unwrap();
    two.file("usr/lib/modules/something", b"");
    two.file(&path, &content);
    let (_, one) = one.build("netboot").unwrap();
    let (_, two) = two.build("netboot").unwrap();
    assert!(one == two);
}

#[test]
fn any_number_of_threads_gives_the_same_initrd() {
    let root = FakeRoot::new();
    // Several jobs of 8 MiB, neither empty nor noise.
    let mut state = 1_u64;
    let content: Vec<u8> = (0..28 << 20)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 60) as u8
        })
        .collect();
    root.file("large", &content);
    let text = "[[file]]\npath = '/large'\nfrom = '/large'\n";
    let contents = Contents::parse("test", text).unwrap();
    let (_, one) = root.build_with("", &contents, 1).unwrap();
    for threads in [2, 3, 8] {
        let (_, initrd) = root.build_with("", &contents, threads).unwrap();
        assert!(initrd == one, "{threads} threads");
    }
    // No threads asked for is one.
    assert!(root.build_with("", &contents, 0).unwrap().1 == one);
    assert_eq!(read_initrd(&one)["large"].1, content);
}
