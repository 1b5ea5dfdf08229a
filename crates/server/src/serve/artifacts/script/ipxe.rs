//! iPXE's scripts, one for each kind of image.
//!
//! Every URL is absolute and has the address at which the machine reached the server: iPXE's own `${next-server}` is the
//! *main* DHCP server's, which is another machine in proxy mode.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use netroot_net::Mac;
use netroot_printable::Printable;

use super::words::words;
use crate::catalog::{Image, ImageFile, ImageKind, Recipient};
use crate::settings::{ConfigPlace, Location};

/// The script that boots a machine.
pub(crate) fn boot(image: &Image, to: &Recipient<'_>) -> String {
    let server = to.server;
    match &image.kind {
        ImageKind::Root(_) | ImageKind::Kernel(_) => linux(image, to),
        ImageKind::Efi(_) => program(image, to),
        ImageKind::Disk(Location::File(_)) => disk(image, to, &url(server, image, ImageFile::Disk)),
        ImageKind::Iso(Location::File(_)) => disk(image, to, &url(server, image, ImageFile::Iso)),
        ImageKind::Disk(Location::Url(url)) | ImageKind::Iso(Location::Url(url)) => {
            disk(image, to, url)
        }
        ImageKind::LocalDisk => local_disk(image, to),
    }
}

fn url(server: SocketAddr, image: &Image, file: ImageFile) -> String {
    format!("http://{server}/{}", image.file_name(file))
}

/// What iPXE says of the machine in the query of its script's URL (`serve::machines`'s `query` reads it).
const QUERY: &str = "?uuid=${uuid}&serial=${serial:uristring}&asset=${asset:uristring}\
    &manufacturer=${manufacturer:uristring}&product=${product:uristring}&busid=${netX/busid}";

/// The URL of a machine's own script. `None` is whoever runs it.
pub(super) fn own_script(server: SocketAddr, mac: Option<Mac>) -> String {
    match mac {
        Some(mac) => format!("http://{server}/boot/{}.ipxe", mac.hyphenated()),
        None => format!("http://{server}/boot/${{netX/mac:hexhyp}}.ipxe"),
    }
}

/// The first lines: what the script is, and a comment for each parameter that is not in it.
fn start(image: &Image, to: &Recipient<'_>, with: &str, left_out: &[String]) -> String {
    let name = &image.name;
    let mac = to.values.mac;
    let whom = mac.map_or_else(|| "any machine".to_owned(), |mac| mac.to_string());
    let mut script = format!("#!ipxe\n# netroot: {whom} boots {name}{with}\n");
    for parameter in left_out {
        let parameter = Printable(parameter);
        let _ = writeln!(
            script,
            "# netroot: without {parameter}: what that stands for is not known of this machine"
        );
    }
    script
}

/// What every script does after a failure: it waits, and asks what to boot now.
fn end(image: &Image, to: &Recipient<'_>) -> String {
    let again = again(image.offers_shell());
    let own = own_script(to.server, to.values.mac);
    format!("\n:again\n{again}\nchain --replace {own} || goto start\n")
}

/// What a script does before it tries again. iPXE's shell can load anything from anywhere, so it is not offered where
/// the command line forbids the init's (`netroot.shell=0`). Ctrl-C ends each line early, and never the script.
const fn again(shell: bool) -> &'static str {
    if shell {
        "echo netroot: trying again in 10 s; press s for a shell\n\
         prompt --key s --timeout 10000 && shell ||"
    } else {
        "echo netroot: trying again in 10 s\n\
         sleep 10 ||"
    }
}

fn linux(image: &Image, to: &Recipient<'_>) -> String {
    let (name, server) = (&image.name, to.server);
    let line = image.command_line(to);
    let version = image.linux().map(|version| format!("Linux {version}"));
    let (with, shown) = match &version {
        Some(version) => (format!(" with {version}"), format!(", {version}")),
        None => (String::new(), String::new()),
    };
    let kernel = url(server, image, ImageFile::Kernel);
    let mut script = start(image, to, &with, &line.left_out);
    // A failed attempt may have left a partial image (iPXE's word for a loaded file): each attempt starts without any.
    let _ = write!(
        script,
        "\
:start
echo netroot: {name}{shown}, from {server}
imgfree
kernel {kernel} {} || goto no_kernel
",
        line.line
    );
    let files = image.files().into_iter();
    let initrds: Vec<ImageFile> = files.filter(|file| *file != ImageFile::Kernel).collect();
    for file in &initrds {
        let label = label(*file);
        let url = url(server, image, *file);
        let _ = writeln!(script, "initrd --name {file} {url} || goto {label}");
    }
    if image.kernel_shim {
        script += &by_shim(&url(server, image, ImageFile::KernelShim));
    }
    let _ = write!(
        script,
        "\
boot || goto no_boot

:no_kernel
echo netroot: the kernel {kernel} could not be loaded (the line above says why)
goto again
"
    );
    for file in initrds {
        let label = label(file);
        let url = url(server, image, file);
        let _ = write!(
            script,
            "\n:{label}\necho netroot: the initrd {url} could not be loaded (the line above says why)\ngoto again\n"
        );
    }
    script += "
:no_boot
echo netroot: the kernel was loaded but does not start: is it built for this machine's processor and firmware?
goto again
";
    script + &end(image, to)
}

/// Has iPXE start the kernel by the shim of its distribution, if firmware does not start it otherwise: whoever has signed
/// iPXE has not signed that kernel. Without Secure Boot iPXE does not load the shim. One that is older than 1.21.1+ (2023) does
/// not know the command, and goes on.
fn by_shim(shim: &str) -> String {
    format!(
        "\
iseq ${{platform}} efi || goto start_kernel
shim {shim} || echo netroot: without {shim} no kernel starts where Secure Boot is on (the line above says why it is missing)
:start_kernel
"
    )
}

