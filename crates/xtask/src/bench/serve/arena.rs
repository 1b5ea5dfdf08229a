//! Two networks with a cable between them: the servers' and the clients', and what is served.

use std::fs;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use netroot_harness::{Net, Program, TinyRoot, paths};

use super::processors::Processors;
use crate::bench::congestion_control;
use crate::bench::spread::percentile;

/// What all are in.
const PREFIX: &str = "10.91.0.0/16";
/// The servers' address.
pub(super) const SERVER: &str = "10.91.0.1";
/// The clients' first address.
pub(super) const CLIENT: &str = "10.91.250.1";
/// The interface at the servers' end.
pub(super) const INTERFACE: &str = "br0";
/// The interface at the clients' end.
pub(super) const CLIENTS: &str = "eth0";

/// How many clients there are besides.
pub(super) const ROOMS: u32 = 4;

/// A file that is served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    /// Its name over TFTP and HTTP.
    pub(super) name: &'static str,
    /// Its length.
    pub(super) mib: u64,
}

/// For one block at a time.
pub(super) const SMALL: Served = Served { name: "8M", mib: 8 };
/// A second file for each machine.
pub(super) const INITRD: Served = Served {
    name: "10M",
    mib: 10,
};
/// For everything else.
pub(super) const LARGE: Served = Served {
    name: "64M",
    mib: 64,
};

/// Where it is measured.
pub(super) struct Arena {
    pub(super) servers: Net,
    pub(super) clients: Net,
    /// More clients, each with an address of its own: netroot bounds the connections of one.
    pub(super) rooms: Vec<Net>,
    pub(super) root: TinyRoot,
    folder: PathBuf,
    /// The one that servers run on; any, if there is none.
    pub(super) processor: Option<usize>,
}

impl Arena {
    /// # Errors
    /// When the networks or the files cannot be made.
    pub(super) fn make(processors: Option<Processors>) -> Result<Self> {
        let servers = Net::new("bench-serve-servers")?;
        let clients = Net::new("bench-serve-clients")?;
        let bridge = servers.bridge(INTERFACE, &format!("{SERVER}/16"))?;
        servers.cable(&bridge, &clients, CLIENTS, &format!("{CLIENT}/16"))?;
        congestion_control::as_in_debian(&servers, INTERFACE, PREFIX)?;
        congestion_control::as_in_debian(&clients, CLIENTS, PREFIX)?;
        let mut rooms = Vec::new();
        for room in 1..=ROOMS {
            let net = Net::new(&format!("bench-serve-room-{room}"))?;
            let address = format!("10.91.250.{}/16", room + 1);
            let card = format!("room{room}");
            servers.cable(&bridge, &net, &card, &address)?;
            congestion_control::as_in_debian(&net, &card, PREFIX)?;
            rooms.push(net);
        }
        // Everybody may read it: the servers become users without rights. Two benches have two.
        let folder = PathBuf::from(format!(
            "/var/tmp/netroot-bench-serve-{}",
            std::process::id()
        ));
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        for file in [SMALL, INITRD, LARGE] {
            write(&folder.join(file.name), file.mib)?;
        }
        Ok(Self {
            servers,
            clients,
            rooms,
            root: TinyRoot::make()?,
            folder,
            processor: processors.map(|it| it.servers),
        })
    }

    /// Gives the cable between the servers and the clients another MTU, at both ends, in bytes.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn set_mtu(&self, mtu: u16) -> Result<()> {
        // The bridge as well: its own is the least of its cables' otherwise, of which the others stay as they are.
        self.servers.shell(&format!(
            "ip link set dev to-{CLIENTS} mtu {mtu}; ip link set dev {INTERFACE} mtu {mtu}"
        ))?;
        self.clients
            .shell(&format!("ip link set dev {CLIENTS} mtu {mtu}"))?;
        Ok(())
    }

    /// Starts a server on the servers' processor.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(&self, argv: &[&str]) -> Result<Program> {
        self.servers.spawn_on(self.processor, argv)
    }

    /// The folder with the files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// An empty folder on a disk for the leases of the server that starts now. In memory it would cost nothing to make them
    /// durable, as netroot does before it acknowledges one; dnsmasq and Kea leave theirs to the kernel to write.
    pub(super) fn leases(&self) -> Result<PathBuf> {
        let folder = self.folder.with_extension("leases");
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => fs::create_dir(&folder)?,
        }
        Ok(folder)
    }

    /// How long the disk of [`Arena::leases`] takes to make 16 KiB durable, which is what netroot writes for a lease: the median
    /// and the 99th percentile of 200 times, in milliseconds.
    pub(super) fn durable_after(&self) -> Result<(f64, f64)> {
        let mut file = fs::File::create(self.leases()?.join("durable"))?;
        let mut times = Vec::new();
        for _ in 0..200 {
            file.rewind()?;
            file.write_all(&[7; 16 << 10])?;
            let began = Instant::now();
            file.sync_data()?;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        percentile(&mut times, 50)
            .zip(percentile(&mut times, 99))
            .context("no times")
    }

    /// An empty file, for what wants an initrd.
    pub(super) fn initrd(&self) -> Result<PathBuf> {
        let path = paths::cache().join("bench-initrd.img");
        fs::write(&path, vec![0; 9 << 20])?;
        Ok(path)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
        let _ = fs::remove_dir_all(self.folder.with_extension("leases"));
    }
}

/// Numbers, so that a block that is sent twice or left out is seen.
fn write(path: &Path, mib: u64) -> Result<()> {
    let mut file = std::io::BufWriter::new(fs::File::create(path)?);
    for number in 0..mib << 18 {
        let number = u32::try_from(number).unwrap_or_default();
        file.write_all(&number.to_be_bytes())?;
    }
    Ok(file.flush()?)
}
