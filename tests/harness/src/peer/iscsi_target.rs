//! An iSCSI target: Linux's tgt, which needs no module of the kernel.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::net::Net;
use crate::program::Program;

/// How long it may take to answer.
const STARTING: Duration = Duration::from_secs(120);

/// A running target with one disk.
#[derive(Debug)]
pub struct IscsiTarget {
    /// Ends with this value.
    _program: Program,
}

impl IscsiTarget {
    /// Its name.
    pub const NAME: &str = "iqn.2026-11.org.example:disk";
    /// The number of its disk: tgt itself is the unit 0.
    pub const UNIT: u32 = 1;

    /// Gives this image of a disk to everybody, at every address of the network.
    ///
    /// # Errors
    /// When it does not start, or does not take the image.
    pub fn start(net: &Net, disk: &Path) -> Result<Self> {
        net.run(&["mkdir", "-p", "/run/tgtd"])?;
        let program = net.spawn(&["tgtd", "--foreground"])?;
        let target = Self { _program: program };
        let until = Instant::now() + STARTING;
        let new = [
            "--op",
            "new",
            "--mode",
            "target",
            "--tid",
            "1",
            "--targetname",
            Self::NAME,
        ];
        // It does not say when it listens to this command.
        while let Err(error) = administer(net, &new) {
            ensure!(Instant::now() < until, "{error:#}");
            std::thread::sleep(Duration::from_millis(100));
        }
        let (unit, disk) = (Self::UNIT.to_string(), disk.display().to_string());
        let add = [
            "--op",
            "new",
            "--mode",
            "logicalunit",
            "--tid",
            "1",
            "--lun",
            &unit,
            "-b",
            &disk,
        ];
        administer(net, &add)?;
        administer(
            net,
            &[
                "--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL",
            ],
        )?;
        Ok(target)
    }

    /// As iPXE names its disk, at this address.
    #[must_use]
    pub fn url(address: &str) -> String {
        format!("iscsi:{address}:::{}:{}", Self::UNIT, Self::NAME)
    }
}

fn administer(net: &Net, arguments: &[&str]) -> Result<String> {
    net.run(&[&["tgtadm", "--lld", "iscsi"], arguments].concat())
}
