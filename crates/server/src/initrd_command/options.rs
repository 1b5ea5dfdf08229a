//! What an initrd is made of, as the options of a command say.

use std::borrow::Cow;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use netroot_initramfs::{
    Architecture, BuildRequest, CompressionOptions, Contents, Kernel, ModuleSelection, RootTree,
    choose_kernel,
};

use crate::embedded_init;
use crate::live_folder;

/// The options of every command that builds an initrd.
#[derive(Debug, Clone, Args)]
pub(crate) struct InitrdOptions {
    /// The kernel: a version, a file by its name or its path in the root, or @42 for that of a generation of Guix System or NixOS [default: the newest that has modules].
    #[arg(long, value_name = "VERSION|PATH")]
    pub(crate) kernel: Option<String>,

    /// `netboot` (all wired NICs), `this-machine`, a card such as `pci:8086:10d3`, names such as `virtio_net,e1000e`, or any
    /// combination.
    #[arg(long, value_name = "LIST", default_value = "netboot")]
    pub(crate) modules: String,

    /// The program that becomes /init [default: the one built into netroot].
    #[arg(long, value_name = "FILE")]
    pub(crate) init: Option<PathBuf>,

    /// What else the initrd contains, and what `netboot` means [default: initrd/contents.toml, built in].
    #[arg(long, value_name = "FILE")]
    pub(crate) contents: Option<PathBuf>,

    /// The level of zstd: 19 takes ten times as long as 12 and is a tenth smaller. (For kernels before 5.9, which have
    /// no zstd, gzip is used with a level of at most 9.)
    #[arg(long, value_name = "1-19", default_value_t = CompressionOptions::default().level,
          value_parser = clap::value_parser!(i32).range(1..=19))]
    pub(crate) level: i32,
}

/// What an initrd is made of, found and read.
pub(crate) struct InitrdParts {
    /// The root.
    pub(crate) root: RootTree,
    /// Its kernel.
    pub(crate) kernel: Kernel,
    modules: ModuleSelection,
    contents: Contents,
    init: Cow<'static, [u8]>,
    timestamp: u32,
    level: i32,
}

impl InitrdOptions {
    /// The files and folders, beside the root, that have to be read for it.
    pub(crate) fn reads(&self) -> Vec<PathBuf> {
        let given = [self.init.as_ref(), self.contents.as_ref()];
        let mut read: Vec<PathBuf> = given.into_iter().flatten().cloned().collect();
        if self.modules.contains("this-machine") {
            read.push("/sys".into());
        }
        read
    }

    /// Finds and reads everything.
    ///
    /// # Errors
    /// Names what is missing.
    pub(crate) fn parts(&self, directory: &Path) -> Result<InitrdParts> {
        let root = RootTree::open(directory)?;
        live_folder::refuse(&root, directory)?;
        let kernel = choose_kernel(&root, self.kernel.as_deref())?;
        let contents = match &self.contents {
            Some(file) => Contents::read(file)?,
            None => Contents::built_in()?,
        };
        let init = match &self.init {
            Some(file) => fs::read(file)
                .with_context(|| format!("cannot read the init {}", file.display()))?
                .into(),
            None => embedded_init_for(&kernel)?.into(),
        };
        Ok(InitrdParts {
            root,
            kernel,
            modules: self.modules.parse()?,
            contents,
            init,
            timestamp: timestamp(env::var("SOURCE_DATE_EPOCH").ok())?,
            level: self.level,
        })
    }
}

impl InitrdParts {
    /// The same for who builds it.
    pub(crate) fn request(&self) -> BuildRequest<'_> {
        BuildRequest {
            root: &self.root,
            kernel: &self.kernel,
            modules: &self.modules,
            contents: &self.contents,
            init: &self.init,
            timestamp: self.timestamp,
            compression: CompressionOptions {
                level: self.level,
                ..CompressionOptions::default()
            },
            sys: Path::new("/sys"),
        }
    }
}

fn embedded_init_for(kernel: &Kernel) -> Result<&'static [u8]> {
    let architecture = kernel.architecture;
    embedded_init::for_architecture(architecture).ok_or_else(|| {
        let variable = match architecture {
            Architecture::X86_64 => "NETROOT_INIT_X86_64",
            Architecture::Aarch64 => "NETROOT_INIT_AARCH64",
        };
        anyhow!(
            "the kernel {} is for {architecture}, and this netroot has no init for that: \
             build netroot with {variable}=build, or give one with --init FILE",
            kernel.version
        )
    })
}

/// <https://reproducible-builds.org/specs/source-date-epoch/>: seconds since 1970, in decimal.
/// cpio has 32 bits for it.
fn timestamp(variable: Option<String>) -> Result<u32> {
    match variable {
        None => Ok(0),
        Some(text) => text.parse().with_context(|| {
            format!("SOURCE_DATE_EPOCH={text:?} is not a number of seconds below 2^32")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timestamp_is_source_date_epoch_or_zero() {
        assert_eq!(timestamp(None).unwrap(), 0);
        assert_eq!(timestamp(Some("1700000000".into())).unwrap(), 1_700_000_000);
        let error = timestamp(Some("yesterday".into())).unwrap_err().to_string();
        assert!(error.contains("SOURCE_DATE_EPOCH=\"yesterday\""), "{error}");
    }
}
