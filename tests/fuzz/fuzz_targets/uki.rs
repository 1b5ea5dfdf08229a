//! A unified kernel image from a root's stub, kernel and texts: what is made of them has each of its parts at its place, and
//! the digest that is signed is the one that firmware computes.
#![no_main]

use netroot_fuzz::pieces;
use netroot_secure_boot::{Binary, BinaryError, Hashing};
use netroot_uki::{Parts, UkiError, lay_out};
use object::read::pe::PeFile64;
use object::{LittleEndian, Object, ObjectSection};

const INITRD: &[u8] = b"an initrd";
const VERSION: &str = "6.1.0";
/// As long as a signature's; what is in it, nobody looks at.
const TABLE: [u8; 64] = [0; 64];

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut pieces = pieces(input);
    let mut next = || pieces.next().unwrap_or_default();
    let (stub, kernel, os_release, line) = (next(), next(), next(), next());
    let line = String::from_utf8_lossy(line);
    let laid_out = lay_out(&Parts {
        stub,
        kernel_start: kernel,
        kernel_length: kernel.len() as u64,
        initrd_length: INITRD.len() as u64,
        command_line: &line,
        version: VERSION,
        os_release,
    });
    let Ok(mut image) = laid_out else {
        return;
    };
    let reserved = image.reserve_certificates(64);
    assert!(matches!(reserved, Ok(()) | Err(UkiError::Long)));
    let mut file = Vec::new();
    let mut hashing = Hashing::new(&mut file, image.unsigned());
    let written = image.write(&mut hashing, &mut { INITRD }, &mut { kernel });
    written.expect("everything is in memory");
    let digest = hashing.finish();
    assert_eq!(file.len() as u64, image.length());
    // The headers may take up to an alignment more, and each section ends at one.
    let given = stub.len() + kernel.len() + os_release.len() + line.len();
    assert!(file.len() <= given + 8 * (64 << 10), "{}", file.len());
    file.extend(TABLE);

    let parsed = match Binary::parse(&file) {
        // What firmware has never seen it does not start: the kernel is as hostile as the stub.
        Err(BinaryError::Processor(_)) => return,
        parsed => parsed.expect("an EFI program"),
    };
    assert_eq!(parsed.digest, digest);
    let pe = PeFile64::parse(&*file).expect("an EFI program");
    let mut added = 0;
    for (name, expected) in [
        (".osrel", os_release),
        (".cmdline", line.as_bytes()),
        (".uname", VERSION.as_bytes()),
        (".initrd", INITRD),
        (".linux", kernel),
    ] {
        let Some(section) = pe.section_by_name(name) else {
            assert!(expected.is_empty(), "{name}");
            continue;
        };
        assert_eq!(section.data().ok(), Some(expected), "{name}");
        added += 1;
    }
    // In memory each is behind the stub's own and those before it.
    let sections = pe.section_table();
    let own = sections.len() - added;
    let mut end = 0;
    for (number, section) in sections.iter().enumerate() {
        let address = u64::from(section.virtual_address.get(LittleEndian));
        let [length, raw] = [section.virtual_size, section.size_of_raw_data];
        assert!(number < own || address >= end, "section {number}");
        let length = length.get(LittleEndian).max(raw.get(LittleEndian));
        end = end.max(address + u64::from(length));
    }
});
