//! Makes directories.
//!
//! Not by `fs::create_dir_all`, which is for paths of any kind: its code is ten times as long, and runs once.

use std::io;

use rustix::fs::{FileType, Mode};
use rustix::io::Errno;

/// Makes a directory, and those above it that are missing. It is no error if it is there already.
///
/// # Errors
/// Those of mkdir(2); `EEXIST` if something else has the name.
pub(crate) fn make(path: &str) -> io::Result<()> {
    match make_in_another(path) {
        Err(Errno::NOENT) => {
            let above = path.rsplit_once('/').map_or("", |(above, _)| above);
            if above.is_empty() {
                return Err(Errno::NOENT.into());
            }
            make(above)?;
            Ok(make_in_another(path)?)
        }
        result => Ok(result?),
    }
}

/// The same, if the one above it is there.
fn make_in_another(path: &str) -> Result<(), Errno> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o777)) {
        // Another thread may have made it meanwhile.
        Err(Errno::EXIST) if is_directory(path) => Ok(()),
        result => result,
    }
}

fn is_directory(path: &str) -> bool {
    rustix::fs::stat(path)
        .is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_above_are_made_and_what_is_no_directory_is_an_error() {
        let folder = std::env::temp_dir().join(format!("netroot-directory-{}", std::process::id()));
        let folder = folder.to_str().unwrap();
        let deep = format!("{folder}/a/b");
        make(&deep).unwrap();
        make(&deep).unwrap();
        assert!(is_directory(&deep));
        let file = format!("{folder}/file");
        std::fs::write(&file, "").unwrap();
        let error = |path: &str| make(path).unwrap_err().raw_os_error();
        assert_eq!(error(&file), Some(Errno::EXIST.raw_os_error()));
        assert_eq!(
            error(&format!("{file}/a")),
            Some(Errno::NOTDIR.raw_os_error())
        );
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_path_in_no_directory_is_an_error() {
        assert_eq!(
            make("").unwrap_err().raw_os_error(),
            Some(Errno::NOENT.raw_os_error())
        );
    }
}
