//! Uploading the report: at once after a failed attempt, by a process of its own after a good boot.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use netroot_proto::cmdline::{BootPlan, ReportUrl};

use super::http_post::{PostError, post};
use super::{secure_boot, uploader};
use crate::background;
use crate::console::warn;
use crate::identity::is_efi;
use crate::net::address::Address;
use crate::net::resolve::Resolver;

/// A report and where to upload it.
pub(crate) struct Upload {
    pub(super) url: ReportUrl,
    resolver: Resolver,
    text: String,
}

impl Upload {
    /// The upload of this report, if the command line asks for one and the machine has an address.
    pub(super) fn new(plan: &BootPlan, address: Option<&Address>, text: String) -> Option<Self> {
        let url = plan.report.as_ref()?.value.clone();
        let resolver = Resolver::of(address?);
        Some(Self {
            url,
            resolver,
            text,
        })
    }

    /// Uploads it now; returns after `timeout` at the latest.
    pub(super) fn send(&self, timeout: Duration) -> Result<(), PostError> {
        post(&self.url, &self.resolver, &self.text, timeout)
    }

    /// Uploads it from a process of its own. `program` is a copy of this program that outlives the initrd.
    pub(crate) fn send_in_background(&self, program: &str) {
        if let Err(e) = self.spawn(program) {
            warn!("the boot report is not sent to {}: {e}", self.url);
        }
    }

    fn spawn(&self, program: &str) -> io::Result<()> {
        // By the time it logs anything, the console belongs to the root.
        let log = OpenOptions::new().write(true).open("/dev/kmsg");
        let mut command = Command::new(program);
        command
            .arg0(uploader::NAME)
            .arg(self.url.to_string())
            .args(self.resolver.lists())
            .args(is_efi().then_some(secure_boot::READ))
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log.map_or_else(|_| Stdio::null(), Stdio::from));
        let mut child = background::spawn(&mut command)?;
        match child.stdin.take() {
            Some(mut input) => input.write_all(self.text.as_bytes()),
            None => Ok(()),
        }
    }
}
