# Unpacks boot loaders for machines with Secure Boot: `sh signed-loaders.sh FOLDER MIRROR`. They are Debian 13's: its GRUB (2.12)
# loads files by HTTP and heeds a proxy's offer, which Debian 12's, in the layer over the root, does not. Those for arm64 come
# with systemd's stub, which starts a unified kernel image, and with firmware that enforces Secure Boot: Debian 12's has no
# variable store with Microsoft's keys. iPXE 2.0 is of Debian's newest suite, since it is in no other: earlier ones have no SBAT
# section, without which shim starts nothing.
set -eu
folder=$1
mirror=$2
apt=$folder/apt

echo "loaders: fetching shim, GRUB and iPXE of Debian 13 and later from $mirror"
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/parts"
for suite in trixie sid; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
done > "$apt/sources.list"
# Nothing of this machine's own apt is read or changed.
fetch() {
    apt-get -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts="$apt/parts" \
        -o Dir::Etc::PreferencesParts="$apt/parts" -o Dir::State="$apt/state" -o Dir::State::status=/dev/null \
        -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none \
        -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 "$@"
}
cd "$apt"
{
    fetch update
    fetch download shim-signed/trixie shim-helpers-amd64-signed/trixie grub-efi-amd64-signed/trixie \
        shim-signed:arm64/trixie grub-efi-arm64-signed:arm64/trixie qemu-efi-aarch64/trixie \
        systemd-boot-efi:arm64/trixie ipxe/sid
} > log 2>&1 || { tail -n 20 log; exit 1; }
for package in *.deb; do
    dpkg-deb --extract "$package" unpacked
done
mkdir "$folder/x64" "$folder/arm64" "$folder/ipxe" "$folder/firmware"
cd unpacked/usr
cp lib/shim/shimx64.efi.signed lib/shim/mmx64.efi.signed lib/grub/x86_64-efi-signed/grubnetx64.efi.signed "$folder/x64"
cp lib/shim/shimaa64.efi.signed lib/grub/arm64-efi-signed/grubnetaa64.efi.signed \
    lib/systemd/boot/efi/linuxaa64.efi.stub "$folder/arm64"
cp lib/ipxe/snponly.efi "$folder/ipxe"
cp --sparse=always share/AAVMF/AAVMF_CODE.secboot.fd share/AAVMF/AAVMF_VARS.ms.fd "$folder/firmware"
rm -rf "$apt"
