//! What is compared: our init, initramfs-tools, and two reference points.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use netroot_harness::{TinyRoot, paths};

use super::bench_network::{PATH, SERVER};
use super::initramfs_tools;
use crate::initrd;
use crate::run::run;

/// The baseline's list of modules, in the tiny root and under the same name in its initrd.
const LIST: &str = "etc/baseline";

/// An initrd to boot, and how.
pub(super) struct Contestant {
    /// The name to print.
    pub(super) name: &'static str,
    /// The folder of its logs.
    pub(super) log: &'static str,
    pub(super) initrd: PathBuf,
    /// Its command line.
    pub(super) command_line: String,
}

/// Where the initrds are made.
pub(super) struct Images {
    pub(super) folder: PathBuf,
    /// Those that are there already are used as they are.
    pub(super) kept: bool,
}

impl Images {
    /// The initrd with this name, made by `make`.
    fn image(&self, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let path = self.folder.join(name);
        if !(self.kept && path.exists()) {
            make(&path)?;
        }
        Ok(path)
    }
}

/// This project's initrd, with every wired NIC's driver.
///
/// # Errors
/// When it cannot be made.
pub(super) fn netroot(images: &Images) -> Result<Contestant> {
    let (version, _) = paths::debian_kernel()?;
    let name = format!("netroot-{version}.img");
    let initrd = images.image(&name, |path| initrd::make("netboot", path))?;
    Ok(Contestant {
        name: "netroot init",
        log: "netroot",
        initrd,
        command_line: by_dhcp(),
    })
}

/// The same with another `/init`, such as one built from an earlier commit.
///
/// # Errors
/// When it cannot be made.
pub(super) fn other(images: &Images, root: &TinyRoot, init: &Path) -> Result<Contestant> {
    let contents = paths::workspace().join("initrd/contents.toml");
    // Never kept: the last one may be of another init.
    let initrd = images.folder.join("other.img");
    make(root.path(), &contents, "netboot", init, &initrd)?;
    Ok(Contestant {
        name: "the other init",
        log: "other",
        initrd,
        command_line: by_dhcp(),
    })
}

/// Debian's initrd, made by its own tools.
///
/// # Errors
/// When it cannot be made.
pub(super) fn initramfs_tools(images: &Images, version: &str) -> Result<Contestant> {
    let name = format!("initramfs-tools-{version}.img");
    Ok(Contestant {
        name: "initramfs-tools boot=nfs",
        log: "initramfs-tools",
        initrd: images.image(&name, |path| initramfs_tools::make(path, version))?,
        command_line: by_dhcp(),
    })
}

fn by_dhcp() -> String {
    format!("boot=nfs root=/dev/nfs nfsroot={SERVER}:{PATH} ip=dhcp")
}

/// The least that a boot takes (`tests/baseline-init`): the same initrd but for its `/init`, which loads the modules in
/// the order in which `modules` tells them, and mounts with every answer known.
///
/// # Errors
/// When it cannot be made.
pub(super) fn baseline(
    images: &Images,
    root: &TinyRoot,
    version: &str,
    modules: impl FnOnce() -> Result<Vec<String>>,
) -> Result<Contestant> {
    let name = format!("baseline-{version}.img");
    let initrd = images.image(&name, |path| {
        let list = paths_in_initrd(version, &modules()?)?;
        fs::write(root.path().join(LIST), list)?;
        let data = paths::workspace().join("initrd/contents.toml");
        let data = fs::read_to_string(&data).with_context(|| format!("read {}", data.display()))?;
        let contents = images.folder.join("baseline.toml");
        let file = format!("{data}\n[[file]]\npath = \"/{LIST}\"\nfrom = \"/{LIST}\"\n");
        fs::write(&contents, file)?;
        let init = paths::baseline_init()?;
        make(root.path(), &contents, "netboot", &init, path)
    })?;
    let ports = "port=2049,mountport=20048";
    Ok(Contestant {
        name: "with the answers known",
        log: "baseline",
        initrd,
        command_line: format!(
            "BASELINE_ADDRESS=10.90.0.50/24 BASELINE_ROOT={SERVER}:{PATH} \
             BASELINE_OPTIONS=vers=3,proto=tcp,{ports},mountvers=3,mountproto=tcp,\
             mountaddr={SERVER},nolock,addr={SERVER}"
        ),
    })
}

