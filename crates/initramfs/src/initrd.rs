//! Builds the initrd: everything it contains, streamed through cpio and a compressor.
//!
//! Only one module is in memory at a time, beside the compressor.

mod compression;
mod kernel_config;
mod modular;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use netroot_kmod::module_name;

use crate::build_error::BuildError;
pub use compression::{Compression, CompressionOptions};

use compression::Compressor;
use kernel_config::KernelConfig;

use crate::contents::Contents;
use crate::cpio::Archive;
use crate::decompress::decompress;
use crate::firmware;
use crate::index_files::{read_index, read_order};
use crate::kernel::Kernel;
use crate::modinfo;
use crate::module_index::index::{Closure, Index};
use crate::module_index::write::softdeps_of;
use crate::module_selection::{ModuleSelection, select};
use crate::out_of_tree::{MAX_MODULE_SIZE, ModuleTree, WhyLeftOut, refused_version};
use crate::root_tree::RootTree;

/// The size limit of an additional file, in bytes.
const MAX_EXTRA_FILE_SIZE: u64 = 256 << 20;

/// What an initrd is built from.
#[derive(Debug, Clone, Copy)]
pub struct BuildRequest<'a> {
    /// The root that the machine will boot.
    pub root: &'a RootTree,
    /// The kernel of that root that will unpack the initrd.
    pub kernel: &'a Kernel,
    /// Which modules it contains.
    pub modules: &'a ModuleSelection,
    /// What else it contains.
    pub contents: &'a Contents,
    /// The program that becomes `/init`: a static ELF file.
    pub init: &'a [u8],
    /// The modification time of every entry, in seconds since 1970: 0, or `SOURCE_DATE_EPOCH`.
    pub timestamp: u32,
    /// How to compress it.
    pub compression: CompressionOptions,
    /// The host's `/sys`, for `this-machine`.
    pub sys: &'a Path,
}

/// What a signed module ends with (`MODULE_SIG_STRING`, `include/linux/module_signature.h`). The signature is before it, and
/// stays where it is: modules are archived as they are, once unpacked.
const SIGNED: &[u8] = b"~Module signature appended~\n";

/// What is in an initrd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildSummary {
    /// The kernel's version.
    pub version: String,
    /// The modules, by name, sorted.
    pub modules: Vec<String>,
    /// Requested modules that are built into the kernel, by name, sorted.
    pub built_in: Vec<String>,
    /// Optional modules that this kernel does not have.
    pub absent: Vec<String>,
    /// Modules that are not part of it, although they are drivers that did not come with the kernel: paths below the
    /// module tree, sorted, and why.
    pub left_out: Vec<(String, WhyLeftOut)>,
    /// Modules that are part of it and were built for another kernel, so that this one refuses them: the name, and
    /// that kernel's version.
    pub refused: Vec<(String, String)>,
    /// Modules that are part of it and have no signature, where others have one: a kernel that Secure Boot locks down
    /// refuses them. By name, sorted.
    pub unsigned: Vec<String>,
    /// Whether the kernel has no modules, so that nothing of the selection is part of it.
    pub without_modules: bool,
    /// Names below `/lib/firmware`, sorted.
    pub firmware: Vec<String>,
    /// Firmware that a module asks for and the root does not have: the name, and the module.
    pub missing_firmware: Vec<(String, String)>,
    /// The compression format.
    pub compression: Compression,
    /// Size of the archive, in bytes.
    pub uncompressed_size: u64,
    /// Size of the initrd, in bytes.
    pub compressed_size: u64,
}

/// Builds the initrd and writes it to `output`. The bytes depend on the content of the request only: not on the
/// machine, the time, the number of threads or the order of directory entries.
///
/// # Errors
/// See [`BuildError`]. The output is then incomplete.
pub fn build(request: &BuildRequest<'_>, output: impl Write) -> Result<BuildSummary, BuildError> {
    check_init(request)?;
    let (compression, tree) = check_kernel(request)?;
    let mut summary = BuildSummary {
        version: request.kernel.version.clone(),
        compression,
        without_modules: tree.is_none(),
        ..BuildSummary::default()
    };
    let compressor = Compressor::new(compression, request.compression, output)?;
    let mut archive = Archive::new(compressor, request.timestamp);
    archive_contents(&mut archive, request)?;
    if let Some(tree) = tree {
        archive_modules(&mut archive, request, tree, &mut summary)?;
    }
    let (unpacked, compressor) = archive.finish().map_err(BuildError::Write)?;
    summary.uncompressed_size = unpacked;
    let mut counting = compressor.finish()?;
    counting.output.flush().map_err(BuildError::Write)?;
    summary.compressed_size = counting.length;
    Ok(summary)
}

/// Looks whether the initrd can be built, as far as that is seen without reading every module.
///
/// # Errors
/// See [`BuildError`]: the init, the kernel, and the selection of modules.
pub fn check(request: &BuildRequest<'_>) -> Result<(), BuildError> {
    check_init(request)?;
    let (_, tree) = check_kernel(request)?;
    let Some(tree) = tree else {
        return Ok(());
    };
    let index = read_index(request.root, request.kernel, tree)?;
    let order = read_order(request.root, tree)?;
    let places = ModuleTree::new(request.root, tree, request.kernel, &index, &order);
    select(request.modules, request.contents, &places, request.sys)?;
    Ok(())
}

/// Archives what `contents` lists, and the init.
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
        let content = request.root.read(&file.from, MAX_EXTRA_FILE_SIZE)?;
        archive
            .file(inside(&file.path), file.mode, &content)
            .map_err(BuildError::Write)?;
    }
    archive
        .file("init", 0o755, request.init)
        .map_err(BuildError::Write)
}

