# Builds a shim that starts iPXE: `sh ipxe-shim.sh FOLDER MIRROR`. It stands in for the one that Microsoft signs for iPXE, which
# is in no archive of Debian's. The source is Debian's package of shim, of the release of the tests' root, whatever this system's
# own is. As iPXE's shim has iPXE's certificate inside and the name of its binary, so this one has a certificate that is made
# here, and `snponly.efi`. The key stays beside it: tests sign iPXE with it. Nobody's firmware trusts the shim until a test says so.
set -eu
folder=$1
mirror=$2
apt=$folder/apt

echo "shim for iPXE: fetching the source of shim from $mirror"
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/parts"
key=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb-src [signed-by=$key] $mirror bookworm main" > "$apt/sources.list"
# Nothing of this machine's own apt is read or changed.
fetch() {
    apt-get -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts="$apt/parts" \
        -o Dir::Etc::PreferencesParts="$apt/parts" -o Dir::State="$apt/state" -o Dir::State::status=/dev/null \
        -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}
cd "$apt"
{ fetch update && fetch source shim; } > log 2>&1 || { tail -n 20 log; exit 1; }

openssl req -x509 -newkey rsa:2048 -nodes -days 36500 -subj "/CN=Stand-in for iPXE's signer/" \
    -keyout "$folder/vendor.key" -out "$folder/vendor.pem" 2>> log
openssl x509 -outform DER -in "$folder/vendor.pem" -out vendor.der
echo "shim for iPXE: building it"
cd shim-*/
# As Debian builds it, but for the certificate and the name.
make VENDOR_CERT_FILE="$apt/vendor.der" DEFAULT_LOADER=snponly.efi ENABLE_HTTPBOOT=true EFIDIR=netroot-tests \
    POST_PROCESS_PE_FLAGS=-N shimx64.efi > ../log 2>&1 || { tail -n 20 ../log; exit 1; }
cp shimx64.efi "$folder"
rm -rf "$apt"
