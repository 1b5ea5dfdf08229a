//! An EFI program (PE32+) to which sections are added.

use std::ops::{Range, RangeInclusive};

use crate::error::UkiError;

/// Where things are in the file: "PE\0\0" is at the offset that is at 0x3c, the COFF header behind it, the optional
/// header behind that, and the section table behind that.
const SIGNATURE_OFFSET: usize = 0x3c;
const COFF_HEADER: usize = 20;
/// In the COFF header, from its start.
const MACHINE: usize = 0;
const SECTION_COUNT: usize = 2;
const SYMBOL_TABLE: usize = 8;
const SYMBOL_COUNT: usize = 12;
const OPTIONAL_HEADER_SIZE: usize = 16;
/// In the optional header of PE32+, from its start.
const MAGIC: usize = 0;
const INITIALIZED_DATA_SIZE: usize = 8;
const SECTION_ALIGNMENT: usize = 32;
const FILE_ALIGNMENT: usize = 36;
const IMAGE_SIZE: usize = 56;
const HEADERS_SIZE: usize = 60;
const CHECKSUM: usize = 64;
const DIRECTORY_COUNT: usize = 108;
/// The data directories that are looked at: the certificates, and the debug data, whose content has offsets in the file.
const CERTIFICATE_DIRECTORY: u32 = 4;
const DIRECTORIES: usize = 112;
const CERTIFICATES: usize = DIRECTORIES + 4 * 8;
const DEBUG_DIRECTORY: u32 = 6;
const DEBUG: usize = DIRECTORIES + 6 * 8;
const PE32_PLUS: u16 = 0x20b;
/// An entry of the section table, and what is in it.
const ENTRY: usize = 40;
const VIRTUAL_SIZE: usize = 8;
const VIRTUAL_ADDRESS: usize = 12;
const RAW_SIZE: usize = 16;
const RAW_OFFSET: usize = 20;
/// `IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ`.
const READ_ONLY_DATA: u32 = 0x4000_0040;
/// What added sections start at a multiple of: a page, whatever the stub's own alignment is.
const PAGE: u32 = 4096;
/// Of what the offsets of sections in a file are multiples (PE format, "FileAlignment"), and the most for addresses.
const FILE_ALIGNMENTS: RangeInclusive<u32> = 512..=64 << 10;
const MOST_SECTION_ALIGNMENT: u32 = 1 << 20;
/// The section in which systemd's stub says what it is, and what it says.
const MAGIC_SECTION: &str = ".sdmagic";
const SYSTEMD: &[u8] = b"#### LoaderInfo: systemd-stub";

/// The processor that an EFI program is for, if it is one.
pub(crate) fn machine_of(file: &[u8]) -> Option<u16> {
    Headers::of(file)?.machine(file)
}

/// Where the headers of a file are.
#[derive(Debug, Clone, Copy)]
struct Headers {
    coff: usize,
    optional: usize,
    table: usize,
    sections: usize,
}

impl Headers {
    fn of(file: &[u8]) -> Option<Self> {
        let signature = usize::try_from(u32_at(file, SIGNATURE_OFFSET)?).ok()?;
        let coff = signature.checked_add(4)?;
        if !file.starts_with(b"MZ") || file.get(signature..coff)? != b"PE\0\0" {
            return None;
        }
        let optional = coff.checked_add(COFF_HEADER)?;
        let size = usize::from(u16_at(file, coff.checked_add(OPTIONAL_HEADER_SIZE)?)?);
        // Linux's own header has fewer data directories than others.
        (size >= CERTIFICATES + 8 && u16_at(file, optional + MAGIC)? == PE32_PLUS).then_some(())?;
        let headers = Self {
            coff,
            optional,
            table: optional.checked_add(size)?,
            sections: usize::from(u16_at(file, coff + SECTION_COUNT)?),
        };
        let table = headers.table..headers.end(headers.sections)?;
        file.get(table).map(|_| headers)
    }

