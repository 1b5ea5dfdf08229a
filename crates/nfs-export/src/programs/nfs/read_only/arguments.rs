//! The arguments of the procedures that modify (RFC 1813 §3.3), as far as it matters what they are.

use nfs3_types::nfs3::nfsstat3;

use crate::programs::nfs::procedures::{
    CREATE, LINK, MKDIR, MKNOD, REMOVE, RENAME, RMDIR, SETATTR, SYMLINK, WRITE,
};
use crate::programs::procedure::ProcedureError;
use crate::rpc::decode::{Decoder, Malformed};
use crate::tree::handle::Handle;

/// `EXCLUSIVE`, the last of `createmode3`.
const EXCLUSIVE: u32 = 2;
/// `SET_TO_CLIENT_TIME`, the last of `time_how`.
const CLIENT_TIME: u32 = 2;

/// What a procedure would change.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    /// A file, or what is in a directory.
    One {
        handle: Handle,
        expected: Expected,
        /// What is wrong with the arguments, whatever the handle leads to.
        refused: Option<nfsstat3>,
    },
    Rename {
        from: Handle,
        to: Handle,
    },
    Link {
        file: Handle,
        directory: Handle,
    },
}

/// What a handle has to lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Anything,
    RegularFile,
    Directory,
}

impl Change {
    pub(super) fn decode(
        procedure: u32,
        mut arguments: Decoder<'_>,
    ) -> Result<Self, ProcedureError> {
        if !(SETATTR..=LINK).contains(&procedure) || (SETATTR + 1..WRITE).contains(&procedure) {
            return Err(ProcedureError::NoSuchProcedure);
        }
        let handle = arguments.handle()?;
        let one = |expected, refused| Self::One {
            handle,
            expected,
            refused,
        };
        let made = |name| is_dots(name).then_some(nfsstat3::NFS3ERR_EXIST);
        Ok(match procedure {
            SETATTR => {
                let resized = attributes(&mut arguments)?;
                if arguments.u32()? != 0 {
                    arguments.u64()?;
                }
                let file = Expected::RegularFile;
                one(if resized { file } else { Expected::Anything }, None)
            }
            WRITE => {
                let offset = arguments.u64()?;
                let (count, _stable) = (arguments.u32()?, arguments.u32()?);
                let data = arguments.opaque(crate::rpc::record::MAX_RECORD)?;
                if u32::try_from(data.len()) != Ok(count) {
                    return Err(ProcedureError::GarbageArguments);
                }
                let end = offset.checked_add(u64::from(count));
                let fits = end.is_some_and(|end| i64::try_from(end).is_ok());
                let refused = (!fits).then_some(nfsstat3::NFS3ERR_FBIG);
                one(Expected::RegularFile, refused)
            }
            CREATE => {
                let name = arguments.name()?;
                match at_most(EXCLUSIVE, &mut arguments)? {
                    EXCLUSIVE => arguments.verifier().map(drop)?,
                    _ => attributes(&mut arguments).map(drop)?,
                }
                one(Expected::Directory, made(name))
            }
            MKDIR => {
                let name = arguments.name()?;
                attributes(&mut arguments)?;
                one(Expected::Directory, made(name))
            }
            SYMLINK => {
                let name = arguments.name()?;
                attributes(&mut arguments)?;
                let target = arguments.name()?;
                let nowhere = target.is_empty().then_some(nfsstat3::NFS3ERR_INVAL);
                one(Expected::Directory, nowhere.or_else(|| made(name)))
            }
            MKNOD => {
                let name = arguments.name()?;
                let type_refused = node(&mut arguments)?;
                one(Expected::Directory, type_refused.or_else(|| made(name)))
            }
            REMOVE | RMDIR => {
                let name = arguments.name()?;
                let refused = is_dots(name).then_some(nfsstat3::NFS3ERR_ACCES);
                one(Expected::Directory, refused)
            }
            RENAME => {
                arguments.name()?;
                let to = arguments.handle()?;
                arguments.name()?;
                Self::Rename { from: handle, to }
            }
            _ => {
                let directory = arguments.handle()?;
                arguments.name()?;
                Self::Link {
                    file: handle,
                    directory,
                }
            }
        })
    }
}

fn is_dots(name: &[u8]) -> bool {
    matches!(name, b"." | b"..")
}

/// One of the first numbers of an enumeration.
fn at_most(last: u32, arguments: &mut Decoder<'_>) -> Result<u32, Malformed> {
    let number = arguments.u32()?;
    (number <= last).then_some(number).ok_or(Malformed)
}

/// `sattr3` (RFC 1813 §2.6); returns whether a size is set.
fn attributes(arguments: &mut Decoder<'_>) -> Result<bool, Malformed> {
    // Mode, owner and group.
    for _ in 0..3 {
        if arguments.u32()? != 0 {
            arguments.u32()?;
        }
    }
    let resized = arguments.u32()? != 0;
    if resized {
        arguments.u64()?;
    }
    // Access and modification.
    for _ in 0..2 {
        if at_most(CLIENT_TIME, arguments)? == CLIENT_TIME {
            arguments.u64()?;
        }
    }
    Ok(resized)
}

/// `mknoddata3` (RFC 1813 §3.3.11); returns the status of a type that is not made by MKNOD.
fn node(arguments: &mut Decoder<'_>) -> Result<Option<nfsstat3>, Malformed> {
    // Regular files, directories, devices of both kinds, links, sockets, FIFOs.
    match arguments.u32()? {
        1 | 2 | 5 => return Ok(Some(nfsstat3::NFS3ERR_BADTYPE)),
        3 | 4 => {
            attributes(arguments)?;
            arguments.u64()?;
        }
        6 | 7 => drop(attributes(arguments)?),
        _ => return Err(Malformed),
    }
    Ok(None)
}
