//! A root to export, and a blocking client.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    unreachable_pub,
    missing_docs,
    reason = "test support"
)]

use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use netroot_nfs_export::{
    AddressList, Event, Export, ExportOptions, HandleKey, HiddenPaths, Listeners, Server, Submounts,
};
use nfs3_client::io::{AsyncRead, AsyncWrite};
use nfs3_client::{MountClient, Nfs3Client};
use nfs3_types::mount::dirpath;
use nfs3_types::nfs3::*;
use nfs3_types::rpc::{auth_unix, opaque_auth};
use nfs3_types::xdr_codec::Opaque;

pub const KEY: [u8; 16] = *b"0123456789abcdef";

/// Drops this thread's capabilities; the threads of a server started by it inherit none.
///
/// Without them there is no `open_by_handle_at` and no copy of a mount.
pub fn drop_capabilities() {
    keep_capabilities(rustix::thread::CapabilitySet::empty());
}

/// Drops all capabilities but these, as [`drop_capabilities`] does.
pub fn keep_capabilities(kept: rustix::thread::CapabilitySet) {
    let sets = rustix::thread::CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: rustix::thread::CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).unwrap();
}

/// Makes two tests of each function: with the capabilities of this process, and without any.
#[macro_export]
macro_rules! with_and_without_capabilities {
    ($($name:ident),+ $(,)?) => {
        mod with_capabilities {
            $(#[test]
            fn $name() {
                super::$name();
            })+
        }
        mod without_capabilities {
            $(#[test]
            fn $name() {
                super::support::drop_capabilities();
                super::$name();
            })+
        }
    };
}

/// A running server and its events.
pub struct Running {
    pub server: Server,
    pub events: Arc<Mutex<Vec<Event>>>,
}

pub fn options() -> ExportOptions {
    ExportOptions {
        names: vec!["/image".to_owned(), "/".to_owned()],
        allowed: AddressList::networks(["127.0.0.0/8".parse().unwrap()]),
        key: HandleKey::from_bytes(KEY),
        hidden: HiddenPaths::default(),
        submounts: Submounts::default(),
        original: None,
        handles_of: None,
        earlier: Vec::new(),
    }
}

pub fn serve(root: &Path) -> Running {
    serve_with(vec![Export::open(root, options()).unwrap()])
}

pub fn serve_with(exports: Vec<Export>) -> Running {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let server = Server::start(exports, Listeners::new(vec![listener]), {
        let events = Arc::clone(&events);
        move |event| events.lock().unwrap().push(event)
    })
    .unwrap();
    Running { server, events }
}

/// A blocking stream for the client; the end of the stream is an error.
pub struct Stream(pub TcpStream);

impl AsyncRead for Stream {
    async fn async_read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buffer) {
            Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
            other => other,
        }
    }
}

impl AsyncWrite for Stream {
    async fn async_write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.0.write(buffer)
    }
}

/// Polls a future that is ready at once, since the stream blocks.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a future on a blocking stream was pending"),
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

pub fn mount_client(address: SocketAddr) -> MountClient<Stream> {
    MountClient::new(Stream(connect(address)))
}

pub fn root_handle(address: SocketAddr, path: &str) -> nfs_fh3 {
    root_handle_over(connect(address), path)
}

/// The same, on a connection to the port of MOUNT.
pub fn root_handle_over(stream: TcpStream, path: &str) -> nfs_fh3 {
    let mut client = MountClient::new(Stream(stream));
    let reply = now(client.mnt(dirpath(Opaque::borrowed(path.as_bytes())))).unwrap();
    nfs_fh3 {
        data: Opaque::owned(reply.fhandle.0.to_vec()),
    }
}

/// An NFS client of one user, with the root's handle.
pub struct Client {
    pub nfs: Nfs3Client<Stream>,
    pub root: nfs_fh3,
}

impl Client {
    pub fn root(address: SocketAddr) -> Self {
        Self::user(address, 0, 0, &[])
    }

    pub fn user(address: SocketAddr, uid: u32, gid: u32, groups: &[u32]) -> Self {
        let root = root_handle(address, "/image");
        Self::over(connect(address), root, uid, gid, groups)
    }

