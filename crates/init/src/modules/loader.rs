//! Loads modules of the image by `finit_module(2)`.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use netroot_proto::cmdline::{BootPlan, ModuleOrders};
use rustix::io::Errno;

use super::index::{Index, Resolved, Step, Texts};
use crate::clock::Moment;
use crate::console::{debug, warn};

/// Where the kernel keeps the path of its module loader.
pub(crate) const MODPROBE: &str = "/proc/sys/kernel/modprobe";
/// How much of a module is read at a time.
const PIECE: usize = 64 << 10;
/// The most drivers that are loaded side by side: a probe that waits for firmware must not hold up the NIC that
/// has the root, and no machine has more kinds of NIC.
const SIDE_BY_SIDE: usize = 16;

/// How long a module that another thread loads is waited for, before the kernel is left to sort it out: some drivers
/// look for their firmware for a minute.
const ANOTHER: Duration = Duration::from_secs(60);

/// Parameters that modules are told unless the command line says otherwise.
const WISHES: [(&str, &str, &str); 2] = [
    // Else there is a bond0 that nobody asked for.
    ("bonding", "max_bonds", "0"),
    // Linux asks for delegations of directories from 6.19 on, and hands EREMOTEIO to whoever uses the directory if the
    // server calls the question illegal, as NFS-Ganesha does before 9.11: with 7.2 and 4.3 the root's init could not
    // even be started. A root has little of them, and has to be read.
    ("nfsv4", "directory_delegations", "0"),
];

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loaded {
    /// It is in the kernel now.
    Yes,
    /// The image does not have it.
    Absent,
    /// The kernel refused the module or one that it needs; a line on the console says why.
    Refused,
}

/// The module tree of the running kernel, and what was loaded from it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Loader {
    shared: Arc<Shared>,
}

struct Shared {
    directory: PathBuf,
    index: Index,
    orders: ModuleOrders,
    modules: Mutex<Modules>,
    /// A module is no longer on its way.
    arrived: Condvar,
    /// Devices that were matched already.
    seen: Mutex<HashSet<String>>,
}

/// Modules by name.
#[derive(Default)]
struct Modules {
    /// Those that the kernel has.
    loaded: HashSet<String>,
    /// Those that a thread is handing to the kernel. It would read, check and link the same file for every thread
    /// that comes with it, before it finds that one is enough: half a second of a slow machine's boot.
    on_their_way: HashSet<String>,
}

impl Loader {
    /// Reads the index of `/lib/modules/<version>`. Without one nothing can be loaded, which is right for a
    /// kernel that has everything built in.
    pub(crate) fn open(version: &str, orders: ModuleOrders) -> Self {
        let directory = Path::new("/lib/modules").join(version);
        let text = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_default();
        let (dep, alias) = (text("modules.dep"), text("modules.alias"));
        let (softdep, builtin) = (text("modules.softdep"), text("modules.builtin"));
        let index = Index::read(&Texts {
            dep: &dep,
            alias: &alias,
            softdep: &softdep,
            builtin: &builtin,
        });
        let shared = Shared {
            directory,
            index,
            orders,
            modules: Mutex::default(),
            arrived: Condvar::new(),
            seen: Mutex::default(),
        };
        Loader {
            shared: Arc::new(shared),
        }
    }

    /// Loads a module by name or alias with everything it needs, and waits until the kernel has it.
    pub(crate) fn load(&self, name: &str) -> Loaded {
        let steps = match self.shared.index.resolve(name) {
            Resolved::BuiltIn => return Loaded::Yes,
            Resolved::Absent => return Loaded::Absent,
            Resolved::Load(steps) => steps,
        };
        let mut result = Loaded::Yes;
        for step in steps {
            if !self.claim(&step.name) {
                continue;
            }
            let inserted = self.insert(&step.file, &self.parameters_of(&step));
            self.finish(&step.name, inserted.is_ok());
            if let Err(e) = inserted {
                warn!("cannot load the module {}: {e}", step.name);
                result = Loaded::Refused;
            }
        }
        result
    }

