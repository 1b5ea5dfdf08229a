//! The commands for OpenWrt, by BusyBox's shell and programs as OpenWrt has them, on a dnsmasq.conf of which dnsmasq says afterwards
//! whether it can read it.
//!
//! OpenWrt's `uci` is not in Debian. One in its place tells how it was called, word by word, and nothing more: that these are
//! the names of OpenWrt's options is from its sources (`cures/router.rs`), and no router has been told them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use anyhow::{Context, Result, ensure};
use netroot_harness::{Net, paths};
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::cures::{Netroot, Problem, Product, Step, cure};
use netroot_proto::pxe::inputs::Loader;

use super::apply::remark;
use crate::check::lab::HOST;

/// What dnsmasq's own file has of each problem.
const DNSMASQ_CONF: &str = "\
domain-needed
pxe-prompt=\"Boot\",1
pxe-service=x86PC,\"Boot\",0
dhcp-boot=pxelinux.0
dhcp-option=encap:175, 176, 1b
# the end
";

/// Tells how it was called, and has two sections `boot` to be deleted.
const UCI: &str = r#"#!/bin/sh
{ printf 'uci'; printf ' <%s>' "$@"; echo; } >>FOLDER/told
case "$*" in
*'delete dhcp.@boot[0]') mv FOLDER/boot-2 FOLDER/boot-1 2>/dev/null || rm FOLDER/boot-1 2>/dev/null ;;
show*) echo "dhcp.lan.dhcp_option='60,PXEClient' '175,01' '67,x'"; echo "dhcp.@boot[0]=boot" ;;
esac
"#;

/// Tells how it was called.
const OTHER: &str = r#"#!/bin/sh
{ printf '%s' "${0##*/}"; printf ' <%s>' "$@"; echo; } >>FOLDER/told
"#;

/// Runs the steps one after another. Returns what was called, and what dnsmasq.conf has.
fn run(name: &str, problem: &Problem) -> Result<(Vec<String>, String)> {
    let loaders = [
        (Platform::Bios, "undionly.kpxe"),
        (Platform::EfiX64, "snponly.efi"),
    ];
    let loaders = loaders.map(|(platform, first)| Loader {
        platform,
        first: first.to_owned(),
        second: None,
        signed: None,
    });
    let netroot = Netroot {
        address: HOST.parse()?,
        http_port: 8069,
        loaders: &loaders,
    };
    let cure = cure(Product::OpenWrt, problem, &netroot).context("a cure")?;
    let net = Net::new(name)?;
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    let (bin, etc) = (at.join("bin"), at.join("etc"));
    fs::create_dir(&bin)?;
    fs::create_dir(&etc)?;
    for (program, script) in [("uci", UCI), ("service", OTHER), ("reboot", OTHER)] {
        let script = script.replace("FOLDER", &at.display().to_string());
        fs::write(bin.join(program), script)?;
        fs::set_permissions(bin.join(program), fs::Permissions::from_mode(0o755))?;
    }
    for program in ["sh", "sed", "grep", "cat", "mv", "rm"] {
        symlink(paths::debian_root().join("bin/busybox"), bin.join(program))?;
    }
    for boot in ["boot-1", "boot-2"] {
        fs::write(at.join(boot), "")?;
    }
    // `sed -i` exchanges the file, so the folder around it has to be writable.
    fs::write(etc.join("dnsmasq.conf"), DNSMASQ_CONF)?;
    for file in ["passwd", "group", "ld.so.cache"] {
        fs::copy(format!("/etc/{file}"), etc.join(file))?;
    }
    net.run(&["mount", "--bind", &etc.display().to_string(), "/etc"])?;
    let (shell, path) = (
        bin.join("sh").display().to_string(),
        format!("PATH={}", bin.display()),
    );
    for step in &cure.steps {
        let Step::Run(command) = step else {
            anyhow::bail!("no command: {step:?}")
        };
        net.run(&["env", &path, &shell, "-c", remark(command).0])?;
    }
    // Its own user is looked for there, too.
    net.run(&["dnsmasq", "--test", "--conf-file=/etc/dnsmasq.conf"])?;
    let told = fs::read_to_string(at.join("told")).unwrap_or_default();
    let told = told.lines().map(str::to_owned).collect();
    Ok((told, fs::read_to_string(etc.join("dnsmasq.conf"))?))
}

