//! Notes what the machines that are watched use ([`crate::used_files`]).

use std::time::Instant;

use nfs3_types::nfs3::nfsstat3;

use crate::programs::nfs::answered::Answered;
use crate::programs::nfs::procedures::{LOOKUP, READ, READDIR, READDIRPLUS, READLINK};
use crate::programs::nfs::read;
use crate::rpc::decode::Malformed;
use crate::used_files::Used;

const OK: u32 = nfsstat3::NFS3_OK as u32;
const NOENT: u32 = nfsstat3::NFS3ERR_NOENT as u32;

/// Notes what a call used.
pub(super) fn note(call: &Answered<'_>) {
    let watched = &call.request.state.watched;
    if watched.watches(call.client)
        && let Ok(Some((path, used))) = used(call)
    {
        watched.used(call.client, path, &used, Instant::now());
    }
}

/// What it got of which file, or that there is no such file; nothing of a refused call, nor of a hidden name.
fn used(call: &Answered<'_>) -> Result<Option<(Vec<u8>, Used)>, Malformed> {
    let (Some(file), Some(status)) = (&call.file, call.status()) else {
        return Ok(None);
    };
    let (path, mut arguments) = (file.path.clone(), call.arguments);
    Ok(match (call.procedure, status) {
        (LOOKUP, OK | NOENT) => {
            let name = arguments.name()?;
            let is_plain = !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/');
            let is_shown = is_plain && !file.tree.hides_entry(&file.node, name);
            let separator: &[u8] = if path.is_empty() { b"" } else { b"/" };
            is_shown.then(|| ([path.as_slice(), separator, name].concat(), Used::Name))
        }
        (READLINK, OK) => Some((path, Used::Link)),
        (READ, OK) => match (arguments.u64()?, read::length(call.reply)) {
            (_, None | Some(0)) => Some((path, Used::Name)),
            (offset, Some(length)) => Some((path, Used::Read(vec![(offset, length.into())]))),
        },
        (READDIR | READDIRPLUS, OK) => (!path.is_empty()).then_some((path, Used::Listed)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::Duration;

    use super::*;
    use crate::programs::nfs::test_calls::{call, opaque, serving};
    use crate::server_state::ServerState;
    use crate::used_files::UsedFile;

    /// Looks a name up; returns its handle as an argument.
    fn find(state: &ServerState, directory: &[u8], name: &str) -> Vec<u8> {
        let found = call(
            state,
            LOOKUP,
            &[directory.to_vec(), opaque(name.as_bytes())],
        );
        let length = u32::from_be_bytes(found[4..8].try_into().unwrap());
        opaque(&found[8..8 + usize::try_from(length).unwrap()])
    }

    #[test]
    fn what_a_machine_got_is_noted_and_nothing_hidden_or_refused() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for name in ["secret", "private", "file"] {
            fs::write(at(name), [7; 1000]).unwrap();
        }
        fs::set_permissions(at("private"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(at("closed")).unwrap();
        fs::set_permissions(at("closed"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink("file", at("link")).unwrap();
        let state = serving(root.path());
        let root = state.exports.now();
        let root = root.iter().next().unwrap().tree().mount(b"").unwrap();
        let root = opaque(root.as_bytes());
        let lookup = |name: &[u8]| call(&state, LOOKUP, &[root.clone(), opaque(name)]);
        assert_eq!(lookup(b"secret")[..4], NOENT.to_be_bytes());
        assert_eq!(lookup(b"missing\xff")[..4], NOENT.to_be_bytes());
        let read = |name, offset: u64| {
            let count = (1_u32 << 20).to_be_bytes().to_vec();
            let offset = offset.to_be_bytes().to_vec();
            call(&state, READ, &[find(&state, &root, name), offset, count])
        };
        assert_eq!(read("file", 100)[..4], OK.to_be_bytes());
        assert_ne!(read("private", 0)[..4], OK.to_be_bytes());
        call(&state, READLINK, &[find(&state, &root, "link")]);
        let closed = find(&state, &root, "closed");
        let counts = vec![0, 0, 16, 0, 0, 0, 16, 0];
        let listed = call(&state, READDIRPLUS, &[closed.clone(), vec![0; 16], counts]);
        assert_ne!(listed[..4], OK.to_be_bytes());
        assert_ne!(
            call(&state, LOOKUP, &[closed, opaque(b"x")])[..4],
            OK.to_be_bytes()
        );

        let over = Instant::now() + Duration::from_secs(3600);
        let [used] = state.watched.take(over).try_into().unwrap();
        let file = |path: &[u8], used| UsedFile {
            path: path.to_vec(),
            used,
        };
        assert_eq!(
            used.files,
            [
                file(b"missing\xff", Used::Name),
                file(b"file", Used::Read(vec![(100, 900)])),
                file(b"private", Used::Name),
                file(b"link", Used::Link),
                file(b"closed", Used::Name),
            ]
        );
    }

    #[test]
    fn a_call_that_is_told_of_is_counted_once() {
        let root = tempfile::tempdir().unwrap();
        let state = serving(root.path());
        let exports = state.exports.now();
        let root = exports.iter().next().unwrap().tree().mount(b"").unwrap();
        let mut forged = opaque(root.as_bytes());
        *forged.get_mut(4 + root.as_bytes().len() - 1).unwrap() ^= 1;
        assert_ne!(call(&state, READLINK, &[forged])[..4], OK.to_be_bytes());
        assert_eq!(state.counters.read().bad_handles, 1);
    }
}
