//! An export over NFS version 3 as a [`Tree`].

use nfs3_client::Nfs3Client;
use nfs3_types::nfs3::{
    GETATTR3args, LOOKUP3args, Nfs3Option, Nfs3Result, READLINK3args, diropargs3, fattr3,
    filename3, ftype3, nfs_fh3, nfsstat3,
};
use nfs3_types::xdr_codec::Opaque;

use super::stream::{Stream, block_on};
use super::walk::{Looked, Tree};

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
