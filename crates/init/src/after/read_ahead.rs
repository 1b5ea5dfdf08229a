//! Reads ahead what the root's init and its services are going to read, while they start.
//!
//! The server knows from an earlier boot what that is, and lists it at `netroot.readahead=` ([`netroot_proto::readahead`]).
//! Process 1 calls [`start`] once the root is mounted. That starts this same program under another name ([`NAME`]),
//! which fetches the list, and asks for each file in turn, several at a time, so that it is in the kernel's cache by the time somebody
//! waits for it. It ends by itself after a while, at the latest; nothing depends on it.
//!
//! Why not the content itself in one file, as a layer of the overlay: layers are there when an overlay is mounted, so a boot
//! would wait for all of it. A boot of Debian 12 to its login reads 45 MB (14 MB by `zstd -3`, which is not in this program):
//! 3.6 s at 100 Mbit/s before anything starts, where reading ahead goes on beside it; and the memory of a layer cannot be freed, and a
//! file that is changed on the server stays as it was.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use netroot_net::Host;
use netroot_proto::cmdline::{BootPlan, Overlay};
use netroot_proto::readahead::{ListedFile, MOST_BYTES, MOST_CONTENT, Use, read};
use rustix::fs::{Advice, FileType, Mode, OFlags, RawDir, fadvise, fstat};

use crate::clock::{Moment, Seconds};
use crate::console::debug;
use crate::net::address::Address;
use crate::net::http::{exchange, is_success};
use crate::net::resolve::Resolver;
use crate::root::in_root;
use crate::root::mount_point::{LOWER, ROOT};

/// The name it is started under.
pub(crate) const NAME: &str = "@netroot-readahead";
/// How long the list may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it reads ahead. By then everything has started that was going to.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How many files are asked for at a time. One is not enough for a network with any delay; with more than a few they take
/// the network from what somebody waits for: at 100 Mbit/s a boot gains nothing with 4.
const THREADS: usize = 2;
const STACK: usize = 64 << 10;
/// How many names of a folder are asked for. Of a store of packages, which has ten thousands, a boot uses a few.
const MOST_NAMES: usize = 2048;
/// The head of an HTTP answer, in bytes, beside the list.
const HEAD: usize = 4 << 10;
/// The most that is read ahead: a part of the memory that is free.
const PART_OF_MEMORY: u64 = 4;

/// Starts reading ahead if the command line says where the list is. A failure only costs speed.
pub(crate) fn start(plan: &BootPlan, address: Option<&Address>) {
    let (Some(url), Some(address)) = (&plan.readahead, address) else {
        return;
    };
    let root = match plan.overlay.value {
        Overlay::Off => ROOT,
        _ => LOWER,
    };
    if let Err(e) = spawn(&url.value.to_string(), &Resolver::of(address), root) {
        debug!("nothing is read ahead: {e}");
    }
}

fn spawn(url: &str, resolver: &Resolver, root: &str) -> io::Result<()> {
    let log = OpenOptions::new().write(true).open("/dev/kmsg");
    // Its root is the initrd's, which is emptied: it keeps the directory.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(root, flags, Mode::empty())?;
    Command::new("/proc/self/exe")
        .arg0(NAME)
        .arg(url)
        .args(resolver.lists())
        .env_clear()
        .stdin(Stdio::from(root))
        .stdout(Stdio::null())
        .stderr(log.map_or_else(|_| Stdio::null(), Stdio::from))
        .spawn()?;
    Ok(())
}

/// Runs it: the root comes in as standard input, the URL and the resolver's configuration as arguments.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let [url, servers, search] = arguments else {
        return ExitCode::FAILURE;
    };
    let began = Moment::now();
    let Ok(files) = fetch(
        url,
        &Resolver::read(servers, search),
        began.after(LIST_TIMEOUT),
    ) else {
        return ExitCode::FAILURE;
    };
    let Ok(root) = io::stdin().as_fd().try_clone_to_owned() else {
        return ExitCode::FAILURE;
    };
    let reading = Reading {
        root,
        files,
        next: AtomicUsize::new(0),
        room: AtomicU64::new(MOST_CONTENT.min(free_memory() / PART_OF_MEMORY)),
        deadline: began.after(TIMEOUT),
    };
    let asked = thread::scope(|scope| {
        let threads = (1..THREADS).filter_map(|_| {
            let thread = thread::Builder::new().stack_size(STACK);
            thread.spawn_scoped(scope, || reading.ask()).ok()
        });
        let threads: Vec<_> = threads.collect();
        let own = reading.ask();
        threads
            .into_iter()
            .fold(own, |sum, thread| sum + thread.join().unwrap_or_default())
    });
    // One call, one line: `<31>` is LOG_DAEMON, for who looks for it.
    let took = Seconds(Moment::now().since(began));
    let line = format!("<31>netroot: read ahead {asked} files in {took} s\n");
    let _ = io::stderr().write_all(line.as_bytes());
    ExitCode::SUCCESS
}

