# Makes the arm64 root that the tests and the demo boot: `sh recipe-arm64.sh FOLDER MIRROR AMD64`, where AMD64 is the
# root that recipe.sh made. No arm64 program runs for it, so it needs neither QEMU's user mode nor binfmt_misc: packages are
# unpacked, and what their maintainer scripts would have written is taken from AMD64, where the same packages' scripts
# ran. None of that depends on the processor.
# `cargo xtask setup` makes the root anew when this text or recipe.sh has changed.
set -eu
root=$1
mirror=$2
amd64=$3

say() { echo "root: $*"; }

say "fetching Debian 12 (bookworm) for arm64 from $mirror"
debootstrap --foreign --arch=arm64 --variant=minbase \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --include=systemd,systemd-sysv,udev,dbus,login,kmod,iproute2,zstd,busybox,linux-image-arm64 \
    bookworm "$root" "$mirror" > "$root.log" 2>&1 || { tail -n 20 "$root.log"; exit 1; }

say "unpacking its packages"
for package in "$root"/var/cache/apt/archives/*.deb; do
    # /bin, /lib and /sbin are links, and some packages have files below them.
    dpkg-deb --fsys-tarfile "$package" \
        | tar -x -C "$root" --numeric-owner --keep-directory-symlink
done
# Without dpkg's database, which only its own run writes: apt cannot be used in this root.
rm -rf "$root/debootstrap" "$root"/var/cache/apt/* "$root"/var/lib/apt/lists "$root/var/lib/dpkg"

say "configuring it as $amd64 is"
rm -rf "$root/etc"
cp -a "$amd64/etc" "$root/etc"
rm -f "$root/etc/ld.so.cache" "$root"/etc/ld.so.conf.d/*x86_64*
for folder in pam systemd; do
    rm -rf "$root/var/lib/$folder"
    if [ -e "$amd64/var/lib/$folder" ]; then
        cp -a "$amd64/var/lib/$folder" "$root/var/lib/$folder"
    fi
done
# Links that the scripts of libpam-runtime, base-files and others made outside of /etc.
for link in "$amd64"/var/run "$amd64"/var/lock "$amd64"/usr/bin/awk "$amd64"/usr/bin/pager; do
    [ -L "$link" ] && cp -a --remove-destination "$link" "$root${link#"$amd64"}"
done
# As base-files' script makes them; debootstrap leaves a link to this machine's /proc.
rm -f "$root/proc"
for folder in proc media mnt opt srv usr/local; do
    mkdir -p "$root/$folder"
done
# The kernel's script has its modules listed. Seen by this script's own mount namespace only, so it needs no end.
mount --bind "$root" "$amd64/mnt"
for modules in "$root"/usr/lib/modules/*; do
    chroot "$amd64" depmod -b /mnt "${modules##*/}"
done

echo arm64 > "$root/etc/hostname"
# An emulated processor on a busy host may take more than systemd's 90 s until the console's device is there.
mkdir -p "$root/etc/systemd/system.conf.d"
printf '[Manager]\nDefaultTimeoutStartSec=15min\nDefaultDeviceTimeoutSec=15min\n' \
    > "$root/etc/systemd/system.conf.d/patience.conf"
# Nothing has been updated since the scripts ran: systemd need not make users, caches and catalogues at each boot, which takes an
# emulated processor a minute.
touch -r "$root/usr" "$root/etc/.updated" "$root/var/.updated"
rm -rf "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/* "$root.log"
