//! What every reply has to fulfil, whatever was called.

mod call;
mod content;
mod encoded;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;

use memchr::memmem;
use nfs3_types::mount::{exports, mountlist, mountres3};
use nfs3_types::nfs3::*;
use nfs3_types::portmap::pmaplist;
use nfs3_types::rpc::{accept_stat_data, msg_body, reply_body, rpc_msg};
use nfs3_types::xdr_codec::Unpack;

use super::Kind;
use super::planted::{HIDDEN, OUTSIDE, SECRETS};
use call::{Call, word};
use encoded::{result, whole};

pub(super) const PORTMAP: u32 = 100_000;
pub(super) const NFS: u32 = 100_003;
pub(super) const MOUNT: u32 = 100_005;
pub(super) const NFSACL: u32 = 100_227;

/// The most bytes of file content, of a listing, of the list of mounts, and of anything else in a reply.
const READ: usize = 1 << 20;
const LISTING: usize = 64 << 10;
const MOUNTS: usize = 33 << 10;
const OTHER: usize = 8 << 10;

/// What is known of one session.
pub(super) struct Checks {
    kind: Kind,
    /// Every handle that was given out, and the number of its file once that was told.
    handles: HashMap<Vec<u8>, Option<u64>>,
    files: HashMap<u64, String>,
    fsid: Option<u64>,
    listings: HashMap<Vec<u8>, BTreeSet<Vec<u8>>>,
}

/// What a reply has told.
#[derive(Debug, Default)]
pub(super) struct Learned {
    pub(super) handles: Vec<Vec<u8>>,
    pub(super) names: Vec<Vec<u8>>,
    /// Of the last entry of a listing, with the verifier.
    pub(super) cookie: Option<(u64, [u8; 8])>,
    /// Whether a listing succeeded, and whether it is at its end.
    pub(super) listed: Option<bool>,
}

