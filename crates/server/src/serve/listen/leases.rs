//! The DHCPv4 leases on disk, so that a restart gives no machine's address to another one.
//!
//! One JSON object per line, written to a new file that then replaces the old one. Losing it matters little, since the
//! pool prefers the same address for the same machine; so a failure is logged once and serving continues.

use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use netroot_proto::dhcp::pool::{Binding, Pool};
use serde::{Deserialize, Serialize};

/// More than a /16's leases take, in bytes; a longer file is not a lease file.
const LONGEST: u64 = 16 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    address: Ipv4Addr,
    mac: String,
    /// Seconds since 1970.
    expires: u64,
}

/// The file.
#[derive(Debug)]
pub(crate) struct Leases {
    path: PathBuf,
}

impl Leases {
    /// The file of one interface in the state folder: servers on two interfaces are independent of each other.
    pub(crate) fn of(state: &Path, interface: &str) -> Self {
        Self {
            path: state.join(format!("leases-{interface}")),
        }
    }

    /// Adds the leases in the file to the pool; invalid lines and addresses outside the range are ignored.
    ///
    /// # Errors
    /// The file system's, unless the file does not exist.
    pub(crate) fn load(&self, pool: &mut Pool) -> io::Result<()> {
        let text = match fs::metadata(&self.path) {
            Ok(metadata) if metadata.len() > LONGEST => {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            Ok(_) => fs::read_to_string(&self.path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for line in text.lines() {
            let Ok(line) = serde_json::from_str::<Line>(line) else {
                continue;
            };
            let Ok(mac) = line.mac.parse() else {
                continue;
            };
            pool.restore(Binding {
                address: line.address,
                mac,
                expires: Duration::from_secs(line.expires),
            });
        }
        Ok(())
    }

    /// Writes every lease of the pool, without offers.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn save(&self, pool: &Pool) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let mut text = Vec::new();
        for binding in pool.bindings() {
            let line = Line {
                address: binding.address,
                mac: binding.mac.to_string(),
                expires: binding.expires.as_secs(),
            };
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
        }
        file.write_all(&text)?;
        file.persist(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use netroot_net::Mac;

    use super::*;

    fn pool() -> Pool {
        Pool::new(
            Ipv4Addr::new(10, 0, 0, 100),
            Ipv4Addr::new(10, 0, 0, 200),
            Vec::new(),
        )
        .unwrap()
    }

    #[test]
    fn a_machine_keeps_its_address_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let leases = Leases::of(folder.path(), "eth0");
        let (mine, other) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
        let address = Ipv4Addr::new(10, 0, 0, 150);
        let now = Duration::from_secs(1_700_000_000);
        let mut before = pool();
        before
            .take(mine, address, Duration::from_secs(3600), now)
            .unwrap();
        before.offer(other, None, now).unwrap();
        leases.save(&before).unwrap();

        let mut after = pool();
        leases.load(&mut after).unwrap();
        assert_eq!(after.bindings().count(), 1, "the offer was not kept");
        assert_eq!(after.offer(mine, None, now), Some(address));
        assert!(
            after
                .take(other, address, Duration::from_secs(60), now)
                .is_err()
        );
    }

    #[test]
    fn a_missing_or_invalid_file_gives_an_empty_pool() {
        let folder = tempfile::tempdir().unwrap();
        let leases = Leases::of(folder.path(), "eth0");
        let mut pool = pool();
        leases.load(&mut pool).unwrap();
        let text = "nonsense\n{\"address\":\"10.0.0.150\",\"mac\":\"x\",\"expires\":1}\n\
                    {\"address\":\"192.0.2.1\",\"mac\":\"02:00:00:00:00:01\",\"expires\":1}\n";
        fs::write(folder.path().join("leases-eth0"), text).unwrap();
        leases.load(&mut pool).unwrap();
        assert_eq!(pool.bindings().count(), 0);
    }
}
