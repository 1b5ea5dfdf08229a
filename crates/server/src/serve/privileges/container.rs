//! How a container is given a capability.

use std::path::Path;

/// What keeps this process in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// Docker or another engine that is used like it.
    Docker,
    /// Podman.
    Podman,
    /// LXC, LXD or Incus.
    Lxc,
    /// systemd-nspawn.
    Nspawn,
}

/// Finds the container that this process is in, if it says so.
pub(super) fn find() -> Option<Container> {
    let exists = |path: &str| Path::new(path).exists();
    // systemd, and Podman itself, leave the name here; the environment is what the engine gave (CONTAINER_INTERFACE).
    let name = std::fs::read_to_string("/run/systemd/container").ok();
    let name = name.or_else(|| std::env::var("container").ok());
    let name = name.unwrap_or_default();
    recognise(
        name.trim(),
        exists("/run/.containerenv"),
        exists("/.dockerenv"),
    )
}

fn recognise(name: &str, containerenv: bool, dockerenv: bool) -> Option<Container> {
    match name {
        "docker" => Some(Container::Docker),
        "podman" => Some(Container::Podman),
        "lxc" | "lxc-libvirt" => Some(Container::Lxc),
        "systemd-nspawn" => Some(Container::Nspawn),
        _ if containerenv => Some(Container::Podman),
        _ if dockerenv => Some(Container::Docker),
        _ => None,
    }
}

/// What to do so that root has capabilities, such as `CAP_NET_RAW`, that it lacks.
pub(super) fn cure(container: Option<Container>, lacking: &[&str]) -> String {
    let short = |name: &&str| name.trim_start_matches("CAP_").to_owned();
    let options = || -> String {
        let options = lacking
            .iter()
            .map(|name| format!("--cap-add={}", short(name)));
        options.collect::<Vec<_>>().join(" ")
    };
    match container {
        Some(Container::Docker) => format!("start the container with `docker run {}`", options()),
        Some(Container::Podman) => format!(
            "start the container as root with `podman run {}`",
            options()
        ),
        Some(Container::Lxc) => format!(
            "take {} out of lxc.cap.drop of the container",
            lacking.iter().map(short).collect::<Vec<_>>().join(", ").to_lowercase()
        ),
        Some(Container::Nspawn) => {
            format!("start the container with --capability={}", lacking.join(","))
        }
        None => "give them to this process (a container: --cap-add; a systemd service: CapabilityBoundingSet=)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_is_known_by_its_name_or_by_the_engines_file() {
        assert_eq!(recognise("lxc", false, false), Some(Container::Lxc));
        assert_eq!(recognise("oci", true, false), Some(Container::Podman));
        assert_eq!(recognise("", false, true), Some(Container::Docker));
        assert_eq!(recognise("", false, false), None);
    }

    #[test]
    fn each_container_is_told_its_own_option() {
        let lacking = ["CAP_NET_RAW", "CAP_DAC_READ_SEARCH"];
        for (container, text) in [
            (
                Some(Container::Docker),
                "`docker run --cap-add=NET_RAW --cap-add=DAC_READ_SEARCH`",
            ),
            (
                Some(Container::Podman),
                "`podman run --cap-add=NET_RAW --cap-add=DAC_READ_SEARCH`",
            ),
            (
                Some(Container::Lxc),
                "net_raw, dac_read_search out of lxc.cap.drop",
            ),
            (
                Some(Container::Nspawn),
                "--capability=CAP_NET_RAW,CAP_DAC_READ_SEARCH",
            ),
            (None, "CapabilityBoundingSet="),
        ] {
            let cure = cure(container, &lacking);
            assert!(cure.contains(text), "{cure}");
        }
    }
}
