//! A disk that does not answer: whatever waits for it, everybody else is served.
//!
//! The disk is a FUSE file system of the test's, whose reads and look-ups are held until the test releases them. When
//! files were read on the network's thread, one held read stopped DHCP, TFTP and HTTP together. Measured by hand beside
//! 16 readers of a disk that takes 50 ms for a read: of 8 DISCOVERs 7 had no OFFER within 2 s; now 1458 of 1458 have
//! one, 99 % of them within 0.4 ms (as without any reader).

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use fuser::{
    BackgroundSession, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEntry, ReplyOpen,
    Request, SessionACL,
};

use super::lab::{HTTP, Lab, TIMEOUT, client, connect, server, udp};

/// Looking this name up is held too.
const HELD_NAME: &str = "lost";
/// Nothing is cached.
const TTL: Duration = Duration::ZERO;

/// What waits for the test.
#[derive(Default)]
struct Held {
    holding: bool,
    reads: Vec<Box<dyn FnOnce() + Send>>,
}

#[derive(Default)]
struct Gate {
    held: Mutex<Held>,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers now, or when it is released.
    fn pass(&self, answer: impl FnOnce() + Send + 'static) {
        let mut held = self.lock();
        if held.holding {
            held.reads.push(Box::new(answer));
        } else {
            drop(held);
            answer();
        }
    }
}

/// A folder of files, in order, with numbers from 2.
struct Disk {
    files: Vec<(String, Arc<Vec<u8>>)>,
    gate: Arc<Gate>,
}

impl Disk {
    fn file(&self, number: INodeNo) -> Option<&Arc<Vec<u8>>> {
        let index = usize::try_from(number.0).ok()?.checked_sub(2)?;
        self.files.get(index).map(|(_, bytes)| bytes)
    }

