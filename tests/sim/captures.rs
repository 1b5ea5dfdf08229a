//! What real firmware sends. The packets of OVMF and iPXE were recorded from QEMU (edk2
//! 2022.11 and iPXE 1.0.0+git-20190125 of Debian 12, virtio-net) with one made-up UUID;
//! those of an Intel BIOS ROM and a Raspberry Pi 3 are built after what is known of
//! them, since neither machine was at hand.

/// A datagram: the first 44 bytes, the options, and the whole length.
pub(crate) struct Capture {
    header: &'static str,
    options: &'static str,
    length: usize,
}

impl Capture {
    /// The UDP payload as it was sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = hex(self.header);
        assert_eq!(bytes.len(), 44);
        bytes.resize(236, 0);
        bytes.extend(hex("63825363"));
        bytes.extend(hex(self.options));
        assert!(bytes.len() <= self.length);
        bytes.resize(self.length, 0);
        bytes
    }
}

/// A packet with other options in the place of its own.
pub(crate) fn with_options(capture: &Capture, options: &str) -> Vec<u8> {
    let mut bytes = capture.bytes();
    bytes.truncate(240);
    bytes.extend(hex(options));
    bytes
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// OVMF's PXE: DISCOVER.
pub(crate) const OVMF_DISCOVER: Capture = Capture {
    header: "010106003f0a4371000080000000000000000000000000000000000052540012345600000000000000000000",
    options: "350101 390205c0
        37230102030405060c0d0f111216171c28292a2b3233363a3b3c4243618081828384858687
        611100523d4bbf3e7a0f4a9d5e0c1d2e3f4a5b 5e03010300 5d020007
        3c20505845436c69656e743a417263683a30303030373a554e44493a303033303030 ff",
    length: 347,
};

/// OVMF's PXE: REQUEST for what 10.0.2.2 offered. It announces 65280 bytes (57), and
/// drops what is longer than 1472.
pub(crate) const OVMF_REQUEST: Capture = Capture {
    header: "010106003f0a4371000080000000000000000000000000000000000052540012345600000000000000000000",
    options: "350103 36040a000202 32040a00020f 3902ff00
        37230102030405060c0d0f111216171c28292a2b3233363a3b3c4243618081828384858687
        611100523d4bbf3e7a0f4a9d5e0c1d2e3f4a5b 5e03010300 5d020007
        3c20505845436c69656e743a417263683a30303030373a554e44493a303033303030 ff",
    length: 359,
};

/// OVMF's HTTP boot: DISCOVER.
pub(crate) const OVMF_HTTP_DISCOVER: Capture = Capture {
    header: "01010600cba71d71000080000000000000000000000000000000000052540012345600000000000000000000",
    options: "350101 390205c0 371b0102030405060c0d0f111216171c28292a2b3233363a3b3ceb4361
        611100523d4bbf3e7a0f4a9d5e0c1d2e3f4a5b 5e03010300 5d020010
        3c2148545450436c69656e743a417263683a30303031363a554e44493a303033303030 ff",
    length: 340,
};

/// iPXE in QEMU's virtio ROM under SeaBIOS: DISCOVER. Its user class is raw.
pub(crate) const IPXE_DISCOVER: Capture = Capture {
    header: "0101060044842529000400000000000000000000000000000000000052540012345600000000000000000000",
    options: "350101 390205c0 5d020000 5e03010201
        3c20505845436c69656e743a417263683a30303030303a554e44493a303032303031
        4d0469505845 3717010306070c0f111a2b3c4243778081828384858687afcb af30
        b105011af41000 eb03010000 170101 220101 130101 110101 270101 190101 290101
        100102 210101 150101 180101 120101 3d0701525400123456
        611100523d4bbf3e7a0f4a9d5e0c1d2e3f4a5b ff",
    length: 400,
};

/// iPXE: REQUEST for what 10.0.2.2 offered.
pub(crate) const IPXE_REQUEST: Capture = Capture {
    header: "0101060044842529001200000000000000000000000000000000000052540012345600000000000000000000",
    options: "350103 390205c0 5d020000 5e03010201
        3c20505845436c69656e743a417263683a30303030303a554e44493a303032303031
        4d0469505845 3717010306070c0f111a2b3c4243778081828384858687afcb af30
        b105011af41000 eb03010000 170101 220101 130101 110101 270101 190101 290101
        100102 210101 150101 180101 120101 3d0701525400123456
        611100523d4bbf3e7a0f4a9d5e0c1d2e3f4a5b 36040a000202 32040a00020f ff",
    length: 412,
};

/// An Intel Boot Agent ("PXE-2.1"): DISCOVER, padded to 548 bytes.
pub(crate) const BIOS_DISCOVER: Capture = Capture {
    header: "01010600123456780004800000000000000000000000000000000000525400123456000000000000 00000000",
    options: "350101 3718 0102030506 0b0c0d0f 101112 2b363c43 8081828384858687
        390204ec 611100523d4bbf3e7a0f4a9d5e0c1d2e3f4a5b 5d020000 5e03010201
        3c20505845436c69656e743a417263683a30303030303a554e44493a303032303031 ff",
    length: 548,
};

/// A Raspberry Pi 3: DISCOVER, with its constant transaction.
pub(crate) const RASPBERRY_DISCOVER: Capture = Capture {
    header: "0101060026f30339000000000000000000000000000000000000 0000b827eb123456000000000000000 00000",
    options: "350101 370e 0103 2b3c4243 8081828384858687 5d020000 5e03010201
        611100 44444444444444444444444444444444
        3c20505845436c69656e743a417263683a30303030303a554e44493a303032303031 ff",
    length: 548,
};

/// Our own init, by smoltcp: DISCOVER of a plain client.
pub(crate) const PLAIN_DISCOVER: Capture = Capture {
    header: "0101060000000007000000000000000000000000000000000000000052540012345600000000000000000000",
    options: "350101 3d0701525400123456 390205a0 370a 0103060c0f111a2a7779 ff",
    length: 300,
};

/// What QEMU was told (`-uuid`) when the next three were recorded: the first three fields
/// read differently backwards.
pub(crate) const UUID: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";

/// OVMF 2022.11's DISCOVER on a machine with [`UUID`].
pub(crate) const OVMF_OF_UUID: Capture = Capture {
    header: "01010600b3f1c1c5000080000000000000000000000000000000000052540012345600000000000000000000",
    options: "350101 390205c0
        37230102030405060c0d0f111216171c28292a2b3233363a3b3c4243618081828384858687
        611100ba284e1ba12fd211883f0016d3cca427 5e03010300 5d020007
        3c20505845436c69656e743a417263683a30303030373a554e44493a303033303030 ff",
    length: 347,
};

/// The DISCOVER of QEMU's iPXE 1.0.0+git-20190125 under SeaBIOS 1.16.2 on that machine.
pub(crate) const IPXE_OF_UUID: Capture = Capture {
    header: "0101060090c3f967000400000000000000000000000000000000000052540012345600000000000000000000",
    options: "350101 390205c0 5d020000 5e03010201
        3c20505845436c69656e743a417263683a30303030303a554e44493a303032303031
        4d0469505845 3717010306070c0f111a2b3c4243778081828384858687afcb af30
        b105011af41000 eb03010000 170101 220101 130101 110101 270101 190101 290101
        100102 210101 150101 180101 120101 3d0701525400123456
        611100ba284e1ba12fd211883f0016d3cca427 ff",
    length: 400,
};

/// Our init's DISCOVER on that machine, started by QEMU's `-kernel` under SeaBIOS.
pub(crate) const INIT_OF_UUID: Capture = Capture {
    header: "01010600aacac513000000000000000000000000000000000000000052540012345600000000000000000000",
    options: "350101 3d0701525400123456 39020598 370a0103060c0f111a2a7779 3c076e6574726f6f74
        611100ba284e1ba12fd211883f0016d3cca427 5d020000 5000 ff",
    length: 303,
};
