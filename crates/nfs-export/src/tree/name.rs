//! Which names may be looked up.

use nfs3_types::nfs3::nfsstat3;

/// No Linux file system has a longer one (`NAME_MAX`), in bytes.
pub(crate) const LONGEST: usize = 255;

/// Decides whether `name` is one entry of the directory it is looked up in and nothing else.
///
/// RFC 1813 §3.2 lets a server answer NFS3ERR_ACCES to names that it does not take. `.` and `..` are such names here:
/// Linux never asks for them (its client remembers the way up), and a server that does not answer them cannot be led
/// above its root.
pub(crate) fn check(name: &[u8]) -> Result<&[u8], nfsstat3> {
    match name {
        b"" | b"." | b".." => Err(nfsstat3::NFS3ERR_ACCES),
        _ if name.len() > LONGEST => Err(nfsstat3::NFS3ERR_NAMETOOLONG),
        _ if name.contains(&b'/') || name.contains(&0) => Err(nfsstat3::NFS3ERR_ACCES),
        _ => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_entry_and_nothing_else() {
        for refused in [&b""[..], b".", b"..", b"/", b"a/b", b"../etc", b"a\0b"] {
            assert_eq!(check(refused), Err(nfsstat3::NFS3ERR_ACCES), "{refused:?}");
        }
        assert_eq!(check(&[b'x'; 256]), Err(nfsstat3::NFS3ERR_NAMETOOLONG));
        for taken in [
            &b"etc"[..],
            b"...",
            b"..a",
            b"\xff\xfe",
            b"a b\n",
            &[b'x'; 255],
        ] {
            assert_eq!(check(taken), Ok(taken));
        }
    }
}
