//! The name of a machine's script, as DHCP says it.

/// The name over HTTP and TFTP.
pub(crate) const SCRIPT_PATH: &str = "boot/{mac}.ipxe";

/// What iPXE is to fetch: with the number of its DHCP message's claim, so that it confirms what that says, and with what
/// the machine says itself. `asks` is whether the configuration has machines, which may be there by their serial numbers.
///
/// iPXE expands it (`fetch_next_server_and_filename` in usr/autoboot.c, since 2011). With the longest address and port, it
/// has 103 or 125 bytes of at most 127: not everything fits. The message itself has the UUID and the card.
pub(super) fn asking(claim: Option<u32>, asks: bool) -> String {
    let Some(claim) = claim else {
        return SCRIPT_PATH.to_owned();
    };
    let says = match asks {
        false => "uuid=${uuid}&busid=${netX/busid}",
        true => "serial=${serial:uristring}&product=${product:uristring}",
    };
    format!("{SCRIPT_PATH}?dhcp={claim:08x}&{says}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_url_fits_into_the_field_for_a_file() {
        for asks in [false, true] {
            let path = asking(Some(7), asks);
            let path = path.replace("{mac}", "52-54-00-12-34-56");
            let url = format!("http://255.255.255.255:65535/{path}");
            assert!(url.len() < 128 && url.contains("?dhcp=00000007&"), "{url}");
        }
        assert_eq!(asking(None, true), SCRIPT_PATH);
    }
}
