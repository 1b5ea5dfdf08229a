//! A call that has been answered, for what is told of it: the record of calls, and what a machine uses of its root.

use std::net::IpAddr;
use std::sync::Arc;

use crate::programs::nfs::procedures;
use crate::programs::nfs::request::Request;
use crate::rpc::decode::Decoder;
use crate::tree::Tree;
use crate::tree::node::Node;

/// A call with its reply.
pub(super) struct Answered<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) client: IpAddr,
    pub(super) procedure: u32,
    /// What its handle leads to.
    pub(super) file: Option<NamedFile<'a>>,
    /// The arguments after the handle.
    pub(super) arguments: Decoder<'a>,
    /// The results, from the status on.
    pub(super) reply: &'a [u8],
}

/// A file of which a path is known.
pub(super) struct NamedFile<'a> {
    pub(super) tree: &'a Tree,
    pub(super) node: Arc<Node>,
    /// Below the root, without a slash at its beginning.
    pub(super) path: Vec<u8>,
}

impl<'a> Answered<'a> {
    /// `None` if nothing is told of this client's calls.
    pub(super) fn if_told(
        request: &'a Request<'a>,
        procedure: u32,
        mut arguments: Decoder<'a>,
        reply: &'a [u8],
    ) -> Option<Self> {
        let (state, client) = (request.state, request.client.to_canonical());
        if state.recorded_calls().is_none() && !state.watched.watches(client) {
            return None;
        }
        let file = match procedure {
            procedures::NULL => None,
            _ => {
                let handle = arguments.handle().ok()?;
                request.look_up(&handle).and_then(|(tree, node)| {
                    let path = tree.path_of(&node)?;
                    Some(NamedFile { tree, node, path })
                })
            }
        };
        Some(Self {
            request,
            client,
            procedure,
            file,
            arguments,
            reply,
        })
    }

    /// The status of the reply (`nfsstat3`).
    pub(super) fn status(&self) -> Option<u32> {
        self.reply.first_chunk().copied().map(u32::from_be_bytes)
    }
}
