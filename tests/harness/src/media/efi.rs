//! What UEFI boots.

use crate::processor::Processor;

/// The processors, as the header of a program names them.
const X86_64: u16 = 0x8664;
const AARCH64: u16 = 0xaa64;

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

/// The same for AArch64.
const SAY_AARCH64: [u32; 8] = [
    0xa9bf_7bfd, // stp x29, x30, [sp, -16]!
    0xf940_2020, // ldr x0, [x1, 0x40]: SystemTable->ConOut
    0xf940_0402, // ldr x2, [x0, 8]: OutputString
    0x1000_00a1, // adr x1, 20
    0xd63f_0040, // blr x2
    0xd280_0000, // mov x0, 0
    0xa8c1_7bfd, // ldp x29, x30, [sp], 16
    0xd65f_03c0, // ret
];

/// A program for x86-64 (PE32+) that prints a line and ends.
pub fn program(line: &str) -> Vec<u8> {
    program_for(Processor::X86_64, line)
}

/// The same for another processor.
pub fn program_for(processor: Processor, line: &str) -> Vec<u8> {
    let (machine, code) = match processor {
        Processor::X86_64 => (X86_64, SAY.to_vec()),
        Processor::Aarch64 => (
            AARCH64,
            SAY_AARCH64.iter().flat_map(|it| it.to_le_bytes()).collect(),
        ),
    };
    const HEADERS: u32 = 0x200;
    const CODE: u32 = 0x400;
    let mut bytes = b"MZ".to_vec();
    bytes.resize(0x3c, 0);
    put(&mut bytes, 0x40);
    bytes.extend(b"PE\0\0");
    // The processor, one section, …, the length of what follows, an executable without lines and symbols
    for half in [machine, 1, 0, 0, 0, 0, 0, 0, 240, 0x206] {
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
    bytes.extend(code);
    for unit in format!("\r\n{line}\r\n\0").encode_utf16() {
        bytes.extend(unit.to_le_bytes());
    }
    bytes.resize(0x600, 0);
    bytes
}

/// Whether it is for AArch64, by the header that [`program_for`] writes.
pub(super) fn is_for_aarch64(program: &[u8]) -> bool {
    program.get(0x44..0x46) == Some(&AARCH64.to_le_bytes())
}

fn put(bytes: &mut Vec<u8>, word: u32) {
    bytes.extend(word.to_le_bytes());
}
