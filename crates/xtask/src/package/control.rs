//! What the package tells dpkg: its fields, its scripts, its checksums.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::release::{CONFIGURATION_FILE, MAINTAINER, Release};
use super::tree::{self, set_mode};
use crate::architecture::Architecture;
use crate::run::output;

const FIELDS: &str = include_str!("control");
const SCRIPTS: [(&str, &str); 3] = [
    ("postinst", include_str!("postinst")),
    ("prerm", include_str!("prerm")),
    ("postrm", include_str!("postrm")),
];

/// Writes `DEBIAN/` below a finished tree; `scratch` is a directory for dpkg-shlibdeps.
pub(super) fn write(root: &Path, scratch: &Path, release: &Release) -> Result<()> {
    let depends = shared_libraries(&root.join("usr/bin/netroot"), scratch, release.architecture)?;
    let (sums, size) = files(root)?;
    let place = root.join("DEBIAN");
    let fields = FIELDS
        .replace("@VERSION@", &release.version)
        .replace("@ARCHITECTURE@", release.architecture.name())
        .replace("@MAINTAINER@", MAINTAINER)
        .replace("@INSTALLED_SIZE@", &size.to_string())
        .replace("@SHLIBS_DEPENDS@", &depends);
    tree::write(&place.join("control"), fields)?;
    tree::write(&place.join("md5sums"), sums)?;
    tree::write(&place.join("conffiles"), format!("/{CONFIGURATION_FILE}\n"))?;
    for (name, script) in SCRIPTS {
        tree::write(&place.join(name), script)?;
        set_mode(&place.join(name), 0o755)?;
    }
    Ok(())
}

/// The packages with the libraries that the program is linked with, in the versions whose symbols it uses; for another
/// architecture than this machine's in the versions of the cross compiler's libraries, whose packages do not list symbols.
fn shared_libraries(program: &Path, scratch: &Path, architecture: Architecture) -> Result<String> {
    // It wants to be where a source package is built.
    let source = "Source: netroot\n\nPackage: netroot\nArchitecture: any\n";
    tree::write(&scratch.join("debian/control"), source)?;
    let mut command = Command::new("dpkg-shlibdeps");
    command
        .arg("-O")
        .arg(program)
        .env("DEB_HOST_ARCH", architecture.name())
        .current_dir(scratch);
    if architecture != Architecture::of_this_machine()? {
        command.arg(format!("-l/usr/{}/lib", architecture.gnu()));
    }
    let found = output(&mut command).context("dpkg-shlibdeps is in the package dpkg-dev")?;
    let depends = found.trim().strip_prefix("shlibs:Depends=");
    let depends = depends.context("dpkg-shlibdeps names no library")?;
    // The cross compiler's packages: `libc6:arm64`, `libgcc-s1-arm64-cross`.
    let name = architecture.name();
    let depends = depends.replace(&format!("-{name}-cross"), "");
    Ok(depends.replace(&format!(":{name}"), ""))
}

/// The checksum of every file but the administrator's, and the size of all in KiB, as dpkg-gencontrol counts.
fn files(root: &Path) -> Result<(String, u64)> {
    let listed = output(
        Command::new("find")
            .args([".", "-printf", "%y %s %P\\n"])
            .current_dir(root),
    )?;
    let mut names = Vec::new();
    let mut size = 0;
    for line in listed.lines() {
        let mut words = line.splitn(3, ' ');
        let (kind, bytes, name) = (words.next(), words.next(), words.next());
        let (Some(kind), Some(bytes), Some(name)) = (kind, bytes, name) else {
            continue;
        };
        if kind != "f" {
            size += 1;
            continue;
        }
        size += bytes.parse::<u64>()?.div_ceil(1024);
        if name != CONFIGURATION_FILE {
            names.push(name);
        }
    }
    names.sort_unstable();
    let sums = output(
        Command::new("md5sum")
            .arg("--")
            .args(names)
            .current_dir(root),
    )?;
    Ok((sums, size))
}
