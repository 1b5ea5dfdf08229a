use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::*;
use crate::append::Values;
use crate::catalog::tests::image;
use crate::catalog::{ImageFile, KernelImage};
use crate::settings::Location;

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 8069);
const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

fn to(mac: Option<Mac>, report: Option<&str>) -> Recipient<'_> {
    Recipient {
        server: SERVER,
        report,
        values: Values {
            mac,
            ..Values::default()
        },
    }
}

fn of_kind(name: &str, kind: ImageKind) -> Image {
    Image {
        kind,
        ..image(name)
    }
}

fn kernel(initrds: &[&str]) -> Image {
    let initrds = initrds.iter().map(Into::into).collect();
    let kernel = "/srv/linux".into();
    of_kind(
        "installer",
        ImageKind::Kernel(KernelImage { kernel, initrds }),
    )
}

/// One of each kind.
fn kinds() -> Vec<Image> {
    let file = |name: &str| Location::File(name.into());
    vec![
        image("bookworm"),
        kernel(&["/a", "/b"]),
        kernel(&[]),
        of_kind("tool", ImageKind::Efi("/srv/shell.efi".into())),
        of_kind("dos", ImageKind::Disk(file("/srv/dos.img"))),
        of_kind("cd", ImageKind::Iso(file("/srv/cd.iso"))),
        of_kind(
            "far",
            ImageKind::Iso(Location::Url("http://192.0.2.1/a.iso".to_owned())),
        ),
        of_kind("disk", ImageKind::LocalDisk),
    ]
}

fn menu(images: &[Image]) -> Menu<'_> {
    Menu {
        title: Some("Lab ${a} || b"),
        timeout: Some(Duration::from_millis(2500)),
        images: images.iter().collect(),
        own: None,
        default: Some("disk"),
    }
}

#[test]
fn every_url_in_a_script_is_absolute_and_every_jump_has_its_label() {
    let images = kinds();
    let mut scripts: Vec<String> = images
        .iter()
        .flat_map(|image| {
            [
                boot(image, &to(Some(MAC), None)),
                boot(image, &to(None, None)),
            ]
        })
        .collect();
    scripts.extend([
        autoexec(SERVER, true),
        autoexec(SERVER, false),
        menu::ipxe(&menu(&images), SERVER, Some(MAC), true),
        menu::ipxe(&menu(&images), SERVER, None, false),
        wait(SERVER, Some(MAC), "the default", None),
        wait(SERVER, None, "the default", None),
        refuse(SERVER, Some(MAC), "the rule at lab.toml:3"),
    ]);
    for script in scripts {
        assert!(script.starts_with("#!ipxe\n"), "{script}");
        for (position, _) in script.match_indices("http://") {
            let url = &script[position..];
            assert!(
                url.starts_with("http://10.0.0.1:8069")
                    || url.starts_with("http://192.0.2.1/a.iso"),
                "{script}"
            );
        }
        for jump in script.split("goto ").skip(1) {
            let label = jump.split_whitespace().next().unwrap();
            assert!(
                script.contains(&format!("\n:{label}\n")),
                "no label {label}: {script}"
            );
        }
        assert!(script.is_ascii(), "iPXE's console knows ASCII only");
        let known = [
            "${netX/mac:hexhyp}",
            "${netX/mac}",
            "${netX/ip}",
            "${netX/busid:hexhyp}",
            "${uuid}",
            "${serial:uristring}",
            "${platform}",
            "${chosen}",
            "${uuid}",
            "${serial:uristring}",
            "${asset:uristring}",
            "${manufacturer:uristring}",
            "${product:uristring}",
            "${netX/busid}",
        ];
        for (position, _) in script.match_indices("${") {
            assert!(
                known
                    .iter()
                    .any(|known| script[position..].starts_with(known)),
                "{script}"
            );
        }
    }
}

