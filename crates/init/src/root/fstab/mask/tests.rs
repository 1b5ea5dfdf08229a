use proptest::prelude::*;

use super::*;

/// The mount points that are masked in a file below an overlay, and those that are masked without one.
fn masked(text: &str) -> Vec<String> {
    let Some(masked) = fstab(text.as_bytes(), RootKind::Overlay) else {
        return Vec::new();
    };
    let new = String::from_utf8(masked.text).unwrap();
    assert!(new.starts_with("# netroot's init has masked"), "{new}");
    assert_eq!(
        new.matches("\n#netroot: ").count(),
        masked.lines.len(),
        "{new}"
    );
    // Nothing is lost.
    assert!(new.replace("#netroot: ", "").ends_with(text), "{new}");
    assert_eq!(
        fstab(new.as_bytes(), RootKind::Overlay),
        None,
        "a second time"
    );
    let place = |line: &String| line.split(" (").next().unwrap_or_default().to_owned();
    masked.lines.iter().map(place).collect()
}

#[test]
fn debians_installer() {
    let text = "\
# /etc/fstab: static file system information.
#
# <file system> <mount point>   <type>  <options>       <dump>  <pass>
# / was on /dev/sda2 during installation
UUID=3f0c2c1e-5b5e-4c6f-9c7e-0c1d2e3f4a5b /               ext4    errors=remount-ro 0       1
# /boot/efi was on /dev/sda1 during installation
UUID=A1B2-C3D4  /boot/efi       vfat    umask=0077      0       1
# swap was on /dev/sda3 during installation
UUID=9a8b7c6d-1111-2222-3333-444455556666 none            swap    sw              0       0
/dev/sr0        /media/cdrom0   udf,iso9660 user,noauto     0       0
";
    assert_eq!(masked(text), ["/", "/boot/efi", "swap"]);
    let lines = fstab(text.as_bytes(), RootKind::Nfs).unwrap().lines;
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1], "/boot/efi (UUID=A1B2-C3D4)");
}

#[test]
fn ubuntus_installer_with_a_swap_file() {
    let text = "\
/dev/disk/by-id/dm-uuid-LVM-abc / ext4 defaults 0 1
/dev/disk/by-uuid/d9f1-1 /boot ext4 defaults 0 1
/dev/disk/by-uuid/6B4E-D9B1 /boot/efi vfat defaults 0 1
/swap.img\tnone\tswap\tsw\t0\t0
";
    assert_eq!(masked(text), ["/", "/boot", "/boot/efi", "swap"]);
}

#[test]
fn fedoras_with_lvm_and_with_btrfs_subvolumes() {
    let lvm = "\
/dev/mapper/fedora-root /                       xfs     defaults        0 0
UUID=0c1d /boot                   xfs     defaults        0 0
UUID=7A16-1  /boot/efi               vfat    umask=0077,shortname=winnt 0 2
/dev/mapper/fedora-swap none                    swap    defaults        0 0
";
    assert_eq!(masked(lvm), ["/", "/boot", "/boot/efi", "swap"]);
    let btrfs = "\
UUID=d9f1 /                       btrfs   subvol=root,compress=zstd:1 0 0
UUID=0c1d /boot                   ext4    defaults        1 2
UUID=d9f1 /home                   btrfs   subvol=home,compress=zstd:1 0 0
LABEL=data /srv btrfs subvol=@srv,nofail 0 0
";
    assert_eq!(masked(btrfs), ["/", "/boot", "/home"]);
}

#[test]
fn encrypted_disks() {
    let text = "\
/dev/mapper/luks-3f0c / ext4 defaults,x-systemd.device-timeout=0 1 1
/dev/mapper/cryptswap1 none swap sw 0 0
";
    assert_eq!(masked(text), ["/", "swap"]);
    let crypttab = |text: &str| super::crypttab(text.as_bytes()).map(|masked| masked.lines);
    assert_eq!(
        crypttab(
            "# <target name> <source device> <key file> <options>\n\
             luks-3f0c UUID=3f0c none discard\n\
             cryptswap1 /dev/sda3 /dev/urandom swap,cipher=aes-xts-plain64\n\
             usb PARTUUID=1-1 none luks,nofail\n\
             nas UUID=2 none luks,_netdev\n\
             image /srv/image.luks none luks\n"
        ),
        Some(vec![
            "luks-3f0c (UUID=3f0c)".to_owned(),
            "cryptswap1 (/dev/sda3)".to_owned()
        ])
    );
    assert_eq!(crypttab("# nothing\n"), None);
}

#[test]
fn single_board_computers() {
    let armbian = "\
UUID=7c3b / ext4 defaults,noatime,commit=120,errors=remount-ro 0 1
UUID=5d2f /media/mmcboot ext4 defaults,noatime,commit=120,errors=remount-ro 0 2
/media/mmcboot/boot /boot none defaults,bind 0 0
tmpfs /tmp tmpfs defaults,nosuid 0 0
";
    assert_eq!(masked(armbian), ["/", "/media/mmcboot", "/boot"]);
    let raspberry = "\
proc            /proc           proc    defaults          0       0
PARTUUID=4c4e106f-01  /boot/firmware  vfat    defaults          0       2
PARTUUID=4c4e106f-02  /               ext4    defaults,noatime  0       1
# a swapfile is not a swap partition, no line here
";
    assert_eq!(masked(raspberry), ["/boot/firmware", "/"]);
    let yocto = "\
/dev/root            /                    auto       defaults              1  1
proc                 /proc                proc       defaults              0  0
devpts               /dev/pts             devpts     mode=0620,ptmxmode=0666,gid=5      0  0
tmpfs                /run                 tmpfs      mode=0755,nodev,nosuid,strictatime 0  0
/dev/mmcblk0p1       /data  auto       defaults,sync  0  0
";
    assert_eq!(masked(yocto), ["/", "/data"]);
}

