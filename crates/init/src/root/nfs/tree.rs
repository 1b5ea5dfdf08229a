//! An export over NFS version 3 as a [`Tree`].

use nfs3_client::Nfs3Client;
use nfs3_types::nfs3::{
    GETATTR3args, LOOKUP3args, Nfs3Option, Nfs3Result, READDIR3args, READLINK3args, cookieverf3,
    diropargs3, fattr3, filename3, ftype3, nfs_fh3, nfsstat3,
};
use nfs3_types::xdr_codec::Opaque;

use super::stream::{Stream, block_on};
use super::walk::{Found, Looked, Tree, find, link};
use crate::root::contents::Contents;

/// How many bytes of a listing are requested.
const LIST: u32 = 8192;

/// The file handles of a mounted export.
pub(super) struct ExportTree {
    pub(super) client: Nfs3Client<Stream>,
}

impl ExportTree {
    fn attributes(&mut self, object: &nfs_fh3, given: Nfs3Option<fattr3>) -> Option<fattr3> {
        if let Nfs3Option::Some(attributes) = given {
            return Some(attributes);
        }
        match block_on(self.client.getattr(&GETATTR3args {
            object: object.clone(),
        })) {
            Ok(Nfs3Result::Ok(found)) => Some(found.obj_attributes),
            _ => None,
        }
    }
}

impl Tree for ExportTree {
    type Handle = nfs_fh3;

    fn lookup(&mut self, directory: &nfs_fh3, name: &[u8]) -> Looked<nfs_fh3> {
        let what = diropargs3 {
            dir: directory.clone(),
            name: filename3(Opaque::borrowed(name)),
        };
        let found = match block_on(self.client.lookup(&LOOKUP3args { what })) {
            Ok(Nfs3Result::Ok(found)) => found,
            Ok(Nfs3Result::Err((nfsstat3::NFS3ERR_NOENT | nfsstat3::NFS3ERR_NOTDIR, _))) => {
                return Looked::Absent;
            }
            Ok(Nfs3Result::Err(_)) | Err(_) => return Looked::Unknown,
        };
        let Some(attributes) = self.attributes(&found.object, found.obj_attributes) else {
            return Looked::Unknown;
        };
        match attributes.type_ {
            ftype3::NF3DIR => Looked::Directory(found.object),
            ftype3::NF3LNK => Looked::Link(found.object),
            ftype3::NF3REG if attributes.mode & 0o111 != 0 => Looked::Program(found.object),
            _ => Looked::Plain,
        }
    }

    fn read_link(&mut self, link: &nfs_fh3) -> Option<Vec<u8>> {
        match block_on(self.client.readlink(&READLINK3args {
            symlink: link.clone(),
        })) {
            Ok(Nfs3Result::Ok(found)) => Some(found.data.0.to_vec()),
            _ => None,
        }
    }
}

/// What is in an export, for a sentence about what it lacks.
pub(super) struct ExportContents<'a> {
    pub(super) tree: &'a mut ExportTree,
    pub(super) root: &'a nfs_fh3,
}

impl Contents for ExportContents<'_> {
    fn names(&mut self) -> Option<Vec<String>> {
        let arguments = READDIR3args {
            dir: self.root.clone(),
            cookie: 0,
            cookieverf: cookieverf3::default(),
            count: LIST,
        };
        match block_on(self.tree.client.readdir(&arguments)) {
            Ok(Nfs3Result::Ok(listing)) => {
                let entries = listing.reply.entries.0.iter();
                let names =
                    entries.map(|entry| String::from_utf8_lossy(&entry.name.0).into_owned());
                Some(
                    names
                        .filter(|name| !matches!(name.as_str(), "." | ".."))
                        .collect(),
                )
            }
            _ => None,
        }
    }

    fn has(&mut self, path: &str) -> bool {
        matches!(
            find(self.tree, self.root, path.as_bytes()),
            Found::Yes | Found::NotAProgram
        )
    }

    fn link(&mut self, path: &str) -> Option<String> {
        let target = link(self.tree, self.root, path.as_bytes())?;
        Some(String::from_utf8_lossy(&target).into_owned())
    }
}