    /// The same, on a connection to the port of NFS.
    pub fn over(stream: TcpStream, root: nfs_fh3, uid: u32, gid: u32, groups: &[u32]) -> Self {
        let credential = opaque_auth::auth_unix(&auth_unix {
            uid,
            gid,
            gids: groups.to_vec(),
            ..auth_unix::default()
        });
        let stream = Stream(stream);
        Self {
            nfs: Nfs3Client::new_with_auth(stream, credential, opaque_auth::default()),
            root,
        }
    }

    pub fn lookup_in(&mut self, dir: &nfs_fh3, name: &[u8]) -> Result<LOOKUP3resok, nfsstat3> {
        let what = diropargs3 {
            dir: dir.clone(),
            name: name.into(),
        };
        result(now(self.nfs.lookup(&LOOKUP3args { what })).unwrap())
    }

    pub fn find(&mut self, path: &str) -> nfs_fh3 {
        path.split('/').fold(self.root.clone(), |dir, name| {
            self.lookup_in(&dir, name.as_bytes()).unwrap().object
        })
    }

    pub fn attributes(&mut self, handle: &nfs_fh3) -> Result<fattr3, nfsstat3> {
        let object = handle.clone();
        result(now(self.nfs.getattr(&GETATTR3args { object })).unwrap())
            .map(|found| found.obj_attributes)
    }

    pub fn access(&mut self, handle: &nfs_fh3) -> u32 {
        let object = handle.clone();
        let access = u32::MAX;
        result(now(self.nfs.access(&ACCESS3args { object, access })).unwrap())
            .unwrap()
            .access
    }

    pub fn read(
        &mut self,
        handle: &nfs_fh3,
        offset: u64,
        count: u32,
    ) -> Result<(Vec<u8>, bool), nfsstat3> {
        let file = handle.clone();
        let reply = now(self.nfs.read(&READ3args {
            file,
            offset,
            count,
        }))
        .unwrap();
        result(reply).map(|found| {
            assert_eq!(found.count as usize, found.data.len());
            (found.data.to_vec(), found.eof)
        })
    }

    pub fn readlink(&mut self, handle: &nfs_fh3) -> Result<Vec<u8>, nfsstat3> {
        let symlink = handle.clone();
        result(now(self.nfs.readlink(&READLINK3args { symlink })).unwrap())
            .map(|found| found.data.0.to_vec())
    }

    /// Lists a whole directory in replies of `count` bytes: file ids and names.
    pub fn list(&mut self, dir: &nfs_fh3, count: u32) -> Result<Vec<(u64, Vec<u8>)>, nfsstat3> {
        let mut names = Vec::new();
        let (mut cookie, mut cookieverf) = (0, cookieverf3::default());
        loop {
            let dir = dir.clone();
            let reply = now(self.nfs.readdir(&READDIR3args {
                dir,
                cookie,
                cookieverf,
                count,
            }))
            .unwrap();
            let found = result(reply)?;
            cookieverf = found.cookieverf;
            for entry in found.reply.entries.into_inner() {
                cookie = entry.cookie;
                names.push((entry.fileid, entry.name.as_ref().to_vec()));
            }
            if found.reply.eof {
                return Ok(names);
            }
        }
    }

    pub fn list_plus(
        &mut self,
        dir: &nfs_fh3,
        dircount: u32,
        maxcount: u32,
    ) -> Result<Vec<entryplus3<'static>>, nfsstat3> {
        let mut entries = Vec::new();
        let (mut cookie, mut cookieverf) = (0, cookieverf3::default());
        loop {
            let dir = dir.clone();
            let reply = now(self.nfs.readdirplus(&READDIRPLUS3args {
                dir,
                cookie,
                cookieverf,
                dircount,
                maxcount,
            }))
            .unwrap();
            let found = result(reply)?;
            cookieverf = found.cookieverf;
            let eof = found.reply.eof;
            entries.extend(found.reply.entries.into_inner());
            if eof {
                return Ok(entries);
            }
            cookie = entries.last().unwrap().cookie;
        }
    }
}

pub fn result<T, E>(reply: Nfs3Result<T, E>) -> Result<T, nfsstat3> {
    match reply {
        Nfs3Result::Ok(found) => Ok(found),
        Nfs3Result::Err((status, _)) => Err(status),
    }
}
