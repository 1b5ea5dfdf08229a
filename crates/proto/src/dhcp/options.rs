//! The tolerant option decoder: what boots and what does not is decided here.
//!
//! A message from a real network may lack the end option, split an option into several
//! (RFC 3396), keep options in `file` and `sname` (52), repeat itself, or end in the
//! middle of an option. Everything that can be read is read; what cannot is reported as a
//! [`Defect`] and affects nothing else.

use std::fmt;
use std::net::Ipv4Addr;

use super::header::{FILE, Header, HeaderError, LEN, SNAME};
use super::{MessageType, code};

/// A whole DHCP message: header, names and options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The fixed fields.
    pub header: Header,
    /// `sname` up to its first zero; empty where it holds options instead (52).
    pub server_name: Vec<u8>,
    /// `file` up to its first zero; empty where it holds options instead (52).
    pub file: Vec<u8>,
    /// The options of all areas, joined.
    pub options: Options,
}

impl Message {
    /// Reads a UDP payload. Only the header can be wrong; bad options are noted in
    /// [`Options::defects`].
    pub fn read(datagram: &[u8]) -> Result<Message, HeaderError> {
        Ok(Message::after(Header::read(datagram)?, datagram))
    }

    /// The same, whatever hardware it is about.
    pub fn of_any_hardware(datagram: &[u8]) -> Result<Message, HeaderError> {
        Ok(Message::after(Header::of_any_hardware(datagram)?, datagram))
    }

    fn after(header: Header, datagram: &[u8]) -> Message {
        let mut options = Options::default();
        options.area(datagram.get(LEN..).unwrap_or_default(), Area::Options);
        let overload = options.u8(code::OVERLOAD).unwrap_or(0);
        let mut names = (Vec::new(), Vec::new());
        let file = datagram.get(FILE).unwrap_or_default();
        let sname = datagram.get(SNAME).unwrap_or_default();
        // RFC 3396 §7: the areas are joined in this order.
        if overload & 1 != 0 {
            options.area(file, Area::File);
        } else {
            names.0 = until_zero(file).to_vec();
        }
        if overload & 2 != 0 {
            options.area(sname, Area::ServerName);
        } else {
            names.1 = until_zero(sname).to_vec();
        }
        Message {
            header,
            file: names.0,
            server_name: names.1,
            options,
        }
    }

    /// Option 53.
    pub fn kind(&self) -> Option<MessageType> {
        self.options.u8(code::MESSAGE_TYPE).map(MessageType::from)
    }

    /// The boot file's name: the header's, else option 67.
    pub fn boot_file(&self) -> Option<&[u8]> {
        if self.file.is_empty() {
            self.options.text(code::BOOT_FILE_NAME)
        } else {
            Some(&self.file)
        }
    }
}

/// Where in a message an option was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// After the magic cookie.
    Options,
    /// In `file`, by option 52.
    File,
    /// In `sname`, by option 52.
    ServerName,
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Options => "the options field",
            Self::File => "file",
            Self::ServerName => "sname",
        })
    }
}

/// What was wrong with an area; the options before it were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// An option claims more bytes than the area has left.
    OptionTruncated {
        /// The option's number.
        code: u8,
        /// Bytes it claims.
        len: u8,
        /// Bytes that are left.
        left: usize,
        /// Where it was.
        area: Area,
    },
    /// The area ends after an option's number.
    LengthMissing {
        /// The option's number.
        code: u8,
        /// Where it stood.
        area: Area,
    },
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OptionTruncated {
                code,
                len,
                left,
                area,
            } => {
                write!(
                    f,
                    "option {code} claims {len} bytes where {area} has only {left} left"
                )
            }
            Self::LengthMissing { code, area } => {
                write!(f, "{area} ends after the number of option {code}")
            }
        }
    }
}

/// The options of a message by number, in the order of their first appearance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    list: Vec<(u8, Vec<u8>)>,
    defects: Vec<Defect>,
}

impl Options {
    /// Reads encapsulated options, as in 43 and 175: no areas, no overload.
    pub fn read(bytes: &[u8]) -> Options {
        let mut options = Options::default();
        options.area(bytes, Area::Options);
        options
    }

    fn area(&mut self, bytes: &[u8], area: Area) {
        let mut rest = bytes;
        loop {
            match rest {
                // No end option: some ROMs omit it when the packet is full.
                [] | [code::END, ..] => return,
                [code::PAD, after @ ..] => rest = after,
                [code] => {
                    return self
                        .defects
                        .push(Defect::LengthMissing { code: *code, area });
                }
                [code, len, after @ ..] => match after.split_at_checked(usize::from(*len)) {
                    Some((value, after)) => {
                        self.join(*code, value);
                        rest = after;
                    }
                    None => {
                        let (code, len, left) = (*code, *len, after.len());
                        return self.defects.push(Defect::OptionTruncated {
                            code,
                            len,
                            left,
                            area,
                        });
                    }
                },
            }
        }
    }

    /// RFC 3396 §5: the parts of an option are one value.
    fn join(&mut self, code: u8, value: &[u8]) {
        match self.list.iter_mut().find(|(known, _)| *known == code) {
            Some((_, parts)) => parts.extend_from_slice(value),
            None => self.list.push((code, value.to_vec())),
        }
    }

    /// What could not be read.
    pub fn defects(&self) -> &[Defect] {
        &self.defects
    }

    /// Every option: number and joined value.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.list
            .iter()
            .map(|(code, value)| (*code, value.as_slice()))
    }

    /// The value of an option, joined from its parts. May be empty.
    pub fn bytes(&self, code: u8) -> Option<&[u8]> {
        self.list
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, value)| value.as_slice())
    }

    /// A value of `N` bytes. A server that sends the option twice makes it 2N long after
    /// joining: the first counts. Any other length is no value.
    pub fn array<const N: usize>(&self, code: u8) -> Option<[u8; N]> {
        let value = self.bytes(code)?;
        if value.len().checked_rem(N) != Some(0) {
            return None;
        }
        value.first_chunk::<N>().copied()
    }

    /// A one-byte value.
    pub fn u8(&self, code: u8) -> Option<u8> {
        self.array::<1>(code).map(|[byte]| byte)
    }

    /// A two-byte value.
    pub fn u16(&self, code: u8) -> Option<u16> {
        self.array(code).map(u16::from_be_bytes)
    }

    /// A four-byte value, such as seconds.
    pub fn u32(&self, code: u8) -> Option<u32> {
        self.array(code).map(u32::from_be_bytes)
    }

    /// One address.
    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        self.array::<4>(code).map(Ipv4Addr::from)
    }

    /// A list of addresses. Bytes left over at the end are dropped.
    pub fn addresses(&self, code: u8) -> Vec<Ipv4Addr> {
        let (whole, _left_over) = self.bytes(code).unwrap_or_default().as_chunks::<4>();
        whole.iter().copied().map(Ipv4Addr::from).collect()
    }

    /// A text, up to its first zero: some servers end it with one, though RFC 2132 §2
    /// forbids it. `None` if there is nothing before the zero. May be any bytes.
    pub fn text(&self, code: u8) -> Option<&[u8]> {
        self.bytes(code)
            .map(until_zero)
            .filter(|text| !text.is_empty())
    }
}

fn until_zero(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