/// The kernel and a program that reports its start at once: the root's init, in the initrd.
///
/// # Errors
/// When it cannot be made.
pub(super) fn nothing(images: &Images, root: &TinyRoot) -> Result<Contestant> {
    let contents = images.folder.join("nothing.toml");
    // The console, and the kernel's log.
    let devices = [("console", 5, 1), ("kmsg", 1, 11)].map(|(name, major, minor)| {
        format!(
            "[[device]]\npath = \"/dev/{name}\"\nmajor = {major}\nminor = {minor}\nmode = 0o600\n"
        )
    });
    fs::write(
        &contents,
        format!("directories = [\"/dev\"]\n{}", devices.concat()),
    )?;
    let initrd = images.folder.join("nothing.img");
    make(root.path(), &contents, "", &paths::facts()?, &initrd)?;
    Ok(Contestant {
        name: "the kernel alone",
        log: "nothing",
        initrd,
        command_line: String::new(),
    })
}

/// An initrd with another `/init` than the one embedded in `netroot`.
fn make(root: &Path, contents: &Path, modules: &str, init: &Path, output: &Path) -> Result<()> {
    run(Command::new(paths::netroot()?)
        .arg("initrd")
        .args([Path::new("--root"), root, Path::new("--contents"), contents])
        .args(["--modules", modules])
        .args([Path::new("--init"), init, Path::new("-o"), output]))
}

/// The modules that the root's init found in the kernel, the first one loaded first.
///
/// # Errors
/// When there are none: a NIC and NFS need some.
pub(super) fn loaded(console: &str) -> Result<Vec<String>> {
    let names = console
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix("facts: loaded "));
    let names: Vec<String> = names.map(str::to_owned).collect();
    ensure!(!names.is_empty(), "the root's init listed no modules");
    Ok(names)
}

/// The paths of these modules in the initrd, one per line.
fn paths_in_initrd(version: &str, modules: &[String]) -> Result<String> {
    let folder = paths::debian_root().join("lib/modules").join(version);
    let dependencies = fs::read_to_string(folder.join("modules.dep"))
        .with_context(|| format!("read modules.dep in {}", folder.display()))?;
    let path = |name: &String| {
        let path = path_of(&dependencies, name)
            .with_context(|| format!("the module {name} is not in modules.dep"))?;
        Ok(format!("/lib/modules/{version}/{path}\n"))
    };
    modules.iter().map(path).collect()
}

/// The path of a module by its name in the kernel; `netroot initrd` decompresses modules.
fn path_of<'a>(dependencies: &'a str, name: &str) -> Option<&'a str> {
    let paths = dependencies
        .lines()
        .filter_map(|line| line.split(':').next());
    let paths = paths.filter_map(|path| path.get(..path.find(".ko")? + 3));
    let mut modules = paths.filter_map(|path| Some((path, path.rsplit('/').next()?)));
    let is_it = |file: &str| file.trim_end_matches(".ko").replace('-', "_") == name;
    modules.find_map(|(path, file)| is_it(file).then_some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_found_by_its_kernel_name() {
        let dependencies = "kernel/net/a.ko: kernel/b.ko\nkernel/drivers/x-y.ko.xz:\n";
        assert_eq!(path_of(dependencies, "x_y"), Some("kernel/drivers/x-y.ko"));
        assert_eq!(path_of(dependencies, "b"), None);
    }

    #[test]
    fn modules_are_listed_in_load_order() {
        let console = "noise\r\nfacts: loaded first\r\nfacts: loaded second\r\n";
        assert_eq!(loaded(console).unwrap(), ["first", "second"]);
        assert!(loaded("facts: begin").is_err());
    }
}
