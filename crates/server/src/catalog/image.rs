//! What one machine boots.

use std::fmt::Write;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use netroot_net::Host;
use netroot_nfs_export::HiddenPaths;
use netroot_proto::cmdline::{BootPlan, Rescue};
use netroot_proto::pxe::inputs::Loader;

use crate::settings::InitrdSource;

/// The initrd's `initrd=` name in the kernel's command line, which the kernel's EFI stub looks for.
pub(crate) const INITRD: &str = "initrd.img";

/// The kernel's short name.
const KERNEL: &str = "vmlinuz";

/// Something to boot: a root, and the kernel and initrd that mount it.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// Its name: in URLs, as an NFS path, and for people.
    pub(crate) name: String,
    /// Where its root is.
    pub(crate) root: RootLocation,
    /// Its kernel.
    pub(crate) kernel: KernelFile,
    /// Tells this kernel and this initrd from those that had the image's name before, in hexadecimal digits; empty where
    /// names go without.
    pub(crate) tag: String,
    /// Where its initrd comes from.
    pub(crate) initrd: InitrdSource,
    /// What firmware loads before it, by platform.
    pub(crate) loaders: Arc<[Loader]>,
    /// Whether the root is made writable by a tmpfs over it (`rd.overlay`).
    pub(crate) overlay: bool,
    /// Added at the end of the command line, where it overrides what comes before.
    pub(crate) append: Option<String>,
}

/// Where a root is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RootLocation {
    /// A directory of this machine, exported by netroot at the address that the machine reached.
    Own {
        /// The directory.
        directory: PathBuf,
        /// The TCP port of NFS and MOUNT.
        port: u16,
        /// What machines do not see of it.
        hidden: HiddenPaths,
        /// Whether they see the file systems that are mounted below it.
        submounts: bool,
    },
    /// An export elsewhere, word for word: `ADDR:/PATH[,OPTIONS]`.
    Elsewhere(String),
}

/// A kernel of an image's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KernelFile {
    /// Its version, as `uname -r` prints it.
    pub(crate) version: String,
    /// Its file.
    pub(crate) path: PathBuf,
    /// The parameters that start the root's system, where `/sbin/init` does not.
    pub(crate) start: Option<String>,
}

/// One of the files that a script names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImageFile {
    /// The kernel.
    Kernel,
    /// The initrd.
    Initrd,
}

impl ImageFile {
    /// Its name below the image's, and alone if there is only one image.
    pub(crate) const fn short_name(self) -> &'static str {
        match self {
            Self::Kernel => KERNEL,
            Self::Initrd => INITRD,
        }
    }
}

/// What a name over TFTP and HTTP says of an image's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NamedFile<'a> {
    /// The image's name; `None` for the only image.
    pub(crate) image: Option<&'a str>,
    /// Which file.
    pub(crate) file: ImageFile,
    /// The tag; empty for the newest.
    pub(crate) tag: &'a str,
}

/// Reads `images/<name>/vmlinuz`, `images/<name>/vmlinuz-<tag>` and `vmlinuz`, and the same for the initrd.
pub(crate) fn file_of_image(name: &str) -> Option<NamedFile<'_>> {
    let (image, file) = match name.strip_prefix("images/") {
        Some(rest) => rest
            .split_once('/')
            .map(|(image, file)| (Some(image), file))?,
        None => (None, name),
    };
    [ImageFile::Kernel, ImageFile::Initrd]
        .into_iter()
        .find_map(|one| {
            let tag = match file.strip_prefix(one.short_name())? {
                "" => "",
                rest => rest.strip_prefix('-').filter(|tag| is_tag(tag))?,
            };
            let file = one;
            Some(NamedFile { image, file, tag })
        })
}

