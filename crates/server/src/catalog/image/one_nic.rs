//! Whether a machine can boot with an initrd for one network card alone.

use netroot_initramfs::{ModuleSelection, NicDriver};
use netroot_proto::cmdline::BootPlan;

use super::{Image, ImageKind};
use crate::settings::InitrdSource;

impl Image {
    /// The same with the initrd for network cards with these drivers.
    pub(crate) fn with_nic(&self, drivers: NicDriver) -> Self {
        Self {
            nic: Some(drivers),
            ..self.clone()
        }
    }

    /// Why it takes the initrd for every network card, whichever card a machine boots from; `None` if it does not.
    pub(crate) fn why_every_nic(&self) -> Option<&'static str> {
        let ImageKind::Root(root) = &self.kind else {
            return Some("its initrd is not netroot's");
        };
        let InitrdSource::Build { modules, .. } = &root.initrd else {
            return Some("its initrd is given");
        };
        let modules: ModuleSelection = modules.parse().unwrap_or_default();
        if !modules.is_for_every_nic() {
            return Some("the modules of its initrd are given");
        }
        let more = [&root.kernel.start, &self.append].into_iter().flatten();
        more.filter_map(|line| why_line_takes_every_nic(line))
            .next()
    }
}

/// What a command line asks for that the driver of the card that the machine boots from may not do. Pure.
fn why_line_takes_every_nic(line: &str) -> Option<&'static str> {
    let plan = BootPlan::parse(line);
    let network = &plan.network;
    let names_a_nic = network.boot_link.is_some()
        || network.boot_device.is_some()
        || !network.renames.is_empty()
        || network.addressing.iter().any(|one| one.device.is_some());
    [
        (!network.bonds.is_empty(), "the command line has a bond"),
        (!network.vlans.is_empty(), "the command line has a VLAN"),
        (!network.bridges.is_empty(), "the command line has a bridge"),
        (names_a_nic, "the command line names a network card"),
        (
            !plan.modules.wanted.is_empty(),
            "the command line names modules",
        ),
    ]
    .into_iter()
    .find_map(|(is_so, why)| is_so.then_some(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::{image, root_image};

    #[test]
    fn what_needs_another_card_or_module_takes_the_initrd_for_all() {
        let why = |append: &str| {
            let image = Image {
                append: Some(append.to_owned()),
                ..image("debian")
            };
            image.why_every_nic()
        };
        for append in [
            "",
            "quiet console=ttyS0",
            "ip=dhcp rd.shell",
            "modprobe.blacklist=nouveau e1000e.IntMode=1",
        ] {
            assert_eq!(why(append), None, "{append}");
        }
        for (append, reason) in [
            ("bond=bond0:eth0,eth1", "the command line has a bond"),
            ("vlan=eth0.7:eth0", "the command line has a VLAN"),
            ("bridge=br0:eth0", "the command line has a bridge"),
            ("ip=eth1:dhcp", "the command line names a network card"),
            (
                "BOOTIF=01-52-54-00-00-00-01",
                "the command line names a network card",
            ),
            (
                "ifname=lan:52:54:00:00:00:01",
                "the command line names a network card",
            ),
            ("rd.driver.pre=virtio_blk", "the command line names modules"),
        ] {
            assert_eq!(why(append), Some(reason), "{append}");
        }
        let other = |initrd| {
            let mut root = root_image("debian");
            root.initrd = initrd;
            let mut image = image("debian");
            image.kind = ImageKind::Root(root);
            image.why_every_nic().is_some()
        };
        assert!(other(InitrdSource::File("/initrd".into())));
        let modules = |modules: &str| InitrdSource::Build {
            modules: modules.to_owned(),
            init: None,
        };
        assert!(other(modules("virtio_net")));
        assert!(!other(modules("btrfs, netboot")));
    }
}