#[test]
fn zfs_and_other_pools() {
    let text = "\
rpool/ROOT/debian / zfs defaults 0 0
bpool/BOOT/debian /boot zfs nodev,relatime,x-systemd.requires=zfs-import-bpool.service 0 0
/dev/sda:/dev/sdb /pool bcachefs defaults 0 0
/dev/zvol/rpool/swap none swap discard 0 0
";
    assert_eq!(masked(text), ["/", "/boot", "/pool", "swap"]);
}

#[test]
fn file_systems_of_the_network_and_of_memory_stay() {
    let text = "\
10.0.0.1:/home /home nfs4 rw,_netdev 0 0
nas:/srv /srv nfs defaults 0 0
//nas/share /mnt/share cifs credentials=/root/.smb,uid=1000 0 0
user@host:/ /mnt/ssh fuse.sshfs defaults 0 0
/dev/fuse /mnt/fuse fuse defaults 0 0
host:/volume /mnt/gluster glusterfs defaults 0 0
shared /mnt/shared 9p trans=virtio 0 0
/dev/disk/by-path/ip-10.0.0.2:3260-iscsi-iqn.x-lun-0 /data ext4 _netdev 0 0
UUID=1-1 /mnt/usb vfat nofail,x-systemd.device-timeout=1s 0 0
/dev/sdb1 /mnt/other ext4 noauto,users 0 0
LABEL=big /big xfs x-systemd.automount 0 0
none /dev/shm tmpfs defaults 0 0
/dev/zram0 none swap sw,pri=100 0 0
/dev/pts /srv/chroot/dev/pts none rw,bind 0 0
/srv/image.squashfs /opt squashfs loop 0 0
/home /srv/home none bind 0 0
overlay / overlay rw 0 0
binfmt_misc /proc/sys/fs/binfmt_misc binfmt_misc defaults 0 0
";
    assert_eq!(masked(text), [""; 0]);
}

#[test]
fn the_line_of_another_root_is_masked() {
    let nfs = "10.0.0.1:/srv/debian / nfs ro,nolock 0 0\n";
    // systemd-remount-fs would make the overlay read-only.
    assert_eq!(masked(nfs), ["/"]);
    assert_eq!(fstab(nfs.as_bytes(), RootKind::Nfs), None);
    let overlay = "overlay / overlay rw 0 0";
    assert!(fstab(overlay.as_bytes(), RootKind::Nfs).is_some());
    // `nofail` does not make it this root's.
    assert_eq!(masked("UUID=1 / ext4 nofail"), ["/"]);
}

#[test]
fn what_lies_below_a_masked_mount_point_goes_with_it() {
    let text = "\
UUID=1 /data ext4 defaults 0 2
/data/home /home none bind 0 0
/home/srv /srv none rbind 0 0
/database /opt none bind 0 0
overlay /usr/local overlay lowerdir=/usr/local,upperdir=/data/up,workdir=/data/work 0 0
/data/image.img /mnt/image ext4 loop 0 0
/data/optional /mnt/optional none bind,nofail 0 0
tmpfs /data/tmp tmpfs defaults 0 0
";
    assert_eq!(
        masked(text),
        ["/data", "/home", "/srv", "/usr/local", "/mnt/image"]
    );
}

#[test]
fn a_chain_of_mounts_is_followed_only_so_far() {
    let binds = (1..2_000).rev();
    let binds = binds.map(|n| format!("/{n} /{} none bind\n", n + 1));
    let text = binds.collect::<String>() + "UUID=1 /1 ext4\n";
    assert_eq!(masked(&text).len(), 1 + MOST_ROUNDS);
}

#[test]
fn the_grammar_is_that_of_mount() {
    assert_eq!(
        masked("  \tUUID=\"1-1\"   /mnt/a\\040b\text4"),
        ["/mnt/a b"]
    );
    assert_eq!(masked("uuid=1 /x\r\n"), ["/x"]);
    assert_eq!(masked("UUID=1\n\n#UUID=2 / ext4\nnonsense\n"), [""; 0]);
    assert_eq!(unescaped("a\\134b\\9\\04"), "a\\b\\9\\04");
    let binary = b"# caf\xe9\nUUID=1 /caf\xe9 ext4\n";
    let text = fstab(binary, RootKind::Overlay).unwrap().text;
    assert!(text.ends_with(b"# caf\xe9\n#netroot: UUID=1 /caf\xe9 ext4\n"));
}

proptest! {
    #[test]
    fn any_bytes_keep_every_line(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        for masked in [fstab(&text, RootKind::Overlay), fstab(&text, RootKind::Nfs), crypttab(&text)].into_iter().flatten() {
            prop_assert!(masked.text.len() > text.len());
        }
    }

    #[test]
    fn any_fields_keep_every_line(text in "((UUID=|/dev/|#|nas:)?[a-z/\\\\0-9\" ]{0,12}[ \t/\n]){0,12}") {
        let _ = (fstab(text.as_bytes(), RootKind::Overlay), crypttab(text.as_bytes()));
    }
}
