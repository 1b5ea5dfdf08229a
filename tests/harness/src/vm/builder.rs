//! The configuration of a machine, and QEMU's arguments for it.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::firmware::Firmware;
use super::machine::{COUNTED, Vm};
use super::snapshot::Snapshot;
use super::tpm::Tpm;
use super::unpacked::unpacked;
use super::variable_store::{SignatureLists, Variable};
use crate::accel::Accel;
use crate::net::{Net, Tap};
use crate::nic::Nic;
use crate::processor::Processor;
use crate::program::{Input, Streams};
use crate::transcript::Echo;

/// [`Processor::kernel_parameters`] of a machine with the usual processor.
pub const KERNEL_PARAMETERS: &str = Processor::X86_64.kernel_parameters();

/// What else a kernel is given for tests of what comes after it: it does not test its own ciphers, makes no files for tracing,
/// neither of itself nor of each module, does not clear memory that it hands out, and leaves the prefixes of instructions
/// that lock memory, which it else removes one by one where there is one processor (a tenth of its start, emulated). And
/// systemd waits for five minutes, not for 90 s, until a unit has started or there is a device (from 253 on these are two
/// parameters): an emulated machine on a busy host may take so long to find its serial line, and there is no login prompt
/// then. It loads no modules for disks and screens, which no machine here has.
macro_rules! quick {
    () => {
        "cryptomgr.notests noreplace-smp initcall_blacklist=tracer_init_tracefs init_on_alloc=0 \
         systemd.default_timeout_start_sec=300 systemd.default_device_timeout_sec=300 \
         systemd.mask=modprobe@dm_mod.service systemd.mask=modprobe@drm.service systemd.mask=modprobe@loop.service"
    };
}

/// [`KERNEL_PARAMETERS`] and these.
pub const QUICK_KERNEL_PARAMETERS: &str =
    concat!("console=ttyS0 mitigations=off no_timer_check ", quick!());

/// The configuration of a machine.
#[derive(Debug)]
pub struct VmBuilder<'net> {
    net: &'net Net,
    name: String,
    processor: Processor,
    memory_mib: u32,
    firmware: Firmware,
    quick_firmware: bool,
    only_ipv4: bool,
    variables: Vec<(Variable, Vec<u8>)>,
    nics: Vec<Nic>,
    kernel: Option<(PathBuf, PathBuf, String)>,
    streams: Streams,
    accel: Option<Accel>,
    counted: bool,
    may_panic: bool,
    clock: Option<String>,
    uuid: Option<String>,
    has_tpm: bool,
    hardware: Vec<String>,
}

impl<'net> VmBuilder<'net> {
    /// A machine in `net`, called `name` in logs.
    pub fn new(net: &'net Net, name: &str) -> Self {
        Self {
            net,
            name: name.to_owned(),
            processor: Processor::X86_64,
            memory_mib: 512,
            firmware: Firmware::Bios,
            quick_firmware: false,
            only_ipv4: false,
            variables: Vec::new(),
            nics: Vec::new(),
            kernel: None,
            streams: Streams {
                input: Input::Typed,
                ..Streams::default()
            },
            accel: None,
            counted: false,
            may_panic: false,
            clock: None,
            uuid: None,
            has_tpm: false,
            hardware: Vec::new(),
        }
    }

    /// Another processor than an x86_64's. It comes before [`VmBuilder::kernel`].
    #[must_use]
    pub fn processor(mut self, processor: Processor) -> Self {
        self.processor = processor;
        self
    }

    /// Memory, if not 512 MiB.
    #[must_use]
    pub fn memory_mib(mut self, memory_mib: u32) -> Self {
        self.memory_mib = memory_mib;
        self
    }

    /// Boots through this firmware (default: SeaBIOS).
    #[must_use]
    pub fn firmware(mut self, firmware: Firmware) -> Self {
        self.firmware = firmware;
        self
    }

    /// Has UEFI firmware begin where that of an earlier machine with the same hardware was about to try its boot options, if the
    /// processor is emulated. For tests of what comes after it. Variables that are changed after this undo it.
    #[must_use]
    pub fn quick_firmware(mut self) -> Self {
        self.quick_firmware = true;
        self
    }

    /// Has UEFI firmware try no PXE over IPv6, which comes after IPv4 and before HTTP boot. Nobody answers there, and edk2 polls
    /// the card for half a minute until it gives up.
    #[must_use]
    pub fn only_ipv4(mut self) -> Self {
        self.only_ipv4 = true;
        self
    }

    /// Has [`Firmware::SecureBoot`] trust these, instead of Microsoft's authorities. Who may change its keys (`PK`,
    /// `KEK`), and what it refuses (`dbx`), stay as they are.
    #[must_use]
    pub fn trusting(self, db: SignatureLists) -> Self {
        self.variable(Variable::Db, db.into_bytes())
    }

