//! Many connections, for a time (`cell`) or once over everything (`pass`).

use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::client::Server;
use crate::worker::{Target, What, Worker};

pub(crate) fn percentile(sorted: &[u32], of_1000: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    f64::from(sorted.get(last * of_1000 / 1000).copied().unwrap_or(0))
}

pub(crate) fn cell(server: &Server, what: What, connections: usize, seconds: f64) {
    let target = Target::find(server);
    let barrier = Barrier::new(connections + 1);
    let limit = Duration::from_secs_f64(seconds);
    let (mut times, mut bytes, mut took) = (Vec::new(), 0, 0.0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|number| {
                let (target, barrier) = (&target, &barrier);
                scope.spawn(move || {
                    // They begin at different places.
                    let first = number * what.calls(target) / connections;
                    let mut worker = Worker::new(server, target, what, number, first);
                    for _ in 0..3 {
                        worker.step();
                    }
                    worker.bytes = 0;
                    let mut times = Vec::with_capacity(1 << 16);
                    barrier.wait();
                    let begun = Instant::now();
                    let mut before = begun;
                    loop {
                        worker.step();
                        let now = Instant::now();
                        times.push(now.duration_since(before).as_micros() as u32);
                        before = now;
                        if now.duration_since(begun) >= limit {
                            return (times, worker.bytes);
                        }
                    }
                })
            })
            .collect();
        barrier.wait();
        let begun = Instant::now();
        for thread in threads {
            let (more, read) = thread.join().unwrap();
            times.extend(more);
            bytes += read;
        }
        took = begun.elapsed().as_secs_f64();
    });
    report(times, bytes, took);
}

pub(crate) fn report(mut times: Vec<u32>, bytes: u64, took: f64) {
    times.sort_unstable();
    println!(
        "calls={} seconds={took} bytes={bytes} p50={} p99={} max={}",
        times.len(),
        percentile(&times, 500),
        percentile(&times, 990),
        percentile(&times, 1000)
    );
}

pub(crate) fn pass(server: &Server, what: What, connections: usize) {
    let target = Target::find(server);
    let all = what.calls(&target);
    let begun = Instant::now();
    let bytes: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|number| {
                let target = &target;
                scope.spawn(move || {
                    let (first, end) =
                        (number * all / connections, (number + 1) * all / connections);
                    let mut worker = Worker::new(server, target, what, number, first);
                    for _ in first..end {
                        worker.step();
                        while worker.next != [0; 16] {
                            worker.step();
                        }
                    }
                    worker.bytes
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    let took = begun.elapsed().as_secs_f64();
    println!("calls={all} seconds={took} bytes={bytes}");
}
