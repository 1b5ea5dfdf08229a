# Unpacks the newest dnsmasq that Debian has, and the libraries that it was built for: `sh newest-dnsmasq.sh FOLDER MIRROR`. Nothing
# is installed: the tests go on with this machine's own. FOLDER/bin/dnsmasq runs it. It is fetched once: `rm -r FOLDER` has the next
# set-up fetch what is the newest then.
set -eu
folder=$1
mirror=$2
apt=$folder/apt

echo "dnsmasq: fetching Debian's newest from $mirror"
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/parts" "$folder/bin" "$folder/lib"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" > "$apt/sources.list"
# Nothing of this machine's own apt is read or changed; as no package counts as installed, the libraries come with it.
fetch() {
    apt-get -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts="$apt/parts" \
        -o Dir::Etc::PreferencesParts="$apt/parts" -o Dir::State="$apt/state" -o Dir::State::status=/dev/null \
        -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}
{ fetch update && fetch install -y --no-install-recommends --download-only dnsmasq-base; } > "$apt/log" 2>&1 ||
    { tail -n 20 "$apt/log"; exit 1; }
for package in "$apt"/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$apt/unpacked"
done

libraries=$(echo "$apt"/unpacked/usr/lib/*-linux-gnu*)
loader=$(echo "$libraries"/ld-linux*.so.*)
cp "$apt/unpacked/usr/sbin/dnsmasq" "$folder/lib/dnsmasq"
# A line of it: `libc.so.6 => /usr/lib/libc.so.6 (0x00007f0000000000)`.
"$loader" --library-path "$libraries" --list "$folder/lib/dnsmasq" > "$apt/needed"
sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' "$apt/needed" > "$apt/paths"
test -s "$apt/paths"
while read -r library; do
    cp -L "$library" "$folder/lib"
done < "$apt/paths"
cat > "$folder/bin/dnsmasq" <<'END'
#!/bin/sh
# By the C library that it was built for.
lib=$(dirname "$(readlink -f "$0")")/../lib
exec "$lib"/ld-linux*.so.* --library-path "$lib" "$lib/dnsmasq" "$@"
END
chmod 755 "$folder/bin/dnsmasq"
version=$("$folder/bin/dnsmasq" --version)
echo "$version" | head -n 1
rm -rf "$apt"
