# Adds network managers, servers, and the boot loaders and stub of Secure Boot to the Debian root, in a layer over it that the tests lay over
# the root again: `sh layer.sh ROOT LAYER SCRATCH`. None is switched on: tests do that.
# Runs in a mount namespace of its own, so that nothing that it mounts needs an end.
set -eu
root=$1
layer=$2
scratch=$3

mkdir -p "$layer" "$scratch/work" "$scratch/merged"
mount -t overlay overlay \
    -o "lowerdir=$root,upperdir=$layer,workdir=$scratch/work" "$scratch/merged"
mount -t proc proc "$scratch/merged/proc"
mount --bind /etc/resolv.conf "$scratch/merged/etc/resolv.conf"

echo "root: adding NetworkManager, ifupdown, dhclient, dhcpcd, nfs-kernel-server, chrony, acl, shim, GRUB and systemd's stub"
printf '#!/bin/sh\nexit 101\n' > "$scratch/merged/usr/sbin/policy-rc.d"
chmod 755 "$scratch/merged/usr/sbin/policy-rc.d"
{
    chroot "$scratch/merged" apt-get update -q
    DEBIAN_FRONTEND=noninteractive chroot "$scratch/merged" apt-get install -q -y \
        --no-install-recommends network-manager ifupdown isc-dhcp-client dhcpcd \
        nfs-kernel-server chrony acl shim-signed grub-efi-amd64-signed systemd-boot-efi
    chroot "$scratch/merged" systemctl disable \
        chrony nfs-blkmap nfs-client.target nfs-server rpcbind.service rpcbind.socket
} > "$scratch/log" 2>&1 || { tail -n 20 "$scratch/log"; exit 1; }
chroot "$scratch/merged" apt-get clean
umount "$scratch/merged/etc/resolv.conf"

# Not through the mount: removing there would leave a mark over what the root has.
rm -rf "$layer/usr/sbin/policy-rc.d" "$layer"/var/lib/apt/lists "$layer"/var/cache/apt \
    "$layer"/var/log "$layer"/usr/share/doc "$layer"/usr/share/man "$layer"/usr/share/locale
