//! A client that measures any NFSv3 server, for `cargo xtask bench nfs`: `name=number` words for each run, the last of which is
//! `client=`, the seconds of processor time that it took itself.
//!
//! ```text
//! load ADDRESS MOUNTPORT NFSPORT EXPORT SOURCES cell WHAT CONNECTIONS SECONDS
//! load ADDRESS MOUNTPORT NFSPORT EXPORT SOURCES pass WHAT CONNECTIONS
//! load ADDRESS MOUNTPORT NFSPORT EXPORT SOURCES stuck CONNECTIONS SECONDS
//! load ADDRESS MOUNTPORT NFSPORT EXPORT SOURCES replay RECORD MACHINES
//! ```
//!
//! With `--awake` before these words it looks for replies until there are some, all connections by one thread. It takes a
//! processor, but nobody has to wake it, which costs a server on the same machine a quarter of its time.
//!
//! Each connection sends a call and waits for its reply, again and again, from an address of its own: SOURCES is the first one,
//! such as `10.92.1.1`, or `-` for any. WHAT is `getattr`, `lookup`, `readdirplus` or `read:BYTES`; `pass` does it once for
//! each name or block. The export has the folder `many` and the file `large`. The data of a READ is thrown away by the kernel
//! (`MSG_TRUNC`), so that it is the server that is measured. RECORD is what the export records
//! (`netroot_nfs_export::Server::record_calls`).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a measuring tool may stop at the first error"
)]

use rustix::time::{ClockId, clock_gettime};

mod client;
mod measures;
mod replay;
mod stuck;
mod worker;

use client::Server;
use measures::{cell, pass};
use replay::replay;
use stuck::stuck;
use worker::What;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (awake, words) = match &words[..] {
        ["--awake", words @ ..] => (true, words),
        words => (false, words),
    };
    let [address, mount_port, nfs_port, export, sources, rest @ ..] = words else {
        panic!("usage: load ADDRESS MOUNTPORT NFSPORT EXPORT SOURCES cell|pass|stuck|replay …");
    };
    let server = Server {
        address: address.parse().unwrap(),
        mount_port: mount_port.parse().unwrap(),
        nfs_port: nfs_port.parse().unwrap(),
        export: (*export).to_owned(),
        sources: sources.parse().ok(),
        awake,
    };
    match *rest {
        ["cell", what, connections, seconds] => {
            let (connections, seconds) = (connections.parse().unwrap(), seconds.parse().unwrap());
            cell(&server, What::parse(what), connections, seconds);
        }
        ["pass", what, connections] => {
            pass(&server, What::parse(what), connections.parse().unwrap())
        }
        ["stuck", others, seconds] => {
            stuck(&server, others.parse().unwrap(), seconds.parse().unwrap())
        }
        ["replay", record, machines] => replay(&server, record, machines.parse().unwrap()),
        _ => panic!("what to measure: cell, pass, stuck or replay"),
    }
    let processor = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = processor.tv_sec as f64 + processor.tv_nsec as f64 / 1e9;
    println!("client={seconds}");
}
