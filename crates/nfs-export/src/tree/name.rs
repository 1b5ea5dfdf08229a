//! Which names may be looked up.

use nfs3_types::nfs3::nfsstat3;

/// The longest name on Linux, in bytes.
pub(crate) const NAME_MAX: usize = 255;

/// Checks that `name` can only be an entry of the directory it is looked up in.
///
/// RFC 1813 §3.2 allows NFS3ERR_ACCES for names that a server does not accept. `.` and `..` are such names here: what they
/// mean to LOOKUP is not left to the kernel ([`Tree::parent`](crate::tree::Tree::parent)).
pub(crate) fn check(name: &[u8]) -> Result<&[u8], nfsstat3> {
    match name {
        b"" | b"." | b".." => Err(nfsstat3::NFS3ERR_ACCES),
        _ if name.len() > NAME_MAX => Err(nfsstat3::NFS3ERR_NAMETOOLONG),
        _ if name.contains(&b'/') || name.contains(&0) => Err(nfsstat3::NFS3ERR_ACCES),
        _ => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_single_names_are_accepted() {
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
