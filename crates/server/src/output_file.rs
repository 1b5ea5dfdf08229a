//! The file that a command writes: complete, or as it was before.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Writes to a new file beside the output, which replaces it once it is complete: machines may be loading the old one
/// meanwhile. `-` is standard output. `what` names it in errors (`the initrd`).
///
/// # Errors
/// Those of `write`, or the place cannot be written to. The output is then unchanged.
pub(crate) fn write<T>(
    output: &Path,
    what: &str,
    write: impl FnOnce(&mut dyn Write) -> Result<T>,
) -> Result<T> {
    let place = || format!("cannot write {what} to {}", output.display());
    let to = |file: &mut dyn Write| {
        let mut buffered = BufWriter::new(file);
        let written = write(&mut buffered)?;
        buffered.flush().with_context(place)?;
        Ok(written)
    };
    if output == Path::new("-") {
        return to(&mut io::stdout().lock());
    }
    // A pipe or device is written to directly: replacing it with a file would remove it.
    match fs::metadata(output) {
        Ok(there) if there.is_dir() => {
            bail!("{} is a directory: name a file in it", output.display())
        }
        Ok(there) if !there.is_file() => {
            let file = File::options().write(true).open(output);
            return to(&mut file.with_context(place)?);
        }
        _ => {}
    }
    let mut part = tempfile::Builder::new()
        .prefix(".netroot-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder_of(output))
        .with_context(place)?;
    let written = to(part.as_file_mut())?;
    part.persist(output).with_context(place)?;
    Ok(written)
}

/// What has to be writable for it: the folder, or the pipe or device itself.
pub(crate) fn written_to(output: &Path) -> &Path {
    match fs::metadata(output) {
        Ok(there) if !there.is_file() && !there.is_dir() => output,
        _ => folder_of(output),
    }
}

fn folder_of(output: &Path) -> &Path {
    match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
