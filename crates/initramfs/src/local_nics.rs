//! The NICs of this machine, from `/sys/class/net`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A wired NIC and the devices that need a driver for it to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nic {
    /// The name of its interface.
    pub(crate) name: String,
    /// The modalias of its device and of every device above it (a USB NIC's controller, a virtio
    /// NIC's PCI function).
    pub(crate) modaliases: Vec<String>,
    /// The module of its current driver, if it is one.
    pub(crate) module: Option<String>,
}

/// Why the NICs cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum LocalNicsError {
    /// `/sys/class/net` cannot be read.
    #[error("cannot list this machine's NICs in {}", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// The kernel's error.
        source: std::io::Error,
    },
    /// The machine has no wired NIC.
    #[error(
        "this machine has no wired NIC ({} lists only {}): name the modules instead",
        path.display(), others(seen)
    )]
    NoNic {
        /// The directory.
        path: PathBuf,
        /// The other interfaces: virtual or wireless.
        seen: Vec<String>,
    },
}

fn others(seen: &[String]) -> String {
    match seen {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    }
}

/// Lists the wired NICs below `sys` (`/sys`), by name.
pub(crate) fn nics(sys: &Path) -> Result<Vec<Nic>, LocalNicsError> {
    let path = sys.join("class/net");
    let failed = |source| LocalNicsError::List {
        path: path.clone(),
        source,
    };
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(&path).map_err(failed)? {
        names.insert(entry.map_err(failed)?.file_name());
    }
    let mut nics = Vec::new();
    let mut seen = Vec::new();
    for name in names {
        let interface = path.join(&name);
        let name = name.to_string_lossy().into_owned();
        let wireless = interface.join("wireless").exists() || interface.join("phy80211").exists();
        // Only hardware has a device, unlike `lo`, bridges, bonds and veths.
        match interface.join("device").canonicalize() {
            Ok(device) if !wireless => nics.push(nic(name, &device)),
            _ => seen.push(name),
        }
    }
    if nics.is_empty() {
        return Err(LocalNicsError::NoNic { path, seen });
    }
    Ok(nics)
}

fn nic(name: String, device: &Path) -> Nic {
    let mut modaliases = Vec::new();
    for directory in device.ancestors() {
        if let Ok(text) = std::fs::read_to_string(directory.join("modalias")) {
            let modalias = text.trim_end().to_owned();
            if !modalias.is_empty() {
                modaliases.push(modalias);
            }
        }
    }
    let module = std::fs::read_link(device.join("driver/module"))
        .ok()
        .and_then(|link| Some(link.file_name()?.to_str()?.to_owned()));
    Nic {
        name,
        modaliases,
        module,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_virtio_nic_is_found_with_its_bus() {
        let dir = tempfile::tempdir().unwrap();
        let sys = dir.path();
        let virtio = sys.join("devices/pci0000:00/0000:00:03.0/virtio0");
        std::fs::create_dir_all(virtio.join("net/eth0")).unwrap();
        std::fs::write(virtio.join("modalias"), "virtio:d00000001v00001AF4\n").unwrap();
        let pci = "pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00";
        std::fs::write(virtio.parent().unwrap().join("modalias"), pci).unwrap();
        std::fs::create_dir_all(sys.join("bus/virtio/drivers/virtio_net")).unwrap();
        std::fs::create_dir_all(sys.join("module/virtio_net")).unwrap();
        symlink(
            sys.join("module/virtio_net"),
            sys.join("bus/virtio/drivers/virtio_net/module"),
        )
        .unwrap();
        symlink(
            sys.join("bus/virtio/drivers/virtio_net"),
            virtio.join("driver"),
        )
        .unwrap();
        symlink("../..", virtio.join("net/eth0/device")).unwrap();
        std::fs::create_dir_all(sys.join("class/net/lo")).unwrap();
        symlink(virtio.join("net/eth0"), sys.join("class/net/eth0")).unwrap();
        let expected = Nic {
            name: "eth0".into(),
            modaliases: vec!["virtio:d00000001v00001AF4".into(), pci.into()],
            module: Some("virtio_net".into()),
        };
        assert_eq!(nics(sys).unwrap(), [expected]);
    }

    #[test]
    fn a_machine_without_a_wired_nic_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("class/net/lo")).unwrap();
        let text = nics(dir.path()).unwrap_err().to_string();
        assert!(
            text.contains("no wired NIC") && text.contains("only lo"),
            "{text}"
        );
    }
}
