//! The database: one table of leases, one with the number of its schema.
//!
//! redb writes new pages beside the old ones and then the header that names them; a transaction is one fsync, and after
//! a crash the newest header whose pages have the right checksums is used.
//!
//! The database is never closed as redb would do it (several writes of a MiB, to save the next start a walk through the
//! pages): every start is one after a crash, with every checksum compared, and there is one way in which a file is left.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use netroot_net::Mac;
use redb::{ReadableTable, StorageBackend, TableDefinition};

use super::lease::Stored;

/// The address, as a number, and the lease, as [`encode`] writes it.
const LEASES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("leases");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const SCHEMA_KEY: &str = "schema";
/// The schema that this version reads and writes.
const SCHEMA: u64 = 1;
/// How much of the file is kept in memory, in bytes. Every lease is in the pool's memory already.
const CACHE: usize = 128 << 10;

/// One lease more, changed, or gone (`None`).
pub(super) type Change = (Ipv4Addr, Option<Stored>);

/// Why the leases cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// The file system's.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The database's.
    #[error("{0}")]
    Database(Box<redb::Error>),
    /// It has no table of leases.
    #[error("it is a database, but has no leases")]
    NoLeases,
    /// A newer netroot wrote it.
    #[error("a newer version of netroot wrote it (schema {0}; this one knows {SCHEMA})")]
    Newer(u64),
    /// The database's code found something that cannot be.
    #[error("the database is damaged")]
    Damaged,
}

fn database(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Io(error) => StoreError::Io(error),
        other => StoreError::Database(Box::new(other)),
    }
}

/// The open database.
#[derive(Debug)]
pub(super) struct Store {
    /// `None` only while it is dropped.
    database: Option<redb::Database>,
    left: Arc<AtomicBool>,
}

impl Drop for Store {
    fn drop(&mut self) {
        self.left.store(true, Ordering::Relaxed);
        let _ = guarded(|| {
            drop(self.database.take());
            Ok(())
        });
    }
}

/// A file that can be left as it is.
#[derive(Debug)]
struct Leavable<F> {
    file: F,
    left: Arc<AtomicBool>,
}

impl<F> Leavable<F> {
    fn file(&self) -> io::Result<&F> {
        if self.left.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(&self.file)
    }
}

impl<F: StorageBackend> StorageBackend for Leavable<F> {
    fn len(&self) -> io::Result<u64> {
        self.file()?.len()
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.file()?.read(offset, length)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file()?.set_len(length)
    }

    fn sync_data(&self, eventual: bool) -> io::Result<()> {
        self.file()?.sync_data(eventual)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file()?.write(offset, data)
    }
}

impl Store {
    /// Makes a database with these leases in an empty file.
    pub(super) fn create(
        file: impl StorageBackend,
        leases: &[(Ipv4Addr, Stored)],
    ) -> Result<Self, StoreError> {
        guarded(|| {
            let store = open(file)?;
            let transaction = store.database()?.begin_write().map_err(database)?;
            {
                let mut meta = transaction.open_table(META).map_err(database)?;
                meta.insert(SCHEMA_KEY, SCHEMA).map_err(database)?;
                let mut table = transaction.open_table(LEASES).map_err(database)?;
                for (address, lease) in leases {
                    let encoded = encode(lease);
                    table
                        .insert(address.to_bits(), encoded.as_slice())
                        .map_err(database)?;
                }
            }
            transaction.commit().map_err(database)?;
            Ok(store)
        })
    }

    /// Opens one that [`Store::create`] made.
    pub(super) fn open(file: impl StorageBackend) -> Result<Self, StoreError> {
        guarded(|| {
            if file.len()? == 0 {
                return Err(StoreError::NoLeases);
            }
            let store = open(file)?;
            let transaction = store.database()?.begin_read().map_err(database)?;
            let meta = match transaction.open_table(META) {
                Ok(meta) => meta,
                Err(redb::TableError::TableDoesNotExist(_)) => return Err(StoreError::NoLeases),
                Err(error) => return Err(database(error)),
            };
            match meta.get(SCHEMA_KEY).map_err(database)? {
                Some(schema) if schema.value() == SCHEMA => {}
                Some(schema) => return Err(StoreError::Newer(schema.value())),
                None => return Err(StoreError::NoLeases),
            }
            drop(meta);
            drop(transaction);
            Ok(store)
        })
    }

    fn database(&self) -> Result<&redb::Database, StoreError> {
        self.database.as_ref().ok_or(StoreError::Damaged)
    }

    /// Every lease; entries that cannot be understood are left out.
    pub(super) fn load(&self) -> Result<Vec<(Ipv4Addr, Stored)>, StoreError> {
        guarded(|| {
            let transaction = self.database()?.begin_read().map_err(database)?;
            let table = transaction.open_table(LEASES).map_err(database)?;
            let mut leases = Vec::new();
            for entry in table.iter().map_err(database)? {
                let (address, lease) = entry.map_err(database)?;
                if let Some(lease) = decode(lease.value()) {
                    leases.push((Ipv4Addr::from_bits(address.value()), lease));
                }
            }
            Ok(leases)
        })
    }

    /// Makes the changes in one transaction, which is durable afterwards. After an error the database cannot be used
    /// any more.
    pub(super) fn write(&self, changes: &[Change]) -> Result<(), StoreError> {
        guarded(|| {
            let transaction = self.database()?.begin_write().map_err(database)?;
            {
                let mut table = transaction.open_table(LEASES).map_err(database)?;
                for (address, lease) in changes {
                    let key = address.to_bits();
                    match lease {
                        Some(lease) => {
                            let encoded = encode(lease);
                            table.insert(key, encoded.as_slice()).map_err(database)?;
                        }
                        None => {
                            table.remove(key).map_err(database)?;
                        }
                    }
                }
            }
            transaction.commit().map_err(database)
        })
    }
}

fn open(file: impl StorageBackend) -> Result<Store, StoreError> {
    let mut builder = redb::Builder::new();
    // The only format that redb 3 and newer read.
    builder.create_with_file_format_v3(true);
    builder.set_cache_size(CACHE);
    let left = Arc::new(AtomicBool::new(false));
    let file = Leavable {
        file,
        left: Arc::clone(&left),
    };
    let opened = builder.create_with_backend(file).map_err(database)?;
    Ok(Store {
        database: Some(opened),
        left,
    })
}

/// redb checks its own invariants by assertions, which a damaged file can fail: that is an error of the file.
fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(Err(StoreError::Damaged))
}

/// The MAC; when it was written, and until when it is kept: seconds since 1970, big-endian.
fn encode(lease: &Stored) -> [u8; 22] {
    let mut bytes = [0; 22];
    let (mac, times) = bytes.split_at_mut(6);
    let (written, until) = times.split_at_mut(8);
    mac.copy_from_slice(&lease.mac.0);
    written.copy_from_slice(&lease.written.to_be_bytes());
    until.copy_from_slice(&lease.until.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Stored> {
    let (mac, rest) = bytes.split_first_chunk::<6>()?;
    let (written, rest) = rest.split_first_chunk::<8>()?;
    Some(Stored {
        mac: Mac(*mac),
        written: u64::from_be_bytes(*written),
        until: u64::from_be_bytes(rest.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_read_as_it_was_written_and_anything_else_is_left_out() {
        let lease = Stored {
            mac: Mac([2, 0, 0, 0, 0, 9]),
            written: 1,
            until: u64::MAX - 1,
        };
        let bytes = encode(&lease);
        assert_eq!(decode(&bytes), Some(lease));
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None);
        }
        assert_eq!(decode(&[7; 23]), None);
    }
}