    fn machine(self, file: &[u8]) -> Option<u16> {
        u16_at(file, self.coff + MACHINE)
    }

    /// Where the table would end with this many sections.
    fn end(self, sections: usize) -> Option<usize> {
        self.table.checked_add(sections.checked_mul(ENTRY)?)
    }

    fn entries(self) -> impl Iterator<Item = usize> {
        (0..self.sections).map(move |number| self.table + number * ENTRY)
    }
}

/// A program that is being extended.
#[derive(Debug)]
pub(crate) struct Program {
    /// The file, as far as its content is here: that of reserved sections is not.
    bytes: Vec<u8>,
    /// Its length with those.
    length: u32,
    headers: Headers,
    machine: u16,
    file_alignment: u32,
    section_alignment: u32,
    /// Where the last section ends in memory.
    memory_end: u32,
}

/// A section whose content is added by whoever writes the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reserved {
    /// The content's length in bytes.
    pub(crate) length: u32,
    /// The zeros behind it.
    pub(crate) padding: u32,
}

impl Program {
    /// systemd's stub, without what is behind its last section: symbols and signatures, which are another file's now.
    pub(crate) fn of_stub(stub: &[u8]) -> Result<Self, UkiError> {
        const FORMAT: UkiError = UkiError::Stub("it is no EFI program (PE32+)");
        const SECTIONS: UkiError = UkiError::Stub("its sections are not in the file");
        let headers = Headers::of(stub).ok_or(FORMAT)?;
        let machine = headers.machine(stub).ok_or(FORMAT)?;
        let optional = |at| u32_at(stub, headers.optional + at).ok_or(FORMAT);
        let (file_alignment, section_alignment) =
            (optional(FILE_ALIGNMENT)?, optional(SECTION_ALIGNMENT)?);
        let header_size = headers.table - headers.optional;
        let directories = optional(DIRECTORY_COUNT)?;
        if !(directories > CERTIFICATE_DIRECTORY
            && DIRECTORIES.saturating_add(index(directories).saturating_mul(8)) <= header_size)
        {
            return Err(FORMAT);
        }
        if !(FILE_ALIGNMENTS.contains(&file_alignment)
            && (file_alignment..=MOST_SECTION_ALIGNMENT).contains(&section_alignment)
            && file_alignment.is_power_of_two()
            && section_alignment.is_power_of_two())
        {
            return Err(UkiError::Stub(
                "its sections are aligned as in no EFI program",
            ));
        }
        let mut memory_end = 0;
        let mut in_file = Vec::new();
        let mut is_systemds = false;
        for entry in headers.entries() {
            let number = |at| u32_at(stub, entry + at).ok_or(SECTIONS);
            let (offset, length) = (number(RAW_OFFSET)?, number(RAW_SIZE)?);
            let end = offset.checked_add(length).ok_or(SECTIONS)?;
            let content = stub.get(index(offset)..index(end)).ok_or(SECTIONS)?;
            if length != 0 {
                in_file.push((offset, end));
            }
            let size = number(VIRTUAL_SIZE)?.max(length);
            let end = number(VIRTUAL_ADDRESS)?.checked_add(size);
            memory_end = memory_end.max(end.ok_or(SECTIONS)?);
            is_systemds |= is_called(stub, entry, MAGIC_SECTION) && content.starts_with(SYSTEMD);
        }
        if !is_systemds {
            return Err(UkiError::Stub(
                "it is not systemd's (it has no section .sdmagic)",
            ));
        }
        let start = optional(HEADERS_SIZE)?;
        let file_end = end_without_gaps(start, in_file).filter(|end| {
            let table = headers.end(headers.sections);
            table.is_some_and(|table| table <= index(start))
                && start.is_multiple_of(file_alignment)
                && end.is_multiple_of(file_alignment)
        });
        let file_end = file_end.ok_or(UkiError::Stub(
            "its sections do not follow its headers and one another, so that firmware and signers compute different digests",
        ))?;
        let mut program = Self {
            bytes: stub.get(..index(file_end)).ok_or(SECTIONS)?.to_vec(),
            length: file_end,
            headers,
            machine,
            file_alignment,
            section_alignment,
            memory_end,
        };
        let certificates = headers.optional + CERTIFICATES;
        for at in [
            headers.coff + SYMBOL_TABLE,
            headers.coff + SYMBOL_COUNT,
            certificates,
            certificates + 4,
            // Zero is "not computed", and firmware does not look.
            headers.optional + CHECKSUM,
        ] {
            program.put(at, 0)?;
        }
        Ok(program)
    }

