# Unpacks programs of Debian 13 (trixie) from which the tests make roots in the shape of other distributions, and a root
# with a later systemd: `sh distributions.sh FOLDER MIRROR SCRATCH`. Nothing is installed: no maintainer script runs.
set -eu
tree=$1
mirror=$2
scratch=$3

mkdir -p "$tree" "$scratch/state/lists/partial" "$scratch/cache/archives/partial" "$scratch/more"
: > "$scratch/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" > "$scratch/sources.list"
cat > "$scratch/apt.conf" <<END
Dir::State "$scratch/state";
Dir::State::status "$scratch/status";
Dir::Cache "$scratch/cache";
Dir::Etc::SourceList "$scratch/sources.list";
Dir::Etc::SourceParts "/dev/null";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
END
export APT_CONFIG="$scratch/apt.conf"

echo "roots: unpacking systemd, NetworkManager, ConnMan, dhcpcd, OpenRC, runit, ifupdown-ng and BusyBox of Debian 13"
{
    apt-get update -q
    apt-get install -q -y --no-install-recommends --download-only \
        base-files base-passwd bash coreutils dash grep sed mount util-linux login passwd kmod udev dbus \
        systemd systemd-sysv iproute2 network-manager connman dhcpcd-base busybox-static
    # Alone: the first needs a package that is not in trixie, the last replaces Debian's own ifupdown.
    cd "$scratch/more"
    apt-get download -q openrc libeinfo1 librc1t64 runit ifupdown-ng
} > "$scratch/log" 2>&1 || { tail -n 20 "$scratch/log"; exit 1; }
for package in "$scratch"/cache/archives/*.deb "$scratch"/more/*.deb; do
    dpkg-deb --extract "$package" "$tree"
done

# What maintainer scripts would have made.
cp "$tree/usr/share/base-passwd/passwd.master" "$tree/etc/passwd"
cp "$tree/usr/share/base-passwd/group.master" "$tree/etc/group"
ln -sf bash "$tree/usr/bin/sh"
echo trixie > "$tree/etc/hostname"
echo '127.0.0.1 localhost' > "$tree/etc/hosts"
: > "$tree/etc/fstab"
: > "$tree/etc/resolv.conf"
# systemd writes it at boot.
: > "$tree/etc/machine-id"
: > "$tree/etc/.updated"
chroot "$tree" systemd-sysusers > "$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }

# What a diskless test machine has no use for and a translated processor is slow at.
mkdir -p "$tree/etc/systemd/system"
for unit in \
    systemd-binfmt.service systemd-firstboot.service systemd-hwdb-update.service systemd-journal-flush.service \
    systemd-random-seed.service systemd-rfkill.socket systemd-sysusers.service systemd-update-done.service \
    systemd-update-utmp.service ldconfig.service proc-sys-fs-binfmt_misc.automount dev-hugepages.mount \
    dev-mqueue.mount sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount getty@tty1.service
do
    ln -sf /dev/null "$tree/etc/systemd/system/$unit"
done
rm -rf "$tree"/usr/share/doc "$tree"/usr/share/man "$tree"/usr/share/locale "$tree"/usr/share/bug \
    "$tree"/usr/lib/udev/hwdb.d "$tree"/usr/lib/udev/hwdb.bin