    /// What a module is told: our own wish first, for the last one of a kind holds.
    fn parameters_of(&self, step: &Step) -> CString {
        let mut text = String::new();
        for (module, parameter, value) in WISHES {
            // One that it does not know is a warning on the console.
            let known = || knows(&self.shared.directory.join(&step.file), parameter);
            if step.name == module && known().is_ok_and(|known| known) {
                text.push_str(&format!("{parameter}={value} "));
            }
        }
        text.push_str(&self.shared.orders.parameters_of(&step.name));
        // The command line has no zero byte in it.
        CString::new(text).unwrap_or_default()
    }

    /// Whether the caller is to load this module, which is then on its way; `false` if the kernel has it. Where
    /// another thread is at it, that one is waited for, as the kernel would do.
    fn claim(&self, name: &str) -> bool {
        let deadline = Moment::now().after(ANOTHER);
        let mut modules = self.lock(&self.shared.modules);
        while modules.on_their_way.contains(name) && !deadline.remaining().is_zero() {
            let waited = self
                .shared
                .arrived
                .wait_timeout(modules, deadline.remaining());
            modules = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if modules.loaded.contains(name) || is_live(name) {
            return false;
        }
        modules.on_their_way.insert(name.to_owned());
        true
    }

    /// Ends what [`Loader::claim`] began.
    fn finish(&self, name: &str, is_loaded: bool) {
        let mut modules = self.lock(&self.shared.modules);
        modules.on_their_way.remove(name);
        if is_loaded {
            modules.loaded.insert(name.to_owned());
        }
        self.shared.arrived.notify_all();
    }

    fn insert(&self, file: &str, parameters: &CStr) -> io::Result<()> {
        let file = File::open(self.shared.directory.join(file))?;
        match rustix::system::finit_module(&file, parameters, 0) {
            // Another thread or the kernel itself was faster.
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Finds the drivers of a device and loads them in the background; the NIC shows itself by a uevent and a
    /// netlink message. A modalias that was seen before costs nothing.
    pub(crate) fn load_for_device(&self, modalias: &str) {
        if !self.lock(&self.shared.seen).insert(modalias.to_owned()) {
            return;
        }
        let names: Vec<String> = self
            .shared
            .index
            .for_device(modalias)
            .into_iter()
            .filter(|name| !self.shared.orders.is_unwanted(name))
            .map(str::to_owned)
            .collect();
        if names.is_empty() {
            return;
        }
        debug!("{modalias} wants {}", names.join(", "));
        let loader = self.clone();
        let work = move || {
            for name in names {
                loader.load(&name);
            }
        };
        if Arc::strong_count(&self.shared) > SIDE_BY_SIDE {
            work();
        } else {
            in_background("driver", work);
        }
    }

    /// The modules of the image that say they drive a device.
    pub(crate) fn modules_for(&self, modalias: &str) -> Vec<String> {
        let names = self.shared.index.for_device(modalias).into_iter();
        names.map(str::to_owned).collect()
    }

    /// Loads modules by name in the background, in this order: what the mount will need, while DHCP waits.
    pub(crate) fn load_in_background(&self, names: Vec<String>) {
        let loader = self.clone();
        in_background("modules", move || {
            for name in names {
                loader.load(&name);
            }
        });
    }

    /// Loads what the command line wants loaded in any case, in the background: a driver may look for its firmware
    /// for a minute.
    pub(crate) fn load_what_was_ordered(&self) {
        if self.shared.orders.wanted.is_empty() {
            return;
        }
        let loader = self.clone();
        in_background("ordered", move || {
            for module in &loader.shared.orders.wanted {
                if loader.load(&module.value) == Loaded::Absent {
                    let (name, origin) = (&module.value, &module.origin);
                    warn!(
                        "{origin}: there is no module {name} in this image; name it to `netroot initrd --modules`"
                    );
                }
            }
        });
    }

    fn lock<'a, T>(&self, mutex: &'a Mutex<T>) -> std::sync::MutexGuard<'a, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a module has that parameter: it says so in its `.modinfo` (`MODULE_PARM_DESC` and `module_param`,
/// `include/linux/moduleparam.h`). Read piece by piece, for some modules are as large as this program.
fn knows(file: &Path, parameter: &str) -> io::Result<bool> {
    let wanted = format!("parmtype={parameter}:").into_bytes();
    let mut file = File::open(file)?;
    let mut piece = vec![0; PIECE];
    let mut kept = 0;
    loop {
        let length = file.read(piece.get_mut(kept..).unwrap_or_default())?;
        let there = piece.get(..kept + length).unwrap_or_default();
        if there.windows(wanted.len()).any(|text| text == wanted) {
            return Ok(true);
        }
        if length == 0 {
            return Ok(false);
        }
        // What may be the beginning of it stays.
        let from = there.len().saturating_sub(wanted.len());
        kept = there.len() - from;
        piece.copy_within(from..from + kept, 0);
    }
}

/// Whether the kernel has the module already. Asking costs less than having the file read and refused.
fn is_live(name: &str) -> bool {
    fs::read_to_string(format!("/sys/module/{name}/initstate"))
        .is_ok_and(|state| state.trim_end() == "live")
}

fn in_background(name: &str, work: impl FnOnce() + Send + 'static) {
    // A machine that cannot start a thread has worse to say than this; the boot goes on and will show it.
    if let Err(e) = thread::Builder::new()
        .name(name.to_owned())
        .stack_size(128 << 10)
        .spawn(work)
    {
        warn!("cannot start a thread to load modules: {e}");
    }
}

/// The kernel started this program as `<path> -q -- <name>`: loads the module and returns the exit status.
pub(crate) fn run_as_modprobe(arguments: &[String]) -> u8 {
    let version = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let cmdline = fs::read("/proc/cmdline").unwrap_or_default();
    let orders = BootPlan::parse(&String::from_utf8_lossy(&cmdline)).modules;
    let loader = Loader::open(&version, orders);
    let names = arguments.iter().filter(|a| !a.starts_with('-'));
    let mut status = 0;
    for name in names {
        if loader.load(name) != Loaded::Yes {
            status = 1;
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_wherever_it_is_in_a_module() {
        let path = std::env::temp_dir().join(format!("netroot-knows-{}", std::process::id()));
        let text = b"parmtype=max_bonds:int";
        for before in [
            0,
            1,
            PIECE - 30,
            PIECE - 20,
            PIECE - 1,
            PIECE,
            3 * PIECE - 5,
        ] {
            let mut module = vec![b'p'; before];
            module.extend(text);
            fs::write(&path, &module).unwrap();
            assert!(knows(&path, "max_bonds").unwrap(), "{before}");
            assert!(!knows(&path, "max_bond").unwrap(), "{before}");
        }
        fs::remove_file(&path).unwrap();
        assert!(knows(&path, "max_bonds").is_err());
    }

    #[test]
    fn a_module_that_another_thread_loads_is_waited_for_and_not_loaded_again() {
        let loader = Loader::open("no such kernel", ModuleOrders::default());
        assert!(loader.claim("a_module"));
        let other = {
            let loader = loader.clone();
            thread::spawn(move || loader.claim("a_module"))
        };
        // Long enough for one that does not wait to say so.
        thread::sleep(Duration::from_millis(50));
        loader.finish("a_module", true);
        assert!(!other.join().unwrap());
        assert!(!loader.claim("a_module"), "the kernel has it");
    }

    #[test]
    fn a_module_that_the_kernel_refused_may_be_tried_again() {
        let loader = Loader::open("no such kernel", ModuleOrders::default());
        assert!(loader.claim("a_module"));
        loader.finish("a_module", false);
        assert!(loader.claim("a_module"));
    }
}