/// Archives the modules, their index, and their firmware.
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
    let index = read_index(request.root, request.kernel, tree)?;
    let (modules, contents) = (request.modules, request.contents);
    let order = read_order(request.root, tree)?;
    let places = ModuleTree::new(request.root, tree, request.kernel, &index, &order);
    let selection = select(modules, contents, &places, request.sys)?;
    let closure = index
        .closure(selection.names, |module| companions(contents, module))
        .map_err(damaged)?;

    let place = format!("lib/modules/{}", request.kernel.version);
    archive.directory(&place).map_err(BuildError::Write)?;
    for (name, text) in [
        ("modules.alias", index.initrd_alias(&closure)),
        ("modules.builtin", index.initrd_builtin()),
        ("modules.dep", index.initrd_dep(&closure)),
        (
            "modules.softdep",
            index.initrd_softdep(&closure, &softdeps_of(contents)),
        ),
    ] {
        archive
            .file(&format!("{place}/{name}"), 0o644, text.as_bytes())
            .map_err(BuildError::Write)?;
    }
    let wanted = archive_module_files(archive, request, tree, &index, &closure, summary)?;
    let found = firmware::find(
        request.root,
        &request.kernel.version,
        request.kernel.firmware.as_deref(),
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
    // Another module may depend on one of them.
    summary.left_out = selection.left_out;
    let left_out = |path: &str| {
        !summary
            .modules
            .iter()
            .any(|name| *name == module_name(path))
    };
    summary.left_out.retain(|(path, _)| left_out(path));
    summary.firmware = found.files.into_keys().collect();
    summary.missing_firmware = found.missing;
    Ok(())
}

/// Archives the `.ko` files, sorted by path; returns the firmware that they ask for.
fn archive_module_files<W: Write>(
    archive: &mut Archive<W>,
    request: &BuildRequest<'_>,
    tree: &str,
    index: &Index,
    closure: &Closure,
    summary: &mut BuildSummary,
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
    let mut any_is_signed = false;
    for (stem, (name, path)) in by_path {
        let path = format!("{tree}/{path}");
        let host_path = || request.root.host_path(&path);
        let compressed = match request.root.read(&path, MAX_MODULE_SIZE) {
            Err(error) if error.is_absent() => {
                return Err(BuildError::NoModuleFile {
                    path: host_path(),
                    root: request.root.path().to_owned(),
                    version: request.kernel.version.clone(),
                });
            }
            read => read?,
        };
        let module =
            decompress(compressed, MAX_MODULE_SIZE).map_err(|source| BuildError::Decompress {
                path: host_path(),
                source,
            })?;
        if modinfo::elf_machine(&module) != Some(request.kernel.architecture.elf_machine()) {
            return Err(BuildError::NotAModule {
                path: host_path(),
                architecture: request.kernel.architecture,
            });
        }
        if let Some(version) = refused_version(&module, &request.kernel.version) {
            let refused = (name.to_owned(), version.to_owned());
            summary.refused.push(refused);
        }
        match module.ends_with(SIGNED) {
            true => any_is_signed = true,
            false => summary.unsigned.push(name.to_owned()),
        }
        for firmware in modinfo::firmware(&module) {
            wanted.entry(firmware).or_insert(name.to_owned());
        }
        let place = format!("lib/modules/{}/{stem}.ko", request.kernel.version);
        archive
            .file(&place, 0o644, &module)
            .map_err(BuildError::Write)?;
    }
    // A kernel that signs none asks for no signature.
    if !any_is_signed {
        summary.unsigned.clear();
    }
    summary.unsigned.sort();
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

fn check_init(request: &BuildRequest<'_>) -> Result<(), BuildError> {
    let architecture = request.kernel.architecture;
    let fault = match modinfo::elf_machine(request.init) {
        None => "not a 64-bit ELF program",
        Some(machine) if machine != architecture.elf_machine() => "for another machine",
        Some(_) if modinfo::needs_interpreter(request.init) => {
            "dynamically linked (an initrd has no libraries)"
        }
        Some(_) => return Ok(()),
    };
    Err(BuildError::Init {
        fault,
        version: request.kernel.version.clone(),
        architecture,
    })
}

/// The compression that the kernel supports, and its module tree, if it can load modules.
fn check_kernel<'a>(
    request: &BuildRequest<'a>,
) -> Result<(Compression, Option<&'a str>), BuildError> {
    let version = &request.kernel.version;
    let config = KernelConfig::read(request.root, request.kernel)?;
    let format = match &config {
        Some(config) => config
            .format()
            .ok_or_else(|| BuildError::KernelCannotUnpack {
                version: version.clone(),
                config: request.root.host_path(&config.path),
            })?,
        None => Compression::for_version(version),
    };
    let tree = request.kernel.modules.as_deref();
    let loads_modules = match &config {
        Some(config) => config.has("CONFIG_MODULES"),
        // Without a word about it, a kernel without a module tree is believed to need none.
        None => {
            tree.is_some() || modular::loads_modules(request.root, request.kernel) == Some(true)
        }
    };
    match tree.filter(|_| loads_modules) {
        Some(tree) => Ok((format, Some(tree))),
        None if loads_modules => Err(BuildError::NoModules {
            version: version.clone(),
            place: request.root.host_path(&format!("/lib/modules/{version}")),
        }),
        None => Ok((format, None)),
    }
}

fn inside(path: &str) -> &str {
    path.trim_start_matches('/')
}
