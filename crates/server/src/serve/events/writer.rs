//! Lines to standard output, from a thread of their own once the server runs, so that a slow terminal slows nothing
//! else down. The queue is bounded; a full one drops lines.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::mpsc::{self, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many lines may wait for a slow terminal.
const QUEUED_LINES: usize = 1024;
/// How long the lines still queued at the end may take.
const FINISH_TIME: Duration = Duration::from_secs(2);
/// The line that ends the thread: no event looks like it.
const END: &str = "";

/// Where lines go: to standard output at once, until a [`Writer`] is started.
#[derive(Debug, Default)]
pub(super) struct Output {
    queue: OnceLock<SyncSender<String>>,
}

impl Output {
    /// Writes or queues a line; false if the queue is full.
    pub(super) fn line(&self, line: String) -> bool {
        match self.queue.get() {
            None => {
                write(&line);
                true
            }
            Some(queue) => queue.try_send(line).is_ok(),
        }
    }

    /// From now on lines are queued for a thread of their own.
    pub(super) fn start_writer(&self) -> std::io::Result<Writer> {
        let (lines, queue) = mpsc::sync_channel::<String>(QUEUED_LINES);
        let thread = std::thread::Builder::new()
            .name("timeline".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                for line in queue {
                    if line == END {
                        break;
                    }
                    write(&line);
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
    lines: SyncSender<String>,
}

impl Writer {
    /// Writes what is queued and returns. A terminal that takes nothing (Ctrl-S) delays the end by two seconds at
    /// most.
    pub(crate) fn finish(mut self) {
        let end = Instant::now() + FINISH_TIME;
        while self.lines.try_send(END.to_owned()).is_err() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
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
