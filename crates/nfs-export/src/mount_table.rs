//! Who has mounted what, for MOUNT's DUMP (`showmount -a`).

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most bytes that the table takes in a reply: some 500 machines with a path of 20 characters.
pub(crate) const MAX_BYTES: usize = 32 * 1024;

/// The most paths of one client.
const MAX_PER_CLIENT: usize = 16;

/// A longer path, in bytes, is not noted.
const MAX_PATH: usize = 255;

/// The bytes of an entry in a reply beside its path: whether it follows, two lengths, the longest IPv6 address, padding.
const ENTRY: usize = 4 + 4 + 4 + 40 + 3;

/// Clients and the paths that they have mounted. Not reliable: most machines never unmount, and when the table is full
/// the oldest entry makes room.
#[derive(Debug, Default)]
pub(crate) struct MountTable(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    mounts: VecDeque<(IpAddr, String)>,
    bytes: usize,
}

impl MountTable {
    /// Adds a mount, once.
    pub(crate) fn add(&self, client: IpAddr, path: &str) {
        let mut state = self.lock();
        let mut own = state
            .mounts
            .iter()
            .filter(|(address, _)| *address == client);
        let known = own.clone().any(|(_, known)| known == path);
        if known || path.len() > MAX_PATH || own.nth(MAX_PER_CLIENT - 1).is_some() {
            return;
        }
        state.bytes += ENTRY + path.len();
        state.mounts.push_back((client, path.to_owned()));
        while state.bytes > MAX_BYTES {
            let Some((_, oldest)) = state.mounts.pop_front() else {
                break;
            };
            state.bytes -= ENTRY + oldest.len();
        }
    }

    /// Removes a mount of a client; returns whether it was in the table.
    pub(crate) fn remove(&self, client: IpAddr, path: &str) -> bool {
        let mut state = self.lock();
        let before = state.mounts.len();
        state.retain(|(address, known)| *address != client || path != known);
        state.mounts.len() < before
    }

    /// Removes all mounts of a client.
    pub(crate) fn remove_all(&self, client: IpAddr) {
        self.lock().retain(|(address, _)| *address != client);
    }

    pub(crate) fn list(&self) -> Vec<(IpAddr, String)> {
        self.lock().mounts.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn retain(&mut self, keep: impl FnMut(&(IpAddr, String)) -> bool) {
        self.mounts.retain(keep);
        self.bytes = self.mounts.iter().map(|(_, path)| ENTRY + path.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn one_client_fills_its_own_share_and_many_push_out_the_oldest() {
        let table = MountTable::default();
        for number in 0..1000 {
            table.add(client(1), &format!("/{number}"));
        }
        table.add(client(2), &"/long".repeat(100));
        assert_eq!(table.list().len(), MAX_PER_CLIENT);
        for number in 3..2000 {
            table.add(client(number), "/debian");
            table.add(client(number), "/debian");
        }
        let listed = table.list();
        assert!(listed.len() <= MAX_BYTES / ENTRY, "{}", listed.len());
        assert_eq!(listed.last(), Some(&(client(1999), "/debian".to_owned())));
        for number in 0..2000 {
            table.remove_all(client(number));
        }
        assert_eq!(table.lock().bytes, 0);
    }
}
