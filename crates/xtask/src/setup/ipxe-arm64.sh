# Collects boot loaders for PCs and for arm64: `sh ipxe-arm64.sh FOLDER MIRROR`. Those for PCs are the installed package's.
# Debian 12's ipxe has none for arm64, and Debian 13's is data for every architecture: one file is taken out of it, instead of
# installing it in the place of the one that the other tests boot with. (The root's own GRUB, which Debian signs, would start the
# kernel, too; but it reads none of iPXE's scripts, which is how netroot names the network card, shows menus and tries again.)
set -eu
folder=$1
mirror=$2
apt=$folder/apt

echo "loaders: fetching iPXE of Debian 13 (trixie) from $mirror"
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/parts"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" > "$apt/sources.list"
# Nothing of this machine's own apt is read or changed.
fetch() {
    apt-get -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts="$apt/parts" \
        -o Dir::Etc::PreferencesParts="$apt/parts" -o Dir::State="$apt/state" -o Dir::State::status=/dev/null \
        -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}
cd "$apt"
{ fetch update && fetch download ipxe; } > log 2>&1 || { tail -n 20 log; exit 1; }
dpkg-deb -x ipxe_*.deb unpacked
cp unpacked/usr/lib/ipxe/ipxe-arm64.efi "$folder"
cd "$folder"
for file in undionly.kpxe ipxe.pxe snponly.efi ipxe.efi; do
    cp -L "/usr/lib/ipxe/$file" "$folder"
done
rm -rf "$apt"