#[test]
fn no_script_offers_a_shell_where_the_command_line_forbids_it() {
    let commands = |script: &str| {
        let mut words = script.split([' ', '\n']);
        words.any(|word| matches!(word, "shell" | "prompt" | "config" | "login"))
    };
    for kind in kinds() {
        if kind.kind == ImageKind::LocalDisk {
            continue;
        }
        let script = |append: &str| {
            let append = Some(append.to_owned());
            let image = Image {
                append,
                ..kind.clone()
            };
            boot(&image, &to(Some(MAC), None))
        };
        for append in ["quiet", "netroot.shell", "rd.shell=1"] {
            assert!(commands(&script(append)), "{append}");
        }
        for append in ["netroot.shell=0", "quiet rd.shell=0", "rd.shell=no"] {
            assert!(!commands(&script(append)), "{append}");
        }
    }
    assert!(commands(&autoexec(SERVER, true)) && !commands(&autoexec(SERVER, false)));
    let images = kinds();
    let script = |shell| menu::ipxe(&menu(&images), SERVER, Some(MAC), shell);
    assert!(script(true).contains("\nitem -- :shell ") && !script(false).contains("shell"));
}

/// Before, who held Shift at PXELINUX's console could change the command line whatever it said.
#[test]
fn pxelinux_has_no_prompt_where_the_command_line_forbids_the_shell() {
    let to = to(Some(MAC), None);
    let locked = Image {
        append: Some("netroot.shell=0".to_owned()),
        ..image("bookworm")
    };
    let config = pxelinux(&locked, &to);
    let lock = "\nnoescape 1\nallowoptions 0\nimplicit 0\ndefault bookworm\nprompt 0\n";
    assert!(config.contains(lock), "{config}");
    assert!(!pxelinux(&image("bookworm"), &to).contains("noescape"));
    // The menu is a prompt: it stays, for the labels.
    let images = [locked];
    let config = pxelinux_menu(&menu(&images), &to, false);
    let lock = "\nallowoptions 0\nimplicit 0\ndefault disk\nprompt 1\n";
    assert!(config.contains(lock), "{config}");
    assert!(!config.contains("noescape"), "{config}");
    assert!(!pxelinux_menu(&menu(&images), &to, true).contains("implicit"));
    let config = pxelinux_nothing(Some(MAC), "is not booted by this server", "the default");
    assert!(config.ends_with(": the default\nnoescape 1\n"), "{config}");
}

#[test]
fn a_machine_is_named_in_its_script() {
    let script = boot(&image("bookworm"), &to(Some(MAC), None));
    assert!(
        script.contains("# netroot: 52:54:00:12:34:56 boots bookworm with Linux 6.1.0\n"),
        "{script}"
    );
    assert!(
        script.contains(
            "\nkernel http://10.0.0.1:8069/images/bookworm/vmlinuz initrd=initrd.img root="
        )
    );
    assert!(
        script.contains(
            "\ninitrd --name initrd.img http://10.0.0.1:8069/images/bookworm/initrd.img ||"
        )
    );
    let again =
        "\nchain --replace http://10.0.0.1:8069/boot/52-54-00-12-34-56.ipxe || goto start\n";
    assert!(script.ends_with(again), "{script}");
}

#[test]
fn a_kernel_is_booted_with_each_of_its_initrds_and_without_a_root() {
    let image = Image {
        append: Some("console=ttyS0 id=${mac:hexraw} host=${name}".to_owned()),
        ..kernel(&["/a", "/b"])
    };
    let script = boot(&image, &to(Some(MAC), Some("/report/x")));
    for line in [
        "# netroot: without host=${name}: what that stands for is not known of this machine",
        "kernel http://10.0.0.1:8069/images/installer/vmlinuz initrd=initrd.img initrd=initrd2.img \
         console=ttyS0 id=525400123456 || goto no_kernel",
        "initrd --name initrd.img http://10.0.0.1:8069/images/installer/initrd.img || goto no_initrd",
        "initrd --name initrd2.img http://10.0.0.1:8069/images/installer/initrd2.img || goto no_initrd2_img",
    ] {
        assert!(script.lines().any(|one| one == line), "{line}: {script}");
    }
    assert!(!script.contains("root="), "{script}");
    let alone = boot(&kernel(&[]), &to(None, None));
    assert!(
        alone.contains("/images/installer/vmlinuz  || goto no_kernel\nboot ||"),
        "{alone}"
    );
}

