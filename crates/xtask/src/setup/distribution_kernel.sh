# Makes a distribution's kernel into a root for the tests: the Debian root with that kernel and its modules alone.
#
#   sh distribution_kernel.sh UNFINISHED DEBIAN_ROOT PACKAGE MIRROR SUITE...
#
# PACKAGE is a metapackage (linux-image-amd64) that depends on the kernel, or the beginning of a kernel's own package
# (linux-image-6.18), of which the newest is taken. UNFINISHED/version names the kernel afterwards.
set -eu
unfinished=$1 debian_root=$2 package=$3 mirror=$4
shift 4
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
scratch=$unfinished/scratch
mkdir -p "$scratch/lists/partial" "$scratch/archives/partial" "$scratch/etc/apt.conf.d" "$scratch/etc/preferences.d"
cd "$scratch"
: > status
# Nothing of this machine's own packages.
cat > apt.conf <<END
Dir::Etc "$scratch/etc";
Dir::Etc::SourceList "$scratch/sources.list";
Dir::State::Lists "$scratch/lists";
Dir::State::status "$scratch/status";
Dir::Cache "$scratch";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Sandbox::User "root";
APT::Get::List-Cleanup "false";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
END
export APT_CONFIG="$scratch/apt.conf"
# One by one: a suite that is gone from the mirror is in the archive, or left out.
for suite in "$@"; do
    for place in "arch=amd64 signed-by=$keyring] $mirror" \
        "arch=amd64 signed-by=$keyring check-valid-until=no] http://archive.debian.org/debian"; do
        echo "deb [$place $suite main" > sources.list
        if apt-get -qq update; then
            cat sources.list >> found
            continue 2
        fi
    done
    echo "Debian's $suite is neither in $mirror nor in the archive: left out" >&2
done
[ -e found ] || { echo "none of Debian's suites can be fetched: $*" >&2; exit 1; }
mv found sources.list
case $package in
linux-image-[0-9]*)
    image=$(apt-cache pkgnames "$package." | grep -v -e -cloud- -e -rt- | grep -e '-amd64$' | sort -V | tail -n 1) ;;
*)
    image=$(apt-cache depends --important "$package" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1) ;;
esac
[ -n "$image" ] || { echo "no kernel by $package in $*" >&2; exit 1; }
version=${image#linux-image-}
# Kernels since 6.19 are in several packages.
parts=
for part in image base binary modules; do
    name=linux-$part-$version
    apt-cache pkgnames "$name" | grep -q -x -F "$name" && parts="$parts $name"
done
apt-get -qq download $parts
mkdir tree
for package in linux-*.deb; do dpkg-deb -x "$package" tree; done
modules=tree/usr/lib/modules/$version
[ -d "$modules" ] || modules=tree/lib/modules/$version
# Only what names and modules differ in is another file.
cp -al "$debian_root" "$unfinished/root"
rm -rf "$unfinished/root/boot" "$unfinished/root/usr/lib/modules"
mkdir -p "$unfinished/root/boot" "$unfinished/root/usr/lib/modules"
for file in vmlinuz config; do
    if [ -e "tree/boot/$file-$version" ]; then
        cp "tree/boot/$file-$version" "$unfinished/root/boot/"
    else
        cp "$modules/$file" "$unfinished/root/boot/$file-$version"
    fi
done
mv "$modules" "$unfinished/root/usr/lib/modules/"
chroot "$unfinished/root" depmod "$version"
echo "$version" > "$unfinished/version"
cd "$unfinished"
rm -rf "$scratch"
