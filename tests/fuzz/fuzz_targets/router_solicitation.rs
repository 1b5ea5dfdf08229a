//! An ICMPv6 message to all routers.
#![no_main]

use std::net::Ipv6Addr;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (source, message) = match input.split_first_chunk::<16>() {
        Some((source, message)) => (Ipv6Addr::from(*source), message),
        None => (Ipv6Addr::UNSPECIFIED, input),
    };
    let _ = netroot_proto::pxe::router_solicitation::solicitor(message, source, 255);
});
