//! Many connections, for a time (`cell`) or once over everything (`pass`).

use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::client::Server;
use crate::worker::{Target, What, Worker};

pub(crate) fn percentile(sorted: &[u32], of_1000: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    f64::from(sorted.get(last * of_1000 / 1000).copied().unwrap_or(0))
}

/// So many connections for a time. Those that are awake are looked after by one thread, the others have one each.
pub(crate) fn cell(server: &Server, what: What, connections: usize, seconds: f64) {
    let target = Target::find(server);
    let limit = Duration::from_secs_f64(seconds);
    let (times, bytes, took) = match server.awake {
        true => awake(server, &target, what, connections, limit),
        false => asleep(server, &target, what, connections, limit),
    };
    report(times, bytes, took);
}

/// The time of each call in microseconds, the bytes of all, and the seconds that it took.
type Measured = (Vec<u32>, u64, f64);

/// A worker that begins at a place of its own, after its first calls.
fn begin<'a>(
    server: &Server,
    target: &'a Target,
    what: What,
    (number, of): (usize, usize),
) -> Worker<'a> {
    let first = number * what.calls(target) / of;
    let mut worker = Worker::new(server, target, what, number, first);
    for _ in 0..3 {
        worker.step();
    }
    worker.bytes = 0;
    worker
}

fn awake(
    server: &Server,
    target: &Target,
    what: What,
    connections: usize,
    limit: Duration,
) -> Measured {
    let workers = (0..connections).map(|number| begin(server, target, what, (number, connections)));
    let mut workers: Vec<Worker<'_>> = workers.collect();
    let mut times = Vec::with_capacity(1 << 20);
    let begun = Instant::now();
    let mut asked = vec![begun; connections];
    workers.iter_mut().for_each(Worker::ask);
    loop {
        for (worker, asked) in workers.iter_mut().zip(&mut asked) {
            if worker.is_answered() {
                worker.ask();
                let now = Instant::now();
                times.push(now.duration_since(*asked).as_micros() as u32);
                *asked = now;
            }
        }
        let took = begun.elapsed();
        if took >= limit {
            let bytes = workers.iter().map(|worker| worker.bytes).sum();
            return (times, bytes, took.as_secs_f64());
        }
    }
}

fn asleep(
    server: &Server,
    target: &Target,
    what: What,
    connections: usize,
    limit: Duration,
) -> Measured {
    let barrier = Barrier::new(connections + 1);
    let (mut times, mut bytes, mut took) = (Vec::new(), 0, 0.0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|number| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let mut worker = begin(server, target, what, (number, connections));
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
    (times, bytes, took)
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
