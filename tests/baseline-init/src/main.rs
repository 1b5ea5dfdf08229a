//! An `/init` that does only what is unavoidable: `cargo xtask bench boot` compares the init with it.
//!
//! It knows every answer in advance. It loads the modules listed in [`MODULES`] one after the other, sets the first NIC
//! up as soon as it appears, assigns the configured address, mounts the root by one mount(2), and runs the root's init.
//! It searches for no driver, requests no address, port or file handle, leaves nothing behind but `/dev` and deletes no initrd. So
//! a program that loads these modules from this initrd and mounts this root can only be faster by working in parallel.
//!
//! The answers are in the environment, where the kernel puts the command-line parameters that it does not know:
//!
//! | parameter | example |
//! |---|---|
//! | `BASELINE_ADDRESS` | `10.90.0.50/24` |
//! | `BASELINE_ROOT` | `10.90.0.1:/root` |
//! | `BASELINE_OPTIONS` | `vers=3,nolock,addr=10.90.0.1`: mount(2)'s data |

#![forbid(unsafe_code)]

mod link;

use std::error::Error;
use std::ffi::CString;
use std::fs::{self, File};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use rustix::mount::MountFlags;

/// The modules' paths in the initrd, one per line, in load order.
const MODULES: &str = "/etc/baseline";
/// Where the root is mounted, to become `/`.
const ROOT: &str = "/newroot";
/// The NIC's name: nothing renames it before the root's own init.
const NIC: &str = "eth0";
/// How often the link is polled. Polling slowly would only distort the comparison.
const PAUSE: Duration = Duration::from_millis(1);
/// The discard port (RFC 863).
const DISCARD: u16 = 9;
/// How long to wait for the link.
const LOOKS: u32 = 30_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() {
    if let Err(error) = boot() {
        println!("baseline: {error}");
    }
    // A process 1 that exits panics the kernel, which hides the message.
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

/// The boot. Returns only on failure.
fn boot() -> Result<()> {
    let (address, prefix) = address(&answer("BASELINE_ADDRESS")?)?;
    let root = answer("BASELINE_ROOT")?;
    let options = CString::new(answer("BASELINE_OPTIONS")?)?;
    // Needed to see whether the link is up.
    rustix::mount::mount("sysfs", "/sys", "sysfs", MountFlags::empty(), c"")
        .map_err(|e| format!("mount /sys: {e}"))?;
    load_modules(address, prefix)?;
    await_link(address, prefix)?;
    rustix::mount::mount(root.as_str(), ROOT, "nfs", MountFlags::RDONLY, &*options)
        .map_err(|e| format!("mount {root}: {e}"))?;
    switch_root()
}

fn answer(name: &str) -> Result<String> {
    std::env::var(name).map_err(|e| format!("{name}= on the command line: {e}").into())
}

/// `10.90.0.50/24`.
fn address(text: &str) -> Result<(Ipv4Addr, u8)> {
    let (address, prefix) = text.split_once('/').ok_or("an address without a prefix")?;
    Ok((address.parse()?, prefix.parse()?))
}

/// Loads every module, and sets the NIC up in between, so that its link comes up meanwhile.
fn load_modules(address: Ipv4Addr, prefix: u8) -> Result<()> {
    let mut is_up = false;
    for path in fs::read_to_string(MODULES)?.lines() {
        let file = File::open(path).map_err(|e| format!("open {path}: {e}"))?;
        rustix::system::finit_module(&file, c"", 0).map_err(|e| format!("load {path}: {e}"))?;
        if !is_up && let Some(index) = number("ifindex") {
            link::set_up(index)?;
            link::give_address(index, address, prefix)?;
            is_up = true;
        }
    }
    if is_up {
        return Ok(());
    }
    Err(format!("none of the modules in {MODULES} makes {NIC}").into())
}

/// Waits until packets leave the machine. A first packet lost while the link comes up costs a second, for ARP as for
/// TCP: so packets to the discard port are sent until the NIC has transmitted one. (The kernel reports the link as up
/// as much as a second later.)
fn await_link(address: Ipv4Addr, prefix: u8) -> Result<()> {
    let everybody = u32::from(address) | u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    let socket = UdpSocket::bind((address, 0))?;
    socket.set_broadcast(true)?;
    for _ in 0..LOOKS {
        // Without a carrier the kernel may refuse.
        let _ = socket.send_to(&[0], (Ipv4Addr::from(everybody), DISCARD));
        if number("statistics/tx_packets").is_some_and(|sent| sent > 0) {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    Err(format!("{NIC} sends nothing").into())
}

fn number(name: &str) -> Option<u32> {
    fact(name)?.parse().ok()
}

/// An attribute of the NIC in `/sys`.
fn fact(name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/sys/class/net/{NIC}/{name}")).ok()?;
    Some(text.trim_end().to_owned())
}

fn switch_root() -> Result<()> {
    std::env::set_current_dir(ROOT)?;
    // The root's init tells in the kernel's log when it began.
    rustix::mount::mount("dev", "dev", "devtmpfs", MountFlags::empty(), c"")
        .map_err(|e| format!("mount /dev: {e}"))?;
    rustix::mount::mount_move(".", "/").map_err(|e| format!("move the root to /: {e}"))?;
    rustix::process::chroot(".").map_err(|e| format!("change the root: {e}"))?;
    std::env::set_current_dir("/")?;
    Err(format!("run /sbin/init: {}", Command::new("/sbin/init").exec()).into())
}
