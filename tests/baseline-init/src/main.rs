//! `/init` that only does what cannot be left out: what `cargo xtask bench boot` holds the init against.
//!
//! It knows every answer beforehand. It loads the modules that [`MODULES`] lists, one after the other, sets the first
//! NIC up as soon as there is one, gives it the address that it is told, mounts the root by one mount(2), and runs the
//! root's init. It looks for no driver, asks nobody for an address, a port or a file handle, leaves no traces, and
//! deletes no image. So nothing that has to load these modules from this image and mount this root is faster, but for
//! what it does side by side.
//!
//! The answers are in the environment, where the kernel puts the words of its command line that it does not know:
//!
//! | word | for example |
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

/// The modules' paths in the image, a line each, in the order in which they are loaded.
const MODULES: &str = "/etc/baseline";
/// Where the root is mounted, to become `/`.
const ROOT: &str = "/newroot";
/// The NIC's name: nothing renames it before the root's own init.
const NIC: &str = "eth0";
/// How often the link is looked at. It is of no use to the comparison to be late.
const PAUSE: Duration = Duration::from_millis(1);
/// UDP's port for what nobody wants (RFC 863).
const DISCARD: u16 = 9;
/// How long the link is waited for.
const LOOKS: u32 = 30_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() {
    if let Err(error) = boot() {
        println!("baseline: {error}");
    }
    // Process 1 that ends is a kernel panic, and hides what was said.
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

/// The boot; it returns with a failure or not at all.
fn boot() -> Result<()> {
    let (address, prefix) = address(&answer("BASELINE_ADDRESS")?)?;
    let root = answer("BASELINE_ROOT")?;
    let options = CString::new(answer("BASELINE_OPTIONS")?)?;
    // Where it shows whether the link is up.
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

/// Loads every module, and sets the NIC up between two of them, so that its link comes meanwhile.
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

/// Waits until packets leave the machine. A first question that is lost on the way up costs a second, be it ARP's or
/// TCP's: so something is said that nobody answers, until the NIC has sent it. (The kernel itself tells that the link is
/// up as much as a second after that.)
fn await_link(address: Ipv4Addr, prefix: u8) -> Result<()> {
    let everybody = u32::from(address) | u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    let socket = UdpSocket::bind((address, 0))?;
    socket.set_broadcast(true)?;
    for _ in 0..LOOKS {
        // Before there is a carrier the kernel may refuse.
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

/// What the kernel says of the NIC in `/sys`.
fn fact(name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/sys/class/net/{NIC}/{name}")).ok()?;
    Some(text.trim_end().to_owned())
}

fn switch_root() -> Result<()> {
    std::env::set_current_dir(ROOT)?;
    rustix::mount::mount_move(".", "/").map_err(|e| format!("move the root to /: {e}"))?;
    rustix::process::chroot(".").map_err(|e| format!("change the root: {e}"))?;
    std::env::set_current_dir("/")?;
    Err(format!("run /sbin/init: {}", Command::new("/sbin/init").exec()).into())
}
