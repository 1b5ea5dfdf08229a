//! Loads modules of the initrd by finit_module(2).

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use netroot_proto::cmdline::{BootPlan, ModuleOrders};
use rustix::io::Errno;

use super::index::{Index, LoadStep, Resolved, Texts};
use super::signature::{NO_SIGNATURE, SIGNATURE_ADVICE, is_for_signature, refuses_unsigned};
use crate::clock::Moment;
use crate::console::{debug, warn};
use crate::threads;

/// The sysctl with the path of the program by which the kernel loads modules.
pub(crate) const MODPROBE: &str = "/proc/sys/kernel/modprobe";
/// How much of a module is read at a time, in bytes.
const CHUNK: usize = 64 << 10;
/// The stack of a thread that loads modules, in bytes.
const STACK: usize = 128 << 10;
/// How many drivers are loaded in parallel at most: one that waits for firmware must not delay the NIC that the root is
/// on, and no machine has more kinds of NIC.
const MAX_PARALLEL: usize = 16;

/// How long to wait for a module that another thread is loading, before it is passed to the kernel once more: some
/// drivers look for their firmware for a minute.
const PARALLEL_LOAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the switch to the root waits for modules that the command line names.
const REQUESTED_TIMEOUT: Duration = Duration::from_secs(10);

/// Default parameters of modules: module, parameter, value. The command line can override them.
const DEFAULT_PARAMETERS: [(&str, &str, &str); 2] = [
    // Otherwise the module creates a bond0 that was not asked for.
    ("bonding", "max_bonds", "0"),
    // Linux requests delegations of directories since 6.19, and fails with EREMOTEIO for the directory if the server
    // calls the operation illegal, as NFS-Ganesha before 9.11 does: with 7.2 and 4.3 the root's init could not even be
    // started. A root gains little from them, and has to be readable.
    ("nfsv4", "directory_delegations", "0"),
];

/// The result of loading a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loaded {
    /// It is loaded, or built in.
    Yes,
    /// The initrd does not have it.
    Absent,
    /// The kernel refused the module or one that it depends on; a warning says why.
    Refused,
}

/// The module index of the running kernel, and which modules are loaded. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Loader {
    shared: Arc<Shared>,
}

struct Shared {
    directory: PathBuf,
    /// Of texts that are read once and kept.
    index: Index<'static>,
    orders: ModuleOrders,
    modules: Mutex<Modules>,
    /// Signalled when a module is no longer being loaded.
    load_finished: Condvar,
    /// Modaliases that were handled already.
    seen: Mutex<Vec<String>>,
    /// Closed by the thread that loads what the command line names, when it is through.
    requested: Mutex<Option<Receiver<()>>>,
}

/// Modules by name. Some dozens: lists serve them as well as sets, which take ten times the code.
#[derive(Default)]
struct Modules {
    /// Those that are loaded.
    loaded: Vec<String>,
    /// Those that a thread is loading. The kernel would read, check and link the same file for every thread that loads
    /// it, before it finds out that it needs only one: half a second of a slow machine's boot.
    loading: Vec<String>,
    /// Those that the kernel refused for want of a signature that it trusts.
    unsigned: Vec<String>,
}

