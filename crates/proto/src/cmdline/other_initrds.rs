//! Parameters by which other initrds find their network or their root, with the spelling that does the same here. They
//! are passed over, and named again when the boot fails for what they would have told.

use std::borrow::Cow;

/// What a parameter is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// Which NIC is used, and its address.
    Network,
    /// Where the root is, and what is started in it.
    Root,
}

/// What a parameter would have told another initrd.
struct Rule {
    /// Names, every `-` as `_`; one that ends with a `.` or `/` stands for all that begin so.
    names: &'static [&'static str],
    concern: Concern,
    why: &'static str,
}

const RULES: [Rule; 16] = [
    Rule {
        names: &[
            "rd.live.image",
            "rd.live.dir",
            "rd.live.squashimg",
            "rd.live.ram",
            "rd.live.check",
            "rd.writable.fsimg",
        ],
        concern: Concern::Root,
        why: "it is about a live image, and this init mounts the export itself as the root: export the image's root file \
              system unpacked, or boot the image's own initrd",
    },
    Rule {
        names: &["inst."],
        concern: Concern::Root,
        why: "it is Anaconda's, whose installer runs from an image: boot it with its own initrd",
    },
    Rule {
        names: &[
            "archisobasedir",
            "archisolabel",
            "archisosearchuuid",
            "archisodevice",
            "archiso_http_srv",
            "img_dev",
            "img_loop",
        ],
        concern: Concern::Root,
        why: "it is about Arch's live image (airootfs), and this init mounts the export itself as the root: export the \
              image's root file system unpacked, or boot the image's own initrd",
    },
    Rule {
        names: &[
            "fetch",
            "httpfs",
            "ftpfs",
            "findiso",
            "iso_url",
            "iso_scan/filename",
            "live_media",
            "live_media_path",
            "toram",
        ],
        concern: Concern::Root,
        why: "it is a live system's (live-boot, casper), and this init mounts the export itself as the root: export the \
              image's root file system unpacked, or boot the image's own initrd",
    },
    Rule {
        names: &["coreos.live.rootfs_url", "stateless.", "wwinit."],
        concern: Concern::Root,
        why: "its system is fetched into memory by its own initrd, and this init mounts a root over NFS: root=nfs:<server>:/<path>",
    },
    Rule {
        names: &["alpine_repo", "modloop", "apkovl"],
        concern: Concern::Root,
        why: "it is Alpine's, whose own initrd makes a root in memory; here the root is an export: root=nfs:<server>:/<path>",
    },
    Rule {
        names: &[
            "nbdroot",
            "cifsroot",
            "iscsi_target_name",
            "iscsi_initiator",
            "aoe",
        ],
        concern: Concern::Root,
        why: "it names a root that is not on NFS, which is all that this init mounts: root=nfs:<server>:/<path>",
    },
    Rule {
        names: &["real_init", "systemConfig", "linuxrc"],
        concern: Concern::Root,
        why: "it names the root's init for another initrd; init=<path> does here",
    },
    Rule {
        names: &["nfsopts", "nfsoptions", "NFSOPTS", "real_rootflags"],
        concern: Concern::Root,
        why: "here mount options stand behind the path, with a comma (nfsroot=<server>:/<path>,vers=3), or in rootflags=",
    },
    Rule {
        names: &[
            "vers",
            "nfsvers",
            "nolock",
            "rsize",
            "wsize",
            "proto",
            "mountport",
            "v3",
            "v4",
            "v4.1",
            "v4.2",
        ],
        concern: Concern::Root,
        why: "an NFS mount option on its own is read by nobody: write it behind the path, with a comma and no space \
              (nfsroot=<server>:/<path>,vers=3)",
    },
    Rule {
        names: &[
            "netmask",
            "gateway",
            "hostip",
            "ipaddr",
            "ipaddress",
            "netcfg/",
        ],
        concern: Concern::Network,
        why: "it is an installer's; here one parameter has all of it: ip=<address>::<router>:<netmask>::<device>:none",
    },
    Rule {
        names: &[
            "ifcfg",
            "netsetup",
            "netdevice",
            "netdev",
            "ksdevice",
            "interface",
            "netif",
            "live_netdev",
            "ethdevice",
        ],
        concern: Concern::Network,
        why: "it is another system's; here ip=<device>:dhcp names the NIC, by its name or its Ethernet address",
    },
    Rule {
        names: &["dns"],
        concern: Concern::Network,
        why: "it is an installer's; nameserver=<address> is followed here",
    },
    Rule {
        names: &["vlanid", "bondname", "bondslaves"],
        concern: Concern::Network,
        why: "it is an installer's; vlan=<name>:<device> and bond=<name>:<devices> are followed here",
    },
    Rule {
        names: &[
            "rd.iscsi.ibft",
            "rd.iscsi.firmware",
            "rd.fcoe",
            "rd.znet",
            "rd.nvmf.",
        ],
        concern: Concern::Network,
        why: "this init reads no address from firmware tables or channels; ip= gives one, or DHCP",
    },
    Rule {
        names: &[
            "rd.luks",
            "rd.luks.",
            "rd.lvm",
            "rd.lvm.",
            "rd.md",
            "rd.md.",
            "rd.dm",
            "rd.multipath",
            "cryptdevice",
            "crypto",
        ],
        concern: Concern::Root,
        why: "it is about a root on a disk, and this init mounts one over NFS: root=nfs:<server>:/<path>",
    },
];