    pub(crate) fn machine(&self) -> u16 {
        self.machine
    }

    /// Makes the headers long enough for `more` sections, if they are not.
    pub(crate) fn make_room_for(&mut self, more: usize) -> Result<(), UkiError> {
        const ROOM: UkiError = UkiError::Stub("its headers have no room for more sections");
        let headers = self.headers;
        let needed = headers
            .end(headers.sections.saturating_add(more))
            .ok_or(ROOM)?;
        let size = u32_at(&self.bytes, headers.optional + HEADERS_SIZE).ok_or(ROOM)?;
        // What is in the file begins where the headers end.
        if needed <= index(size) {
            return Ok(());
        }
        let addresses = headers
            .entries()
            .filter_map(|entry| u32_at(&self.bytes, entry + VIRTUAL_ADDRESS));
        let first_address = addresses.min().unwrap_or(u32::MAX);
        let needed = u32::try_from(needed).map_err(|_| ROOM)?;
        let new_size = aligned(needed, self.file_alignment).ok_or(ROOM)?;
        let shift = new_size.checked_sub(size).ok_or(ROOM)?;
        let directories = u32_at(&self.bytes, headers.optional + DIRECTORY_COUNT);
        let has_debug = directories > Some(DEBUG_DIRECTORY)
            && u32_at(&self.bytes, headers.optional + DEBUG) != Some(0);
        // In memory the sections stay where they are.
        if new_size > first_address || has_debug {
            return Err(ROOM);
        }
        let at = index(size);
        self.length = self.length.checked_add(shift).ok_or(ROOM)?;
        self.bytes
            .splice(at..at, std::iter::repeat_n(0, index(shift)));
        self.put(headers.optional + HEADERS_SIZE, new_size)?;
        for entry in headers.entries() {
            let offset = u32_at(&self.bytes, entry + RAW_OFFSET).ok_or(ROOM)?;
            if offset != 0 {
                self.put(entry + RAW_OFFSET, offset.checked_add(shift).ok_or(ROOM)?)?;
            }
        }
        Ok(())
    }

    /// Whether it has no section with this name yet.
    pub(crate) fn lacks(&self, name: &'static str) -> Result<(), UkiError> {
        match self.has(name) {
            true => Err(UkiError::Taken(name)),
            false => Ok(()),
        }
    }

