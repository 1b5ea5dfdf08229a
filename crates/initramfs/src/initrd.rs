//! The image: everything that goes in, streamed through cpio and a compressor.
//!
//! One module is in memory at a time; what is resident beside it is the compressor.

mod compression;
mod kernel_config;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use crate::build_error::BuildError;
pub use compression::{Compression, CompressionOptions};

use compression::Compressor;
use kernel_config::KernelConfig;

use crate::contents::Contents;
use crate::cpio::Archive;
use crate::decompress::unpack;
use crate::firmware;
use crate::kernel::Kernel;
use crate::modinfo;
use crate::module_index::index::{Closure, Index, IndexTexts};
use crate::module_index::write::softdeps_of;
use crate::module_selection::{ModuleSelection, select};
use crate::root_tree::RootTree;

/// No module comes near this, debug sections and all.
const MODULE_LIMIT: u64 = 256 << 20;
/// No text of a module index comes near this (`modules.alias` of a distribution: 1.5 MiB).
const INDEX_LIMIT: u64 = 32 << 20;
/// No file that somebody adds to an initrd should be larger.
const EXTRA_FILE_LIMIT: u64 = 256 << 20;

/// What an image is made from.
#[derive(Debug, Clone, Copy)]
pub struct BuildRequest<'a> {
    /// The root whose machine will boot from the image.
    pub root: &'a RootTree,
    /// The kernel that will unpack it, of that root.
    pub kernel: &'a Kernel,
    /// Which drivers it holds.
    pub modules: &'a ModuleSelection,
    /// What else it holds.
    pub contents: &'a Contents,
    /// The program that becomes `/init`: a static ELF file.
    pub init: &'a [u8],
    /// Seconds since 1970 that every entry carries: 0, or what `SOURCE_DATE_EPOCH` says.
    pub timestamp: u32,
    /// How hard to pack.
    pub compression: CompressionOptions,
    /// The host's `/sys`, for `this-machine`.
    pub sys: &'a Path,
}

/// What is in an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildSummary {
    /// The kernel's version.
    pub version: String,
    /// The modules, by name, sorted.
    pub modules: Vec<String>,
    /// What was asked for and is part of the kernel, by name, sorted.
    pub built_in: Vec<String>,
    /// Modules that the contents call optional and this kernel has not.
    pub absent: Vec<String>,
    /// Names below `/lib/firmware`, sorted.
    pub firmware: Vec<String>,
    /// Firmware that a module names and the root has not: the name, and the module.
    pub missing_firmware: Vec<(String, String)>,
    /// What the archive is packed by.
    pub compression: Compression,
    /// Size of the archive, in bytes.
    pub uncompressed_size: u64,
    /// Size of the image, in bytes.
    pub compressed_size: u64,
}

/// Makes the image and writes it to `output`. What is written is a function of the request's
/// content alone: not of the machine, the time, the number of threads or the order of directories.
///
/// # Errors
/// See [`BuildError`]. What was written until then is no image.
pub fn build(request: &BuildRequest<'_>, output: impl Write) -> Result<BuildSummary, BuildError> {
    check_init(request)?;
    let compression = check_kernel(request)?;
    let mut summary = BuildSummary {
        version: request.kernel.version.clone(),
        compression,
        ..BuildSummary::default()
    };
    let compressor = Compressor::new(compression, request.compression, output)?;
    let mut archive = Archive::new(compressor, request.timestamp);
    archive_contents(&mut archive, request)?;
    if let Some(tree) = &request.kernel.modules {
        archive_modules(&mut archive, request, tree, &mut summary)?;
    }
    let (unpacked, compressor) = archive.finish().map_err(BuildError::Write)?;
    summary.uncompressed_size = unpacked;
    let mut counting = compressor.finish()?;
    counting.output.flush().map_err(BuildError::Write)?;
    summary.compressed_size = counting.length;
    Ok(summary)
}

/// What `contents` lists, and the init.
fn archive_contents<W: Write>(
    archive: &mut Archive<W>,
    request: &BuildRequest<'_>,
) -> Result<(), BuildError> {
    let contents = request.contents;
    let directories: BTreeSet<&str> = contents
        .directories
        .iter()
        .map(|path| inside(path))
        .collect();
    for path in directories {
        archive.directory(path).map_err(BuildError::Write)?;
    }
    for device in &contents.devices {
        archive
            .character_device(
                inside(&device.path),
                device.mode,
                device.major,
                device.minor,
            )
            .map_err(BuildError::Write)?;
    }
    for link in &contents.symlinks {
        archive
            .symlink(inside(&link.path), &link.target)
            .map_err(BuildError::Write)?;
    }
    for file in &contents.files {
        let content = request.root.read(&file.from, EXTRA_FILE_LIMIT)?;
        archive
            .file(inside(&file.path), file.mode, &content)
            .map_err(BuildError::Write)?;
    }
    archive
        .file("init", 0o755, request.init)
        .map_err(BuildError::Write)
}

