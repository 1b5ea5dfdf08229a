//! The kernel's ARP table, as `/proc/net/arp` shows it (`net/ipv4/arp.c`,
//! `arp_format_neigh_entry`).

use std::net::Ipv4Addr;

use crate::Mac;

/// ATF_COM in `include/uapi/linux/if_arp.h`.
const COMPLETE: u32 = 2;

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArpEntry {
    /// The neighbour has answered.
    pub complete: bool,
    /// Its hardware address. In an incomplete entry this is zero or stale.
    pub mac: Option<Mac>,
}

impl ArpEntry {
    /// The entry for `address` in the text of `/proc/net/arp`. Of several, on several interfaces,
    /// a complete one.
    pub fn find(table: &str, address: Ipv4Addr) -> Option<ArpEntry> {
        let entries = || table.lines().skip(1).filter_map(|line| read(line, address));
        let complete = entries().find(|entry| entry.complete);
        complete.or_else(|| entries().next())
    }

    /// Every address in the text of `/proc/net/arp` whose neighbour has answered, with its hardware address.
    pub fn complete(table: &str) -> impl Iterator<Item = (Ipv4Addr, Mac)> {
        let lines = table.lines().skip(1).filter_map(entry);
        lines.filter_map(|(address, entry)| Some((address, entry.mac.filter(|_| entry.complete)?)))
    }
}

/// A line of the table, if it is about `address`.
fn read(line: &str, address: Ipv4Addr) -> Option<ArpEntry> {
    let (of, entry) = entry(line)?;
    (of == address).then_some(entry)
}

fn entry(line: &str) -> Option<(Ipv4Addr, ArpEntry)> {
    // IP address, HW type, Flags, HW address, Mask, Device.
    let mut fields = line.split_ascii_whitespace();
    let address = fields.next()?.parse().ok()?;
    let flags = fields.nth(1)?.trim_start_matches("0x");
    let flags = u32::from_str_radix(flags, 16).unwrap_or(0);
    let entry = ArpEntry {
        complete: flags & COMPLETE != 0,
        mac: fields.next().and_then(|mac| mac.parse().ok()),
    };
    Some((address, entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_by_address_and_reports_its_state() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device
10.0.0.101       0x1         0x2         52:54:00:12:34:56     *        br0
10.0.0.102       0x1         0x0         00:00:00:00:00:00     *        br0
";
        let at = |last| ArpEntry::find(table, Ipv4Addr::new(10, 0, 0, last));
        let known = ArpEntry {
            complete: true,
            mac: Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56])),
        };
        assert_eq!(at(101), Some(known));
        let silent = ArpEntry {
            complete: false,
            mac: Some(Mac([0; 6])),
        };
        assert_eq!(at(102), Some(silent));
        assert_eq!(at(10), None);
        let complete: Vec<_> = ArpEntry::complete(table).collect();
        let mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        assert_eq!(complete, [(Ipv4Addr::new(10, 0, 0, 101), mac)]);
        assert_eq!(ArpEntry::find("", Ipv4Addr::LOCALHOST), None);
    }
}
