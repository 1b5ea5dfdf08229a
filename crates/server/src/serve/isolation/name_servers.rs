//! The name servers of this machine that machines behind it can ask, too.

use std::fs;
use std::net::Ipv4Addr;

/// In this order: the first has the addresses themselves, or that of a stub on this machine; then the stub's own.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];
/// As many as C libraries ask.
const MOST: usize = 3;

/// Those of the first file that names one outside of this machine.
pub(crate) fn of_this_machine() -> Vec<Ipv4Addr> {
    let read = FILES
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    let mut found = read.map(|text| name_servers(&text));
    found.find(|found| !found.is_empty()).unwrap_or_default()
}

fn name_servers(text: &str) -> Vec<Ipv4Addr> {
    let named = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address: Ipv4Addr = match words.next() {
            Some("nameserver") => words.next()?.parse().ok()?,
            _ => return None,
        };
        (!address.is_loopback() && !address.is_unspecified()).then_some(address)
    });
    named.take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_on_this_machine_is_no_name_server_for_others() {
        let text = "# comment\nsearch lan\nnameserver 127.0.0.53\nnameserver fe80::1\nnameserver 192.168.1.1\n";
        assert_eq!(name_servers(text), [Ipv4Addr::new(192, 168, 1, 1)]);
    }
}
