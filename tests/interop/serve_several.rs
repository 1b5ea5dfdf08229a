//! A boot server of two images on two interfaces, as the command line cannot configure it yet.
//!
//! `serve-several STATE INITRD DIR1 DIR2 MAC2`: gives addresses on br0 and is a proxy on br1; the machine MAC2 boots
//! DIR2, every other machine DIR1.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use netroot::{
    Allow, CatalogSettings, Choice, DhcpSettings, Generations, HiddenPaths, ImageSettings,
    ImageSource, InitrdSource, Mode, NetworkSettings, Origin, RangeSettings, RootSettings, Rule,
    Settings, serve,
};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("an argument is missing");
    let state = PathBuf::from(next()?);
    let initrd = PathBuf::from(next()?);
    let image = |name: &str, directory: String| ImageSettings {
        name: Some(name.to_owned()),
        title: None,
        source: ImageSource::Root(RootSettings {
            directory: PathBuf::from(directory),
            nfsroot: None,
            kernel: None,
            initrd: InitrdSource::File(initrd.clone()),
            hidden: HiddenPaths::default(),
            submounts: true,
            overlay: true,
            generations: Generations::Current,
            secure_boot_files: None,
            uki: false,
            swapped: None,
        }),
        append: None,
        origin: Origin::CommandLine,
    };
    let images = vec![image("first", next()?), image("second", next()?)];
    let network = |interface: &str, mode| NetworkSettings {
        interface: Some(interface.to_owned()),
        address: None,
        mode,
        probe: false,
    };
    let dhcp = DhcpSettings {
        ranges: vec![RangeSettings {
            first: Ipv4Addr::new(10, 77, 0, 100),
            last: Ipv4Addr::new(10, 77, 0, 199),
            length: None,
            router: None,
        }],
        router: None,
        dns: Vec::new(),
        lease_time: Duration::from_secs(3600),
        anyway: false,
    };
    serve(&Settings {
        networks: vec![
            network("br0", Mode::Dhcp(dhcp)),
            network("br1", Mode::Proxy),
        ],
        catalog: CatalogSettings {
            images,
            rules: vec![Rule {
                macs: vec![next()?.parse()?],
                choice: Some(Choice::Image("second".to_owned())),
                ..Rule::default()
            }],
            ..CatalogSettings::default()
        },
        http_port: 8069,
        nfs_port: 2049,
        portmapper: false,
        allow: Allow::default(),
        tftp_dir: None,
        ipxe: None,
        cache: state.join("cache"),
        state,
        control: None,
        api: netroot::ApiSettings::default(),
        uki: None,
        json: true,
        roots: Vec::new(),
        swaps_at_start: std::collections::BTreeSet::new(),
        config: None,
    })
}
