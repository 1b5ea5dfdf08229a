//! Servers that `cargo xtask bench serve` compares netroot with and that no package installs beside the others.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use netroot_harness::paths;

use super::install_step::InstallStep;
use crate::run::run;

/// rs-tftpd's version.
const RS_TFTPD: &str = "1.0.0";

/// What is missing.
pub(super) struct BenchTools {
    rs_tftpd: bool,
    tftpd_hpa: bool,
}

/// Where they are.
pub(crate) fn folder() -> PathBuf {
    paths::cache().join("bench-tools")
}

/// Where the newest dnsmasq is, in a folder of its own.
pub(crate) fn dnsmasq() -> PathBuf {
    folder().join("dnsmasq")
}

pub(super) fn missing() -> Option<BenchTools> {
    let tools = BenchTools {
        rs_tftpd: !folder().join("bin/tftpd").exists(),
        tftpd_hpa: !folder().join("usr/sbin/in.tftpd").exists(),
    };
    (tools.rs_tftpd || tools.tftpd_hpa).then_some(tools)
}

impl BenchTools {
    fn scripts(&self) -> Vec<String> {
        let folder = folder().display().to_string();
        let cargo =
            format!("cargo install tftpd --version {RS_TFTPD} --locked --quiet --root {folder}");
        let unpack = format!(
            "cd {folder} && apt-get download tftpd-hpa && dpkg-deb -x tftpd-hpa_*.deb . && rm tftpd-hpa_*.deb"
        );
        let both = [(self.rs_tftpd, cargo), (self.tftpd_hpa, unpack)];
        let wanted = both.into_iter().filter(|(is_missing, _)| *is_missing);
        wanted.map(|(_, script)| script).collect()
    }
}

impl InstallStep for BenchTools {
    fn plan(&self) -> Vec<String> {
        vec![
            "rs-tftpd and tftpd-hpa in .cache/bench-tools: TFTP servers to compare netroot with; Debian's package of tftpd-hpa \
             excludes atftpd's"
                .to_owned(),
        ]
    }

    fn needs_root(&self) -> bool {
        false
    }

    fn commands(&self) -> Vec<String> {
        self.scripts()
    }

    fn run(&self) -> Result<()> {
        std::fs::create_dir_all(folder())?;
        for script in self.scripts() {
            run(Command::new("sh").args(["-ec", &script]))?;
        }
        Ok(())
    }
}
