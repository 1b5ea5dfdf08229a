//! Builds a kernel, once for each recipe.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use netroot_harness::{BareKernel, paths};

use super::configure::{Recipe, nothing_lost};
use super::fragments::{self, Arch};
use crate::run::run;
use crate::setup::{kernel_source, remove};

/// How often the progress is told.
const EVERY: Duration = Duration::from_secs(15);

/// The file that says which kernel a folder was built to its end for.
const STAMP: &str = "recipe";

/// The whole source, unpacked once: 1.5 GB.
///
/// # Errors
/// When it was not fetched, or the disk is full.
pub(crate) fn source() -> Result<PathBuf> {
    let folder = paths::cache().join(format!("linux-{}", kernel_source::version()?));
    if folder.exists() {
        return Ok(folder);
    }
    println!(
        "kernel: unpacking the source to {} (1.5 GB)",
        folder.display()
    );
    // What a run that was killed has left goes first.
    let unfinished = folder.with_file_name("linux.unfinished");
    remove(&unfinished)?;
    std::fs::create_dir_all(&unfinished)
        .with_context(|| format!("create {}", unfinished.display()))?;
    run(Command::new("tar")
        .args(["-x", "--strip-components=1", "-f"])
        .arg(kernel_source::folder().join("source.tar.xz"))
        .arg("-C")
        .arg(&unfinished))?;
    std::fs::rename(&unfinished, &folder)
        .with_context(|| format!("move the source to {}", folder.display()))?;
    Ok(folder)
}

impl Recipe {
    /// The folder of the built kernel. Its name has a hash of everything that the kernel is made of: the source's
    /// version and what the fragments ask for. (Another release of Rust may hash differently, and builds it again.)
    ///
    /// # Errors
    /// When the source was not fetched, or a fragment is missing.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        let mut hasher = DefaultHasher::new();
        kernel_source::version()?.hash(&mut hasher);
        for wanted in fragments::wanted(&self.fragments, self.arch)? {
            (&wanted.symbol, wanted.is_set).hash(&mut hasher);
        }
        self.without.hash(&mut hasher);
        let name = format!(
            "{}-{}-{:016x}",
            self.arch.name(),
            self.base.name(),
            hasher.finish()
        );
        Ok(paths::cache().join("kernels").join(name))
    }

    /// The kernel, if it was built.
    ///
    /// # Errors
    /// As [`Recipe::folder`].
    pub(crate) fn built(&self) -> Result<Option<BareKernel>> {
        let folder = self.folder()?;
        folder
            .exists()
            .then(|| BareKernel::open(&folder))
            .transpose()
    }

    /// Builds the kernel, unless it was built before. `jobs` compilers run at a time.
    ///
    /// # Errors
    /// When a symbol of the fragments is lost or cannot be turned off, or the build fails: with its last words.
    pub(crate) fn build(&self, jobs: usize) -> Result<BareKernel> {
        if let Some(kernel) = self.built()? {
            println!("kernel: {} was built before", kernel.folder().display());
            return Ok(kernel);
        }
        let source = source()?;
        let work = self.work();
        if !self.without.is_empty() {
            // What cannot be turned off is found before anything is compiled.
            self.configure(&source, &paths::target().join("kernels/without"))?;
            self.begin_with_the_whole(&source, &work, jobs)?;
        }
        let image = self.make_image(&source, &work, jobs)?;
        self.keep(&work, &image)
    }

    /// Where it is built. Kept, so that a change of a fragment builds only what it changes.
    fn work(&self) -> PathBuf {
        let name = format!("{}-{}", self.arch.name(), self.base.name());
        paths::target().join("kernels").join(name)
    }

    /// Has `work` hold what the kernel with every symbol is built of, so that one without a symbol compiles only what that
    /// symbol changes, and not what the last one changed. It is copied back, and nothing is built in the copy: the kernel's
    /// own tools would be built anew in a folder with another name, and everything after them.
    fn begin_with_the_whole(&self, source: &Path, work: &Path, jobs: usize) -> Result<()> {
        let whole = Self {
            without: Vec::new(),
            ..self.clone()
        };
        let built = whole.folder()?;
        let copy = work.with_extension("whole");
        if made_of(&copy) != built.display().to_string() {
            if made_of(work) != built.display().to_string() {
                whole.make_image(source, work, jobs)?;
            }
            copy_built(work, &copy)?;
        }
        copy_built(&copy, work)
    }

    fn make_image(&self, source: &Path, work: &Path, jobs: usize) -> Result<PathBuf> {
        remove_stamp(work)?;
        let lost = self.configure(source, work)?;
        nothing_lost(self, &lost)?;
        let image = self.compile(source, work, jobs)?;
        let stamp = work.join(STAMP);
        std::fs::write(&stamp, self.folder()?.display().to_string())
            .with_context(|| format!("write {}", stamp.display()))?;
        Ok(image)
    }

    fn compile(&self, source: &Path, work: &Path, jobs: usize) -> Result<PathBuf> {
        let log = work.join("build.log");
        let mut file =
            std::fs::File::create(&log).with_context(|| format!("create {}", log.display()))?;
        println!(
            "kernel: building {} for {} with {jobs} compilers at a time; the log is {}",
            self.base.name(),
            self.arch.name(),
            log.display()
        );
        let (target, image) = match self.arch {
            Arch::X86_64 => ("bzImage", "arch/x86/boot/bzImage"),
            Arch::Arm64 => ("Image.gz", "arch/arm64/boot/Image.gz"),
        };
        let start = Instant::now();
        let mut make = self
            .make(source, work)
            .arg(format!("-j{jobs}"))
            .arg(target)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file.try_clone()?)
            .spawn()
            .context("start make")?;
        let lines = make.stdout.take().context("make's output")?;
        let (mut done, mut told) = (0_u32, start);
        for line in BufReader::new(lines).lines() {
            let line = line.context("read make's output")?;
            writeln!(file, "{line}")?;
            done += u32::from(line.starts_with("  CC ") || line.starts_with("  AS "));
            if told.elapsed() >= EVERY {
                told = Instant::now();
                let seconds = start.elapsed().as_secs();
                println!(
                    "kernel: {done} files compiled after {seconds} s: {}",
                    line.trim()
                );
            }
        }
        let status = make.wait().context("wait for make")?;
        if !status.success() {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let last = lines
                .get(lines.len().saturating_sub(20)..)
                .unwrap_or_default();
            bail!(
                "the kernel does not build ({status}):\n{}\nall of it: {}",
                last.join("\n"),
                log.display()
            );
        }
        println!(
            "kernel: {done} files compiled in {} s",
            start.elapsed().as_secs()
        );
        Ok(work.join(image))
    }

    /// Copies what is kept to the cache, whole or not at all.
    fn keep(&self, work: &Path, image: &Path) -> Result<BareKernel> {
        let folder = self.folder()?;
        let unfinished = folder.with_extension("unfinished");
        remove(&unfinished)?;
        std::fs::create_dir_all(&unfinished)
            .with_context(|| format!("create {}", unfinished.display()))?;
        for (from, name) in [
            (image, BareKernel::IMAGE),
            (&work.join(".config"), BareKernel::CONFIG),
            (
                &work.join("include/config/kernel.release"),
                BareKernel::RELEASE,
            ),
        ] {
            std::fs::copy(from, unfinished.join(name))
                .with_context(|| format!("copy {}", from.display()))?;
        }
        std::fs::rename(&unfinished, &folder)
            .with_context(|| format!("move the kernel to {}", folder.display()))?;
        let kernel = BareKernel::open(&folder)?;
        ensure!(kernel.size()? > 0, "{} is empty", folder.display());
        Ok(kernel)
    }
}

