//! The call that a reply is to.

/// A call as it was sent.
pub(super) struct Call<'a> {
    pub(super) program: u32,
    pub(super) version: u32,
    pub(super) procedure: u32,
    pub(super) uid: u32,
    arguments: &'a [u8],
}

pub(super) fn word(bytes: &mut &[u8]) -> Option<u32> {
    let (word, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_be_bytes(*word))
}

pub(super) fn long(bytes: &mut &[u8]) -> Option<u64> {
    Some(u64::from(word(bytes)?) << 32 | u64::from(word(bytes)?))
}

fn opaque<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = word(bytes)? as usize;
    let padded = bytes.get(..length.checked_next_multiple_of(4)?)?;
    *bytes = &bytes[padded.len()..];
    Some(&padded[..length])
}

impl<'a> Call<'a> {
    /// `None` for what gets no answer.
    pub(super) fn parse(mut bytes: &'a [u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let (_xid, kind, version) = (word(bytes)?, word(bytes)?, word(bytes)?);
        if kind != 0 {
            return None;
        }
        let mut call = Self {
            program: u32::MAX,
            version: 0,
            procedure: 0,
            uid: 65_534,
            arguments: &[],
        };
        if version != 2 {
            return Some(call);
        }
        call.program = word(bytes)?;
        call.version = word(bytes)?;
        call.procedure = word(bytes)?;
        let flavour = word(bytes)?;
        let mut credential = opaque(bytes)?;
        let _verifier = (word(bytes)?, opaque(bytes)?);
        if flavour == 1 {
            let credential = &mut credential;
            let _stamp = word(credential);
            opaque(credential);
            call.uid = word(credential).unwrap_or(call.uid);
        }
        call.arguments = bytes;
        Some(call)
    }

    pub(super) fn handle(&self) -> Option<&'a [u8]> {
        opaque(&mut { self.arguments })
    }

    /// The numbers behind the handle: an offset or a cookie, then words.
    pub(super) fn after_handle(&self) -> &'a [u8] {
        let mut arguments = self.arguments;
        opaque(&mut arguments);
        arguments
    }
}
