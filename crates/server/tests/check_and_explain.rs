//! `netroot check-kernel` and `netroot explain`, as programs: what they print and how they end.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn netroot(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_netroot"))
        .args(arguments)
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn debian() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/check_kernel/configurations/debian-12-amd64.config")
}

#[test]
fn a_kernel_that_boots_ends_with_success() {
    let output = netroot(&["check-kernel", debian().to_str().unwrap()]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(
        out(&output).ends_with("This kernel can boot from NFS.\n"),
        "{}",
        out(&output)
    );
}

#[test]
fn a_kernel_that_does_not_boot_ends_with_one_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config-without-nfs");
    let config = std::fs::read_to_string(debian()).unwrap();
    std::fs::write(
        &file,
        config.replace("CONFIG_NFS_FS=m", "# CONFIG_NFS_FS is not set"),
    )
    .unwrap();
    let output = netroot(&["check-kernel", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("NFS_FS is missing: the root cannot be mounted"));
}

#[test]
fn json_is_one_object() {
    let output = netroot(&["check-kernel", "--json", debian().to_str().unwrap()]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["boots"], true);
}

#[test]
fn a_file_that_is_no_configuration_is_an_error_that_names_it() {
    let output = netroot(&["check-kernel", "/etc/passwd"]);
    assert_eq!(
        (output.status.success(), out(&output)),
        (false, String::new())
    );
    let text = err(&output);
    assert!(
        text.contains("/etc/passwd") && text.contains("line 1: expected CONFIG_NAME=value"),
        "{text}"
    );
}

#[test]
fn a_command_line_is_explained_and_mistakes_end_with_one() {
    let output = netroot(&["explain", "root=nfs:10.0.0.1:/srv/debian ip=dhcp"]);
    assert!(output.status.success());
    assert!(out(&output).contains("  server    10.0.0.1 (root=nfs:10.0.0.1:/srv/debian)\n"));
    let output = netroot(&["explain", "ip=10.0.0.300"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("ip=10.0.0.300: at position 0: expected an IPv4 address"));
}

#[test]
fn an_explanation_for_programs_is_one_object_and_ends_alike() {
    let output = netroot(&["explain", "--json", "ip=10.0.0.300"]);
    assert_eq!(output.status.code(), Some(1));
    let explanation: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(explanation["makes_sense"], false);
    assert_eq!(explanation["mistakes"][0]["position"], 0);
}
