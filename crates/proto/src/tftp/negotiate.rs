//! Option negotiation (RFC 2347, 2348, 2349, 7440).
//!
//! The answer contains only requested options, and no value above the requested one: EDK2 and
//! iPXE abort the transfer otherwise. An option with an invalid value is left out of the
//! answer, which means the default.

use std::time::Duration;

use super::packet::ReadRequest;

/// The most that this server grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest block in bytes, such that no datagram is fragmented.
    pub block_size: u16,
    /// The most blocks sent before waiting for an ACK.
    pub window: u16,
    /// The retransmission timeout until a round trip has been measured.
    pub timeout: Duration,
}

/// The IPv4 header, the UDP header and the four bytes of the TFTP header.
const HEADERS: u16 = 20 + 8 + 4;
/// The longest `timeout` that is granted, in seconds: a transfer waits 60 s for its client in all. Clients ask for 1 to
/// 6.
const LONGEST_TIMEOUT: u64 = 10;
/// The block size without the option (RFC 1350).
pub const DEFAULT_BLOCK_SIZE: u16 = 512;

impl Limits {
    /// Limits with blocks that fit the interface's MTU: 1468 bytes for 1500, which is also what
    /// EDK2 requests. dnsmasq does the same.
    ///
    /// Who asks for more does not tell whether fragments reach it. Windows' boot manager asks for 4096 to 65464 bytes, with a
    /// `windowsize`, as its configuration says (`RamDiskTFTPBlockSize`), and receives by the firmware's stack, which on some
    /// network cards drops them: the boot ends with 0xc0000001. U-Boot asks for what `tftpblocksize` says, and reassembles only
    /// if it was built with `CONFIG_IP_DEFRAG`, which is off by default. tftpd-hpa, which grants everything, has `--blocksize`
    /// for "embedded clients \[that\] request large block sizes and yet do not handle fragmented packets correctly". And a
    /// window of whole datagrams is as fast: one lost fragment loses its block.
    pub fn for_mtu(mtu: u16) -> Limits {
        Limits {
            block_size: mtu.saturating_sub(HEADERS).clamp(DEFAULT_BLOCK_SIZE, 65464),
            window: 64,
            timeout: Duration::from_secs(1),
        }
    }
}

/// The negotiated values of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Bytes in every block but the last.
    pub block_size: u16,
    /// Blocks per ACK.
    pub window: u16,
    /// The retransmission timeout, if the client set it.
    pub timeout: Option<Duration>,
    /// The options of the OACK, in the client's order; if empty, no OACK is sent.
    pub answer: Vec<(String, String)>,
}

/// Negotiates a request's options for a file of `size` bytes.
pub fn negotiate(request: &ReadRequest, size: u64, limits: &Limits) -> Agreement {
    let mut agreed = Agreement {
        block_size: DEFAULT_BLOCK_SIZE,
        window: 1,
        timeout: None,
        answer: Vec::new(),
    };
    for (at, (name, value)) in request.options.iter().enumerate() {
        // Of a repeated option only the first counts, valid or not.
        let mut earlier = request.options.iter().take(at);
        if earlier.any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            continue;
        }
        let Ok(requested) = value.trim().parse::<u64>() else {
            continue;
        };
        let granted = match name.to_ascii_lowercase().as_str() {
            "blksize" if (8..=65464).contains(&requested) => {
                agreed.block_size = at_most(requested, limits.block_size);
                u64::from(agreed.block_size)
            }
            "windowsize" if (1..=65535).contains(&requested) => {
                agreed.window = at_most(requested, limits.window.max(1));
                u64::from(agreed.window)
            }
            // RFC 2349: in seconds, from 1 to 255, to be granted as requested or not at all.
            "timeout" if (1..=LONGEST_TIMEOUT).contains(&requested) => {
                agreed.timeout = Some(Duration::from_secs(requested));
                requested
            }
            // The client sends 0 or any other number; the answer is the size.
            "tsize" => size,
            _ => continue,
        };
        agreed.answer.push((name.clone(), granted.to_string()));
    }
    agreed
}

fn at_most(requested: u64, limit: u16) -> u16 {
    u16::try_from(requested).unwrap_or(u16::MAX).min(limit)
}

#[cfg(test)]
mod tests {
    use super::super::packet::Mode;
    use super::*;

    fn answer(options: &[(&str, &str)]) -> Vec<String> {
        let options = options
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        let request = ReadRequest {
            name: b"x".to_vec(),
            mode: Mode::Octet,
            options,
        };
        let agreed = negotiate(&request, 1_000_000, &Limits::for_mtu(1500));
        agreed
            .answer
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    #[test]
    fn only_requested_options_are_answered_and_never_with_more() {
        assert_eq!(
            answer(&[("tsize", "0"), ("blksize", "1468"), ("windowsize", "4")]),
            ["tsize=1000000", "blksize=1468", "windowsize=4"]
        );
        assert_eq!(
            answer(&[("BlkSize", "9000"), ("windowsize", "1000")]),
            ["BlkSize=1468", "windowsize=64"]
        );
        assert_eq!(answer(&[("blksize", "512")]), ["blksize=512"]);
        assert_eq!(answer(&[("timeout", "3")]), ["timeout=3"]);
        assert_eq!(answer(&[("timeout", "10")]), ["timeout=10"]);
        assert!(answer(&[]).is_empty());
    }

    #[test]
    fn invalid_option_values_are_not_acknowledged() {
        assert!(answer(&[("blksize", "7"), ("windowsize", "0"), ("timeout", "256")]).is_empty());
        assert!(answer(&[("timeout", "11")]).is_empty());
        assert!(answer(&[("timeout", "255")]).is_empty());
        assert!(answer(&[("blksize", "-1"), ("tsize", ""), ("multicast", "1")]).is_empty());
        assert_eq!(
            answer(&[("blksize", "600"), ("blksize", "700")]),
            ["blksize=600"]
        );
    }

    #[test]
    fn blocks_fit_the_mtu() {
        assert_eq!(Limits::for_mtu(1500).block_size, 1468);
        assert_eq!(Limits::for_mtu(9000).block_size, 8968);
        assert_eq!(Limits::for_mtu(100).block_size, 512);
        assert_eq!(Limits::for_mtu(65535).block_size, 65464);
    }
}