fn is_tag(tag: &str) -> bool {
    !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Image {
    /// The path under which netroot exports its root.
    pub(crate) fn export_path(&self) -> String {
        format!("/{}", self.name)
    }

    /// The same with names of its own for its kernel and initrd.
    pub(crate) fn tagged(&self, tag: String) -> Self {
        Self {
            tag,
            ..self.clone()
        }
    }

    /// The kernel's name over TFTP and HTTP, for this image's scripts.
    pub(crate) fn kernel_name(&self) -> String {
        match self.tag.as_str() {
            "" => self.newest(ImageFile::Kernel),
            tag => format!("images/{}/{KERNEL}-{tag}", self.name),
        }
    }

    /// The same for the initrd.
    pub(crate) fn initrd_name(&self) -> String {
        match self.tag.as_str() {
            "" => self.newest(ImageFile::Initrd),
            tag => format!("images/{}/{INITRD}-{tag}", self.name),
        }
    }

    /// The name under which the newest is found, whatever the image's tag is by then.
    pub(crate) fn newest(&self, file: ImageFile) -> String {
        format!("images/{}/{}", self.name, file.short_name())
    }

    /// The root as `nfsroot=` and DHCP's option 17 name it, for a machine that reaches the server at `server`.
    pub(crate) fn nfsroot(&self, server: IpAddr) -> String {
        match &self.root {
            // Both ports, so that no machine asks a portmapper, which may not exist.
            RootLocation::Own { port, .. } => {
                let (server, path) = (Host::Address(server).in_url(), self.export_path());
                format!("{server}:{path},vers=3,proto=tcp,port={port},mountport={port},nolock")
            }
            RootLocation::Elsewhere(nfsroot) => nfsroot.clone(),
        }
    }

    /// Whether somebody at the console may get a shell before the root's own login.
    pub(crate) fn offers_shell(&self) -> bool {
        let plan = BootPlan::parse(self.append.as_deref().unwrap_or_default());
        plan.rescue.value != Rescue::Never
    }

    /// The kernel's command line in an iPXE script: [`Image::arguments`] of the NIC that iPXE booted from.
    pub(crate) fn command_line(&self, server: SocketAddr, report: Option<&str>) -> String {
        let arguments = self.arguments(server, Some("${netX/mac:hexhyp}"), report);
        format!("initrd={INITRD} {arguments}")
    }

    /// The kernel's command line, for a machine that reaches the HTTP server at `server`. `nic` is the MAC, as
    /// `52-54-00-12-34-56`, of the NIC that it boots from, so that the init uses the same one; `report` is the path of
    /// its boot reports, if it may send any.
    pub(crate) fn arguments(
        &self,
        server: SocketAddr,
        nic: Option<&str>,
        report: Option<&str>,
    ) -> String {
        let nfsroot = self.nfsroot(server.ip());
        let mut line = format!("root=/dev/nfs nfsroot={nfsroot} ip=dhcp");
        if let Some(nic) = nic {
            let _ = write!(line, " BOOTIF=01-{nic}");
        }
        line += " ro";
        if self.overlay {
            line += " rd.overlay";
        }
        // Only netroot's init reads it: it reports there how the boot went.
        if let Some(report) = report {
            let _ = write!(line, " netroot.report=http://{server}{report}");
        }
        // What is appended overrides the system's own start.
        for more in [&self.kernel.start, &self.append].into_iter().flatten() {
            line += " ";
            line += more;
        }
        line
    }
}

/// Whether a URL, an NFS path and a command line can carry this as an image's name.
pub(super) fn is_name(name: &str) -> bool {
    // Nothing but dots would be a way up.
    name.chars().all(in_name) && !name.chars().all(|c| c == '.')
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// The name of an image that is configured without one: its directory's, as far as a name can carry it.
///
/// # Errors
/// The file system's, if the directory cannot be found.
pub(crate) fn name_of_directory(directory: &Path) -> io::Result<String> {
    let real = directory.canonicalize()?;
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    let kept: String = name.chars().filter(|c| in_name(*c)).collect();
    Ok(if is_name(&kept) {
        kept
    } else {
        "root".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::super::tests::image;
    use super::*;

    const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 8069);

    #[test]
    fn the_command_line_is_the_one_that_the_init_and_other_initrds_read() {
        assert_eq!(
            image("bookworm").command_line(SERVER, Some("/report/52-54-00-12-34-56/0123")),
            "initrd=initrd.img root=/dev/nfs \
             nfsroot=10.0.0.1:/bookworm,vers=3,proto=tcp,port=2049,mountport=2049,nolock \
             ip=dhcp BOOTIF=01-${netX/mac:hexhyp} ro rd.overlay \
             netroot.report=http://10.0.0.1:8069/report/52-54-00-12-34-56/0123"
        );
    }

    #[test]
    fn an_ipv6_address_is_in_brackets_in_urls_and_in_nfsroot() {
        let server = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into();
        let line = image("bookworm").command_line(SocketAddr::new(server, 8069), Some("/report/x"));
        for part in [
            " nfsroot=[2001:db8::1]:/bookworm,vers=3,",
            " netroot.report=http://[2001:db8::1]:8069/report/x",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }

    #[test]
    fn what_is_appended_comes_last_and_an_export_elsewhere_is_handed_out_word_for_word() {
        let elsewhere = Image {
            root: RootLocation::Elsewhere("192.0.2.9:/srv/debian,vers=3".to_owned()),
            overlay: false,
            append: Some("console=ttyS0 quiet".to_owned()),
            ..image("bookworm")
        };
        assert_eq!(
            elsewhere.command_line(SERVER, None),
            "initrd=initrd.img root=/dev/nfs nfsroot=192.0.2.9:/srv/debian,vers=3 \
             ip=dhcp BOOTIF=01-${netX/mac:hexhyp} ro console=ttyS0 quiet"
        );
    }

    #[test]
    fn a_system_with_a_start_of_its_own_is_started_unless_something_else_is_appended() {
        let mut guix = image("guix");
        guix.kernel.start = Some("gnu.system=/s gnu.load=/s/boot".to_owned());
        guix.append = Some("init=/bin/sh".to_owned());
        let line = guix.command_line(SERVER, None);
        assert!(
            line.ends_with(" ro rd.overlay gnu.system=/s gnu.load=/s/boot init=/bin/sh"),
            "{line}"
        );
    }

    #[test]
    fn an_image_is_named_after_its_directory_as_far_as_a_command_line_can_carry_it() {
        let folder = tempfile::tempdir().unwrap();
        for (directory, name) in [
            ("bookworm", "bookworm"),
            ("my root, 2", "myroot2"),
            ("...", "root"),
            ("ü", "root"),
        ] {
            let path = folder.path().join(directory);
            std::fs::create_dir(&path).unwrap();
            assert_eq!(name_of_directory(&path).unwrap(), name);
            assert_eq!(name_of_directory(&path.join(".")).unwrap(), name);
        }
        assert_eq!(name_of_directory(Path::new("/")).unwrap(), "root");
        assert!(name_of_directory(&folder.path().join("absent")).is_err());
    }
}
