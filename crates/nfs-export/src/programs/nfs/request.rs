//! An NFS call, and the file that its handle refers to.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use nfs3_types::nfs3::{Nfs3Option, nfsstat3, post_op_attr};
use rustix::fs::Stat;

use crate::counters::count;
use crate::exports::Exports;
use crate::programs::procedure::IoMode;
use crate::rpc::credentials::Credentials;
use crate::server_state::ServerState;
use crate::tree::handle::{Handle, HandleError};
use crate::tree::node::Node;
use crate::tree::{Tree, Unresolved, status};

/// One NFS call.
pub(crate) struct Request<'a> {
    pub(crate) state: &'a ServerState,
    pub(crate) exports: Arc<Exports>,
    /// The identity of a current export that is known to allow this client: mostly there is one, which is not asked twice.
    pub(crate) allowing: Option<u32>,
    pub(crate) client: IpAddr,
    pub(crate) credentials: Credentials,
    pub(crate) io_mode: IoMode,
    /// Set by the first use of a file or a root.
    pub(crate) useful: Cell<bool>,
}

/// The file behind a handle of the call, and its current attributes.
pub(crate) struct ResolvedFile<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) handle: Handle,
    pub(crate) node: Arc<Node>,
    pub(crate) stat: Stat,
}

impl ResolvedFile<'_> {
    pub(crate) fn attributes(&self) -> post_op_attr {
        Nfs3Option::Some(self.tree.attributes(&self.stat))
    }
}

impl Request<'_> {
    /// The file that a handle refers to, if this client may see it.
    pub(crate) fn resolve(&self, handle: Handle) -> Result<ResolvedFile<'_>, nfsstat3> {
        let counters = &self.state.counters;
        if !handle.has_known_layout() {
            count(&counters.bad_handles);
            return Err(nfsstat3::NFS3ERR_BADHANDLE);
        }
        let export = self.exports.by_handle(&handle).ok_or_else(|| {
            count(&counters.bad_handles);
            nfsstat3::NFS3ERR_STALE
        })?;
        if self.allowing != Some(export.identity()) && !export.allows(self.client) {
            count(&counters.denied);
            return Err(nfsstat3::NFS3ERR_ACCES);
        }
        let tree = export.tree();
        let node = tree.resolve(&handle).map_err(|why| match why {
            Unresolved::Foreign(HandleError::Layout) => {
                count(&counters.bad_handles);
                nfsstat3::NFS3ERR_BADHANDLE
            }
            Unresolved::Foreign(HandleError::Signature) => {
                count(&counters.bad_handles);
                nfsstat3::NFS3ERR_STALE
            }
            Unresolved::Stale => {
                count(&counters.stale_handles);
                nfsstat3::NFS3ERR_STALE
            }
            Unresolved::Failed(errno) => status::from_errno(errno),
        })?;
        let stat = node.stat().map_err(|errno| {
            // A network file system may notice only now that the file is gone: drop it from the cache.
            tree.forget(&handle);
            status::from_errno(errno)
        })?;
        self.useful.set(true);
        export.note_use(self.client);
        Ok(ResolvedFile {
            tree,
            handle,
            node,
            stat,
        })
    }

    /// The same, for what is told of a call that has been answered: nothing is counted, and its attributes are not asked.
    pub(super) fn look_up(&self, handle: &Handle) -> Option<(&Tree, Arc<Node>)> {
        let export = self.exports.by_handle(handle)?;
        let tree = export.allows(self.client).then(|| export.tree())?;
        Some((tree, tree.resolve(handle).ok()?))
    }
}