#[test]
fn what_a_firmware_cannot_start_is_explained_on_its_console() {
    let script = |kind| boot(&of_kind("x", kind), &to(Some(MAC), None));
    let efi = script(ImageKind::Efi("/x.efi".into()));
    assert!(
        efi.contains("\niseq ${platform} efi || goto not_efi\n"),
        "{efi}"
    );
    assert!(efi.contains("\nchain http://10.0.0.1:8069/images/x/program.efi || goto no_program\n"));
    assert!(efi.contains("set its firmware to UEFI"), "{efi}");
    let disk = script(ImageKind::Disk(Location::File("/x.img".into())));
    let command = "\nsanboot --no-describe --drive 0x80 http://10.0.0.1:8069/images/x/disk.img || goto no_boot\n";
    assert!(disk.contains(command), "{disk}");
    assert!(disk.contains("UEFI needs EFI/BOOT/BOOTX64.EFI"), "{disk}");
    let target = Location::Url("iscsi:192.0.2.1::::iqn.2026-11.example:disk".to_owned());
    let iscsi = script(ImageKind::Disk(target));
    assert!(
        iscsi.contains("\nsanboot --drive 0x80 iscsi:192.0.2.1::::iqn"),
        "{iscsi}"
    );
    let local = script(ImageKind::LocalDisk);
    assert!(
        local.contains("\nsanboot --no-describe --drive 0x80 ||"),
        "{local}"
    );
    assert!(local.ends_with("\nexit 1\n"), "{local}");
}

#[test]
fn the_menu_has_each_image_and_chooses_the_default_after_its_time() {
    let images = [
        Image {
            title: Some("Büro | ${netX/mac}".to_owned()),
            ..image("office")
        },
        image("guix@42"),
        of_kind("disk", ImageKind::LocalDisk),
    ];
    let script = menu::ipxe(&menu(&images), SERVER, Some(MAC), false);
    assert_eq!(
        script,
        "#!ipxe\n\
         :start\n\
         menu -- Lab {a} b\n\
         item -- office B?ro {netX/mac}\n\
         item -- guix@42 guix@42, Linux 6.1.0\n\
         item -- disk disk\n\
         choose --timeout 2500 --default disk chosen || goto again\n\
         chain --replace http://10.0.0.1:8069/boot/52-54-00-12-34-56/${chosen}.ipxe || goto no_script\n\
         \n\
         :no_script\n\
         echo netroot: http://10.0.0.1:8069/boot/52-54-00-12-34-56/${chosen}.ipxe could not be loaded (the line above says why)\n\
         :again\n\
         sleep 3 ||\n\
         chain --replace http://10.0.0.1:8069/boot/52-54-00-12-34-56.ipxe || goto start\n"
    );
    let waits = Menu {
        timeout: None,
        default: None,
        ..menu(&images)
    };
    let script = menu::ipxe(&waits, SERVER, None, false);
    assert!(
        script.contains("\nchoose --default office chosen ||"),
        "{script}"
    );
    assert!(
        script.contains("/boot/${netX/mac:hexhyp}/${chosen}.ipxe"),
        "{script}"
    );
    let with_own = Menu {
        own: Some("guix@42"),
        ..menu(&images)
    };
    let script = menu::ipxe(&with_own, SERVER, None, false);
    for line in [
        "\nitem -- guix@42 guix@42, Linux 6.1.0 (this machine's own)\n",
        "\nchoose --timeout 2500 --default guix@42 chosen ||",
    ] {
        assert!(script.contains(line), "{line}: {script}");
    }
    let config = pxelinux_menu(&with_own, &to(Some(MAC), None), true);
    assert!(config.contains("\ndefault guix@42\n"), "{config}");
    let config = pxelinux_menu(&menu(&images), &to(Some(MAC), None), true);
    assert!(
        config.starts_with(
            "menu title Lab {a} b\ndefault disk\nprompt 1\ntimeout 25\n\nlabel office\n"
        ),
        "{config}"
    );
    assert!(
        config.contains("\nlabel disk\n\tmenu label netroot: disk\n\tlocalboot 0\n"),
        "{config}"
    );
}

