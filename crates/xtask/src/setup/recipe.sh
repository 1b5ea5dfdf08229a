# Makes the Debian root that the tests and the demo boot: `sh recipe.sh FOLDER MIRROR`.
# `cargo xtask setup` keeps a copy of this text in the finished root's stamp and makes
# the root anew when the text has changed.
set -eu
root=$1
mirror=$2

say() { echo "root: $*"; }

say "unpacking Debian 12 (bookworm) from $mirror"
debootstrap --variant=minbase \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --include=systemd,systemd-sysv,udev,dbus,login,kmod,iproute2,zstd \
    bookworm "$root" "$mirror" > "$root.log" 2>&1 || { tail -n 20 "$root.log"; exit 1; }

# The kernel's package asks for an initrd, which takes a minute and is what this project
# makes itself: INITRD=No is the word by which initramfs-tools lets it be. It stays
# installed, for `cargo xtask bench boot` compares against it. No daemon may start here.
say "installing its kernel, without an initrd"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
# Seen by this script's own mount namespace only (debian_root.rs), so it needs no end.
mount -t proc proc "$root/proc"
INITRD=No DEBIAN_FRONTEND=noninteractive chroot "$root" \
    apt-get install -q -y --no-install-recommends linux-image-amd64 busybox \
    >> "$root.log" 2>&1 || { tail -n 20 "$root.log"; exit 1; }
rm "$root/usr/sbin/policy-rc.d"

say "settling"
echo debian > "$root/etc/hostname"
echo '127.0.0.1 localhost' > "$root/etc/hosts"
: > "$root/etc/fstab"
: > "$root/etc/resolv.conf"
# systemd writes it at boot; an empty file says "not yet decided" without asking anybody.
: > "$root/etc/machine-id"
# Whoever sits at the demo's console may log in as root; there is no network login.
chroot "$root" passwd -d root > /dev/null

# What a diskless test machine has no use for and a translated processor is slow at.
for unit in \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    fstrim.timer systemd-tmpfiles-clean.timer e2scrub_reap.service \
    systemd-binfmt.service systemd-firstboot.service systemd-hwdb-update.service \
    systemd-journal-flush.service systemd-random-seed.service systemd-rfkill.socket \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service \
    proc-sys-fs-binfmt_misc.automount dev-hugepages.mount dev-mqueue.mount \
    sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount getty@tty1.service
do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

chroot "$root" apt-get clean
rm -rf "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/* \
    "$root"/usr/share/locale/* "$root"/var/cache/ldconfig/* "$root"/var/log/*.log "$root.log"
