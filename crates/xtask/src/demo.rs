//! `cargo xtask demo`: one diskless machine, from power-on to the login prompt.

mod timeline;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use netroot_harness::{
    Accel, Clients, Firmware, Ganesha, Net, NetrootServe, Nic, Processor, Rom, Vm, VmBuilder, paths,
};

use crate::privileges::needs_root;
use crate::{build, setup};

/// Boot a diskless machine to the login prompt of a Debian root over NFS.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The machine's processor. The server is the same program on this machine.
    #[arg(long, value_enum, default_value_t = Arch::X86_64)]
    arch: Arch,
    /// The machine's firmware: by default a BIOS for x86_64, and UEFI for aarch64, which has nothing else.
    #[arg(long, value_enum)]
    firmware: Option<FirmwareKind>,
    /// The NFS server: netroot's own, or NFS-Ganesha.
    #[arg(long, value_enum, default_value_t = NfsServer::Own)]
    nfs: NfsServer,
    /// Stay at the login prompt, with this terminal as the console.
    #[arg(long)]
    keep: bool,
    /// Build and install nothing.
    #[arg(long, hide = true)]
    built: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FirmwareKind {
    /// SeaBIOS, with the iPXE boot ROM of QEMU's network card.
    Bios,
    /// UEFI (OVMF, AAVMF), with its own PXE client.
    Uefi,
    /// UEFI by HTTP boot, without TFTP.
    UefiHttp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Arch {
    #[value(name = "x86_64")]
    X86_64,
    Aarch64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NfsServer {
    /// netroot's own read-only export.
    Own,
    /// NFS-Ganesha.
    Ganesha,
}

const SERVER: &str = "10.77.0.1";
const RANGE: &str = "10.77.0.100-10.77.0.199";
const MACHINE: &str = "52:54:00:77:00:01";
const GANESHA_PATH: &str = "/srv/debian";

/// Enough for firmware, kernel and systemd under emulation on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(900);

/// The end of a boot, successful or not.
const ENDS: [&str; 2] = [" login:", "Kernel panic"];

impl Demo {
    /// Runs the demo.
    ///
    /// # Errors
    /// When the machine did not reach the login prompt: with the reason and the log.
    pub(crate) fn run(&self) -> Result<()> {
        let (processor, firmware) = (self.arch.processor(), self.firmware()?);
        if !self.built {
            match self.arch {
                Arch::X86_64 => setup::run()?,
                Arch::Aarch64 => setup::run_for_aarch64()?,
            }
            println!("demo: building netroot and init");
            build::netroot()?;
        }
        needs_root("the demo makes a network namespace", &self.arguments())?;
        let net = Net::new("demo")?;
        let bridge = net.bridge("br0", &format!("{SERVER}/24"))?;
        let tap = net.tap("machine", &bridge)?;
        let root = paths::debian_root_for(processor);
        let _ganesha = match self.nfs {
            NfsServer::Own => None,
            NfsServer::Ganesha => {
                println!("demo: starting NFS-Ganesha, exporting {GANESHA_PATH}");
                Some(Ganesha::start(&net, &root, GANESHA_PATH, &Clients::All)?)
            }
        };
        let elsewhere = format!("{SERVER}:{GANESHA_PATH}");
        let mut arguments = vec!["--interface", "br0", "--dhcp", RANGE];
        arguments.extend(["--append", processor.kernel_parameters()]);
        let ipxe = paths::ipxe().display().to_string();
        if self.arch == Arch::Aarch64 {
            arguments.extend(["--ipxe", &ipxe]);
        }
        if self.nfs == NfsServer::Ganesha {
            arguments.extend(["--nfsroot", &elsewhere]);
        }
        println!(
            "demo: $ netroot serve {} {}",
            root.display(),
            arguments.join(" ")
        );
        let server = NetrootServe::start(&net, &root, &arguments)?;

        println!(
            "demo: starting a diskless machine ({}, {}, {})",
            processor.name(),
            firmware.describe(self.arch),
            Accel::of(processor).name()
        );
        if self.keep {
            println!("demo: log in as root, no password; Ctrl-a x powers the machine off");
        }
        let vm = VmBuilder::new(&net, "console")
            .may_panic()
            .processor(processor)
            .firmware(firmware.firmware())
            .nic(Nic::virtio(&tap, MACHINE).with_rom(firmware.rom()));
        let mut vm = if self.keep {
            vm.interactive()
        } else {
            vm.shown()
        }
        .start()?;

        let end = vm.console().wait_for_any(0, &ENDS, TIMEOUT);
        // QEMU has put the terminal into raw mode if it is the console.
        let line_end = if self.keep { "\r\n" } else { "\n" };
        let rows = timeline::of(&server, vm.console());
        print!("{line_end}{line_end}");
        for line in timeline::table(&rows) {
            print!("{line}{line_end}");
        }
        match end {
            Some((0, _)) => {}
            other => {
                let reason = other.map(|(_, seen)| seen.line);
                return Err(failure(reason, &server, &vm))
                    .context("the machine did not reach the login prompt");
            }
        }
        print!("demo: the login prompt was reached{line_end}");
        while self.keep && vm.running()? {
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// The firmware that was asked for, or the usual one.
    fn firmware(&self) -> Result<FirmwareKind> {
        match (self.arch, self.firmware) {
            (Arch::X86_64, None) => Ok(FirmwareKind::Bios),
            (Arch::Aarch64, None) => Ok(FirmwareKind::Uefi),
            (Arch::Aarch64, Some(FirmwareKind::Bios)) => {
                bail!("an aarch64 machine has no BIOS: --firmware uefi or uefi-http")
            }
            (_, Some(firmware)) => Ok(firmware),
        }
    }

    /// The command line that runs this again without building.
    fn arguments(&self) -> String {
        let mut words = vec!["demo --built".to_owned()];
        for (name, value) in [
            ("--arch", self.arch.to_possible_value()),
            (
                "--firmware",
                self.firmware
                    .and_then(|firmware| firmware.to_possible_value()),
            ),
            ("--nfs", self.nfs.to_possible_value()),
        ] {
            if let Some(value) = value {
                words.push(format!("{name} {}", value.get_name()));
            }
        }
        if self.keep {
            words.push("--keep".to_owned());
        }
        words.join(" ")
    }
}

/// Why a machine did not boot, as far as its console shows.
fn failure(end: Option<String>, server: &NetrootServe, vm: &Vm) -> anyhow::Error {
    let text = vm.console().text();
    let last_failure = text
        .lines()
        .rfind(|line| line.contains("netroot: boot failed:"))
        .map(|line| line.trim().to_owned());
    let reason = last_failure.or(end).unwrap_or_else(|| {
        let state = if vm.console().ended() {
            "the machine powered itself off"
        } else {
            "it did not finish"
        };
        let seconds = vm.console().elapsed().as_secs();
        format!("{state} after {seconds} s")
    });
    let events = server.events();
    let last = events.iter().skip(events.len().saturating_sub(8));
    let server_said: String = last
        .map(|(_, event)| {
            let machine = event.machine.as_deref().unwrap_or("-");
            format!("    | {machine} {}\n", event.text)
        })
        .collect();
    anyhow::anyhow!(
        "{reason}\nthe server's last events:\n{server_said}the console's log: {}",
        vm.log().display()
    )
}

impl FirmwareKind {
    fn firmware(self) -> Firmware {
        match self {
            Self::Bios => Firmware::Bios,
            Self::Uefi => Firmware::Uefi,
            Self::UefiHttp => Firmware::UefiHttp,
        }
    }

    fn rom(self) -> Rom {
        match self {
            Self::Bios => Rom::Ipxe,
            Self::Uefi | Self::UefiHttp => Rom::None,
        }
    }

    fn describe(self, arch: Arch) -> &'static str {
        match (self, arch) {
            (Self::Bios, _) => "SeaBIOS and the card's iPXE ROM",
            (Self::Uefi, Arch::X86_64) => "OVMF's own PXE client",
            (Self::Uefi, Arch::Aarch64) => "AAVMF's own PXE client",
            (Self::UefiHttp, Arch::X86_64) => "OVMF's HTTP boot",
            (Self::UefiHttp, Arch::Aarch64) => "AAVMF's HTTP boot",
        }
    }
}

impl Arch {
    fn processor(self) -> Processor {
        match self {
            Self::X86_64 => Processor::X86_64,
            Self::Aarch64 => Processor::Aarch64,
        }
    }
}
