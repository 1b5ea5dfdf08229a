use super::*;
use crate::cmdline::Complaint;

fn read(value: &str) -> (IpRequest, Vec<Complaint>) {
    let mut complaints = Vec::new();
    let origin = Origin::Parameter(format!("ip={value}"));
    let request = IpRequest::read(
        value,
        origin,
        &mut Reading::new("ip", Some(value), &mut complaints),
    );
    (request, complaints)
}

fn good(value: &str) -> IpRequest {
    let (request, complaints) = read(value);
    assert_eq!(complaints, [], "{value}");
    request
}

fn quad(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn bare_words_choose_the_method() {
    for (word, method) in [
        ("dhcp", Method::Dhcp),
        ("on", Method::Any),
        ("any", Method::Any),
        ("bootp", Method::Bootp),
        ("off", Method::Off),
        ("none", Method::Off),
        ("single-dhcp", Method::Dhcp),
    ] {
        assert_eq!(good(word).method, method, "{word}");
    }
}

#[test]
fn the_kernels_ten_fields_are_all_read() {
    let value = "10.0.0.9:10.0.0.1:10.0.0.254:255.255.0.0:pc9.lab.example:eth1:off:10.0.0.2:10.0.0.3:10.0.0.4";
    let request = good(value);
    assert_eq!(
        request,
        IpRequest {
            method: Method::Static,
            device: Some(NicSelector::Name("eth1".into())),
            client: quad("10.0.0.9"),
            server: quad("10.0.0.1"),
            gateway: quad("10.0.0.254"),
            prefix: Some(16),
            host_name: Some("pc9".into()),
            nis_domain: Some("lab.example".into()),
            dns: vec![[10, 0, 0, 2].into(), [10, 0, 0, 3].into()],
            ntp: quad("10.0.0.4"),
            client_identifier: None,
            mtu: None,
            link_address: None,
            origin: Origin::Parameter(format!("ip={value}")),
        }
    );
}

#[test]
fn empty_and_missing_fields_are_ignored() {
    let request = good(":::::eth0:dhcp");
    assert_eq!(
        (
            request.method,
            request.device.as_ref().and_then(NicSelector::name)
        ),
        (Method::Dhcp, Some("eth0"))
    );
    let request = good(":10.0.0.1");
    assert_eq!(
        (request.method, request.server),
        (Method::Any, quad("10.0.0.1"))
    );
    let request = good("10.0.0.9::10.0.0.254");
    assert_eq!(
        (request.method, request.gateway),
        (Method::Static, quad("10.0.0.254"))
    );
    assert_eq!(good("10.0.0.9").method, Method::Static);
    assert_eq!(good("0.0.0.0:0.0.0.0").client, None);
    assert_eq!(good("::::::off").method, Method::Off);
}

#[test]
fn an_empty_mask_is_the_classful_one() {
    let address = |value| good(value).address().unwrap().to_string();
    for (client, expected) in [
        ("10.0.0.9", "10.0.0.9/8"),
        ("172.16.0.9", "172.16.0.9/16"),
        ("192.168.1.9", "192.168.1.9/24"),
        ("10.0.0.9:::24", "10.0.0.9/24"),
    ] {
        assert_eq!(address(client), expected);
    }
}

#[test]
fn an_address_is_static_unless_a_protocol_is_named() {
    for (method, expected) in [
        ("", Method::Static),
        ("any", Method::Static),
        ("off", Method::Static),
        ("none", Method::Static),
        ("dhcp", Method::Dhcp),
        ("bootp", Method::Bootp),
    ] {
        assert_eq!(
            good(&format!("10.0.0.9:::::eth0:{method}")).method,
            expected,
            "{method}"
        );
    }
}

#[test]
fn a_client_identifier_has_a_type_and_a_value() {
    let expected = ClientIdentifier {
        kind: 0xff,
        value: b"blade-7".to_vec(),
    };
    assert_eq!(
        good("dhcp,0xff,blade-7").client_identifier,
        Some(expected.clone())
    );
    assert_eq!(
        good(":::::eth0:dhcp,255,blade-7").client_identifier,
        Some(expected)
    );
    let (request, complaints) = read("dhcp,256,x");
    assert_eq!(
        (request.method, request.client_identifier),
        (Method::Dhcp, None)
    );
    assert_eq!(complaints.first().map(|c| c.position), Some(5));
}

#[test]
fn dracut_puts_the_device_first() {
    let request = good("eth0:dhcp");
    assert_eq!(
        (
            request.method,
            request.device.as_ref().and_then(NicSelector::name)
        ),
        (Method::Dhcp, Some("eth0"))
    );
    let request = good("enp1s0:dhcp,auto6:9000:52:54:00:12:34:56");
    assert_eq!((request.method, request.mtu), (Method::Dhcp, Some(9000)));
    assert_eq!(
        request.link_address,
        Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]))
    );
    assert_eq!(good("eth0:off").method, Method::Off);
}

