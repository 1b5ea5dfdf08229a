//! The root as its NFS server knows it: by a handle, which another server may know as well.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use netroot_sys::handle;
use nfs3_client::Nfs3Client;
use nfs3_types::nfs3::{GETATTR3args, Nfs3Result, nfs_fh3};
use nfs3_types::rpc::{auth_unix, opaque_auth};
use nfs3_types::xdr_codec::Opaque;
use rustix::fs::{CWD, Mode, OFlags};

use super::export::Export;
use super::stream::{Tcp, block_on};

/// Where the server's handle begins in the one that the kernel's NFS client makes: after the inode's number and type, each in
/// words of four bytes (`EMBED_FH_OFF`, `fs/nfs/export.c`, since Linux 4.13). Its length is in front, as the processor has it.
const EMBEDDED: usize = 12;

/// A root over NFS version 3, for whom it may be asked for elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServedRoot {
    /// Where NFS answers.
    pub(crate) server: SocketAddr,
    /// What the server calls the directory that is mounted.
    handle: Vec<u8>,
}

impl ServedRoot {
    /// That of an export that is mounted at `target` by version 3. `None` on kernels that do not tell the handle.
    pub(crate) fn of(export: &Export, target: &str) -> Option<Self> {
        let server = SocketAddr::new(export.server, export.ports.nfs?);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, target, flags, Mode::empty()).ok()?;
        let (kernel, _) = handle::of(directory).ok()?;
        let handle = embedded(kernel.bytes())?.to_vec();
        Some(Self { server, handle })
    }

    /// As bytes, for another process. `None` for a server of IPv6.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        let IpAddr::V4(address) = self.server.ip() else {
            return None;
        };
        let mut bytes = address.octets().to_vec();
        bytes.extend(self.server.port().to_be_bytes());
        bytes.extend(&self.handle);
        Some(bytes)
    }

    /// From the bytes of [`ServedRoot::to_bytes`].
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (address, rest) = bytes.split_first_chunk::<4>()?;
        let (port, handle) = rest.split_first_chunk()?;
        Some(Self {
            server: SocketAddr::new(Ipv4Addr::from(*address).into(), u16::from_be_bytes(*port)),
            handle: handle.to_vec(),
        })
    }

    /// Asks the server at another address, on the same port, whether it knows the root by the same handle (GETATTR, RFC 1813
    /// §3.3.1). Takes some seconds if nobody answers.
    ///
    /// # Errors
    /// Those of the connection.
    pub(crate) fn is_known_at(&self, address: IpAddr) -> io::Result<bool> {
        let stream = Tcp::connect_reserved(SocketAddr::new(address, self.server.port()))?;
        let credential = opaque_auth::auth_unix(&auth_unix::default());
        let mut client = Nfs3Client::new_with_auth(stream, credential, opaque_auth::default());
        let object = nfs_fh3 {
            data: Opaque::owned(self.handle.clone()),
        };
        let answer = block_on(client.getattr(&GETATTR3args { object }));
        Ok(matches!(answer, Ok(Nfs3Result::Ok(_))))
    }
}

/// The server's handle in one of the kernel's.
fn embedded(kernel: &[u8]) -> Option<&[u8]> {
    let (length, data) = kernel.get(EMBEDDED..)?.split_first_chunk()?;
    data.get(..usize::from(u16::from_ne_bytes(*length)))
        .filter(|handle| !handle.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_handle_is_found_in_the_kernels() {
        let mut kernel = vec![0; EMBEDDED];
        kernel.extend(3u16.to_ne_bytes());
        kernel.extend([7, 8, 9, 0, 0, 0]);
        assert_eq!(embedded(&kernel), Some(&[7, 8, 9][..]));
        assert_eq!(embedded(&kernel[..16]), None);
        assert_eq!(embedded(&[0; 16]), None);
        assert_eq!(embedded(&[1; 8]), None, "another file system's");
    }

    #[test]
    fn it_is_passed_on_as_bytes() {
        let root = ServedRoot {
            server: "10.0.0.1:2049".parse().unwrap(),
            handle: vec![1, 2, 3],
        };
        let bytes = root.to_bytes().unwrap();
        assert_eq!(ServedRoot::from_bytes(&bytes), Some(root));
        assert_eq!(ServedRoot::from_bytes(&bytes[..5]), None);
    }
}