/// The modules, their index, and their firmware.
fn archive_modules<W: Write>(
    archive: &mut Archive<W>,
    request: &BuildRequest<'_>,
    tree: &str,
    summary: &mut BuildSummary,
) -> Result<(), BuildError> {
    let damaged = |source| BuildError::Index {
        place: request.root.host_path(tree),
        root: request.root.path().to_owned(),
        version: request.kernel.version.clone(),
        source,
    };
    let index = Index::parse(&read_index(request, tree)?).map_err(damaged)?;
    let (modules, contents) = (request.modules, request.contents);
    let selection = select(modules, contents, &index, request.kernel, request.sys)?;
    let closure = index
        .closure(selection.names, |module| companions(contents, module))
        .map_err(damaged)?;

    let place = format!("lib/modules/{}", request.kernel.version);
    archive.directory(&place).map_err(BuildError::Write)?;
    for (name, text) in [
        ("modules.alias", index.image_alias(&closure)),
        ("modules.builtin", index.image_builtin()),
        ("modules.dep", index.image_dep(&closure)),
        (
            "modules.softdep",
            index.image_softdep(&closure, &softdeps_of(contents)),
        ),
    ] {
        archive
            .file(&format!("{place}/{name}"), 0o644, text.as_bytes())
            .map_err(BuildError::Write)?;
    }
    let wanted = archive_module_files(archive, request, tree, &index, &closure)?;
    let found = firmware::find(
        request.root,
        &request.kernel.version,
        &wanted,
        &contents.firmware,
    );
    for (name, file) in &found.files {
        let content = firmware::read(request.root, file)?;
        archive
            .file(&format!("lib/firmware/{name}"), 0o644, &content)
            .map_err(BuildError::Write)?;
    }
    summary.modules = closure.modules.into_iter().collect();
    summary.built_in = closure.built_in.into_iter().collect();
    summary.absent = selection.absent;
    summary.firmware = found.files.into_keys().collect();
    summary.missing_firmware = found.missing;
    Ok(())
}

/// The `.ko` files, by path; and the firmware that they name.
fn archive_module_files<W: Write>(
    archive: &mut Archive<W>,
    request: &BuildRequest<'_>,
    tree: &str,
    index: &Index,
    closure: &Closure,
) -> Result<firmware::Wanted, BuildError> {
    let mut wanted = firmware::Wanted::new();
    for name in &closure.built_in {
        for firmware in index.built_in_firmware(name) {
            wanted.entry(firmware.clone()).or_insert(name.clone());
        }
    }
    let by_path: BTreeMap<&str, (&str, &str)> = closure
        .modules
        .iter()
        .filter_map(|name| index.module(name).map(|module| (name, module)))
        .map(|(name, module)| (module.stem(), (name.as_str(), module.path.as_str())))
        .collect();
    for (stem, (name, path)) in by_path {
        let path = format!("{tree}/{path}");
        let host_path = || request.root.host_path(&path);
        let packed = request.root.read(&path, MODULE_LIMIT)?;
        let module = unpack(packed, MODULE_LIMIT).map_err(|source| BuildError::Unpack {
            path: host_path(),
            source,
        })?;
        if modinfo::elf_machine(&module) != Some(request.kernel.architecture.elf_machine()) {
            return Err(BuildError::NotAModule {
                path: host_path(),
                architecture: request.kernel.architecture,
            });
        }
        for firmware in modinfo::firmware(&module) {
            wanted.entry(firmware).or_insert(name.to_owned());
        }
        let place = format!("lib/modules/{}/{stem}.ko", request.kernel.version);
        archive
            .file(&place, 0o644, &module)
            .map_err(BuildError::Write)?;
    }
    Ok(wanted)
}

fn companions<'a>(contents: &'a Contents, module: &str) -> Vec<&'a str> {
    contents
        .companions
        .iter()
        .filter(|companions| companions.module == module)
        .flat_map(|with| with.pre.iter().chain(&with.post).chain(&with.also))
        .map(String::as_str)
        .collect()
}

fn read_index(request: &BuildRequest<'_>, tree: &str) -> Result<IndexTexts, BuildError> {
    let text = |name: &str| match request.root.read(&format!("{tree}/{name}"), INDEX_LIMIT) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    };
    let Some(dep) = text("modules.dep")? else {
        return Err(BuildError::NoIndex {
            place: request.root.host_path(tree),
            root: request.root.path().to_owned(),
            version: request.kernel.version.clone(),
        });
    };
    Ok(IndexTexts {
        dep,
        alias: text("modules.alias")?.unwrap_or_default(),
        softdep: text("modules.softdep")?.unwrap_or_default(),
        weakdep: text("modules.weakdep")?.unwrap_or_default(),
        builtin: text("modules.builtin")?.unwrap_or_default(),
        builtin_modinfo: text("modules.builtin.modinfo")?.unwrap_or_default(),
    })
}

fn check_init(request: &BuildRequest<'_>) -> Result<(), BuildError> {
    let architecture = request.kernel.architecture;
    let fault = match modinfo::elf_machine(request.init) {
        None => "no 64-bit ELF program",
        Some(machine) if machine != architecture.elf_machine() => "for another machine",
        Some(_) if modinfo::needs_interpreter(request.init) => {
            "dynamically linked (the image has no libraries)"
        }
        Some(_) => return Ok(()),
    };
    Err(BuildError::Init {
        fault,
        version: request.kernel.version.clone(),
        architecture,
    })
}

/// What the image is to be packed by; and that a kernel without a module tree is one that needs none.
fn check_kernel(request: &BuildRequest<'_>) -> Result<Compression, BuildError> {
    let version = &request.kernel.version;
    let config = KernelConfig::read(request.root, request.kernel)?;
    let format = match &config {
        Some(config) => config
            .format()
            .ok_or_else(|| BuildError::KernelCannotUnpack {
                version: version.clone(),
                config: request.root.host_path(&config.path),
            })?,
        None => Compression::known_to(version),
    };
    let without_modules = config.is_some_and(|config| !config.has("CONFIG_MODULES"));
    if request.kernel.modules.is_none() && !without_modules {
        return Err(BuildError::NoModules {
            version: version.clone(),
            place: request.root.host_path(&format!("/lib/modules/{version}")),
        });
    }
    Ok(format)
}

fn inside(path: &str) -> &str {
    path.trim_start_matches('/')
}