#[test]
fn fields_after_the_method_are_distinguished_by_their_form() {
    let request = good("10.0.0.9::10.0.0.1:24:pc:eth0:none:1400:52-54-00-12-34-56");
    assert_eq!((request.mtu, request.dns.len()), (Some(1400), 0));
    assert_eq!(
        request.link_address,
        Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]))
    );
    let request = good("10.0.0.9::10.0.0.1:24:pc:eth0:none::52:54:00:12:34:56");
    assert_eq!((request.mtu, request.link_address.is_some()), (None, true));
    let request = good("10.0.0.9::10.0.0.1:24:pc:eth0:none:8.8.8.8:9.9.9.9");
    assert_eq!(
        request.dns,
        [IpAddr::from([8, 8, 8, 8]), IpAddr::from([9, 9, 9, 9])]
    );
    let request = good("10.0.0.9:::::eth0:off::10.0.0.2");
    assert_eq!(request.dns, [IpAddr::from([10, 0, 0, 2])]);
}

#[test]
fn a_fixed_address_that_cannot_be_read_never_becomes_dhcp() {
    let (request, complaints) = read("10.0.0.999::10.0.0.254:255.255.255.0::eth0:off");
    assert_eq!((request.client, request.method), (None, Method::Unreadable));
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert_eq!(read("10.0.0.999::::::").0.method, Method::Unreadable);
    // What is asked of a server is asked without it.
    assert_eq!(read("10.0.0.999::::::dhcp").0.method, Method::Dhcp);
    assert_eq!(read("0.0.0.0").0.method, Method::Any);
    assert_eq!(good("0.0.0.0:::::eth0:off").method, Method::Off);
    assert_eq!(good(":::::eth0:off").method, Method::Off);
}

#[test]
fn invalid_values_are_reported_and_left_out() {
    for (value, position, expected, found) in [
        ("10.0.0.300", 0, "an IPv4 address", "10.0.0.300"),
        ("10.0.0.9:server", 9, "an IPv4 address", "server"),
        (
            "10.0.0.9:::255.0.255.0",
            11,
            "a network mask such as 255.255.255.0 or a prefix length",
            "255.0.255.0",
        ),
        ("10.0.0.9::::-x y", 12, "a host name", "-x y"),
        (
            "10.0.0.9:::::a/b",
            13,
            "the name or the Ethernet address of a network device",
            "a/b",
        ),
        (":::::eth0:dchp", 10, METHODS, "dchp"),
        ("dchp", 0, METHODS, "dchp"),
        ("rarp", 0, METHODS, "rarp"),
        ("eth0:dhcp6", 5, METHODS, "dhcp6"),
        ("eth0:dhcp:20", 10, "an MTU of 68 to 65535", "20"),
        (
            "eth0:dhcp:1500:xx",
            15,
            "an Ethernet address after the MTU",
            "xx",
        ),
        (
            "[fe80::1]::",
            0,
            "an IPv4 address (IPv6 is not supported)",
            "[fe80::1]",
        ),
        ("::::::dhcp::::x:y", 14, "at most ten fields", "x:y"),
        ("", 0, METHODS, ""),
    ] {
        let (_, complaints) = read(value);
        let [complaint] = complaints.as_slice() else {
            panic!("{value}: {complaints:?}")
        };
        assert_eq!(
            (
                complaint.position,
                complaint.expected.as_ref(),
                complaint.found.as_str()
            ),
            (position, expected, found),
            "{value}"
        );
    }
    let (request, complaints) = read("10.0.0.300");
    assert_eq!((request.method, request.client), (Method::Unreadable, None));
    assert_eq!(
        complaints[0].to_string(),
        "ip=10.0.0.300: at position 0: expected an IPv4 address, found \"10.0.0.300\"; no address is taken from it"
    );
}

