//! What the package tells dpkg: its fields, its scripts, its checksums.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::release::{ARCHITECTURE, CONFIGURATION_FILE, MAINTAINER, Release};
use super::tree::{self, set_mode};
use crate::run::output;

const FIELDS: &str = include_str!("control");
const SCRIPTS: [(&str, &str); 3] = [
    ("postinst", include_str!("postinst")),
    ("prerm", include_str!("prerm")),
    ("postrm", include_str!("postrm")),
];

/// Writes `DEBIAN/` below a finished tree; `scratch` is a directory for dpkg-shlibdeps.
pub(super) fn write(root: &Path, scratch: &Path, release: &Release) -> Result<()> {
    let depends = shared_libraries(&root.join("usr/bin/netroot"), scratch)?;
    let (sums, size) = files(root)?;
    let place = root.join("DEBIAN");
    let fields = FIELDS
        .replace("@VERSION@", &release.version)
        .replace("@ARCHITECTURE@", ARCHITECTURE)
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

/// The packages with the libraries that the program is linked with, in the versions whose symbols it uses.
fn shared_libraries(program: &Path, scratch: &Path) -> Result<String> {
    // It wants to be where a source package is built.
    let source = "Source: netroot\n\nPackage: netroot\nArchitecture: any\n";
    tree::write(&scratch.join("debian/control"), source)?;
    let found = output(
        Command::new("dpkg-shlibdeps")
            .arg("-O")
            .arg(program)
            .current_dir(scratch),
    )
    .context("dpkg-shlibdeps is in the package dpkg-dev")?;
    let depends = found.trim().strip_prefix("shlibs:Depends=");
    Ok(depends
        .context("dpkg-shlibdeps names no library")?
        .to_owned())
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