impl Checks {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            handles: HashMap::new(),
            files: HashMap::new(),
            fsid: None,
            listings: HashMap::new(),
        }
    }

    /// Checks a reply of a connection, with its mark (RFC 5531 §11).
    pub(super) fn record(&mut self, call: &[u8], record: &[u8]) -> Learned {
        let Some((mark, reply)) = record.split_first_chunk::<4>() else {
            return self.reply(call, record);
        };
        let length = u32::from_be_bytes(*mark) & !(1 << 31);
        assert_eq!(length as usize, reply.len(), "the length of a record");
        self.reply(call, reply)
    }

    /// Checks a reply, which is empty if there is none.
    pub(super) fn reply(&mut self, call: &[u8], reply: &[u8]) -> Learned {
        for secret in SECRETS {
            let found = memmem::find(reply, secret);
            assert!(
                found.is_none(),
                "{} is shown: {call:02x?}",
                secret.escape_ascii()
            );
        }
        let mut learned = Learned::default();
        let Some(parsed) = Call::parse(call) else {
            assert!(reply.is_empty(), "a reply to what is no call: {call:02x?}");
            return learned;
        };
        assert!(!reply.is_empty(), "no reply: {call:02x?}");
        assert_eq!(reply.get(..4), call.get(..4), "the XID");
        let mut rest = reply;
        let (message, _) = rpc_msg::unpack(&mut rest).expect("the header of a reply");
        let msg_body::REPLY(body) = message.body else {
            panic!("not a reply: {reply:02x?}");
        };
        let accepted = match body {
            reply_body::MSG_DENIED(_) => None,
            reply_body::MSG_ACCEPTED(reply) => match reply.reply_data {
                accept_stat_data::SUCCESS => Some(()),
                _ => None,
            },
        };
        if accepted.is_none() {
            assert!(rest.is_empty(), "results of a call that was not executed");
            return learned;
        }
        let most = match (parsed.program, parsed.procedure) {
            (NFS, 6) => READ + 256,
            (NFS, 16 | 17) => LISTING + 64,
            (MOUNT, 2) => MOUNTS,
            _ => OTHER,
        };
        assert!(rest.len() <= most, "{} bytes of results", rest.len());
        match parsed.program {
            NFS => self.nfs(&parsed, rest, &mut learned),
            MOUNT => self.mount(&parsed, rest, &mut learned),
            NFSACL => self.access_list(&parsed, rest),
            PORTMAP if parsed.version == 2 && parsed.procedure == 4 => {
                drop(whole::<pmaplist>(rest))
            }
            PORTMAP => assert_eq!(rest.len() % 4, 0),
            other => panic!("program {other} is answered"),
        }
        for handle in &learned.handles {
            assert!((1..=64).contains(&handle.len()), "{handle:02x?}");
        }
        learned
    }

    fn mount(&mut self, call: &Call<'_>, rest: &[u8], learned: &mut Learned) {
        match call.procedure {
            1 if call.version < 3 => assert_ne!(whole::<u32>(rest), 0, "there is no NFSv2"),
            1 => {
                if let mountres3::Ok(mounted) = whole(rest) {
                    self.handle(&mounted.fhandle.0, None, learned);
                }
            }
            2 => drop(whole::<mountlist<'_, '_>>(rest)),
            5 | 6 => drop(whole::<exports<'_, '_>>(rest)),
            _ => assert!(rest.is_empty()),
        }
    }

    /// NFSACL has no types in nfs3_types.
    fn access_list(&mut self, call: &Call<'_>, mut rest: &[u8]) {
        if call.procedure == 0 {
            return assert!(rest.is_empty());
        }
        let rest = &mut rest;
        let status = word(rest).unwrap();
        let attributes = post_op_attr::unpack(rest).unwrap().0;
        self.about(call, status == 0, &attributes);
        assert!(call.procedure == 1 || status != 0, "an access list was set");
        if status == 0 {
            let _mask = word(rest).unwrap();
            for _list in 0..2 {
                let (count, listed) = (word(rest).unwrap(), word(rest).unwrap());
                assert!(listed == 0 || listed == count);
                *rest = &rest[listed as usize * 12..];
            }
        }
        assert!(rest.is_empty());
    }

    fn nfs(&mut self, call: &Call<'_>, rest: &[u8], learned: &mut Learned) {
        match call.procedure {
            0 => assert!(rest.is_empty()),
            1 => match result::<GETATTR3resok, nfs3_types::xdr_codec::Void>(rest) {
                Ok(results) => self.about(call, true, &Nfs3Option::Some(results.obj_attributes)),
                Err((status, _)) => self.failed(call, status, &Nfs3Option::None),
            },
            3 => match result::<LOOKUP3resok, LOOKUP3resfail>(rest) {
                Ok(results) => {
                    self.about(call, true, &results.dir_attributes);
                    self.searched(call, &results.dir_attributes, 0o011);
                    let number = self.attributes(&results.obj_attributes);
                    self.handle(&results.object.data, number, learned);
                }
                Err((status, failure)) => self.failed(call, status, &failure.dir_attributes),
            },
            4 => match result::<ACCESS3resok, ACCESS3resfail>(rest) {
                Ok(results) => {
                    self.about(call, true, &results.obj_attributes);
                    let asked = word(&mut call.after_handle()).unwrap();
                    assert_eq!(results.access & !asked, 0, "rights that were not asked for");
                    // A device or FIFO is written to on the client.
                    let stored = |it: &fattr3| matches!(it.type_, ftype3::NF3REG | ftype3::NF3DIR);
                    if let Nfs3Option::Some(it) = &results.obj_attributes
                        && stored(it)
                    {
                        assert_eq!(results.access & 0b01_1100, 0, "it is read-only");
                    }
                }
                Err((status, failure)) => self.failed(call, status, &failure.obj_attributes),
            },
            5 => match result::<READLINK3resok<'_>, READLINK3resfail>(rest) {
                Ok(results) => self.about(call, true, &results.symlink_attributes),
                Err((status, failure)) => self.failed(call, status, &failure.symlink_attributes),
            },
            6 => match result::<READ3resok<'_>, READ3resfail>(rest) {
                Ok(results) => self.read(call, &results),
                Err((status, failure)) => self.failed(call, status, &failure.file_attributes),
            },
            16 => self.readdir(call, rest, learned),
            17 => self.readdirplus(call, rest, learned),
            18 => match result::<FSSTAT3resok, FSSTAT3resfail>(rest) {
                Ok(results) => self.about(call, true, &results.obj_attributes),
                Err((status, failure)) => self.failed(call, status, &failure.obj_attributes),
            },
            19 => match result::<FSINFO3resok, FSINFO3resfail>(rest) {
                Ok(results) => self.about(call, true, &results.obj_attributes),
                Err((status, failure)) => self.failed(call, status, &failure.obj_attributes),
            },
            20 => match result::<PATHCONF3resok, PATHCONF3resfail>(rest) {
                Ok(results) => self.about(call, true, &results.obj_attributes),
                Err((status, failure)) => self.failed(call, status, &failure.obj_attributes),
            },
            21 => match result::<COMMIT3resok, wcc_data>(rest) {
                Ok(results) => self.about(call, true, &results.file_wcc.after),
                Err((status, failure)) => self.failed(call, status, &failure.after),
            },
            14 => match result::<RENAME3resok, RENAME3resfail>(rest) {
                Ok(_) => panic!("it was renamed"),
                Err((_, failure)) => {
                    self.attributes(&failure.fromdir_wcc.after);
                    self.attributes(&failure.todir_wcc.after);
                }
            },
            15 => match result::<LINK3resok, LINK3resfail>(rest) {
                Ok(_) => panic!("it was linked"),
                Err((_, failure)) => {
                    self.attributes(&failure.file_attributes);
                    self.attributes(&failure.linkdir_wcc.after);
                }
            },
            // SETATTR, WRITE, CREATE, MKDIR, SYMLINK, MKNOD, REMOVE, RMDIR.
            2 | 7..=13 => match result::<wcc_data, wcc_data>(rest) {
                Ok(_) => panic!("it was changed"),
                Err((_, failure)) => drop(self.attributes(&failure.after)),
            },
            other => panic!("procedure {other} is answered"),
        }
    }

    /// The handle of a call that succeeded was given out before; and these are the attributes of its file.
    fn about(&mut self, call: &Call<'_>, succeeded: bool, attributes: &post_op_attr) {
        let handle = call.handle().expect("a handle");
        let number = self.attributes(attributes);
        if !succeeded && number.is_none() {
            return;
        }
        let known = self.handles.get_mut(handle);
        let known = known.unwrap_or_else(|| panic!("a made-up handle works: {handle:02x?}"));
        if let Some(number) = number {
            assert_eq!(
                *known.get_or_insert(number),
                number,
                "another file: {handle:02x?}"
            );
        }
    }

    fn failed(&mut self, call: &Call<'_>, status: nfsstat3, attributes: &post_op_attr) {
        use nfsstat3::*;
        self.about(call, false, attributes);
        let is_known = self.handles.contains_key(call.handle().unwrap());
        let unexpected = match status {
            NFS3ERR_STALE | NFS3ERR_BADHANDLE => is_known && self.kind == Kind::Fixed,
            NFS3ERR_NOENT | NFS3ERR_ACCES | NFS3ERR_NOTDIR | NFS3ERR_ISDIR | NFS3ERR_INVAL
            | NFS3ERR_NAMETOOLONG | NFS3ERR_BAD_COOKIE | NFS3ERR_TOOSMALL => false,
            _ => true,
        };
        assert!(!unexpected, "{status}: procedure {}", call.procedure);
    }

    /// Checks attributes; returns the number of the file.
    fn attributes(&mut self, attributes: &post_op_attr) -> Option<u64> {
        let Nfs3Option::Some(it) = attributes else {
            return None;
        };
        assert!(!OUTSIDE.contains(&it.mode), "attributes of what is outside");
        assert!(!HIDDEN.contains(&it.mode), "attributes of what is hidden");
        assert!(it.mode <= 0o7777, "{it:?}");
        for time in [it.atime, it.mtime, it.ctime] {
            assert!(time.nseconds < 1_000_000_000, "{it:?}");
        }
        assert_eq!(*self.fsid.get_or_insert(it.fsid), it.fsid, "the fsid");
        if self.kind == Kind::Fixed {
            assert!(it.nlink > 0, "{it:?}");
            let mut lasting = it.clone();
            (lasting.atime, lasting.used) = (nfstime3::default(), 0);
            let lasting = format!("{lasting:?}");
            let known = self
                .files
                .entry(it.fileid)
                .or_insert_with(|| lasting.clone());
            assert_eq!(*known, lasting, "file {}", it.fileid);
        }
        Some(it.fileid)
    }

    /// Notes a handle that was given out for the file with this number.
    fn handle(&mut self, handle: &[u8], number: Option<u64>, learned: &mut Learned) {
        let known = self.handles.entry(handle.to_vec()).or_insert(number);
        if let Some(number) = number {
            assert_eq!(
                *known.get_or_insert(number),
                number,
                "another file: {handle:02x?}"
            );
        }
        learned.handles.push(handle.to_vec());
    }

    /// Neither owner nor root used a directory that lets nobody else (`bits`).
    fn searched(&self, call: &Call<'_>, directory: &post_op_attr, bits: u32) {
        if let Nfs3Option::Some(it) = directory {
            let may = call.uid == 0 || call.uid == it.uid || it.mode & bits != 0;
            assert!(
                may,
                "user {} used a directory of mode {:o}",
                call.uid, it.mode
            );
        }
    }
}
