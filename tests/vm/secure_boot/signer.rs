//! Somebody who signs EFI binaries, and whom firmware and shim do not know unless a test tells them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use netroot_harness::{SignatureLists, with_signatures};

/// The name in the certificate.
pub(super) const NAME: &str = "Nobody's Own Key";

pub(super) struct Signer(tempfile::TempDir);

impl Signer {
    pub(super) fn new() -> Result<Self> {
        let signer = Self(tempfile::tempdir()?);
        let subject = format!("/CN={NAME}/");
        signer.run(&[
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "36500",
            "-subj",
            &subject,
            "-keyout",
            "key.pem",
            "-out",
            "certificate.pem",
        ])?;
        signer.convert()?;
        Ok(signer)
    }

    fn convert(&self) -> Result<()> {
        self.run(&[
            "openssl",
            "x509",
            "-outform",
            "DER",
            "-in",
            "certificate.pem",
            "-out",
            "certificate.der",
        ])
    }

    /// The one with this key and this certificate, in PEM.
    pub(super) fn of(key: &Path, certificate: &Path) -> Result<Self> {
        let signer = Self(tempfile::tempdir()?);
        for (from, to) in [(key, "key.pem"), (certificate, "certificate.pem")] {
            let copied = std::fs::copy(from, signer.0.path().join(to));
            copied.with_context(|| format!("copy {}", from.display()))?;
        }
        signer.convert()?;
        Ok(signer)
    }

    /// The certificate, in DER.
    pub(super) fn certificate(&self) -> Result<Vec<u8>> {
        Ok(std::fs::read(self.0.path().join("certificate.der"))?)
    }

    /// What firmware has in `db` that trusts this signer alone.
    pub(super) fn db(&self) -> Result<SignatureLists> {
        Ok(SignatureLists::default().certificate(&self.certificate()?))
    }

    /// Signs a file that nobody has signed.
    pub(super) fn sign(&self, file: &Path) -> Result<()> {
        let name = file.display().to_string();
        self.run(&[
            "sbsign",
            "--key",
            "key.pem",
            "--cert",
            "certificate.pem",
            "--output",
            &name,
            &name,
        ])
    }

    fn run(&self, argv: &[&str]) -> Result<()> {
        run(argv, self.0.path())
    }
}

/// Takes all signatures away from a file.
pub(super) fn unsign(file: &Path) -> Result<()> {
    let unsigned = with_signatures(std::fs::read(file)?, |_| false)?;
    // The root has it by a hard link, which others share.
    std::fs::remove_file(file)?;
    std::fs::write(file, unsigned)?;
    Ok(())
}

fn run(argv: &[&str], folder: &Path) -> Result<()> {
    let (program, arguments) = argv.split_first().context("a program")?;
    let mut command = Command::new(program);
    let done = command.args(arguments).current_dir(folder).output();
    let done = done.with_context(|| format!("start {program}"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{argv:?}: {said}");
    Ok(())
}