    /// Has [`Firmware::SecureBoot`] refuse these, whoever signed them.
    #[must_use]
    pub fn refusing(self, dbx: SignatureLists) -> Self {
        self.variable(Variable::Dbx, dbx.into_bytes())
    }

    /// Has shim refuse what is older than these generations, one `component,generation` a line.
    #[must_use]
    pub fn least_generations(self, lines: &str) -> Self {
        // Newer than what any shim brings, so that it stays.
        let level = format!("sbat,1,2099010100\n{lines}\n");
        self.variable(Variable::SbatLevel, level.into_bytes())
    }

    fn variable(mut self, variable: Variable, data: Vec<u8>) -> Self {
        self.variables.push((variable, data));
        // Mostly no other machine has the same.
        self.quick_firmware = false;
        self
    }

    /// Adds a network card.
    #[must_use]
    pub fn nic(mut self, nic: Nic) -> Self {
        self.nics.push(nic);
        self
    }

    /// Boots this kernel and initrd with this command line instead of booting from the
    /// network. [`Processor::kernel_parameters`] are added.
    #[must_use]
    pub fn kernel(mut self, kernel: &Path, initrd: &Path, command_line: &str) -> Self {
        let command_line = format!("{} {command_line}", self.processor.kernel_parameters());
        self.kernel = Some((kernel.to_owned(), initrd.to_owned(), command_line));
        self
    }

    /// The same, sooner: a kernel that can be started without its packing is, with what [`QUICK_KERNEL_PARAMETERS`] have
    /// more. For tests of what comes after the kernel.
    ///
    /// # Errors
    /// When the kernel cannot be read, or the disk is full.
    pub fn quick_kernel(self, kernel: &Path, initrd: &Path, command_line: &str) -> Result<Self> {
        let command_line = format!("{} {command_line}", quick!());
        let quick = unpacked(kernel)?;
        Ok(self.kernel(quick.as_deref().unwrap_or(kernel), initrd, &command_line))
    }

    /// Uses this accelerator instead of the fastest that works.
    #[must_use]
    pub fn accel(mut self, accel: Accel) -> Self {
        self.accel = Some(accel);
        self
    }

    /// Backs its memory with a file, so that [`Vm::touched`] can count it.
    #[must_use]
    pub fn counted(mut self) -> Self {
        self.counted = true;
        self
    }

    /// Allows a panic: the caller checks for one.
    #[must_use]
    pub fn may_panic(mut self) -> Self {
        self.may_panic = true;
        self
    }

    /// Also copies the console to our standard output.
    #[must_use]
    pub fn shown(mut self) -> Self {
        self.streams.echo = Echo::Plain;
        self
    }

    /// Connects our terminal to the console; `Ctrl-a x` powers the machine off.
    #[must_use]
    pub fn interactive(mut self) -> Self {
        self.streams = Streams {
            input: Input::Terminal,
            echo: Echo::Raw,
        };
        self
    }

    /// Sets the clock to this time (`1990-01-01`) instead of now.
    #[must_use]
    pub fn clock(mut self, moment: &str) -> Self {
        self.clock = Some(moment.to_owned());
        self
    }

    /// Adds other hardware, in QEMU's words (`-device pcie-root-port,…`): buses come before the cards on them.
    #[must_use]
    pub fn hardware(mut self, arguments: &str) -> Self {
        let words = arguments.split_ascii_whitespace();
        self.hardware.extend(words.map(str::to_owned));
        self
    }

    /// Sets the machine's UUID.
    #[must_use]
    pub fn uuid(mut self, uuid: &str) -> Self {
        self.uuid = Some(uuid.to_owned());
        self
    }

    /// Adds a TPM 2.0. The processor has to be an x86_64's.
    #[must_use]
    pub fn tpm(mut self) -> Self {
        self.has_tpm = true;
        self
    }

