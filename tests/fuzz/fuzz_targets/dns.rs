//! A name server's reply, and a host name from the command line.
#![no_main]

use netroot_proto::dns::{Name, Question};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let question = Question::new(7, Name::parse("server.example.org").unwrap());
    let _ = question.answer(input);
    // The same with the number and the question that are answered.
    let mut reply = question.datagram();
    if let (Some(flags), Some(rest)) = (reply.get_mut(2..12), input.get(2..12)) {
        flags.copy_from_slice(rest);
        reply.extend_from_slice(&input[12..]);
        let _ = question.answer(&reply);
    }
    if let Ok(text) = str::from_utf8(input)
        && let Ok(name) = Name::parse(text)
    {
        let _ = Question::new(7, name).datagram();
    }
});