fn label(file: ImageFile) -> String {
    match file {
        ImageFile::INITRD => "no_initrd".to_owned(),
        other => format!("no_{}", other.to_string().replace('.', "_")),
    }
}

fn program(image: &Image, to: &Recipient<'_>) -> String {
    let (name, server) = (&image.name, to.server);
    let arguments = image.arguments(
        &Recipient {
            values: crate::append::Values {
                by_ipxe: true,
                ..to.values
            },
            ..*to
        },
        None,
    );
    let program = url(server, image, ImageFile::Program);
    let mut script = start(image, to, ", an EFI program", &arguments.left_out);
    let space = if arguments.line.is_empty() { "" } else { " " };
    let _ = write!(
        script,
        "\
:start
echo netroot: {name}, an EFI program, from {server}
iseq ${{platform}} efi || goto not_efi
imgfree
chain {program}{space}{} || goto no_program
echo netroot: {name} has ended; this machine goes on with its next boot device
exit 1

:not_efi
echo netroot: {name} is an EFI program, and this machine was started by its BIOS: set its firmware to UEFI, or assign it another image
goto again

:no_program
echo netroot: {program} could not be loaded, does not start, or has failed (the line above says why)
goto again
",
        arguments.line
    );
    script + &end(image, to)
}

fn disk(image: &Image, to: &Recipient<'_>, url: &str) -> String {
    let name = &image.name;
    // What the protocol can describe is described for the system that boots, in a table of ACPI: an iSCSI target's
    // name and address, for example. HTTP cannot, and without this option iPXE stops there.
    let described = ["iscsi:", "aoe:", "fcoe:", "ib_srp:"];
    let describe = match described.iter().any(|scheme| url.starts_with(scheme)) {
        true => "",
        false => "--no-describe ",
    };
    let mut script = start(image, to, &format!(" from {url}"), &[]);
    let _ = write!(
        script,
        "\
:start
echo netroot: {name}, from {url}
imgfree
sanboot {describe}--drive 0x80 {url} || goto no_boot

:no_boot
echo netroot: {url} does not boot as a disk (the line above says why)
iseq ${{platform}} efi && echo netroot: UEFI needs EFI/BOOT/BOOTX64.EFI (BOOTAA64.EFI for arm64) on a FAT file system of that disk, or a medium that is made for it ||
iseq ${{platform}} efi || echo netroot: a BIOS needs a boot sector on that disk, or El Torito on a CD; a medium for UEFI alone has neither ||
goto again
"
    );
    script + &end(image, to)
}

/// Under BIOS the first disk is booted by iPXE: few of them go on to the next device after a network boot. Under UEFI
/// the next boot option is the disk's; a status other than 0 sends the boot manager there, and 0 into its menu.
fn local_disk(image: &Image, to: &Recipient<'_>) -> String {
    let mut script = start(image, to, ", its own disk", &[]);
    let _ = write!(
        script,
        "\
echo netroot: {}, this machine's own disk
iseq ${{platform}} efi && goto next ||
imgfree
sanboot --no-describe --drive 0x80 || goto no_disk

:no_disk
echo netroot: this machine's first disk does not boot (the line above says why)
:next
echo netroot: this machine goes on with its next boot device
exit 1
",
        image.name
    );
    script
}

/// The script of a machine that this server does not boot; `why` is what says so.
pub(crate) fn refuse(server: SocketAddr, mac: Option<Mac>, why: &str) -> String {
    let whom = mac.map_or_else(|| "this machine".to_owned(), |mac| mac.to_string());
    let why = words(why);
    format!(
        "\
#!ipxe
echo netroot: {server} does not boot {whom}: {why}
echo netroot: this machine goes on with its next boot device
exit 1
"
    )
}

/// The script of a machine that waits until it is told what to boot. It asks every 10 s, so that nobody has to go there.
pub(crate) fn wait(
    server: SocketAddr,
    mac: Option<Mac>,
    why: &str,
    place: Option<&ConfigPlace>,
) -> String {
    let (whom, adopt) = match mac {
        Some(mac) => (mac.to_string(), mac.to_string()),
        None => ("this machine".to_owned(), "${netX/mac}".to_owned()),
    };
    let (own, why) = (own_script(server, mac) + QUERY, words(why));
    let place = place.map_or(Path::new("conf.d"), |place| &place.drop_ins);
    let place = words(&place.display().to_string());
    format!(
        "\
#!ipxe
:start
echo netroot: {whom} waits until {server} is told what it boots: {why}
echo netroot: adopt it there with machine.NAME = {{ mac = \"{adopt}\", boot = \"IMAGE\" }} in a new file NAME.toml of {place}
:again
sleep 10 ||
chain --replace {own} || goto again
"
    )
}

/// The script that iPXE runs before any other: it fetches the machine's own. `shell`: it may offer iPXE's shell.
pub(crate) fn autoexec(server: SocketAddr, shell: bool) -> String {
    let again = again(shell);
    // iPXE may have sent no DHCP message that says who it is: it takes over the lease of the firmware that loaded it.
    let own = own_script(server, None) + QUERY;
    // Replaced, not called: when the machine's own script ends, so does this one.
    format!(
        "\
#!ipxe
:start
isset ${{netX/ip}} || dhcp || goto no_address
chain --replace {own} || goto no_script

:no_address
echo netroot: no DHCP server gave this machine an address
goto again

:no_script
echo netroot: http://{server} did not give this machine its script (the line above says why)
goto again

:again
{again}
goto start
"
    )
}