    fn attributes(&self, number: INodeNo) -> Option<FileAttr> {
        let file = self.file(number);
        if number != INodeNo::ROOT && file.is_none() {
            return None;
        }
        Some(FileAttr {
            ino: number,
            size: file.map_or(0, |bytes| bytes.len() as u64),
            blocks: 1,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: file.map_or(FileType::Directory, |_| FileType::RegularFile),
            perm: if file.is_some() { 0o644 } else { 0o755 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }
}

impl Filesystem for Disk {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == HELD_NAME {
            return self.gate.pass(|| reply.error(Errno::ENOENT));
        }
        let index = self
            .files
            .iter()
            .position(|(known, _)| name == known.as_str());
        let number = index.map(|index| INodeNo(index as u64 + 2));
        match number.and_then(|number| self.attributes(number)) {
            Some(found) => reply.entry(&TTL, &found, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(number) {
            Some(found) => reply.attr(&TTL, &found),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Past the page cache: each read comes here.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(bytes) = self.file(number).cloned() else {
            return reply.error(Errno::ENOENT);
        };
        self.gate.pass(move || {
            let start = usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let end = start.saturating_add(size as usize).min(bytes.len());
            reply.data(bytes.get(start..end).unwrap_or_default());
        });
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        for (index, (name, _)) in self.files.iter().enumerate().skip(start) {
            let next = index as u64 + 1;
            if reply.add(INodeNo(next + 1), next, FileType::RegularFile, name) {
                break;
            }
        }
        reply.ok();
    }
}

/// A disk that is mounted.
struct SlowDisk {
    gate: Arc<Gate>,
    session: Option<BackgroundSession>,
}

impl SlowDisk {
    fn mount(at: &Path, files: Vec<(String, Arc<Vec<u8>>)>) -> Result<Self> {
        let gate = Arc::<Gate>::default();
        let disk = Disk {
            files,
            gate: Arc::clone(&gate),
        };
        let mut options = fuser::Config::default();
        options.acl = SessionACL::All;
        let session = fuser::spawn_mount(disk, at, &options)
            .with_context(|| format!("mount FUSE on {} (modprobe fuse)", at.display()))?;
        Ok(Self {
            gate,
            session: Some(session),
        })
    }

    fn hold(&self) {
        self.gate.lock().holding = true;
    }

    fn held(&self) -> usize {
        self.gate.lock().reads.len()
    }

    fn release(&self) {
        let mut held = self.gate.lock();
        held.holding = false;
        for answer in std::mem::take(&mut held.reads) {
            answer();
        }
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        self.release();
        if let Some(session) = self.session.take() {
            let _ = session.umount_and_join();
        }
    }
}

/// Sends a read request, and returns the socket.
fn ask(from: u8, name: &str) -> Result<std::net::UdpSocket> {
    let socket = udp(client(from), 0)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.send_to(
        &[b"\0\x01", name.as_bytes(), b"\0octet\0"].concat(),
        server(69),
    )?;
    Ok(socket)
}

/// The first datagram's content.
fn first_block(socket: &std::net::UdpSocket) -> Result<Vec<u8>> {
    let mut buffer = [0; 600];
    let (length, _) = socket.recv_from(&mut buffer)?;
    let (head, content) = buffer.split_at(4);
    ensure!(head == b"\0\x03\0\x01", "{head:?}");
    Ok(content.get(..length - 4).unwrap_or_default().to_vec())
}

/// Asks for a file over HTTP, and returns the connection.
fn get(from: u8, path: &str) -> Result<std::net::TcpStream> {
    let mut stream = connect(client(from), HTTP)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )?;
    Ok(stream)
}

/// The whole answer's body.
fn body(mut stream: std::net::TcpStream) -> Result<Vec<u8>> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
    Ok(answer.split_off(head.context("no header")? + 4))
}

/// A DISCOVER of an iPXE, and the server's OFFER.
fn dhcp_offer() -> Result<()> {
    let socket = udp(std::net::Ipv4Addr::UNSPECIFIED, 68)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let mut packet = vec![1, 1, 6, 0, 0x51, 0x0d, 0x15, 0x4b, 0, 0, 0x80, 0];
    packet.resize(28, 0);
    packet.extend([0x52, 0x54, 0, 0x51, 0x0d, 1]);
    packet.resize(236, 0);
    packet.extend([99, 130, 83, 99, 53, 1, 1, 60, 9]);
    packet.extend(b"PXEClient");
    packet.extend([93, 2, 0, 7, 255]);
    socket.send_to(&packet, "255.255.255.255:67")?;
    let mut reply = [0; 1500];
    let (length, _) = socket.recv_from(&mut reply)?;
    let reply = reply.get(..length).unwrap_or_default();
    ensure!(reply.get(4..8) == packet.get(4..8), "another transaction");
    Ok(())
}

#[test]
fn a_disk_that_does_not_answer_stops_only_those_who_wait_for_it() -> Result<()> {
    let slow = Arc::new(vec![0x33; 300_000]);
    let folder = tempfile::tempdir()?;
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), permissions)?;
    let file = ("slow".to_owned(), Arc::clone(&slow));
    // Dropped after the server.
    let disk = SlowDisk::mount(folder.path(), vec![file])?;
    let mut boot = None;
    let mut kernel = Arc::<Vec<u8>>::default();
    let folder = folder.path().display().to_string();
    let arguments = ["--dhcp", "10.66.0.100-10.66.0.199", "--tftp-dir", &folder];
    let mut lab = Lab::with_root("slow-disk", &arguments, |root| {
        let path = root.join("boot");
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&path)? {
            let entry = entry?;
            kernel = Arc::new(std::fs::read(entry.path())?);
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push((name, Arc::clone(&kernel)));
        }
        boot = Some(SlowDisk::mount(&path, files)?);
        Ok(())
    })?;
    let boot = boot.context("no /boot")?;
    let held = lab.clients.within(|| {
        disk.hold();
        boot.hold();
        let mut waiting = Vec::new();
        // Eight clients with four reads each, of which two are begun.
        for host in 10..18 {
            let tftp = (ask(host, "slow")?, ask(host, "vmlinuz")?);
            waiting.push((tftp, get(host, "/slow")?, get(host, "/vmlinuz")?));
        }
        let deadline = std::time::Instant::now() + TIMEOUT;
        while disk.held() + boot.held() < 8 * 2 {
            ensure!(std::time::Instant::now() < deadline, "too few reads");
            std::thread::sleep(Duration::from_millis(5));
        }
        // And two that wait for the name of a file. The kernel looks up one name at a time in a folder.
        let lost = (ask(20, HELD_NAME)?, get(21, "/lost")?);
        while disk.held() + boot.held() < 8 * 2 + 1 {
            ensure!(std::time::Instant::now() < deadline, "no look-up");
            std::thread::sleep(Duration::from_millis(5));
        }
        // Before it hands out what is made from the root, the server looks at the root, and waits for that, once.
        ensure!(body(get(29, "/initrd.img")?)? == vec![b'i'; 2 << 20]);
        let before = (disk.held(), boot.held());
        // Everybody else is served: an address, a script, a file in memory, the page.
        for host in 30..60 {
            dhcp_offer()?;
            ensure!(first_block(&ask(host, "autoexec.ipxe")?)?.starts_with(b"#!ipxe"));
            ensure!(body(get(host, "/autoexec.ipxe")?)?.starts_with(b"#!ipxe"));
            ensure!(body(get(host, "/initrd.img")?)? == vec![b'i'; 2 << 20]);
            ensure!(first_block(&ask(host, "initrd.img")?)? == [b'i'; 512]);
            ensure!(!body(get(host, "/")?)?.is_empty());
        }
        // Nothing has moved meanwhile: no read was done, and nobody has more than two.
        ensure!((disk.held(), boot.held()) == before, "{before:?}");
        for ((one, two), _, _) in &waiting {
            for socket in [one, two] {
                socket.set_nonblocking(true)?;
                ensure!(socket.recv_from(&mut [0; 600]).is_err(), "it was answered");
            }
        }
        disk.release();
        boot.release();
        for (_, of_disk, of_boot) in waiting {
            ensure!(body(of_disk)? == *slow);
            ensure!(body(of_boot)? == *kernel);
        }
        ensure!(body(lost.1)?.starts_with(b"lost: no such file"));
        ensure!(first_block(&ask(20, "slow")?)? == [0x33; 512]);
        ensure!(first_block(&ask(21, "vmlinuz")?)? == kernel.get(..512).unwrap_or_default());
        Ok(before)
    });
    let memory = lab.assert_memory("slow disk");
    // Whatever has failed: a server that waits for a disk does not end, nor a disk that a server has open.
    disk.release();
    boot.release();
    drop(lab);
    let held = held?;
    println!("slow disk: {held:?} reads were held while 30 clients were served");
    memory.map(drop)
}