    /// Whether it has a section with this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entry_of(name).is_some()
    }

    /// The content of a section, as it is in memory; `None` if it is not all here.
    pub(crate) fn content(&self, name: &str) -> Option<&[u8]> {
        let entry = self.entry_of(name)?;
        let number = |at| u32_at(&self.bytes, entry + at);
        let (offset, length) = (number(RAW_OFFSET)?, number(VIRTUAL_SIZE)?);
        // What is longer in memory than in the file ends with zeros, up to 4 GiB of them.
        (length <= number(RAW_SIZE)?).then_some(())?;
        let start = index(offset);
        self.bytes.get(start..start.checked_add(index(length))?)
    }

    /// The version of systemd that its stub says it is of.
    pub(crate) fn stub_version(&self) -> Option<u16> {
        let said = self.content(MAGIC_SECTION)?.strip_prefix(SYSTEMD)?;
        let digits = said.strip_prefix(b" ")?;
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit());
        let (digits, rest) = digits.split_at_checked(length.count())?;
        // As in `252.39-1~deb12u2`, `257~rc2` and `258 ####`.
        let is_whole = rest.first().is_some_and(|next| b".-~+ ".contains(next));
        let text = str::from_utf8(digits).ok().filter(|_| is_whole)?;
        text.parse().ok()
    }

    fn entry_of(&self, name: &str) -> Option<usize> {
        let mut entries = self.headers.entries();
        entries.find(|entry| is_called(&self.bytes, *entry, name))
    }

    /// Adds a section behind all others, in the file and in memory. None of them may be a reserved one.
    pub(crate) fn add(&mut self, name: &'static str, content: &[u8]) -> Result<(), UkiError> {
        self.reserve(name, content.len() as u64)?;
        self.bytes.extend(content);
        self.bytes.resize(index(self.length), 0);
        Ok(())
    }

    /// Adds one whose content of this length, in bytes, follows what was added or reserved before.
    pub(crate) fn reserve(
        &mut self,
        name: &'static str,
        length: u64,
    ) -> Result<Reserved, UkiError> {
        let headers = self.headers;
        let length = u32::try_from(length).map_err(|_| UkiError::Long)?;
        let raw_size = aligned(length, self.file_alignment).ok_or(UkiError::Long)?;
        let offset = self.length;
        let address = aligned(self.memory_end, self.section_alignment.max(PAGE));
        let address = address.ok_or(UkiError::Long)?;
        self.memory_end = address.checked_add(raw_size).ok_or(UkiError::Long)?;
        self.length = offset.checked_add(raw_size).ok_or(UkiError::Long)?;

        let mut entry = [0; ENTRY];
        let parts = [
            (0, name.as_bytes()),
            (VIRTUAL_SIZE, &length.to_le_bytes()),
            (VIRTUAL_ADDRESS, &address.to_le_bytes()),
            (RAW_SIZE, &raw_size.to_le_bytes()),
            (RAW_OFFSET, &offset.to_le_bytes()),
            (ENTRY - 4, &READ_ONLY_DATA.to_le_bytes()),
        ];
        for (at, value) in parts {
            let place = entry.get_mut(at..).unwrap_or_default().iter_mut();
            place.zip(value).for_each(|(to, from)| *to = *from);
        }
        let at = headers.end(headers.sections).ok_or(UkiError::Long)?;
        self.put_bytes(at, &entry)?;
        self.headers.sections += 1;
        let count = u16::try_from(self.headers.sections).map_err(|_| UkiError::Long)?;
        self.put_bytes(headers.coff + SECTION_COUNT, &count.to_le_bytes())?;

        let data = headers.optional + INITIALIZED_DATA_SIZE;
        let sum = u32_at(&self.bytes, data).unwrap_or_default();
        self.put(data, sum.checked_add(raw_size).ok_or(UkiError::Long)?)?;
        let size = aligned(self.memory_end, self.section_alignment.max(PAGE));
        self.put(headers.optional + IMAGE_SIZE, size.ok_or(UkiError::Long)?)?;
        Ok(Reserved {
            length,
            padding: raw_size - length,
        })
    }

    /// Says that a certificate table of this length, in bytes, follows the file.
    pub(crate) fn reserve_certificates(&mut self, length: u32) -> Result<(), UkiError> {
        let at = self.headers.optional + CERTIFICATES;
        self.length.checked_add(length).ok_or(UkiError::Long)?;
        self.put(at, self.length)?;
        self.put(at + 4, length)
    }

    /// Where in the file no signature looks: the checksum, and where the certificate table is.
    pub(crate) fn unsigned(&self) -> [Range<usize>; 2] {
        let of = |at, length| self.headers.optional + at..self.headers.optional + at + length;
        [of(CHECKSUM, 4), of(CERTIFICATES, 8)]
    }

    /// The file as far as it is here.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The file's length in bytes, with what is reserved.
    pub(crate) fn length(&self) -> u32 {
        self.length
    }

    fn put(&mut self, at: usize, number: u32) -> Result<(), UkiError> {
        self.put_bytes(at, &number.to_le_bytes())
    }

    fn put_bytes(&mut self, at: usize, bytes: &[u8]) -> Result<(), UkiError> {
        let place = at.checked_add(bytes.len());
        let place = place.and_then(|end| self.bytes.get_mut(at..end));
        let place = place.ok_or(UkiError::Stub("its headers are not in the file"))?;
        place.copy_from_slice(bytes);
        Ok(())
    }
}

