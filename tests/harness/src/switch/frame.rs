//! The parts of an Ethernet frame that a switch reads. Pure.

/// VLAN tags (IEEE 802.1Q §9.6).
const TAG: [u8; 2] = [0x81, 0x00];
/// The offset of the EtherType in an untagged frame, after two addresses.
const ETHERTYPE: usize = 12;
/// The VLAN's number within the two bytes after a tag's type; the rest is a priority.
const VLAN_BITS: u16 = 0x0fff;

/// A message of a DHCP client, as it passed the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bootp {
    /// Option 53 (RFC 2132 §9.6): 1 is a DISCOVER, 3 a REQUEST; zero for plain BOOTP.
    pub(super) kind: u8,
    /// The transaction ID.
    pub(super) transaction: u32,
    /// The `secs` field.
    pub(super) seconds: u16,
}

/// The VLAN that a frame is tagged with.
pub(super) fn tag_of(frame: &[u8]) -> Option<u16> {
    let rest = frame.get(ETHERTYPE..)?.strip_prefix(&TAG)?;
    Some(u16_at(rest, 0)? & VLAN_BITS)
}

/// The frame without its tag, if that is this VLAN's.
pub(super) fn untagged(frame: &[u8], vlan: u16) -> Option<Vec<u8>> {
    if tag_of(frame)? != vlan {
        return None;
    }
    let addresses = frame.get(..ETHERTYPE)?;
    Some([addresses, frame.get(ETHERTYPE + 4..)?].concat())
}

/// The frame with the tag of this VLAN.
pub(super) fn tagged(frame: &[u8], vlan: u16) -> Option<Vec<u8>> {
    let (addresses, rest) = frame.split_at_checked(ETHERTYPE)?;
    Some([addresses, &TAG, &vlan.to_be_bytes(), rest].concat())
}

/// Reads a DHCP client's message: IPv4, UDP to port 67, tagged or not.
pub(super) fn read_bootp(frame: &[u8]) -> Option<Bootp> {
    let at = if tag_of(frame).is_some() { 4 } else { 0 };
    if u16_at(frame, ETHERTYPE + at)? != 0x0800 {
        return None;
    }
    let packet = frame.get(ETHERTYPE + 2 + at..)?;
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let datagram = packet.get(header..)?;
    if *packet.get(9)? != 17 || u16_at(datagram, 2)? != 67 {
        return None;
    }
    // RFC 2131 §2: op, htype, hlen, hops, xid, secs, …; the options follow the magic cookie.
    let message = datagram.get(8..)?;
    Some(Bootp {
        kind: message_type(message.get(240..)?),
        transaction: u32::from(u16_at(message, 4)?) << 16 | u32::from(u16_at(message, 6)?),
        seconds: u16_at(message, 8)?,
    })
}

/// The value of option 53; zero without it.
fn message_type(mut options: &[u8]) -> u8 {
    loop {
        match options {
            [53, 1, kind, ..] => return *kind,
            [0, rest @ ..] => options = rest,
            [255, ..] | [] | [_] => return 0,
            [_, length, rest @ ..] => {
                options = rest.get(usize::from(*length)..).unwrap_or_default();
            }
        }
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes(pair.try_into().ok()?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A DISCOVER, as far as a switch reads it.
    pub(in crate::switch) fn discover(seconds: u16) -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend([0x52, 0x54, 0, 0x77, 0, 1, 0x08, 0x00]);
        let mut packet = vec![0; 28];
        packet[0] = 0x45;
        packet[9] = 17;
        packet[23] = 67;
        frame.extend(packet);
        let mut message = vec![0; 240];
        message[4..8].copy_from_slice(&[1, 2, 3, 4]);
        message[8..10].copy_from_slice(&seconds.to_be_bytes());
        frame.extend(message);
        frame.extend([0, 12, 2, b'a', b'b', 53, 1, 1, 255]);
        frame
    }

    #[test]
    fn a_tag_goes_on_and_comes_off_and_another_vlan_stays_out() {
        let frame = discover(0);
        let on_7 = tagged(&frame, 7).unwrap();
        assert_eq!(tag_of(&on_7), Some(7));
        assert_eq!(untagged(&on_7, 7), Some(frame.clone()));
        assert_eq!(untagged(&on_7, 8), None);
        assert_eq!(untagged(&frame, 7), None);
    }

    #[test]
    fn a_dhcp_message_is_read_with_and_without_a_tag() {
        let asked = Bootp {
            kind: 1,
            transaction: 0x0102_0304,
            seconds: 9,
        };
        assert_eq!(read_bootp(&discover(9)), Some(asked));
        assert_eq!(read_bootp(&tagged(&discover(9), 7).unwrap()), Some(asked));
        assert_eq!(read_bootp(&discover(9)[..60]), None);
    }
}
