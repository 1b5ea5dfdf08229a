//! Notes what the machines that are watched use ([`crate::used_files`]).

use std::time::Instant;

use crate::programs::nfs::request::Request;
use crate::rpc::decode::{Decoder, Malformed};
use crate::used_files::Used;

/// Notes what an answered call used.
pub(super) fn note(request: &Request<'_>, procedure: u32, arguments: Decoder<'_>) {
    let watched = &request.state.watched;
    let client = request.client.to_canonical();
    if matches!(procedure, 3 | 5 | 6 | 16 | 17)
        && watched.watches(client)
        && let Ok(Some((path, used))) = used(request, procedure, arguments)
    {
        watched.used(client, path, &used, Instant::now());
    }
}

fn used(
    request: &Request<'_>,
    procedure: u32,
    mut arguments: Decoder<'_>,
) -> Result<Option<(Vec<u8>, Used)>, Malformed> {
    let handle = arguments.handle()?;
    let path = request
        .resolve(handle)
        .ok()
        .and_then(|file| file.tree.path_of(&file.node));
    let Some(path) = path.map(String::into_bytes) else {
        return Ok(None);
    };
    Ok(match procedure {
        3 => {
            let name = arguments.name()?;
            let is_plain = !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/');
            let separator: &[u8] = if path.is_empty() { b"" } else { b"/" };
            is_plain.then(|| ([path.as_slice(), separator, name].concat(), Used::Name))
        }
        5 => Some((path, Used::Link)),
        6 => {
            let (offset, count) = (arguments.u64()?, arguments.u32()?);
            Some((path, Used::Read(vec![(offset, count.into())])))
        }
        _ => (!path.is_empty()).then_some((path, Used::Listed)),
    })
}
