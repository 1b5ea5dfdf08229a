//! READDIR and READDIRPLUS.
//!
//! A cookie is the kernel's offset of the next entry (`d_off`), which stays valid across restarts and connections; where
//! it does not, it is made of the name (`tree/sorted_entries.rs`). So no state is kept: each call opens the directory,
//! seeks, and reads on.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use nfs3_types::nfs3::{
    Nfs3Option, READDIR3resfail, cookieverf3, entry3, entryplus3, filename3, nfsstat3,
    post_op_attr, post_op_fh3,
};
use nfs3_types::xdr_codec::{Opaque, Pack};
use rustix::fs::{RawDir, SeekFrom};
use rustix::io::Errno;

use crate::programs::nfs::permissions::{Permission, Permissions};
use crate::programs::nfs::request::{Request, ResolvedFile};
use crate::recent_listings::{ATTRIBUTES, Question};
use crate::rpc::decode::{Decoder, Malformed};
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::tree::entries::Entries;
use crate::tree::handle::Handle;
use crate::tree::node::{Node, is_directory};
use crate::tree::root_dir::open_directory;
use crate::tree::sorted_entries::{self, SortedEntry};
use crate::tree::status;

/// The longest listing in a reply, in bytes, whatever the client asks for.
const MAX_LISTING: usize = 64 * 1024;

/// The buffer for getdents64, in bytes. It is not on the stack, whose pages would stay in memory for as long as the
/// connection.
const BUFFER: usize = 8 * 1024;

/// The bytes after the last entry: the end of the list and `eof`.
const TAIL: usize = 8;

/// The status, and the entry that turns out to be too much, in bytes.
const AROUND: usize = 512;

pub(super) struct Arguments {
    handle: Handle,
    cookie: u64,
    verifier: [u8; 8],
    /// READDIRPLUS `dircount`: the most bytes of inode numbers, names and cookies.
    names: usize,
    /// `maxcount`: the most bytes of results.
    total: usize,
}

impl Arguments {
    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            handle: decoder.handle()?,
            cookie: decoder.u64()?,
            verifier: decoder.verifier()?,
            names: usize::MAX,
            total: size(decoder.u32()?),
        })
    }

    pub(super) fn decode_plus(decoder: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            handle: decoder.handle()?,
            cookie: decoder.u64()?,
            verifier: decoder.verifier()?,
            names: size(decoder.u32()?),
            total: size(decoder.u32()?),
        })
    }
}

fn size(asked: u32) -> usize {
    usize::try_from(asked)
        .unwrap_or(MAX_LISTING)
        .min(MAX_LISTING)
}

pub(super) fn readdir(request: &Request<'_>, arguments: Arguments, out: &mut ReplyBuffer) {
    list(request, (&arguments, Form::Readdir), out);
}

pub(super) fn readdirplus(request: &Request<'_>, arguments: Arguments, out: &mut ReplyBuffer) {
    list(request, (&arguments, Form::Readdirplus), out);
}

/// What READDIRPLUS adds to READDIR. Both parts are optional: the client will ask for what is left out.
fn details(directory: &ResolvedFile<'_>, name: &[u8]) -> (post_op_attr, post_op_fh3) {
    let export = directory.tree;
    let (node, stat) = (&*directory.node, &directory.stat);
    let find = || {
        let found = export.find(node, stat, name).ok()?;
        Some((found.handle, found.stat))
    };
    let found = match name {
        b"." => Some((directory.handle, *stat)),
        b".." => export.parent(node, stat).ok(),
        name => export.lookup_known(node, stat, name).or_else(find),
    };
    match found {
        Some((handle, stat)) => (
            Nfs3Option::Some(export.attributes(&stat)),
            Nfs3Option::Some(handle.to_xdr()),
        ),
        None => (Nfs3Option::None, Nfs3Option::None),
    }
}

/// Which procedure's results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Readdir,
    Readdirplus,
}

