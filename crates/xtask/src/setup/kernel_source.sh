# Fetches Debian's source package of Linux: `sh kernel_source.sh FOLDER MIRROR`. apt has its files in FOLDER, so that
# nothing of this system changes, whatever its own release is.
set -eu
folder=$1
mirror=$2
name=linux-source-6.1

apt=$folder/apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
key=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$key] $mirror bookworm main" > "$apt/sources.list"
get() {
    apt-get -q -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root "$@"
}

echo "kernel source: fetching $name from $mirror"
cd "$folder"
{ get update && get download "$name"; } > log 2>&1 || { tail -n 20 log; exit 1; }
dpkg-deb --field "$name"_*.deb Version > version
dpkg-deb --fsys-tarfile "$name"_*.deb | tar -x -O "./usr/src/$name.tar.xz" > source.tar.xz
rm -r apt log "$name"_*.deb

# What kconfig reads, without the rest: 40 MB of 1.5 GB.
echo "kernel source: unpacking what kconfig reads of $(cat version)"
mkdir kconfig
tar -x -f source.tar.xz -C kconfig --strip-components=1 --wildcards '*/Kconfig*' "$name/scripts" "$name/Makefile" \
    "$name/arch/*/Makefile*" "$name/arch/*/configs" "$name/kernel/configs"
