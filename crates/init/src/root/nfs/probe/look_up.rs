//! Looks a path up over version 4, since the kernel would not report which of its names is missing.

use nfs3_client::rpc::RpcClient;

use super::super::compound::{COMPOUND, Reply, Request};
use super::super::fault::Missing;
use super::super::stream::{Stream, block_on};
use crate::console::debug;

/// How many leading names of a path may be hidden in the tree of version 4.
const MAX_SHORTENED: usize = 4;

/// Why a path cannot be mounted by version 4.
pub(super) enum Walk {
    /// A name is missing.
    Missing(Box<Missing>),
    /// The server wants other security flavours for it; none are listed if it does not say which.
    WrongFlavour(Vec<u32>),
}

/// The first name of a path that is missing in version 4, or that is not for AUTH_SYS. `None` if the path can be looked
/// up, or if the server does not say.
pub(super) fn look_up(client: &mut RpcClient<Stream>, path: &str) -> Option<Walk> {
    let mut ask = |request: Request| {
        let call = async {
            client
                .call::<_, Reply>(nfs3_types::nfs3::PROGRAM, 4, COMPOUND, &request)
                .await
        };
        match block_on(call) {
            Ok(reply) => Some(reply),
            Err(e) => {
                debug!("cannot look up {path} over version 4: {e}");
                None
            }
        }
    };
    let names: Vec<&str> = path
        .split('/')
        .filter(|name| !matches!(*name, "" | "."))
        .collect();
    let walked = ask(Request::walk(&names))?;
    if let Some(depth) = walked.wrong_flavour_after() {
        let above = names.get(..depth).unwrap_or_default();
        let name = names.get(depth).copied().unwrap_or_default();
        let reply = ask(Request::flavours(above, name));
        let flavours = reply.and_then(|reply| reply.flavours(depth));
        return Some(Walk::WrongFlavour(flavours.unwrap_or_default()));
    }
    let depth = walked.missing_after()?;
    let above = names.get(..depth)?;
    let there = ask(Request::list(above)).and_then(|reply| reply.names(depth));
    // If one request is not answered, the others would not be either.
    let shortened = (1..names.len())
        .take(MAX_SHORTENED)
        .filter_map(|first| names.get(first..))
        .map_while(|shorter| Some((shorter, ask(Request::walk(shorter))?.is_ok())))
        .find(|(_, is_there)| *is_there);
    Some(Walk::Missing(Box::new(Missing {
        above: format!("/{}", above.join("/")),
        name: (*names.get(depth)?).to_owned(),
        there: there.unwrap_or_default(),
        shortened: shortened.map(|(names, _)| format!("/{}", names.join("/"))),
    })))
}
