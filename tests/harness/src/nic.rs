//! Network cards of virtual machines.

use crate::net::Tap;
use crate::processor::Processor;
use crate::switch::Port;

/// The boot ROM on a network card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rom {
    /// None: SeaBIOS then cannot boot from it; OVMF uses its own driver and PXE client.
    #[default]
    None,
    /// QEMU's iPXE.
    Ipxe,
}

/// The other end of a card's cable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cable {
    /// A tap, usually on a bridge.
    Tap(Tap),
    /// A port of a [`Switch`](crate::Switch).
    Port(Port),
}

impl From<&Tap> for Cable {
    fn from(tap: &Tap) -> Self {
        Self::Tap(tap.clone())
    }
}

impl From<&Port> for Cable {
    fn from(port: &Port) -> Self {
        Self::Port(port.clone())
    }
}

/// A network card.
#[derive(Clone, Debug)]
pub struct Nic {
    model: String,
    cable: Cable,
    mac: String,
    rom: Rom,
    later: bool,
}

impl Nic {
    /// A virtio card at `cable`, with the MAC address `mac`.
    pub fn virtio(cable: impl Into<Cable>, mac: &str) -> Self {
        Self::model("virtio-net-pci", cable, mac)
    }

    /// A card of another of QEMU's models (`e1000`, `vmxnet3`, …).
    pub fn model(model: &str, cable: impl Into<Cable>, mac: &str) -> Self {
        Self {
            model: model.to_owned(),
            cable: cable.into(),
            mac: mac.to_owned(),
            rom: Rom::None,
            later: false,
        }
    }

    /// The same card with a boot ROM.
    #[must_use]
    pub fn with_rom(mut self, rom: Rom) -> Self {
        self.rom = rom;
        self
    }

    /// The same card, not yet plugged in: its slot is empty until [`Vm::plug_in`](crate::Vm::plug_in).
    #[must_use]
    pub fn later(mut self) -> Self {
        self.later = true;
        self
    }

    /// The tap at its cable, if it is plugged in from the start.
    pub(crate) fn tap(&self) -> Option<&Tap> {
        match &self.cable {
            Cable::Tap(tap) if !self.later => Some(tap),
            _ => None,
        }
    }

    /// QEMU's name for the cable of the machine's card number `index`.
    pub(crate) fn cable_name(index: usize) -> String {
        format!("n{index}")
    }

    /// QEMU's arguments for card number `index` of a machine with this processor.
    pub(crate) fn arguments(&self, index: usize, processor: Processor) -> Vec<String> {
        let cable = Self::cable_name(index);
        let cable = match &self.cable {
            Cable::Tap(tap) => {
                format!("tap,id={cable},ifname={},script=no,downscript=no", tap.0)
            }
            Cable::Port(port) => format!(
                "dgram,id={cable},local.type=unix,local.path={},remote.type=unix,remote.path={}",
                port.card.display(),
                port.switch.display()
            ),
        };
        let device = if self.later {
            // Hot-plugging needs a slot behind its own root port.
            let slot = Self::slot_name(index);
            format!("pcie-root-port,id={slot},chassis={}", index + 1)
        } else {
            let rom = match self.rom {
                Rom::None => ",romfile=",
                Rom::Ipxe => "",
            };
            let order = match processor {
                Processor::X86_64 => format!(",bootindex={}", index + 1),
                // AAVMF connects nothing but what is in an order: not the source of randomness, without which edk2 since 2024 has
                // no network.
                Processor::Aarch64 => String::new(),
            };
            let cable = Self::cable_name(index);
            let (model, mac) = (&self.model, &self.mac);
            format!("{model},netdev={cable},mac={mac}{order}{rom}")
        };
        vec!["-netdev".into(), cable, "-device".into(), device]
    }

    /// QEMU's arguments for plugging in card number `index`.
    pub(crate) fn plugged_in(&self, index: usize) -> serde_json::Value {
        serde_json::json!({
            "driver": self.model,
            "id": Self::card_name(index),
            "bus": Self::slot_name(index),
            "netdev": Self::cable_name(index),
            "mac": self.mac,
            "romfile": "",
        })
    }

    /// QEMU's name for card number `index` once it is plugged in.
    pub(crate) fn card_name(index: usize) -> String {
        format!("card{index}")
    }

    fn slot_name(index: usize) -> String {
        format!("slot{index}")
    }
}