/// dnsmasq.conf without lines that begin so.
fn without(beginnings: &[&str]) -> String {
    let kept = |line: &&str| !beginnings.iter().any(|it| line.starts_with(it));
    let kept: Vec<&str> = DNSMASQ_CONF.lines().filter(kept).collect();
    kept.join("\n") + "\n"
}

const RESTART: [&str; 2] = ["uci <commit> <dhcp>", "service <dnsmasq> <restart>"];

#[test]
fn openwrts_commands_are_a_shells_and_change_what_they_name() -> Result<()> {
    let (told, conf) = run(
        "openwrt-claims",
        &Problem::ClaimsBoot {
            class: b"PXEClient'; reboot; '".to_vec(),
        },
    )?;
    // Whatever another server sent is one word.
    let option = "<60,PXEClient'; reboot; '>";
    let wanted = [
        "uci <show> <dhcp>",
        &format!("uci <-q> <del_list> <dhcp.lan.dhcp_option={}", &option[1..]),
        &format!(
            "uci <-q> <del_list> <dhcp.lan.dhcp_option_force={}",
            &option[1..]
        ),
    ];
    assert_eq!(told, [&wanted[..], &RESTART].concat());
    assert_eq!(conf, without(&["pxe-"]));

    let (told, conf) = run(
        "openwrt-file",
        &Problem::NamesFile {
            file: b"pxelinux.0".to_vec(),
        },
    )?;
    let wanted = [
        "uci <show> <dhcp>",
        "uci <-q> <delete> <dhcp.@boot[0]>",
        "uci <-q> <delete> <dhcp.@boot[0]>",
        "uci <-q> <delete> <dhcp.@boot[0]>",
        "uci <-q> <delete> <dhcp.@dnsmasq[0].dhcp_boot>",
        "uci <-q> <del_list> <dhcp.lan.dhcp_option=67,pxelinux.0>",
    ];
    assert_eq!(told, [&wanted[..], &RESTART].concat());
    assert_eq!(conf, without(&["dhcp-boot"]));

    let (told, conf) = run("openwrt-forbids", &Problem::ForbidsProxy)?;
    assert_eq!(told, [&["uci <show> <dhcp>"][..], &RESTART].concat());
    assert_eq!(conf, without(&["dhcp-option=encap"]));

    let (told, conf) = run("openwrt-second", &Problem::SecondServer)?;
    assert_eq!(
        told,
        [&["uci <set> <dhcp.lan.ignore=1>"][..], &RESTART].concat()
    );
    assert_eq!(conf, DNSMASQ_CONF);

    let (told, _) = run("openwrt-none", &Problem::NoAddress)?;
    let wanted = [
        "uci <set> <dhcp.lan.start=100>",
        "uci <set> <dhcp.lan.limit=150>",
        "uci <set> <dhcp.lan.dhcpv4=server>",
        "uci <-q> <delete> <dhcp.lan.ignore>",
        "uci <-q> <delete> <dhcp.lan.dynamicdhcp>",
        "uci <-q> <delete> <dhcp.lan.dynamicdhcpv4>",
        "uci <set> <dhcp.lan.force=1>",
    ];
    assert_eq!(told, [&wanted[..], &RESTART].concat());

    let (told, conf) = run("openwrt-unheard", &Problem::ProxyNotHeard)?;
    assert_eq!(told, RESTART[1..]);
    let added = conf.strip_prefix(DNSMASQ_CONF).context("what was there")?;
    ensure!(
        added.contains("dhcp-boot=tag:arch7,tag:!ipxe,snponly.efi,,10.77.0.1\n")
            && added.contains("dhcp-boot=tag:ipxe,http://10.77.0.1:8069/autoexec.ipxe\n"),
        "{added}"
    );
    Ok(())
}
