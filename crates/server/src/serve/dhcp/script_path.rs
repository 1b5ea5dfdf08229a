//! The name of a machine's script, as DHCP says it.

/// The name over HTTP and TFTP.
pub(crate) const SCRIPT_PATH: &str = "boot/{mac}.ipxe";

/// What iPXE is to fetch: with the number of its DHCP message's claim, so that it confirms what that says, and with what
/// the machine says itself. `long` is whether it asked for option 67; `machines` whether the configuration has machines,
/// which may be there by their serial numbers.
///
/// iPXE expands it (`fetch_next_server_and_filename` in usr/autoboot.c, since 2011), and reads option 67 where the field
/// for a file is empty (`dhcppkt_fetch` in net/dhcppkt.c, since 2008). An option has at most 255 bytes, and everything
/// fits. The field has 128 with the zero at its end, of which the longest address and port leave too few for all: then
/// what the message itself does not have goes in, if the configuration may ask for it.
pub(super) fn asking(claim: Option<u32>, long: bool, machines: bool) -> String {
    let Some(claim) = claim else {
        return SCRIPT_PATH.to_owned();
    };
    let says = match (long, machines) {
        (true, _) => {
            "uuid=${uuid}&busid=${netX/busid}&serial=${serial:uristring}&product=${product:uristring}\
             &asset=${asset:uristring}&manufacturer=${manufacturer:uristring}"
        }
        (false, false) => "uuid=${uuid}&busid=${netX/busid}",
        (false, true) => "serial=${serial:uristring}&product=${product:uristring}",
    };
    format!("{SCRIPT_PATH}?dhcp={claim:08x}&{says}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest(path: &str) -> usize {
        let path = path.replace("{mac}", "52-54-00-12-34-56");
        format!("http://255.255.255.255:65535/{path}").len()
    }

    #[test]
    fn the_longest_url_fits_into_the_option_or_the_field_for_a_file() {
        for machines in [false, true] {
            for (long, room) in [(false, 127), (true, 255)] {
                let path = asking(Some(7), long, machines);
                assert!(longest(&path) <= room, "{path}");
                assert!(path.contains(".ipxe?dhcp=00000007&"), "{path}");
            }
        }
        assert_eq!(asking(None, true, true), SCRIPT_PATH);
    }

    #[test]
    fn everything_is_asked_where_the_client_reads_the_option() {
        for machines in [false, true] {
            let path = asking(Some(7), true, machines);
            for key in [
                "uuid",
                "busid",
                "serial",
                "product",
                "asset",
                "manufacturer",
            ] {
                assert!(path.contains(&format!("&{key}=${{")), "{path}");
            }
            assert!(!path.contains(' '), "{path}");
        }
    }
}
