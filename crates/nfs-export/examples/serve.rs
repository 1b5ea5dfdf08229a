//! Exports a directory to everyone: `serve DIRECTORY ADDRESS:PORT`. For experiments and measurements.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use netroot_nfs_export::{
    AddressList, Export, ExportOptions, HandleKey, HiddenPaths, Listeners, Server, Submounts,
    raise_open_file_limit,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(directory), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: serve DIRECTORY ADDRESS:PORT".into());
    };
    raise_open_file_limit();
    let export = Export::open(
        Path::new(&directory),
        ExportOptions {
            names: vec!["/image".to_owned(), "/".to_owned()],
            allowed: AddressList::everyone(),
            hidden: HiddenPaths::default(),
            submounts: Submounts::default(),
            original: None,
            handles_of: None,
            earlier: Vec::new(),
            key: HandleKey::load_or_create(Path::new("/tmp/netroot-example.key"))?,
        },
    )?;
    println!("handles: {:?}, view: {:?}", export.handles(), export.view());
    let listener = TcpListener::bind(&address)?;
    let server = Server::start(vec![export], Listeners::new(vec![listener]), |event| {
        println!("{event:?}");
    })?;
    println!("serving on {}", server.address());
    loop {
        std::thread::sleep(Duration::from_secs(10));
        println!("{:?}", server.counts());
    }
}