fn list(request: &Request<'_>, arguments: (&Arguments, Form), out: &mut ReplyBuffer) {
    let start = out.len();
    let result = request
        .resolve(arguments.0.handle)
        .map_err(|status| (status, Nfs3Option::None))
        .and_then(|directory| {
            results(request, &directory, arguments, out)
                .map_err(|status| (status, directory.attributes()))
        });
    if let Err((status, dir_attributes)) = result {
        out.truncate(start);
        out.pack(&status);
        out.pack(&READDIR3resfail { dir_attributes });
    }
}

fn results(
    request: &Request<'_>,
    directory: &ResolvedFile<'_>,
    (arguments, form): (&Arguments, Form),
    out: &mut ReplyBuffer,
) -> Result<(), nfsstat3> {
    if !is_directory(&directory.stat) {
        return Err(nfsstat3::NFS3ERR_NOTDIR);
    }
    if !Permissions::new(&request.credentials, directory).may(Permission::Read) {
        return Err(nfsstat3::NFS3ERR_ACCES);
    }
    let verifier = directory
        .tree
        .cookie_verifier(&directory.node, &directory.stat);
    if arguments.cookie != 0 && arguments.verifier != verifier {
        return Err(nfsstat3::NFS3ERR_BAD_COOKIE);
    }
    let total = out.reserve(arguments.total + AROUND).saturating_sub(AROUND);
    // Without execute permission LOOKUP is refused, and READDIRPLUS must not get around that.
    let may_search = (form == Form::Readdirplus)
        .then(|| Permissions::new(&request.credentials, directory).may(Permission::Execute));
    let question = may_search.map(|may_search| Question {
        directory: arguments.handle,
        cookie: arguments.cookie,
        names: arguments.names,
        total,
        may_search,
        attributes: packed(directory),
    });
    let made = Instant::now();
    let listings = &request.state.listings;
    if let Some(question) = &question
        && let Some(reply) = listings.find(question)
    {
        out.push(&reply);
        return Ok(());
    }
    let reply = out.len();
    out.pack(&nfsstat3::NFS3_OK);
    let start = out.len();
    out.pack(&directory.attributes());
    out.pack(&cookieverf3(verifier));
    if out.len() - start + TAIL > total {
        return Err(nfsstat3::NFS3ERR_TOOSMALL);
    }
    let Node::Open(open) = &*directory.node else {
        return empty_list(arguments.cookie, out);
    };
    let descriptor = open_directory(open.reference()).map_err(status::from_errno)?;
    let numbers = directory
        .tree
        .entry_numbers(&directory.node, &directory.stat, &descriptor);

    let mut list = List {
        directory,
        may_search,
        start,
        total,
        most_names: arguments.names,
        names: 0,
        any: false,
    };
    let complete = match numbers.order() {
        None => list.in_own_order(&numbers, &descriptor, arguments.cookie, out)?,
        Some(hash) => {
            let room = total.min(arguments.names);
            let sorted = sorted_entries::after(descriptor.as_fd(), arguments.cookie, room, hash)
                .map_err(status::from_errno)?;
            list.in_sorted_order(&numbers, &sorted, out)?
        }
    };
    out.pack(&false);
    out.pack(&complete);
    if let Some(question) = question {
        listings.keep(
            (request.client, question),
            &directory.stat,
            made,
            out.tail(reply),
        );
    }
    Ok(())
}

fn packed(directory: &ResolvedFile<'_>) -> [u8; ATTRIBUTES] {
    let mut packed = [0; ATTRIBUTES];
    // It has room for them.
    let _ = directory
        .tree
        .attributes(&directory.stat)
        .pack(&mut &mut packed[..]);
    packed
}

/// A listing in the making.
struct List<'a> {
    directory: &'a ResolvedFile<'a>,
    /// Of READDIRPLUS: whether the caller may know more than the names.
    may_search: Option<bool>,
    /// Where the results start.
    start: usize,
    /// The most bytes of results.
    total: usize,
    /// The most bytes of numbers, names and cookies, and those so far.
    most_names: usize,
    names: usize,
    any: bool,
}

