//! A client beside others that do not read.

use std::time::{Duration, Instant};

use crate::client::{Client, HEAD, NFS, Server};
use crate::measures::report;
use crate::worker::Target;

/// The calls that a client that does not read sends.
const UNREAD_CALLS: usize = 16;

/// A client that asks for attributes and a page by turns, beside others that ask for 16 MiB each and read nothing of it.
pub(crate) fn stuck(server: &Server, others: usize, seconds: f64) {
    let target = Target::find(server);
    let held: Vec<Client> = (1..=others)
        .map(|number| {
            let mut client = server.nfs(number);
            for _ in 0..UNREAD_CALLS {
                let arguments = [&target.large[..], &[0; 8], &(1_u32 << 20).to_be_bytes()].concat();
                client.send(NFS, 6, &arguments);
            }
            client
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    let mut fast = server.nfs(0);
    let (mut times, mut bytes) = (Vec::new(), 0);
    let begun = Instant::now();
    while begun.elapsed().as_secs_f64() < seconds {
        let before = Instant::now();
        if times.len() % 2 == 0 {
            fast.call(NFS, 1, &target.large);
        } else {
            let at = (times.len() as u64 % 4096) * 4096;
            fast.ask_read(&target.large, at, 131_072);
            fast.receive(HEAD);
            bytes += u64::from(fast.was_read());
        }
        times.push(before.elapsed().as_micros() as u32);
    }
    report(times, bytes, begun.elapsed().as_secs_f64());
    drop(held);
}
