//! Which version a peer is of, as it tells itself.

use std::process::{Command, Stdio};

use crate::setup::bench_tools;

/// What heads a server's column: its name with its version, where it tells one.
pub(super) fn heading(name: &str) -> String {
    let version = match name {
        "rs-tftpd" => said(bench_tools::folder().join("bin/tftpd"), "--version"),
        "dnsmasq" => said(bench_tools::dnsmasq().join("bin/dnsmasq"), "--version"),
        "atftpd" => said("atftpd", "--version"),
        "tftpd-hpa" => said(bench_tools::folder().join("usr/sbin/in.tftpd"), "-V"),
        "nginx" => said("nginx", "-v"),
        "kea" => said("kea-dhcp4", "-v"),
        _ => None,
    };
    match version {
        Some(version) => format!("{name} {version}"),
        None => name.to_owned(),
    }
}

fn said(program: impl AsRef<std::ffi::OsStr>, option: &str) -> Option<String> {
    let mut command = Command::new(program);
    let done = command.arg(option).stdin(Stdio::null()).output().ok()?;
    // nginx tells it as an error.
    let text = [done.stdout, done.stderr].concat();
    version(&String::from_utf8_lossy(&text)).map(str::to_owned)
}

/// The first number with a point: `2.90` of "Dnsmasq version 2.90", `1.22.1` of "nginx/1.22.1".
fn version(text: &str) -> Option<&str> {
    let mut words = text.split(|it: char| it.is_whitespace() || "/-,".contains(it));
    words.find(|word| word.starts_with(|it: char| it.is_ascii_digit()) && word.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peers_way_to_tell_its_version_is_read() {
        for (said, expected) in [
            ("Dnsmasq version 2.90  Copyright (c) 2000-2024", "2.90"),
            ("2.2.0\n", "2.2.0"),
            ("atftp-0.8.0 (server)\n", "0.8.0"),
            ("tftp-hpa 5.2, with remap", "5.2"),
            ("rs-tftp server version 1.0.0", "1.0.0"),
            ("nginx version: nginx/1.22.1\n", "1.22.1"),
        ] {
            assert_eq!(version(said), Some(expected));
        }
        assert_eq!(version("usage: tftpd [-4]"), None);
    }
}