impl Loader {
    /// Reads the index of `/lib/modules/<version>`. Without one nothing can be loaded, as for a kernel that has everything
    /// built in.
    pub(crate) fn open(version: &str, orders: ModuleOrders) -> Self {
        let directory = Path::new("/lib/modules").join(version);
        let text = |name: &str| -> &'static str {
            let text = fs::read_to_string(directory.join(name));
            text.unwrap_or_default().leak()
        };
        let index = Index::read(&Texts {
            dep: text("modules.dep"),
            alias: text("modules.alias"),
            softdep: text("modules.softdep"),
            builtin: text("modules.builtin"),
        });
        let shared = Shared {
            directory,
            index,
            orders,
            modules: Mutex::default(),
            load_finished: Condvar::new(),
            seen: Mutex::default(),
            requested: Mutex::default(),
        };
        Loader {
            shared: Arc::new(shared),
        }
    }

    /// Loads a module, by name or alias, with its dependencies, and waits until it is loaded.
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
                self.note_refusal(&step.name, &e);
                result = Loaded::Refused;
            }
        }
        result
    }

    fn note_refusal(&self, name: &str, error: &io::Error) {
        if !is_for_signature(error, refuses_unsigned) {
            return warn!("cannot load the module {name}: {error}");
        }
        warn!("cannot load the module {name}: {NO_SIGNATURE} ({error}); {SIGNATURE_ADVICE}");
        let mut modules = self.lock(&self.shared.modules);
        add(&mut modules.unsigned, name);
    }

    /// Whether the kernel refused a module for want of a signature that it trusts.
    pub(crate) fn is_unsigned(&self, name: &str) -> bool {
        has(&self.lock(&self.shared.modules).unsigned, name)
    }

    /// The parameters of a module: the default first, since the last value of a parameter applies.
    fn parameters_of(&self, step: &LoadStep) -> CString {
        let mut text = String::new();
        for (module, parameter, value) in DEFAULT_PARAMETERS {
            // The kernel logs a warning for a parameter that the module does not have.
            let has = || has_parameter(&self.shared.directory.join(&step.file), parameter);
            if step.name == module && has().is_ok_and(|has| has) {
                text.push_str(&format!("{parameter}={value} "));
            }
        }
        text.push_str(&self.shared.orders.parameters_of(&step.name));
        // The command line contains no zero byte.
        CString::new(text).unwrap_or_default()
    }

    /// Claims a module for loading; `false` if it is loaded already. If another thread is loading it, waits for that
    /// thread, as the kernel would.
    fn claim(&self, name: &str) -> bool {
        let deadline = Moment::now().after(PARALLEL_LOAD_TIMEOUT);
        let mut modules = self.lock(&self.shared.modules);
        while has(&modules.loading, name) && !deadline.remaining().is_zero() {
            let waited = self
                .shared
                .load_finished
                .wait_timeout(modules, deadline.remaining());
            modules = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if has(&modules.loaded, name) || is_live(name) {
            return false;
        }
        add(&mut modules.loading, name);
        true
    }

    /// Ends a claim of [`Loader::claim`].
    fn finish(&self, name: &str, is_loaded: bool) {
        let mut modules = self.lock(&self.shared.modules);
        modules.loading.retain(|one| one != name);
        if is_loaded {
            add(&mut modules.loaded, name);
        }
        self.shared.load_finished.notify_all();
    }

    fn insert(&self, file: &str, parameters: &CStr) -> io::Result<()> {
        let file = File::open(self.shared.directory.join(file))?;
        match rustix::system::finit_module(&file, parameters, 0) {
            // Another thread or the kernel loaded it first.
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Finds the drivers of a device and loads them in the background; the NIC announces itself by a uevent and a netlink
    /// message. A modalias that was handled before costs nothing.
    pub(crate) fn load_for_device(&self, modalias: &str) {
        if !add(&mut self.lock(&self.shared.seen), modalias) {
            return;
        }
        let names: Vec<String> = self
            .shared
            .index
            .for_device(modalias)
            .into_iter()
            .filter(|name| !self.shared.orders.is_unwanted(name))
            .collect();
        if names.is_empty() {
            return;
        }
        debug!("{modalias}: loading {}", names.join(", "));
        let loader = self.clone();
        let work = move || {
            for name in names {
                loader.load(&name);
            }
        };
        if Arc::strong_count(&self.shared) > MAX_PARALLEL {
            work();
        } else {
            in_background(c"driver", work);
        }
    }

    /// The modules of the initrd whose aliases match a device.
    pub(crate) fn modules_for(&self, modalias: &str) -> Vec<String> {
        self.shared.index.for_device(modalias)
    }

    /// Loads modules by name in the background, in this order: those that the mount needs, while DHCP waits.
    pub(crate) fn load_in_background(&self, names: Vec<String>) {
        let loader = self.clone();
        in_background(c"modules", move || {
            for name in names {
                loader.load(&name);
            }
        });
    }

    /// Loads the modules that the command line names, in the background: a driver may look for its firmware for a minute.
    pub(crate) fn load_requested(&self) {
        if self.shared.orders.wanted.is_empty() {
            return;
        }
        let (through, requested) = mpsc::channel();
        *self.lock(&self.shared.requested) = Some(requested);
        let loader = self.clone();
        in_background(c"requested", move || {
            let _through: mpsc::Sender<()> = through;
            for module in &loader.shared.orders.wanted {
                if loader.load(&module.value) == Loaded::Absent {
                    let (name, origin) = (&module.value, &module.origin);
                    warn!(
                        "{origin}: the initrd has no module {name}; build it with netroot initrd --modules {name}"
                    );
                }
            }
        });
    }

    /// Waits until the modules that the command line names are loaded: the root's init finds them, as after dracut, and
    /// the switch would end the thread that loads them.
    pub(crate) fn wait_for_requested(&self) {
        let Some(requested) = self.lock(&self.shared.requested).take() else {
            return;
        };
        if requested.recv_timeout(REQUESTED_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
            let names: Vec<&str> = self
                .shared
                .orders
                .wanted
                .iter()
                .map(|m| m.value.as_str())
                .collect();
            warn!(
                "the modules that the command line names ({}) are not all loaded after {} s; not waiting for them any longer",
                names.join(", "),
                REQUESTED_TIMEOUT.as_secs()
            );
        }
    }

    fn lock<'a, T>(&self, mutex: &'a Mutex<T>) -> std::sync::MutexGuard<'a, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a module has a parameter, by its `.modinfo` (`MODULE_PARM_DESC` and `module_param`,
/// `include/linux/moduleparam.h`). Read in chunks, since some modules are as large as this program.
fn has_parameter(file: &Path, parameter: &str) -> io::Result<bool> {
    let wanted = format!("parmtype={parameter}:").into_bytes();
    let mut file = File::open(file)?;
    let mut chunk = vec![0; CHUNK];
    let mut kept = 0;
    loop {
        let length = file.read(chunk.get_mut(kept..).unwrap_or_default())?;
        let window = chunk.get(..kept + length).unwrap_or_default();
        if window.windows(wanted.len()).any(|text| text == wanted) {
            return Ok(true);
        }
        if length == 0 {
            return Ok(false);
        }
        // Keeps what may be the beginning of the text.
        let from = window.len().saturating_sub(wanted.len());
        kept = window.len() - from;
        chunk.copy_within(from..from + kept, 0);
    }
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|one| one == name)
}

/// Adds a name that is not there yet. True if it was not.
fn add(names: &mut Vec<String>, name: &str) -> bool {
    let is_new = !has(names, name);
    if is_new {
        names.push(name.to_owned());
    }
    is_new
}

/// Whether a module is loaded already. Asking costs less than letting the kernel read and refuse the file.
fn is_live(name: &str) -> bool {
    fs::read_to_string(format!("/sys/module/{name}/initstate"))
        .is_ok_and(|state| state.trim_end() == "live")
}

fn in_background(name: &'static CStr, work: impl FnOnce() + Send + 'static) {
    // A machine that cannot start a thread has bigger problems; the boot continues and will show them.
    if let Err(e) = threads::start_named(name, STACK, work) {
        warn!("cannot start a thread to load modules: {e}");
    }
}

/// Runs as the kernel's modprobe, started as `<path> -q -- <name>`: loads the module and returns the exit status.
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
    use std::thread;

    use super::*;

    #[test]
    fn a_parameter_is_found_anywhere_in_a_module() {
        let path = std::env::temp_dir().join(format!("netroot-parameter-{}", std::process::id()));
        let text = b"parmtype=max_bonds:int";
        for before in [
            0,
            1,
            CHUNK - 30,
            CHUNK - 20,
            CHUNK - 1,
            CHUNK,
            3 * CHUNK - 5,
        ] {
            let mut module = vec![b'p'; before];
            module.extend(text);
            fs::write(&path, &module).unwrap();
            assert!(has_parameter(&path, "max_bonds").unwrap(), "{before}");
            assert!(!has_parameter(&path, "max_bond").unwrap(), "{before}");
        }
        fs::remove_file(&path).unwrap();
        assert!(has_parameter(&path, "max_bonds").is_err());
    }

    #[test]
    fn a_module_that_another_thread_loads_is_waited_for_and_not_loaded_again() {
        let loader = Loader::open("no such kernel", ModuleOrders::default());
        assert!(loader.claim("a_module"));
        let other = {
            let loader = loader.clone();
            thread::spawn(move || loader.claim("a_module"))
        };
        // Long enough for a thread that fails to wait to finish.
        thread::sleep(Duration::from_millis(50));
        loader.finish("a_module", true);
        assert!(!other.join().unwrap());
        assert!(!loader.claim("a_module"), "it is loaded");
    }

    #[test]
    fn a_module_without_a_signature_is_told_from_one_that_is_broken() {
        let loader = Loader::open("no such kernel", ModuleOrders::default());
        loader.note_refusal("unsigned", &Errno::KEYREJECTED.into());
        assert!(loader.is_unsigned("unsigned"));
        loader.note_refusal("broken", &Errno::NOEXEC.into());
        assert!(!loader.is_unsigned("broken"));
    }

    #[test]
    fn a_module_that_the_kernel_refused_may_be_tried_again() {
        let loader = Loader::open("no such kernel", ModuleOrders::default());
        assert!(loader.claim("a_module"));
        loader.finish("a_module", false);
        assert!(loader.claim("a_module"));
    }
}