/// Why the parameter is passed over, and what that may explain.
pub(super) fn why_not(name: &str, value: Option<&str>) -> Option<(Concern, Cow<'static, str>)> {
    let value = value.unwrap_or_default();
    if let Some(why) = with_spelling(name, value) {
        return Some((Concern::Root, why));
    }
    // `rd.luks=0` asks for nothing.
    if matches!(value, "0" | "no" | "off") {
        return None;
    }
    let is_named = |rule: &&Rule| {
        rule.names.iter().any(|own| {
            let whole = name == *own;
            whole || (own.ends_with(['.', '/']) && name.starts_with(own))
        })
    };
    let rule = RULES.iter().find(is_named)?;
    // Words with a value are other programs' own flags.
    Some((rule.concern, Cow::Borrowed(rule.why)))
}

/// What names a root in another spelling, with the one that this init follows.
fn with_spelling(name: &str, value: &str) -> Option<Cow<'static, str>> {
    let image = |of: &str, file: &str| {
        format!(
            "it starts {of}, whose root is an image in the export ({file}), and this init mounts the export itself as the \
             root: export that image unpacked, or boot with {of}'s own initrd"
        )
    };
    let spelled = |whose: &str, target: &str| {
        let target = target.trim_start_matches('/');
        format!(
            "it is {whose}, which this init does not follow; root=nfs:{target} names an NFS root"
        )
    };
    let nfs = value
        .strip_prefix("NFS=")
        .or_else(|| value.strip_prefix("nfs:"));
    Some(Cow::Owned(match (name, value, nfs) {
        ("boot", "casper", _) => image("casper", "casper/filesystem.squashfs"),
        ("boot", "live", _) => image("live-boot", "live/filesystem.squashfs"),
        ("boot", _, Some(target)) => spelled("LibreELEC's", target),
        ("boot", _, None) if value.contains('=') => {
            spelled("LibreELEC's", "<server>:/<path>")
        }
        ("disk", _, Some(_)) => "it is LibreELEC's, which this init does not follow: one export is the whole root here"
            .to_owned(),
        ("install", _, Some(target)) => spelled("linuxrc's (openSUSE)", target),
        ("alpine_dev", _, Some(target)) => spelled("Alpine's", target),
        ("archiso_nfs_srv", ..) => image("archiso", "arch/x86_64/airootfs.sfs"),
        ("nfsmount" | "nfsdir" | "nfs_root" | "rootnfs" | "root_nfs" | "nfsroots" | "nfs", ..)
            if value.contains(":/") =>
        {
            spelled("another initrd's", value)
        }
        ("real_root", ..) if !value.is_empty() => {
            format!("it is genkernel's, which this init does not follow; root={value} is, if that is on NFS")
        }
        ("netboot", "nfs" | "url" | "http" | "https" | "cifs" | "iscsi" | "nbd", _) => {
            "it is a live system's (casper, live-boot); nfsroot=<server>:/<path> names the root, which is the export itself"
                .to_owned()
        }
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::BootPlan;

    #[test]
    fn what_other_initrds_read_is_passed_over_with_the_spelling_that_works() {
        let root = Concern::Root;
        let network = Concern::Network;
        for (parameter, concern, part) in [
            ("boot=casper", root, "casper/filesystem.squashfs"),
            ("boot=live", root, "live-boot's own initrd"),
            (
                "boot=NFS=192.0.2.145:/srv/nfs/x",
                root,
                "root=nfs:192.0.2.145:/srv/nfs/x names",
            ),
            ("boot=UUID=1-2", root, "LibreELEC's"),
            ("disk=NFS=192.0.2.145:/srv/nfs/s", root, "LibreELEC's"),
            ("rd.live.image", root, "live image"),
            ("inst.stage2=http://192.0.2.1/x", root, "Anaconda's"),
            ("archiso_nfs_srv=192.0.2.1:/arch", root, "airootfs.sfs"),
            ("archisobasedir=arch", root, "unpacked"),
            (
                "install=nfs://192.0.2.1/suse",
                root,
                "root=nfs:192.0.2.1/suse",
            ),
            ("real_root=/dev/nfs", root, "root=/dev/nfs is"),
            ("nfs-root=192.0.2.1:/r", root, "root=nfs:192.0.2.1:/r"),
            ("netboot=nfs", root, "nfsroot="),
            ("fetch=http://192.0.2.1/x.squashfs", root, "unpacked"),
            ("rd.luks.uuid=1", root, "on a disk"),
            ("vers=3", root, "nfsroot=<server>:/<path>,vers=3"),
            ("nolock", root, "with a comma"),
            ("netmask=255.255.255.0", network, "ip=<address>::<router>"),
            ("netcfg/choose_interface=auto", network, "ip=<address>"),
            ("ksdevice=bootif", network, "ip=<device>:dhcp"),
            ("ifcfg=eth0=dhcp", network, "ip=<device>:dhcp"),
            ("rd.iscsi.ibft=1", network, "firmware"),
        ] {
            let plan = BootPlan::parse(parameter);
            let [ignored] = plan.ignored.as_slice() else {
                panic!("{parameter}: {plan:?}");
            };
            assert_eq!(ignored.parameter, parameter);
            assert_eq!(ignored.concern, Some(concern), "{parameter}");
            assert!(ignored.why.contains(part), "{parameter}: {}", ignored.why);
            let other = if concern == root { network } else { root };
            assert!(plan.explanations(other).is_empty());
            let [said] = &plan.explanations(concern)[..] else {
                panic!("{parameter}");
            };
            assert!(said.starts_with(parameter), "{said}");
        }
        for parameter in [
            "rd.luks=0",
            "boot=nfs",
            "disk=/dev/sda",
            "install=1",
            "resume=/dev/sda2",
        ] {
            let plan = BootPlan::parse(parameter);
            assert!(plan.explanations(root).is_empty(), "{parameter}");
        }
    }
}
