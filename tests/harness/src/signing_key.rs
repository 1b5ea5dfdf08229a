//! A key of Secure Boot, made for a test.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A private key with its certificate, in files.
#[derive(Debug)]
pub struct SigningKey {
    /// The private key, as PEM.
    pub key: PathBuf,
    /// Its certificate, as PEM.
    pub certificate: PathBuf,
}

impl SigningKey {
    /// Makes `NAME.key` and `NAME.pem` in `folder`.
    ///
    /// # Errors
    /// When openssl is missing, or the disk is full.
    pub fn make(folder: &Path, name: &str) -> Result<Self> {
        let [key, certificate] = ["key", "pem"].map(|end| folder.join(format!("{name}.{end}")));
        let made = Command::new("openssl")
            .args(["req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes"])
            .args(["-days", "30", "-subj", &format!("/CN={name}"), "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .context("start openssl: is its package installed?")?;
        ensure!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        Ok(Self { key, certificate })
    }

    /// The certificate in DER, as firmware has it in `db`.
    ///
    /// # Errors
    /// When openssl fails.
    pub fn der(&self) -> Result<Vec<u8>> {
        let converted = Command::new("openssl")
            .args(["x509", "-outform", "DER", "-in"])
            .arg(&self.certificate)
            .output()
            .context("start openssl")?;
        ensure!(
            converted.status.success(),
            "{}",
            String::from_utf8_lossy(&converted.stderr)
        );
        Ok(converted.stdout)
    }
}
