//! Firmware, and the files that it is.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::variable_store::{self, Variable};
use crate::paths;
use crate::processor::Processor;

/// A machine's firmware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS.
    #[default]
    Bios,
    /// edk2 (OVMF, AAVMF), with a variable store of its own for each machine.
    Uefi,
    /// The same without PXE, so that it tries HTTP boot at once.
    UefiHttp,
    /// edk2 with Microsoft's keys, and with Secure Boot on: it starts only what they, or what they have signed, signed.
    SecureBoot,
    /// The same without PXE, so that it tries HTTP boot at once.
    SecureBootHttp,
}

impl Firmware {
    /// Whether it starts only what is signed.
    fn is_secure(self) -> bool {
        matches!(self, Self::SecureBoot | Self::SecureBootHttp)
    }

    /// Whether it leaves out PXE.
    pub(super) fn is_http(self) -> bool {
        matches!(self, Self::UefiHttp | Self::SecureBootHttp)
    }

    /// QEMU's arguments for it: its code, and a fresh copy of its variable store with these `changes`, which is written to `own`.
    ///
    /// # Errors
    /// It is not installed, there is none such for this processor, or the copy cannot be written.
    pub(super) fn flash(
        self,
        processor: Processor,
        changes: &[(Variable, Vec<u8>)],
        own: &Path,
    ) -> Result<Vec<String>> {
        let Some((code, variables)) = self.edk2(processor)? else {
            return Ok(Vec::new());
        };
        let mut store =
            fs::read(&variables).with_context(|| format!("read {}", variables.display()))?;
        for (variable, data) in changes {
            variable_store::write(&mut store, *variable, data)
                .with_context(|| format!("change {}", variables.display()))?;
        }
        write_sparse(&store, own).with_context(|| format!("write {}", own.display()))?;
        let drive = |unit: u8, more: &str, file: &Path| {
            let file = file.display();
            format!("if=pflash,format=raw,unit={unit},{more}file={file}")
        };
        let mut flash = Vec::new();
        // An aarch64 machine has no such mode: its kernel could write to the store, and does not.
        if self.is_secure() && processor == Processor::X86_64 {
            for setting in [
                // Only system management mode may write to its variables.
                ["-machine", "smm=on"],
                ["-global", "driver=cfi.pflash01,property=secure,value=on"],
                // Waking from S3 would take a driver that this machine has not.
                ["-global", "driver=ICH9-LPC,property=disable_s3,value=1"],
            ] {
                flash.extend(setting.map(str::to_owned));
            }
        }
        flash.extend([
            "-drive".into(),
            drive(0, "readonly=on,", &code),
            "-drive".into(),
            drive(1, "", own),
        ]);
        Ok(flash)
    }

    /// The files of edk2: its code, and a variable store that nothing was written to since it was made.
    pub(super) fn edk2(self, processor: Processor) -> Result<Option<(PathBuf, PathBuf)>> {
        let (folder, files, source): (PathBuf, &[(&str, &str)], _) = match (processor, self) {
            (_, Self::Bios) => return Ok(None),
            (Processor::X86_64, Self::SecureBoot | Self::SecureBootHttp) => (
                "/usr/share/OVMF".into(),
                &[
                    ("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd"),
                    ("OVMF_CODE.secboot.fd", "OVMF_VARS.ms.fd"),
                ],
                "install the package ovmf, or run `cargo xtask setup`",
            ),
            // Debian 12's package has no variable store with Microsoft's keys.
            (Processor::Aarch64, Self::SecureBoot | Self::SecureBootHttp) => (
                paths::signed_loaders().join("firmware"),
                &[("AAVMF_CODE.secboot.fd", "AAVMF_VARS.ms.fd")],
                "run `cargo xtask setup --signed-loaders-only`",
            ),
            (Processor::X86_64, _) => (
                "/usr/share/OVMF".into(),
                // The 4 MiB build if the distribution has one.
                &[
                    ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
                    ("OVMF_CODE.fd", "OVMF_VARS.fd"),
                ],
                "install the package ovmf, or run `cargo xtask setup`",
            ),
            (Processor::Aarch64, _) => (
                "/usr/share/AAVMF".into(),
                &[("AAVMF_CODE.fd", "AAVMF_VARS.fd")],
                "install the package qemu-efi-aarch64, or run `cargo xtask setup`",
            ),
        };
        let mut files = files
            .iter()
            .map(|(code, variables)| (folder.join(code), folder.join(variables)));
        let found = files.find(|(code, variables)| code.exists() && variables.exists());
        found
            .map(Some)
            .with_context(|| format!("no firmware in {}: {source}", folder.display()))
    }
}

/// Writes a file without its zeros: AAVMF's variable store has 64 MiB, and less than one of content.
fn write_sparse(content: &[u8], to: &Path) -> io::Result<()> {
    let mut to = File::create(to)?;
    for piece in content.chunks(64 * 1024) {
        if piece.iter().all(|byte| *byte == 0) {
            to.seek_relative(i64::try_from(piece.len()).unwrap_or_default())?;
        } else {
            to.write_all(piece)?;
        }
    }
    to.set_len(u64::try_from(content.len()).unwrap_or_default())
}
