//! NFS calls byte by byte.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context, Result, ensure};

use crate::hostile::lab::connect;

/// The port of NFS and MOUNT.
pub(super) const NFS: u16 = 2049;
pub(super) const MOUNT_PROGRAM: u32 = 100_005;
pub(super) const NFS_PROGRAM: u32 = 100_003;

/// A call as uid 0 (AUTH_SYS), with the xid 7.
pub(super) fn call(program: u32, version: u32, procedure: u32, arguments: &[u8]) -> Vec<u8> {
    let head = [
        7, 0, 2, program, version, procedure, 1, 20, 0, 0, 0, 0, 0, 0, 0,
    ];
    let mut message: Vec<u8> = head.iter().flat_map(|word| word.to_be_bytes()).collect();
    message.extend_from_slice(arguments);
    message
}

/// A record of one fragment.
pub(super) fn record(message: &[u8]) -> Vec<u8> {
    let mark = u32::try_from(message.len()).unwrap_or(0) | 0x8000_0000;
    [&mark.to_be_bytes(), message].concat()
}

/// Bytes with their length before them.
pub(super) fn opaque(bytes: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(bytes.len())
        .unwrap_or(0)
        .to_be_bytes()
        .to_vec();
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// What READ takes.
pub(super) fn read_arguments(file: &[u8], offset: u64, count: u32) -> Vec<u8> {
    [
        &opaque(file)[..],
        &offset.to_be_bytes(),
        &count.to_be_bytes(),
    ]
    .concat()
}

/// The word at a position.
fn word(bytes: &[u8], at: usize) -> Result<u32> {
    let word = bytes.get(at..at + 4).context("a short reply")?;
    Ok(u32::from_be_bytes(word.try_into()?))
}

/// An honest client: one call at a time.
pub(super) struct Client(TcpStream);

impl Client {
    pub(super) fn connect(from: Ipv4Addr) -> Result<Self> {
        Self::connect_to(from, NFS)
    }

    pub(super) fn connect_to(from: Ipv4Addr, port: u16) -> Result<Self> {
        Ok(Self(connect(from, port)?))
    }

    /// The results of a call.
    pub(super) fn call(
        &mut self,
        program: u32,
        version: u32,
        procedure: u32,
        arguments: &[u8],
    ) -> Result<Vec<u8>> {
        self.0
            .write_all(&record(&call(program, version, procedure, arguments)))?;
        let mut mark = [0; 4];
        self.0.read_exact(&mut mark)?;
        let length = usize::try_from(u32::from_be_bytes(mark) & 0x7fff_ffff)?;
        let mut reply = vec![0; length];
        self.0.read_exact(&mut reply)?;
        let accepted = reply.get(4..24) == Some(&[&[0, 0, 0, 1][..], &[0; 16]].concat()[..]);
        ensure!(accepted, "the call failed: {reply:?}");
        Ok(reply.split_off(24))
    }

    /// The handle of a directory.
    pub(super) fn mount(&mut self, path: &[u8]) -> Result<Vec<u8>> {
        let found = self.call(MOUNT_PROGRAM, 3, 1, &opaque(path))?;
        handle(&found)
    }

    pub(super) fn lookup(&mut self, directory: &[u8], name: &[u8]) -> Result<Vec<u8>> {
        let arguments = [opaque(directory), opaque(name)].concat();
        handle(&self.call(NFS_PROGRAM, 3, 3, &arguments)?)
    }

    pub(super) fn read(&mut self, file: &[u8], offset: u64, count: u32) -> Result<Vec<u8>> {
        let mut found = self.call(NFS_PROGRAM, 3, 6, &read_arguments(file, offset, count))?;
        ensure!(word(&found, 0)? == 0, "READ: {}", word(&found, 0)?);
        let length = usize::try_from(word(&found, 4 + 4 + 84)?)?;
        let mut data = found.split_off(4 + 4 + 84 + 12);
        data.truncate(length);
        Ok(data)
    }
}

fn handle(found: &[u8]) -> Result<Vec<u8>> {
    let status = word(found, 0)?;
    ensure!(status == 0, "status {status}");
    let length = usize::try_from(word(found, 4)?)?;
    Ok(found.get(8..8 + length).context("a short handle")?.to_vec())
}
