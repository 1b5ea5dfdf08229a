//! What the command line of `netroot serve` configures.

use super::ServeArgs;
use crate::settings::Settings;

impl From<ServeArgs> for Settings {
    /// One directory is one image, each interface a network.
    fn from(args: ServeArgs) -> Self {
        Self {
            control: args.control,
            json: args.json,
            ..args.options.settings(args.dir)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::cli::tests::serve;
    use crate::settings::{Mode, NetworkSettings};

    #[test]
    fn one_directory_is_one_image_on_one_network() {
        let settings = Settings::from(serve(&["/srv/debian", "--append", "quiet"]).unwrap());
        let [image] = settings.catalog.images.as_slice() else {
            panic!("{settings:?}")
        };
        let root = image.source.root().unwrap();
        assert_eq!(root.directory, PathBuf::from("/srv/debian"));
        assert!(root.overlay && image.append.as_deref() == Some("quiet"));
        let [network] = settings.networks.as_slice() else {
            panic!("{settings:?}")
        };
        assert!(network.interface.is_none() && network.probe);
        assert!(matches!(network.mode, Mode::Proxy));
    }

    #[test]
    fn what_is_hidden_is_given_and_the_usual_secrets() {
        let settings = |arguments: &[&str]| Settings::from(serve(arguments).unwrap());
        let hidden = |settings: &Settings| {
            let (_, root) = settings.catalog.roots().next().unwrap();
            root.hidden.clone()
        };
        let hides = |settings: &Settings, path: &str| hidden(settings).hide(path);
        let given = settings(&["/srv", "--hide", "/a*", "--hide", "/b/"]);
        assert!(hides(&given, "/abc/x") && hides(&given, "/b/y"));
        assert!(!hides(&given, "/etc/ssh/ssh_host_rsa_key"));
        let both = settings(&["/srv", "--hide-secrets", "--hide", "/etc/shadow"]);
        assert!(hides(&both, "/etc/ssh/ssh_host_rsa_key") && hides(&both, "/etc/shadow"));
        assert!(hidden(&settings(&["/srv"])).is_empty());
        let error = serve(&["/srv", "--hide", "id_rsa"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("expected a path below the root"), "{error}");
    }

    #[test]
    fn the_options_of_dhcp_belong_to_its_network() {
        let range = ["/srv", "--interface", "eth1", "--dhcp", "10.0.0.5-10.0.0.9"];
        let settings = Settings::from(serve(&range).unwrap());
        let [network] = settings.networks.as_slice() else {
            panic!("{settings:?}")
        };
        assert_eq!(network.interface.as_deref(), Some("eth1"));
        let Mode::Dhcp(dhcp) = &network.mode else {
            panic!("{network:?}")
        };
        assert_eq!(dhcp.ranges[0].last, Ipv4Addr::new(10, 0, 0, 9));
        assert_eq!(dhcp.lease_time, Duration::from_secs(3600));
    }

    #[test]
    fn each_interface_has_its_own_way() {
        let networks = |arguments: &[&str]| -> Vec<String> {
            let all = [&["/srv"], arguments].concat();
            let networks = Settings::from(serve(&all).unwrap()).networks;
            let shown = |network: &NetworkSettings| {
                let way = match &network.mode {
                    Mode::Proxy => "proxy".to_owned(),
                    Mode::Dhcp(dhcp) => format!("dhcp {}", dhcp.ranges[0].first),
                    Mode::Isolated(isolated) => {
                        let subnet = isolated.subnet.map(|subnet| subnet.to_string());
                        format!("isolated {subnet:?} {}", isolated.nat)
                    }
                };
                format!("{}: {way}", network.interface.as_deref().unwrap_or("-"))
            };
            networks.iter().map(shown).collect()
        };
        assert_eq!(
            networks(&["--isolated", "eth1"]),
            ["eth1: isolated None false"]
        );
        let all = [
            "--interface",
            "eth0",
            "--interface",
            "eth2",
            "--dhcp",
            "10.0.0.5-10.0.0.9",
        ];
        let isolated = [
            "--isolated",
            "eth1=10.20.0.0/24",
            "--isolated",
            "eth3",
            "--nat",
        ];
        assert_eq!(
            networks(&[&all[..], &isolated].concat()),
            [
                "eth0: dhcp 10.0.0.5",
                "eth2: proxy",
                "eth1: isolated Some(\"10.20.0.0/24\") true",
                "eth3: isolated None true",
            ]
        );
        let unnamed = networks(&["--dhcp", "10.0.0.5-10.0.0.9", "--isolated", "eth1"]);
        assert_eq!(unnamed, ["-: dhcp 10.0.0.5", "eth1: isolated None false"]);
    }
}