    /// Powers it on.
    ///
    /// # Errors
    /// When QEMU, the firmware's files or the program of the TPM are missing.
    pub fn start(self) -> Result<Vm> {
        let accel = self.accel.unwrap_or_else(|| Accel::of(self.processor));
        let serial = if self.streams.input == Input::Terminal {
            "mon:stdio"
        } else {
            "stdio"
        };
        let mut argv: Vec<String> = [
            self.processor.emulator(),
            "-name",
            &self.name,
            "-machine",
            self.processor.machine(),
            "-accel",
            accel.name(),
            "-cpu",
            accel.model(self.processor),
            "-m",
            &self.memory_mib.to_string(),
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
            "-vga",
            "none",
            "-serial",
            serial,
        ]
        .map(str::to_owned)
        .into();
        if self.counted {
            // A memfd is allocated page by page, anonymous memory in pieces of 2 MiB.
            let memory = format!("{COUNTED},id=memory,size={}M", self.memory_mib);
            argv.extend(["-object".into(), memory]);
            argv.extend(["-machine".into(), "memory-backend=memory".into()]);
        }
        if let Some(clock) = &self.clock {
            argv.extend(["-rtc".into(), format!("base={clock}")]);
        }
        if let Some(uuid) = &self.uuid {
            argv.extend(["-uuid".into(), uuid.clone()]);
        }
        // Its kernels need none: QEMU starts them itself.
        let is_bare = self.processor == Processor::Aarch64 && self.firmware == Firmware::Bios;
        ensure!(
            !is_bare || self.kernel.is_some(),
            "an aarch64 machine has no BIOS: give it UEFI firmware, or a kernel"
        );
        let store = self.net.logs().join(format!("{}-variables.fd", self.name));
        argv.extend(
            self.firmware
                .flash(self.processor, &self.variables, &store)?,
        );
        let without_pxe_over: &[&str] = match (self.firmware.is_http(), self.only_ipv4) {
            (true, _) => &["IPv4", "IPv6"],
            (false, true) => &["IPv6"],
            (false, false) => &[],
        };
        for family in without_pxe_over {
            let setting = format!("name=opt/org.tianocore/{family}PXESupport,string=n");
            argv.extend(["-fw_cfg".into(), setting]);
        }
        argv.extend(self.processor.hardware().iter().map(|&word| word.into()));
        argv.extend(self.hardware.iter().cloned());
        let tpm = self.has_tpm.then(|| Tpm::start(self.net, &self.name));
        let tpm = tpm.transpose()?;
        argv.extend(tpm.iter().flat_map(Tpm::arguments));
        for (index, nic) in self.nics.iter().enumerate() {
            argv.extend(nic.arguments(index, self.processor));
        }
        if let Some((kernel, initrd, command_line)) = &self.kernel {
            argv.extend(["-kernel".into(), kernel.display().to_string()]);
            argv.extend(["-initrd".into(), initrd.display().to_string()]);
            argv.extend(["-append".into(), command_line.clone()]);
        }
        let snapshot = self.snapshot(accel, &argv)?;
        let begun = snapshot.as_ref().filter(|(snapshot, _)| snapshot.exists());
        argv.extend(begun.iter().flat_map(|(snapshot, _)| snapshot.arguments()));
        let control = self.net.logs().join(format!("{}-qmp", self.name));
        // The last machine of this name may still be ending, and would answer at it.
        let _ = std::fs::remove_file(&control);
        let socket = format!("unix:{},server=on,wait=off", control.display());
        argv.extend(["-qmp".into(), socket]);
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let sent = |tap: &Tap| self.net.sent_from(tap);
        let before = snapshot.as_ref().map(|(_, tap)| sent(tap)).transpose()?;
        let program = self.net.spawn_as(&self.name, &argv, self.streams)?;
        match (begun, &snapshot) {
            (Some((snapshot, _)), _) => snapshot.go_on(&control)?,
            (None, Some((snapshot, tap))) => {
                let has_sent = || Ok(Some(sent(tap)?) != before);
                snapshot.take(&program, &control, &has_sent)?;
            }
            (None, None) => {}
        }
        Ok(Vm {
            program,
            has_quick_firmware: begun.is_some(),
            nics: self.nics,
            _tpm: tpm,
            control,
            may_panic: self.may_panic,
        })
    }
}

impl VmBuilder<'_> {
    /// Where firmware's start is kept for machines with these arguments, and the cable of its card. For machines with more than one
    /// card, and with what a state does not have, there is none.
    fn snapshot(&self, accel: Accel, argv: &[String]) -> Result<Option<(Snapshot, &Tap)>> {
        let is_plain = self.quick_firmware
            && accel == Accel::Tcg
            && self.processor == Processor::X86_64
            && self.kernel.is_none()
            && self.hardware.is_empty()
            && self.clock.is_none()
            && !self.counted
            && !self.has_tpm;
        let [nic] = self.nics.as_slice() else {
            return Ok(None);
        };
        let Some(tap) = nic.tap().filter(|_| is_plain) else {
            return Ok(None);
        };
        let Some((code, variables)) = self.firmware.edk2(self.processor)? else {
            return Ok(None);
        };
        // The machine's name, and those of its files and its cable, are its own.
        let files = format!("{}/{}-", self.net.logs().display(), self.name);
        let cable = format!("ifname={},", tap.0);
        let words = argv.iter().filter(|word| **word != self.name);
        let mut words: Vec<String> = words
            .map(|word| word.replace(&files, "").replace(&cable, ""))
            .collect();
        words.push(format!("{:?}", self.variables));
        let emulator = self.processor.emulator();
        let snapshot = Snapshot::of(&words, emulator, &[code, variables])?;
        Ok(Some((snapshot, tap)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_parameters_are_the_usual_ones_and_more() {
        assert!(QUICK_KERNEL_PARAMETERS.starts_with(KERNEL_PARAMETERS));
    }
}