/// Where the last of the sections, from offset to offset, ends in the file; `None` if there is something between them or
/// between the headers and the first.
fn end_without_gaps(headers: u32, mut sections: Vec<(u32, u32)>) -> Option<u32> {
    sections.sort_unstable();
    let mut sections = sections.into_iter();
    sections.try_fold(headers, |end, (from, to)| (from == end).then_some(to))
}

/// A name has eight bytes, the rest of which are zero.
fn is_called(file: &[u8], entry: usize, name: &str) -> bool {
    let field = file.get(entry..entry.saturating_add(8)).unwrap_or_default();
    let rest = field.strip_prefix(name.as_bytes());
    rest.is_some_and(|rest| rest.iter().all(|byte| *byte == 0))
}

fn aligned(number: u32, alignment: u32) -> Option<u32> {
    number.checked_next_multiple_of(alignment)
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn u16_at(file: &[u8], at: usize) -> Option<u16> {
    let bytes = file.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

fn u32_at(file: &[u8], at: usize) -> Option<u32> {
    let bytes = file.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
pub(crate) mod fixture {
    /// PE's numbers of processors.
    pub(crate) const AMD64: u16 = 0x8664;
    pub(crate) const ARM64: u16 = 0xaa64;
    /// Where the optional header and the section table of [`program`] are.
    pub(crate) const OPTIONAL: usize = 0x40 + 4 + 20;
    pub(crate) const TABLE: usize = OPTIONAL + 240;

    /// An EFI program with these sections, and with headers of this length, if that is enough for them.
    pub(crate) fn program(machine: u16, headers: u32, sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut file = vec![0; 0x40];
        file[..2].copy_from_slice(b"MZ");
        file[0x3c] = 0x40;
        file.extend(b"PE\0\0");
        file.extend(machine.to_le_bytes());
        file.extend(u16::try_from(sections.len()).unwrap().to_le_bytes());
        file.extend([0; 12]);
        file.extend(240_u16.to_le_bytes());
        file.extend([0x06, 0x02]);
        let optional = file.len();
        file.extend([0; 240]);
        let mut put =
            |at: usize, bytes: &[u8]| file[optional + at..][..bytes.len()].copy_from_slice(bytes);
        put(0, &0x20b_u16.to_le_bytes());
        put(32, &0x200_u32.to_le_bytes());
        put(36, &0x200_u32.to_le_bytes());
        let table = u32::try_from(optional + 240 + sections.len() * 40).unwrap();
        let headers = headers.max(table.next_multiple_of(0x200));
        put(60, &headers.to_le_bytes());
        put(108, &16_u32.to_le_bytes());
        let (mut offset, mut address) = (headers, 0x4400_u32);
        let mut content = Vec::new();
        for (name, section) in sections {
            let (length, raw) = (
                u32::try_from(section.len()).unwrap(),
                u32::try_from(section.len().next_multiple_of(0x200)).unwrap(),
            );
            let mut field = [0; 8];
            field[..name.len()].copy_from_slice(name.as_bytes());
            file.extend(field);
            for number in [length, address, raw, offset, 0, 0, 0, 0x4000_0040] {
                file.extend(number.to_le_bytes());
            }
            content.extend(*section);
            content.resize(content.len().next_multiple_of(0x200), 0);
            offset += raw;
            address += raw;
        }
        file.resize(headers as usize, 0);
        file.extend(content);
        file
    }
}
