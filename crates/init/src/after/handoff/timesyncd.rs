//! systemd-timesyncd: the time servers of option 42 and of `ip=`'s tenth field, as a drop-in
//! (timesyncd.conf(5)). It would otherwise use those of systemd-networkd, which has none where the renewer keeps the lease.

use super::run_file::RunFile;
use crate::net::address::Address;

/// The file, if there are any time servers.
pub(super) fn file(address: &Address) -> Option<RunFile> {
    if address.ntp.is_empty() {
        return None;
    }
    let servers: Vec<String> = address.ntp.iter().map(ToString::to_string).collect();
    Some(RunFile::new(
        "systemd/timesyncd.conf.d/10-netroot.conf",
        format!(
            "# Written by netroot's init.\n[Time]\nNTP={}\n",
            servers.join(" ")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fixed, leased};
    use super::*;

    #[test]
    fn the_command_lines_time_server_replaces_those_of_dhcp() {
        let text = |address: &Address| file(address).map(|file| file.text);
        let of = |servers: &str| {
            Some(format!(
                "# Written by netroot's init.\n[Time]\nNTP={servers}\n"
            ))
        };
        assert_eq!(text(&leased("ip=dhcp")), of("10.77.0.4 10.77.0.5"));
        let named = "ip=::::::dhcp:::10.9.9.9";
        assert_eq!(text(&leased(named)), of("10.9.9.9"));
        let address = fixed("ip=10.1.2.3:::24::eth0:off:::10.1.2.4");
        assert_eq!(text(&address), of("10.1.2.4"));
        assert_eq!(text(&fixed("ip=10.1.2.3:::24::eth0:off")), None);
    }
}