#[test]
fn who_waits_asks_again_and_is_told_how_it_is_adopted() {
    let script = wait(SERVER, Some(MAC), "the default", None);
    assert!(script.contains("mac = \"52:54:00:12:34:56\""), "{script}");
    let asks = "\n:again\nsleep 10 ||\nchain --replace http://10.0.0.1:8069/boot/52-54-00-12-34-56.ipxe?uuid=${uuid}&serial=";
    assert!(
        script.contains(asks) && script.ends_with(" || goto again\n"),
        "{script}"
    );
    let script = refuse(SERVER, Some(MAC), "the rule at lab.toml:3");
    assert!(
        script.contains("does not boot 52:54:00:12:34:56: the rule at lab.toml:3\n"),
        "{script}"
    );
    assert!(script.ends_with("\nexit 1\n"), "{script}");
}

#[test]
fn pxelinux_gets_what_ipxe_gets_without_the_words_of_ipxe() {
    let config = pxelinux(&image("bookworm"), &to(Some(MAC), Some("/report/x")));
    assert_eq!(
        config,
        "# netroot: 52:54:00:12:34:56 boots bookworm with Linux 6.1.0\n\
         default bookworm\n\
         prompt 0\n\
         \n\
         label bookworm\n\
         \tmenu label netroot: bookworm, Linux 6.1.0\n\
         \tkernel /images/bookworm/vmlinuz\n\
         \tinitrd /images/bookworm/initrd.img\n\
         \tappend root=/dev/nfs \
         nfsroot=10.0.0.1:/bookworm,vers=3,proto=tcp,port=2049,mountport=2049,nolock,nocto,acregmin=30 \
         ip=dhcp BOOTIF=01-52-54-00-12-34-56 ro rd.overlay \
         netroot.report=http://10.0.0.1:8069/report/x \
         netroot.readahead=http://10.0.0.1:8069/readahead/bookworm\n"
    );
    let any = pxelinux(&image("bookworm"), &to(None, None));
    assert!(
        any.ends_with(" ip=dhcp ro rd.overlay\n\tipappend 2\n"),
        "{any}"
    );
    for (name, machine) in [
        ("pxelinux.cfg/01-52-54-00-12-34-56", Some(Some(MAC))),
        ("pxelinux.cfg/default", Some(None)),
        ("pxelinux.cfg/default-arm-bcm283x", Some(None)),
        ("pxelinux.cfg/01-52-54", None),
        ("pxelinux.cfg/0A000065", None),
        ("pxelinux.cfg", None),
        ("default", None),
    ] {
        assert_eq!(pxelinux_machine(name), machine, "{name}");
    }
}

#[test]
fn what_pxelinux_and_a_raspberry_pi_cannot_express_is_never_another_image() {
    for (image, says) in [
        (
            kernel(&["/a", "/b"]),
            "has 2 initrds, and this loader takes one",
        ),
        (
            of_kind("x", ImageKind::Efi("/x".into())),
            "x is an EFI program",
        ),
        (
            of_kind("x", ImageKind::Iso(Location::File("/x".into()))),
            "x is the image of a disk",
        ),
    ] {
        let config = pxelinux(&image, &to(Some(MAC), None));
        assert!(config.contains(says), "{config}");
        assert!(
            config.lines().all(|line| line.starts_with("# ")),
            "{config}"
        );
    }
    let one = pxelinux(&kernel(&["/a"]), &to(None, None));
    assert!(
        one.contains("\tinitrd /images/installer/initrd.img\n\tappend \n"),
        "{one}"
    );
    assert!(!one.contains("ipappend"), "{one}");
    assert!(command_line(&of_kind("x", ImageKind::LocalDisk), &to(Some(MAC), None)).is_none());
    assert_eq!(
        kernel(&["/a"]).files(),
        [ImageFile::Kernel, ImageFile::INITRD]
    );
}
