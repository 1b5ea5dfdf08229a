//! Network cards of virtual machines.

use crate::net::Tap;

/// The boot ROM on a network card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rom {
    /// None: SeaBIOS then cannot boot from it; OVMF uses its own driver and PXE client.
    #[default]
    None,
    /// QEMU's iPXE.
    Ipxe,
}

/// A network card.
#[derive(Clone, Debug)]
pub struct Nic {
    model: String,
    tap: Tap,
    mac: String,
    rom: Rom,
}

impl Nic {
    /// A virtio card on `tap`, with the MAC address `mac`.
    pub fn virtio(tap: &Tap, mac: &str) -> Self {
        Self::model("virtio-net-pci", tap, mac)
    }

    /// A card of another of QEMU's models (`e1000`, `vmxnet3`, …).
    pub fn model(model: &str, tap: &Tap, mac: &str) -> Self {
        Self {
            model: model.to_owned(),
            tap: tap.clone(),
            mac: mac.to_owned(),
            rom: Rom::None,
        }
    }

    /// The same card with a boot ROM.
    #[must_use]
    pub fn with_rom(mut self, rom: Rom) -> Self {
        self.rom = rom;
        self
    }

    /// QEMU's arguments for the machine's card number `index`.
    pub(crate) fn arguments(&self, index: usize) -> Vec<String> {
        let rom = match self.rom {
            Rom::None => ",romfile=",
            Rom::Ipxe => "",
        };
        vec![
            "-netdev".into(),
            format!(
                "tap,id=n{index},ifname={},script=no,downscript=no",
                self.tap.0
            ),
            "-device".into(),
            format!(
                "{},netdev=n{index},mac={},bootindex={}{rom}",
                self.model,
                self.mac,
                index + 1
            ),
        ]
    }
}
