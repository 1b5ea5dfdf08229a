//! `initrd/contents.toml`, and the cpio archive that is written of it: read again, it has what was put into it.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (&str, Vec<(&str, &[u8])>)| {
    let (contents, files) = input;
    netroot_initramfs::fuzzing::contents(contents);
    let archive = netroot_initramfs::fuzzing::archive(&files);
    let mut rest = archive.as_slice();
    for (name, content) in &files {
        let found = loop {
            let (found, length, after) = member(rest);
            rest = &after[length.next_multiple_of(4)..];
            // The directories above a file come before it.
            if found != name.as_bytes() && name.as_bytes().starts_with(found) {
                continue;
            }
            break (found, &after[..length]);
        };
        assert_eq!(found, (name.as_bytes(), *content));
    }
    assert_eq!(member(rest).0, b"TRAILER!!!");
});

/// The name and length of the first member, and what follows its header (`Documentation/driver-api/early-userspace/buffer-format.rst`).
fn member(archive: &[u8]) -> (&[u8], usize, &[u8]) {
    let field = |at: usize| {
        let digits = str::from_utf8(&archive[6 + 8 * at..14 + 8 * at]).unwrap();
        usize::from_str_radix(digits, 16).unwrap()
    };
    assert_eq!(&archive[..6], b"070701");
    let (length, name) = (field(6), field(11));
    let start = (110 + name).next_multiple_of(4);
    (&archive[110..109 + name], length, &archive[start..])
}