/// The list. There is none before the first boot of an image.
fn fetch(url: &str, resolver: &Resolver, deadline: Moment) -> io::Result<Vec<ListedFile>> {
    let none = || io::Error::from(io::ErrorKind::NotFound);
    let plan = BootPlan::parse(&format!("netroot.readahead={url}"));
    let url = plan.readahead.ok_or_else(none)?.value;
    let address: IpAddr = match &url.server.host {
        Host::Address(address) => *address,
        Host::Name(name) => *resolver.resolve(name).first().ok_or_else(none)?,
    };
    let server = SocketAddr::new(address, url.server.port);
    // By 1.0 the answer is not sent in chunks, and ends with the connection.
    let request = format!("GET {} HTTP/1.0\r\nHost: {}\r\n\r\n", url.path, url.server);
    let answer = exchange(server, &request, HEAD + MOST_BYTES, deadline)?;
    let text = std::str::from_utf8(&answer).map_err(|_| none())?;
    let (_, list) = text.split_once("\r\n\r\n").ok_or_else(none)?;
    match is_success(&answer) {
        true => Ok(read(list)),
        false => Err(none()),
    }
}

/// Memory that is free or can be freed, in bytes (`MemAvailable`, proc_meminfo(5)).
fn free_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0_u64).saturating_mul(1024)
}

/// The files that are still to be asked for.
struct Reading {
    root: OwnedFd,
    files: Vec<ListedFile>,
    next: AtomicUsize,
    /// How many bytes may still be read ahead.
    room: AtomicU64,
    deadline: Moment,
}

impl Reading {
    /// Asks for files until there are no more. Returns how many were there.
    fn ask(&self) -> usize {
        let mut asked = 0;
        while !self.deadline.remaining().is_zero() {
            let Some(file) = self.files.get(self.next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            asked += usize::from(self.ask_for(file).is_ok());
        }
        asked
    }

    fn ask_for(&self, file: &ListedFile) -> io::Result<()> {
        let root = self.root.as_fd();
        let path = OsStr::from_bytes(&file.path);
        let open = |flags| open_in(root, path, flags);
        match &file.used {
            Use::Name => drop(open(OFlags::PATH)?),
            Use::Link => drop(rustix::fs::readlinkat(
                &open(OFlags::PATH)?,
                "",
                Vec::new(),
            )?),
            Use::List => {
                let directory = open(OFlags::RDONLY | OFlags::DIRECTORY)?;
                let mut buffer = Vec::with_capacity(32 << 10);
                let mut names = RawDir::new(&directory, buffer.spare_capacity_mut());
                for _ in 0..MOST_NAMES {
                    let Some(name) = names.next() else { break };
                    name?;
                }
            }
            Use::Content(ranges) => {
                // A device is not even opened for reading: a watchdog would begin to count, a tape to wind. The server lists
                // none; whoever else answers might.
                let status = fstat(open(OFlags::PATH)?)?;
                if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
                    return Ok(());
                }
                let content = File::from(open(OFlags::RDONLY | OFlags::NONBLOCK)?);
                let size = content.metadata()?.len();
                for (offset, length) in ranges {
                    let length = (*length).min(size.saturating_sub(*offset));
                    self.read(&content, *offset, length)?;
                }
            }
        }
        Ok(())
    }

    /// The kernel sends the requests and does not wait for the answers.
    fn read(&self, content: &File, offset: u64, length: u64) -> io::Result<()> {
        let take = |room: u64| room.checked_sub(length);
        let taken = self
            .room
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        if let (Ok(_), Some(length)) = (taken, std::num::NonZeroU64::new(length)) {
            fadvise(content, offset, Some(length), Advice::WillNeed)?;
        }
        Ok(())
    }
}

/// Opens a file of the root, but not by a link at the end of its path.
fn open_in(root: BorrowedFd<'_>, path: &OsStr, flags: OFlags) -> io::Result<OwnedFd> {
    let path = path.to_str().ok_or(io::ErrorKind::InvalidInput)?;
    Ok(in_root::open(root, path, flags | OFlags::NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn what_is_no_file_is_not_opened() {
        let folder = std::env::temp_dir().join(format!("netroot-ahead-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        // One that cannot be opened for reading: ENXIO.
        let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
        std::fs::write(folder.join("file"), "content").unwrap();
        let reading = Reading {
            root: File::open(&folder).unwrap().into(),
            files: Vec::new(),
            next: AtomicUsize::new(0),
            room: AtomicU64::new(100),
            deadline: Moment::now().after(TIMEOUT),
        };
        let ask = |path: &str| {
            reading.ask_for(&ListedFile {
                path: path.into(),
                used: Use::Content(vec![(0, 4096)]),
            })
        };
        ask("socket").unwrap();
        ask("file").unwrap();
        assert_eq!(reading.room.load(Ordering::Relaxed), 100 - 7);
        assert!(ask("absent").is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    fn served(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 512]);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        format!("http://127.0.0.1:{port}/readahead/debian")
    }

    fn fetched(url: &str) -> io::Result<Vec<ListedFile>> {
        let deadline = Moment::now().after(Duration::from_secs(10));
        fetch(url, &Resolver::read("", ""), deadline)
    }

    #[test]
    fn the_list_is_the_body_of_a_good_answer() {
        let list =
            "HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nnetroot-readahead 1\nL sbin\n";
        assert_eq!(fetched(&served(list)).unwrap().len(), 1);
        let none = "HTTP/1.0 404 Not Found\r\n\r\nnetroot-readahead 1\nL sbin\n";
        assert!(fetched(&served(none)).is_err());
        assert!(fetched(&served("HTTP/1.0 200 OK\r\n")).is_err());
        assert!(fetched("ftp://127.0.0.1/").is_err());
    }
}