#[test]
fn a_nic_is_named_by_its_address_in_every_form() {
    let address = NicSelector::Address(Mac([0x52, 0x54, 0, 0x77, 0, 2]));
    for mac in [
        "52-54-00-77-00-02",
        "01-52-54-00-77-00-02",
        "52:54:00:77:00:02",
        "01:52:54:00:77:00:02",
    ] {
        let request = good(&format!(
            "10.77.0.50::10.77.0.1:255.255.255.0:pc:{mac}:none:1400"
        ));
        assert_eq!(request.device, Some(address.clone()), "{mac}");
        assert_eq!(
            (request.method, request.mtu),
            (Method::Static, Some(1400)),
            "{mac}"
        );
        let request = good(&format!("{mac}:dhcp"));
        assert_eq!(
            (request.method, request.device),
            (Method::Dhcp, Some(address.clone())),
            "{mac}"
        );
    }
}

#[test]
fn a_device_that_cannot_be_read_is_not_every_nic() {
    let (request, complaints) = read("10.0.0.9:::24::eth 0:off");
    assert_eq!(
        request.device,
        Some(NicSelector::Unreadable("eth 0".into()))
    );
    assert_eq!(complaints.len(), 1);
    let long = good("enP10000p1s0f0np0:dhcp");
    assert_eq!(
        long.device.unwrap().to_string(),
        "enP10000p1s0f0np0",
        "an alternative name of udev"
    );
}

#[test]
fn a_common_mistake_is_put_right_and_named_with_the_usual_form() {
    let (request, complaints) = read("192.0.2.10/24:192.0.2.254");
    assert_eq!(request.address().unwrap().to_string(), "192.0.2.10/24");
    assert_eq!(request.method, Method::Static);
    assert_eq!(
        (request.server, request.gateway),
        (None, quad("192.0.2.254"))
    );
    assert_eq!(
        complaints[0].to_string(),
        "ip=192.0.2.10/24:192.0.2.254: at position 0: expected 192.0.2.10::192.0.2.254:255.255.255.0, as in \
         <address>:<server>:<router>:<netmask>:<host name>:<device>:<method>, found \"192.0.2.10/24\"; taken as that"
    );
    let (request, complaints) = read("dhcp:eth1");
    assert_eq!(request.device, Some(NicSelector::Name("eth1".into())));
    assert_eq!((request.method, complaints.len()), (Method::Dhcp, 1));
    // Nobody knows what else this is to say, and it is no reason to ask DHCP.
    let (request, complaints) = read("192.0.2.10/24::192.0.2.254::a,b:eth0:none");
    assert_eq!((request.method, complaints.len()), (Method::Unreadable, 2));
    let (request, complaints) = read("eth1:dchp");
    assert_eq!(request.device, Some(NicSelector::Name("eth1".into())));
    assert_eq!((request.method, complaints.len()), (Method::Any, 1));
}

#[test]
fn what_is_neither_a_method_nor_an_address_is_not_dhcp_for_every_nic() {
    for value in ["[2001:db8::9]/64", "2001:db8::9/64", "eth0=dhcp", "a b"] {
        let (request, complaints) = read(value);
        assert_eq!(request.method, Method::Unreadable, "{value}");
        assert_eq!(complaints.len(), 1, "{value}: {complaints:?}");
    }
    assert_eq!(read("dhpc").0.method, Method::Any);
    assert_eq!(good("dhcp,1,a/b=c d").method, Method::Dhcp);
}
