//! A time server's reply.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let token = [1, 2, 3, 4, 5, 6, 7, 8];
    let _ = netroot_proto::sntp::answer(token, input);
    let mut reply = input.to_vec();
    if let Some(originate) = reply.get_mut(24..32) {
        originate.copy_from_slice(&token);
    }
    let _ = netroot_proto::sntp::answer(token, &reply);
});