impl List<'_> {
    /// Returns whether the directory has no more entries.
    fn in_own_order(
        &mut self,
        numbers: &Entries<'_>,
        descriptor: &OwnedFd,
        cookie: u64,
        out: &mut ReplyBuffer,
    ) -> Result<bool, nfsstat3> {
        seek(descriptor, cookie)?;
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut entries = RawDir::new(descriptor.as_fd(), &mut buffer);
        loop {
            let entry = match entries.next() {
                None => return Ok(true),
                Some(Ok(entry)) => entry,
                // The directory is being removed.
                Some(Err(Errno::NOENT)) => return Err(nfsstat3::NFS3ERR_STALE),
                Some(Err(errno)) => return Err(status::from_errno(errno)),
            };
            let name = entry.file_name().to_bytes();
            let number = || numbers.of(entry.ino(), entry.file_type(), name);
            if !self.add(name, entry.next_entry_cookie(), number, out)? {
                return Ok(false);
            }
        }
    }

    fn in_sorted_order(
        &mut self,
        numbers: &Entries<'_>,
        (entries, more): &(Vec<SortedEntry>, bool),
        out: &mut ReplyBuffer,
    ) -> Result<bool, nfsstat3> {
        for entry in entries {
            let number = || numbers.of(entry.inode, entry.kind(), &entry.name);
            if !self.add(&entry.name, entry.cookie, number, out)? {
                return Ok(false);
            }
        }
        Ok(!more)
    }

    /// Adds an entry unless it is hidden; returns whether there was room.
    fn add(
        &mut self,
        name: &[u8],
        cookie: u64,
        number: impl FnOnce() -> u64,
        out: &mut ReplyBuffer,
    ) -> Result<bool, nfsstat3> {
        let directory = self.directory;
        if directory.tree.hides_entry(&directory.node, name) {
            return Ok(true);
        }
        self.names += 8 + 4 + name.len().next_multiple_of(4) + 8;
        if self.names > self.most_names && self.any {
            return Ok(false);
        }
        let before = out.len();
        out.pack(&true);
        let entry = entry3 {
            fileid: number(),
            name: filename3(Opaque::borrowed(name)),
            cookie,
        };
        self.write(entry, out);
        if out.len() - self.start + TAIL > self.total {
            out.truncate(before);
            if self.any {
                return Ok(false);
            }
            return Err(nfsstat3::NFS3ERR_TOOSMALL);
        }
        self.any = true;
        Ok(true)
    }

    fn write(&self, entry: entry3<'_>, out: &mut ReplyBuffer) {
        let Some(may_search) = self.may_search else {
            return out.pack(&entry);
        };
        let (name_attributes, name_handle) = match may_search {
            true => details(self.directory, entry.name.as_ref()),
            false => (Nfs3Option::None, Nfs3Option::None),
        };
        let fileid = match &name_attributes {
            Nfs3Option::Some(attributes) => attributes.fileid,
            Nfs3Option::None => entry.fileid,
        };
        out.pack(&entryplus3 {
            fileid,
            name: entry.name,
            cookie: entry.cookie,
            name_attributes,
            name_handle,
        });
    }
}

fn seek(directory: &OwnedFd, cookie: u64) -> Result<(), nfsstat3> {
    if cookie == 0 {
        return Ok(());
    }
    match rustix::fs::seek(directory, SeekFrom::Start(cookie)) {
        Ok(_) => Ok(()),
        Err(Errno::INVAL) => Err(nfsstat3::NFS3ERR_BAD_COOKIE),
        Err(errno) => Err(status::from_errno(errno)),
    }
}

/// The entries of a mount point: none, not even `.` and `..`, which clients do not need.
fn empty_list(cookie: u64, out: &mut ReplyBuffer) -> Result<(), nfsstat3> {
    if cookie != 0 {
        return Err(nfsstat3::NFS3ERR_BAD_COOKIE);
    }
    out.pack(&false);
    out.pack(&true);
    Ok(())
}
