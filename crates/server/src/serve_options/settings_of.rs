//! The settings that the options are.

use std::collections::BTreeSet;
use std::path::{self, PathBuf};

use super::ServeOptions;
use crate::settings::{
    Allow, ApiSettings, CatalogSettings, DhcpSettings, Generations, ImageSettings, ImageSource,
    InitrdSource, IsolatedSettings, Mode, NetworkSettings, Origin, RootSettings, Settings,
    UkiSettings, hidden,
};

impl ServeOptions {
    /// The directory is one image, each interface a network. Without a directory there is no image.
    pub(crate) fn settings(self, directory: Option<PathBuf>) -> Settings {
        let args = self;
        let lease_time = args.lease_time;
        let mode = match args.dhcp.as_slice() {
            [] => Mode::Proxy,
            ranges => Mode::Dhcp(DhcpSettings {
                ranges: ranges.iter().copied().map(Into::into).collect(),
                router: args.router,
                dns: args.dns.clone(),
                lease_time,
                anyway: args.dhcp_anyway,
            }),
        };
        let network = |interface, address, mode| NetworkSettings {
            interface,
            address,
            mode,
            probe: !args.no_probe,
        };
        let mut networks = Vec::new();
        // Where only isolated networks are asked for, no other is touched.
        let only_isolated = !args.isolated.is_empty()
            && args.interface.is_empty()
            && args.dhcp.is_empty()
            && args.address.is_none();
        if !only_isolated {
            let mut named = args.interface.into_iter();
            networks.push(network(named.next(), args.address, mode));
            networks.extend(named.map(|name| network(Some(name), None, Mode::Proxy)));
        }
        for isolated in args.isolated {
            let mode = Mode::Isolated(IsolatedSettings {
                subnet: isolated.subnet,
                ranges: Vec::new(),
                router: None,
                dns: args.dns.clone(),
                lease_time,
                nat: args.nat,
            });
            networks.push(network(Some(isolated.interface), None, mode));
        }
        let initrd = match args.initrd {
            Some(file) => InitrdSource::File(file),
            None => InitrdSource::Build {
                modules: args.modules,
                init: args.init,
            },
        };
        let hidden = hidden(args.hide, args.hide_secrets);
        let uki = args.uki_key.zip(args.uki_cert);
        let uki = uki.map(|(key, certificate)| UkiSettings { key, certificate });
        let image = |directory: PathBuf| {
            // What is remembered of it is remembered by its path.
            let directory = path::absolute(&directory).unwrap_or(directory);
            let image = CatalogSettings::of_one(ImageSettings {
                name: None,
                title: None,
                source: ImageSource::Root(RootSettings {
                    directory,
                    nfsroot: args.nfsroot,
                    kernel: args.kernel,
                    initrd,
                    overlay: !args.no_overlay,
                    hidden,
                    submounts: !args.no_submounts,
                    uki: uki.is_some(),
                    generations: Generations::Current,
                    secure_boot_files: args.secure_boot_files,
                    swapped: None,
                }),
                append: args.append,
                origin: Origin::CommandLine,
            });
            CatalogSettings {
                secure_boot: args.secure_boot,
                ..image
            }
        };
        Settings {
            networks,
            catalog: directory.map(image).unwrap_or_default(),
            http_port: args.http_port,
            nfs_port: args.nfs_port,
            portmapper: args.portmapper,
            allow: match args.allow_only {
                none if none.is_empty() => Allow::Also(args.allow),
                only => Allow::Only(only),
            },
            tftp_dir: args.tftp_dir,
            ipxe: args.ipxe,
            state: args.state,
            cache: args.cache,
            control: None,
            api: ApiSettings::default(),
            uki: uki.clone(),
            json: false,
            roots: Vec::new(),
            swaps_at_start: BTreeSet::new(),
            config: None,
        }
    }
}