/// The folder of the kernel that was built here last; empty if none was, or one was begun since.
fn made_of(work: &Path) -> String {
    std::fs::read_to_string(work.join(STAMP)).unwrap_or_default()
}

/// Copies what a kernel was built in over what is at `to`, with its times, by which make knows what is up to date. Wherever
/// this is interrupted, no folder with a part of its files has the [`STAMP`] of a kernel that was built to its end.
fn copy_built(from: &Path, to: &Path) -> Result<()> {
    let unfinished = to.with_extension("unfinished");
    remove(&unfinished)?;
    run(Command::new("cp").arg("-a").arg(from).arg(&unfinished))?;
    remove_stamp(to)?;
    remove(to)?;
    std::fs::rename(&unfinished, to)
        .with_context(|| format!("move the copy of {} to {}", from.display(), to.display()))
}

fn remove_stamp(work: &Path) -> Result<()> {
    let stamp = work.join(STAMP);
    if stamp.exists() {
        std::fs::remove_file(&stamp).with_context(|| format!("remove {}", stamp.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_was_interrupted_is_no_part_of_the_next_one() {
        let folder = paths::target().join(format!("tmp/copy-built-{}", std::process::id()));
        let (from, to) = (folder.join("from"), folder.join("to"));
        let unfinished = folder.join("to.unfinished");
        for (place, stamp) in [(&from, "new"), (&to, "old"), (&unfinished, "interrupted")] {
            std::fs::create_dir_all(place).unwrap();
            std::fs::write(place.join(STAMP), stamp).unwrap();
            std::fs::write(place.join(stamp), "").unwrap();
        }
        copy_built(&from, &to).unwrap();
        assert_eq!(made_of(&to), "new");
        assert!(to.join("new").exists());
        assert!(!to.join("old").exists() && !to.join("interrupted").exists());
        assert!(!unfinished.exists());
        std::fs::remove_dir_all(&from).unwrap();
        // What cannot be copied replaces nothing.
        copy_built(&from, &to).unwrap_err();
        assert_eq!(made_of(&to), "new");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
