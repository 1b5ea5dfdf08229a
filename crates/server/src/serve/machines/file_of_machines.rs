//! A file in the state folder that has something for each machine, by its hardware address, as JSON with mode 0600.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use netroot_net::Mac;
use rustix::fs::OFlags;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest file that is read, in bytes; that of every machine is shorter.
const LONGEST: u64 = 16 << 20;

/// Reads it.
///
/// # Errors
/// The system's; it is no such file.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<BTreeMap<Mac, T>> {
    let mut options = OpenOptions::new();
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = options
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return Err(io::Error::other("it is not a file, or too long"));
    }
    let by_text: BTreeMap<String, T> = serde_json::from_reader(io::BufReader::new(file))?;
    let machine = |(mac, one): (String, T)| {
        let mac = mac.parse::<Mac>().map_err(io::Error::other)?;
        Ok((mac, one))
    };
    by_text.into_iter().map(machine).collect()
}

/// Reads it at the start: nothing where there is no file. One that cannot be read is set aside, since the next change would
/// overwrite it; where it is then, and why, is returned with nothing.
pub(super) fn open<T: DeserializeOwned>(
    path: &Path,
) -> (BTreeMap<Mac, T>, Option<(PathBuf, io::Error)>) {
    match read(path) {
        Ok(all) => (all, None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (BTreeMap::new(), None),
        Err(error) => {
            let aside = path.with_extension("json.unreadable");
            let file = fs::rename(path, &aside).map_or(path.to_owned(), |()| aside);
            (BTreeMap::new(), Some((file, error)))
        }
    }
}

/// Exchanges it as a whole: it is written beside itself, made durable, and renamed.
///
/// # Errors
/// The system's.
pub(super) fn write<T: Serialize>(path: &Path, all: &BTreeMap<Mac, T>) -> io::Result<()> {
    let by_text = all.iter().map(|(mac, it)| (mac.to_string(), it));
    let by_text: BTreeMap<String, &T> = by_text.collect();
    let mut text = serde_json::to_vec_pretty(&by_text)?;
    text.push(b'\n');
    let new = path.with_extension("json.new");
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.custom_flags(flags).open(&new)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
