//! Who has mounted what, for MOUNT's DUMP (`showmount -a`).

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most entries kept.
const MAX_MOUNTS: usize = 1024;

/// Clients and the paths that they have mounted. Not reliable: most machines never unmount.
#[derive(Debug, Default)]
pub(crate) struct MountTable(Mutex<Vec<(IpAddr, String)>>);

impl MountTable {
    /// Adds a mount, once. Ignored when the table is full.
    pub(crate) fn add(&self, client: IpAddr, path: &str) {
        let mut mounts = self.lock();
        let known = mounts
            .iter()
            .any(|(address, known)| *address == client && known == path);
        if !known && mounts.len() < MAX_MOUNTS {
            mounts.push((client, path.to_owned()));
        }
    }

    /// Removes a mount of a client; returns whether it was in the table.
    pub(crate) fn remove(&self, client: IpAddr, path: &str) -> bool {
        let mut mounts = self.lock();
        let before = mounts.len();
        mounts.retain(|(address, known)| *address != client || path != known);
        mounts.len() < before
    }

    /// Removes all mounts of a client.
    pub(crate) fn remove_all(&self, client: IpAddr) {
        self.lock().retain(|(address, _)| *address != client);
    }

    pub(crate) fn list(&self) -> Vec<(IpAddr, String)> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(IpAddr, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
