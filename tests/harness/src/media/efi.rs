//! What UEFI boots.

/// `ConOut->OutputString(text behind it)`, and the end of the program with success.
const SAY: [u8; 25] = [
    0x48, 0x83, 0xec, 0x28, // sub rsp, 0x28
    0x48, 0x8b, 0x4a, 0x40, // mov rcx, [rdx + 0x40]: SystemTable->ConOut
    0x48, 0x8d, 0x15, 0x0a, 0, 0, 0, // lea rdx, [rip + 10]
    0xff, 0x51, 0x08, // call [rcx + 8]: OutputString
    0x31, 0xc0, // xor eax, eax
    0x48, 0x83, 0xc4, 0x28, // add rsp, 0x28
    0xc3, // ret
];

/// A program for x86-64 (PE32+) that prints a line and ends.
pub fn program(line: &str) -> Vec<u8> {
    const HEADERS: u32 = 0x200;
    const CODE: u32 = 0x400;
    let mut bytes = b"MZ".to_vec();
    bytes.resize(0x3c, 0);
    put(&mut bytes, 0x40);
    bytes.extend(b"PE\0\0");
    // x86-64, one section, …, the length of what follows, an executable without lines and symbols
    for half in [0x8664, 1, 0, 0, 0, 0, 0, 0, 240, 0x206_u16] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.extend([0x0b, 0x02, 0, 0]);
    // the lengths of code and data, the entry, the code's place; the image's (8 bytes); alignments
    for word in [CODE, 0, 0, 0x1000, 0x1000, 0, 0, 0x1000, HEADERS] {
        put(&mut bytes, word);
    }
    // versions (4 words), the lengths of the image and the headers, the check sum
    for word in [0, 0, 0, 0, 0x2000, HEADERS, 0] {
        put(&mut bytes, word);
    }
    // An EFI application.
    bytes.extend([10, 0, 0, 0]);
    bytes.resize(bytes.len() + 4 * 8 + 4, 0);
    put(&mut bytes, 16);
    bytes.resize(bytes.len() + 16 * 8, 0);
    bytes.extend(b".text\0\0\0");
    for word in [CODE, 0x1000, CODE, HEADERS, 0, 0, 0, 0xe000_0020] {
        put(&mut bytes, word);
    }
    bytes.resize(0x200, 0);
    bytes.extend(SAY);
    for unit in format!("\r\n{line}\r\n\0").encode_utf16() {
        bytes.extend(unit.to_le_bytes());
    }
    bytes.resize(0x600, 0);
    bytes
}

fn put(bytes: &mut Vec<u8>, word: u32) {
    bytes.extend(word.to_le_bytes());
}
