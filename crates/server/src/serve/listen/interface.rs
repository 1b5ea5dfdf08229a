//! An interface that is served, with all of its addresses.
//!
//! [`list`]: what the kernel has. [`choose`]: which of them is served, and by which address machines know the server.
//! [`Followed`]: what becomes of it. An interface is never changed.

mod candidate;
mod choose;
mod device;
mod error;
mod followed;
mod own_address;
mod route_socket;
mod served;

pub(crate) use self::candidate::Candidate;
pub(crate) use self::choose::{Wanted, choose};
pub(crate) use self::device::Device;
pub(crate) use self::error::InterfaceError;
pub(crate) use self::followed::{Followed, Presence, back, change};
pub(crate) use self::route_socket::{ChangeSocket, RouteSocket, list};
pub(crate) use self::served::Interface;

#[cfg(test)]
pub(crate) mod tests {
    use super::candidate::tests::{candidate, own};
    use super::*;

    pub(crate) fn interface() -> Interface {
        choose(Wanted::default(), vec![candidate("eth0", &["10.0.0.1"])]).unwrap()
    }

    /// Interfaces with these names and addresses, numbered from 1.
    pub(crate) fn candidates(all: &[(&str, &[&str])]) -> Vec<Candidate> {
        let numbered = (1..).zip(all);
        let made = numbered.map(|(index, (name, addresses))| Candidate {
            index,
            ..candidate(name, addresses)
        });
        made.collect()
    }

    /// An interface with these addresses, all /24.
    pub(crate) fn with_addresses(addresses: &[&str]) -> Interface {
        Interface {
            addresses: addresses.iter().map(|address| own(address)).collect(),
            ..interface()
        }
    }
}
