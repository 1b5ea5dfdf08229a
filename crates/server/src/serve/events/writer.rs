//! Lines to standard output, from a thread of their own once the server runs, so that a slow terminal slows nothing
//! else down. The queue is bounded in bytes; a full one drops lines.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many bytes of lines about machines may wait for a slow terminal: more than one machine can cause at once.
const QUEUED: usize = 2 << 20;
/// How many bytes may wait in all: the server's own lines find room when those about machines no longer do.
const QUEUED_WITH_OWN: usize = 4 << 20;
/// What a line in the queue takes beside its text, in bytes.
const OVERHEAD: usize = 64;
/// How long the lines still queued at the end may take.
const FINISH_TIME: Duration = Duration::from_secs(2);
/// The line that ends the thread: no event looks like it.
const END: &str = "";

/// Where lines go: to standard output at once, until a [`Writer`] is started.
#[derive(Debug, Default)]
pub(super) struct Output {
    queue: OnceLock<Sender<String>>,
    queued: Arc<AtomicUsize>,
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The server itself.
    Server,
    /// A machine, which may be hostile.
    Machine,
}

impl Output {
    /// Writes or queues a line; false if the queue is full.
    pub(super) fn line(&self, about: About, line: String) -> bool {
        let Some(queue) = self.queue.get() else {
            write(&line);
            return true;
        };
        let most = match about {
            About::Server => QUEUED_WITH_OWN,
            About::Machine => QUEUED,
        };
        let length = line.len() + OVERHEAD;
        let before = self.queued.fetch_add(length, Ordering::Relaxed);
        let sent = before + length <= most && queue.send(line).is_ok();
        if !sent {
            self.queued.fetch_sub(length, Ordering::Relaxed);
        }
        sent
    }

    /// From now on lines are queued for a thread of their own.
    pub(super) fn start_writer(&self) -> std::io::Result<Writer> {
        let (lines, queue) = mpsc::channel::<String>();
        let queued = Arc::clone(&self.queued);
        let thread = std::thread::Builder::new()
            .name("timeline".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                for line in queue {
                    if line == END {
                        break;
                    }
                    write(&line);
                    queued.fetch_sub(line.len() + OVERHEAD, Ordering::Relaxed);
                }
            })?;
        // Only ever set once: `serve` starts one writer.
        let _ = self.queue.set(lines.clone());
        Ok(Writer {
            thread: Some(thread),
            lines,
        })
    }
}

/// The thread that writes lines. It ends when every sender is gone, or with [`Writer::finish`].
#[derive(Debug)]
pub(crate) struct Writer {
    thread: Option<JoinHandle<()>>,
    lines: Sender<String>,
}

impl Writer {
    /// Writes what is queued and returns. A terminal that takes nothing (Ctrl-S) delays the end by two seconds at
    /// most.
    pub(crate) fn finish(mut self) {
        let end = Instant::now() + FINISH_TIME;
        let _ = self.lines.send(END.to_owned());
        let Some(thread) = self.thread.take() else {
            return;
        };
        while !thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        if thread.is_finished() {
            // The thread only writes and cannot panic; nothing is left to do if it did.
            let _ = thread.join();
        }
    }
}

/// A reader that has gone away (`netroot serve | head`) must not end the server, so errors are ignored.
fn write(line: &str) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{line}");
    let _ = output.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_lines_find_room_when_a_stopped_terminal_has_filled_the_queue() {
        let output = Output::default();
        let (lines, queue) = mpsc::channel();
        output.queue.set(lines).unwrap();
        let line = || "x".repeat(1000);
        let queued = (0..10_000).filter(|_| output.line(About::Machine, line()));
        assert_eq!(queued.count(), QUEUED / (1000 + OVERHEAD));
        assert!(output.line(About::Server, line()));
        let own = (0..10_000).filter(|_| output.line(About::Server, line()));
        assert!(own.count() < QUEUED_WITH_OWN / 1000);
        assert!(queue.try_iter().count() <= QUEUED_WITH_OWN / 1000);
    }
}
