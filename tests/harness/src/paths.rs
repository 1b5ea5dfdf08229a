//! Paths: the work tree, the cache, built programs, logs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::processor::Processor;

/// The top of the work tree.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The directory for what survives `cargo clean`, such as the Debian root. Git ignores it.
pub fn cache() -> PathBuf {
    let cache = workspace().join(".cache");
    // It may be a link to another work tree's, and NFS-Ganesha exports no path with a link in it.
    cache.canonicalize().unwrap_or(cache)
}

/// Cargo's output folder.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// The Debian root that `cargo xtask setup` makes, or the one that `NETROOT_DEBIAN_ROOT` names: the same with another
/// kernel.
pub fn debian_root() -> PathBuf {
    debian_root_for(Processor::X86_64)
}

/// The Debian root of machines with this processor.
pub fn debian_root_for(processor: Processor) -> PathBuf {
    match processor {
        Processor::X86_64 => std::env::var_os("NETROOT_DEBIAN_ROOT")
            .map_or_else(|| cache().join("debian-bookworm"), PathBuf::from),
        Processor::Aarch64 => cache().join("debian-bookworm-arm64"),
    }
}

/// iPXE for machines with every processor: that of the distribution, and for aarch64 the newest Debian's.
pub fn ipxe() -> PathBuf {
    cache().join("ipxe")
}

/// Network managers, servers and signed boot loaders for the Debian root, as an overlay layer. `cargo xtask
/// test` makes it.
pub fn tests_layer() -> PathBuf {
    cache().join("debian-bookworm-tests")
}

/// Programs of Debian 13 with their libraries, as they are in their packages: a root with systemd 257, and the parts of
/// roots in the shape of other distributions. `cargo xtask test` unpacks them.
pub fn trixie() -> PathBuf {
    cache().join("debian-trixie")
}

/// Boot loaders for machines with Secure Boot, of Debian 13 and later: a folder for each processor, iPXE, and firmware for
/// arm64. `cargo xtask test` unpacks them.
pub fn signed_loaders() -> PathBuf {
    cache().join("signed-loaders")
}

/// A shim that starts iPXE, and the key of who signs iPXE for it. `cargo xtask test` builds it.
pub fn ipxe_shim() -> PathBuf {
    cache().join("ipxe-shim")
}

/// The boot server as `cargo xtask` builds it.
///
/// # Errors
/// When it is not built.
pub fn netroot() -> Result<PathBuf> {
    built("release/netroot")
}

/// Whether [`netroot`] is the release build, as `cargo xtask` builds it: in its place may be a link to a debug build,
/// which is built sooner.
///
/// # Errors
/// When it is not built.
pub fn netroot_is_optimised() -> Result<bool> {
    let program = netroot()?.canonicalize().context("the boot server")?;
    Ok(program
        .parent()
        .is_some_and(|folder| folder.ends_with("release")))
}

/// The Debian package of the boot server, as `cargo xtask package` makes it.
///
/// # Errors
/// When it is not made, or there are several.
pub fn package() -> Result<PathBuf> {
    package_for(Processor::X86_64)
}

/// The same for machines with this processor.
///
/// # Errors
/// As [`package`].
pub fn package_for(processor: Processor) -> Result<PathBuf> {
    let folder = target().join(match processor {
        Processor::X86_64 => "package",
        Processor::Aarch64 => "package-arm64",
    });
    let files = std::fs::read_dir(&folder);
    let mut packages = files
        .into_iter()
        .flatten()
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|file| file.extension().is_some_and(|extension| extension == "deb"));
    match (packages.next(), packages.next()) {
        (Some(package), None) => Ok(package),
        _ => bail!(
            "there is no package in {}: make it with `cargo xtask package`",
            folder.display()
        ),
    }
}

/// The tiny root's only program.
///
/// # Errors
/// When it is not built.
pub fn facts() -> Result<PathBuf> {
    facts_for(Processor::X86_64)
}

/// The same for machines with this processor.
///
/// # Errors
/// When it is not built.
pub fn facts_for(processor: Processor) -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-musl", processor.name());
    built(&format!("{target}/init/netroot-facts"))
}

/// The `/init` that is given every answer.
///
/// # Errors
/// When it is not built.
pub fn baseline_init() -> Result<PathBuf> {
    built("x86_64-unknown-linux-musl/init/baseline-init")
}

fn built(name: &str) -> Result<PathBuf> {
    let path = target().join(name);
    if !path.exists() {
        bail!(
            "{} is not built: run these tests with `cargo xtask test`",
            path.display()
        );
    }
    Ok(path)
}

/// The version and the path of the newest kernel in the cached Debian root.
///
/// # Errors
/// When the root does not exist or contains no kernel.
pub fn debian_kernel() -> Result<(String, PathBuf)> {
    debian_kernel_for(Processor::X86_64)
}

/// The same in the root of machines with this processor.
///
/// # Errors
/// As [`debian_kernel`].
pub fn debian_kernel_for(processor: Processor) -> Result<(String, PathBuf)> {
    let boot = debian_root_for(processor).join("boot");
    let names = std::fs::read_dir(&boot).with_context(|| {
        format!(
            "read {}: the Debian root is missing; `cargo xtask setup` makes it",
            boot.display()
        )
    })?;
    names
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_prefix("vmlinuz-").map(str::to_owned))
        .max()
        .map(|version| (version.clone(), boot.join(format!("vmlinuz-{version}"))))
        .with_context(|| format!("{} contains no vmlinuz-*", boot.display()))
}

/// The directory for all logs, or the one that `NETROOT_LOGS` names: the same test with another kernel has others.
pub fn all_logs() -> PathBuf {
    std::env::var_os("NETROOT_LOGS").map_or_else(|| target().join("netroot-logs"), PathBuf::from)
}

/// An empty directory for the logs of the test or run `name`; the last run's are removed.
///
/// # Errors
/// When it cannot be made.
pub fn logs(name: &str) -> Result<PathBuf> {
    let path = all_logs().join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path)
            .with_context(|| format!("remove the last run's {}", path.display()))?;
    }
    std::fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
    Ok(path)
}
