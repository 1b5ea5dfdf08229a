//! What a BIOS boots.

/// A loop over the characters behind it, at 0x7c22, each written to the first serial port once that is ready.
const SAY: [u8; 0x22] = [
    0xfc, // cld
    0x31, 0xc0, // xor ax, ax
    0x8e, 0xd8, // mov ds, ax
    0xbe, 0x22, 0x7c, // mov si, 0x7c22
    0xac, // next: lodsb
    0x84, 0xc0, // test al, al
    0x74, 0x12, // jz end
    0x88, 0xc4, // mov ah, al
    0xba, 0xfd, 0x03, // mov dx, 0x3fd
    0xec, // full: in al, dx
    0xa8, 0x20, // test al, 0x20
    0x74, 0xfb, // jz full
    0x88, 0xe0, // mov al, ah
    0xba, 0xf8, 0x03, // mov dx, 0x3f8
    0xee, // out dx, al
    0xeb, 0xe9, // jmp next
    0xf4, // end: hlt
    0xeb, 0xfd, // jmp end
];

/// A boot sector that prints a line.
pub(super) fn sector(line: &str) -> [u8; 512] {
    let mut sector = [0; 512];
    let text = format!("\r\n{line}\r\n\0");
    let parts = SAY.iter().copied().chain(text.bytes()).take(510);
    for (place, byte) in sector.iter_mut().zip(parts.collect::<Vec<_>>()) {
        *place = byte;
    }
    let [.., a, b] = &mut sector;
    (*a, *b) = (0x55, 0xaa);
    sector
}

/// A disk of 16 MiB whose boot sector prints a line: with less than one cylinder of 255 heads iPXE's BIOS disks read nothing.
pub fn disk(line: &str) -> Vec<u8> {
    let mut disk = sector(line).to_vec();
    disk.resize(16 << 20, 0);
    disk
}
