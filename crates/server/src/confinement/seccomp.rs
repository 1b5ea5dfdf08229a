//! The system calls that are left, by name.
//!
//! Any other fails with `ENOSYS`, as on a kernel that does not have it: libraries that try a newer call first go on to
//! an older one then, and only then (`clone3` to `clone`, whose flags a filter can see). Ending the process instead
//! would let whoever finds a forgotten call end the root of every machine.

use seccompiler::{BpfProgram, TargetArch, apply_filter, compile_from_json};
use serde_json::{Value, json};

/// What a confined process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// It serves.
    Serving,
    /// It builds an initrd: no network.
    BuildingInitrd,
    /// It opens sockets for the process that serves.
    OpeningSockets,
    /// It asks the web hook, at this TCP port.
    AskingHook {
        /// The port.
        port: u16,
    },
    /// It signs what comes through a socket that it has: no thread, no other socket, and no file but its
    /// standard streams.
    Signing,
}

/// Memory and threads. See [`rules`] for those with conditions.
const PROCESS: &[&str] = &[
    "brk",
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "exit",
    "exit_group",
    "futex",
    "get_robust_list",
    "getcpu",
    "getegid",
    "geteuid",
    "getgid",
    "getpid",
    "getppid",
    "getrandom",
    "getrusage",
    "gettid",
    "gettimeofday",
    "getuid",
    "madvise",
    "membarrier",
    "mincore",
    "mremap",
    "munmap",
    "nanosleep",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
    "sigaltstack",
    "sysinfo",
    "uname",
];

/// Files: which ones is for their permissions and Landlock to say.
const FILES: &[&str] = &[
    "close",
    "close_range",
    "copy_file_range",
    "dup",
    "dup3",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fcntl",
    "fdatasync",
    "flock",
    "fstat",
    "fstatfs",
    "fsync",
    "ftruncate",
    "getcwd",
    "getdents64",
    "getxattr",
    "linkat",
    "lseek",
    "mkdirat",
    "name_to_handle_at",
    "newfstatat",
    "open_by_handle_at",
    "openat",
    "openat2",
    "pread64",
    "preadv",
    "preadv2",
    "pwrite64",
    "pwritev",
    "read",
    "readahead",
    "readlinkat",
    "readv",
    "renameat",
    "renameat2",
    "statfs",
    "statx",
    "sync_file_range",
    "truncate",
    "umask",
    "unlinkat",
    "utimensat",
    "write",
    "writev",
];

/// The names that C libraries use on x86_64, where newer architectures have only those above.
const FILES_X86_64: &[&str] = &[
    "access", "chmod", "dup2", "link", "lstat", "mkdir", "open", "readlink", "rename", "rmdir",
    "stat", "time", "unlink",
];

/// Sockets and waiting for them. New ones are for UDP alone: those of TCP were opened before.
const NETWORK: &[&str] = &[
    "accept",
    "accept4",
    "bind",
    "connect",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd2",
    "getpeername",
    "getsockname",
    "getsockopt",
    "pipe2",
    "ppoll",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "sendfile",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "splice",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_settime",
];

/// Memory, random numbers, the socket that it has, and to end.
const SIGNING: &[&str] = &[
    "brk",
    "clock_gettime",
    "close",
    "exit",
    "exit_group",
    "futex",
    "getpid",
    "getrandom",
    "gettid",
    "madvise",
    "mremap",
    "munmap",
    "recvmsg",
    "restart_syscall",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sendmsg",
    "sigaltstack",
];

/// See [`FILES_X86_64`].
const NETWORK_X86_64: &[&str] = &["epoll_wait", "pipe", "poll"];

const AF_UNIX: u64 = 1;
const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;
const AF_NETLINK: u64 = 16;
const AF_PACKET: u64 = 17;
const SOCK_STREAM: u64 = 1;
const SOCK_DGRAM: u64 = 2;
/// The bits of a socket's type beside `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
const SOCK_TYPE: u64 = 0xf;
const STDERR: u64 = 2;
const CLONE_THREAD: u64 = 0x0001_0000;
const PROT_EXEC: u64 = 4;
const PR_SET_NAME: u64 = 15;
const PR_SET_VMA: u64 = 0x5356_4d41;
const FIONBIO: u64 = 0x5421;
const FIONREAD: u64 = 0x541b;
const TCGETS: u64 = 0x5401;
/// How much of a connection its client has not acknowledged.
const SIOCOUTQ: u64 = 0x5411;

/// The filter cannot be made or is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeccompError {
    /// Nobody knows this processor's numbers.
    #[error("no list of system calls for this processor")]
    Architecture,
    /// The crate's error.
    #[error(transparent)]
    Filter(#[from] seccompiler::Error),
}

/// Leaves this thread, and those that it starts, the calls of `work`.
///
/// # Errors
/// The kernel has no seccomp filters, or this architecture no list.
pub(super) fn restrict(work: Work) -> Result<(), SeccompError> {
    Ok(apply_filter(&program(work)?)?)
}

fn program(work: Work) -> Result<BpfProgram, SeccompError> {
    let architecture =
        TargetArch::try_from(std::env::consts::ARCH).map_err(|_| SeccompError::Architecture)?;
    let filter = json!({ "all": {
        "mismatch_action": { "errno": rustix::io::Errno::NOSYS.raw_os_error() },
        "match_action": "allow",
        "filter": rules(work, architecture),
    }});
    let mut programs = compile_from_json(filter.to_string().as_bytes(), architecture)?;
    programs.remove("all").ok_or(SeccompError::Architecture)
}

fn rules(work: Work, architecture: TargetArch) -> Vec<Value> {
    let old = matches!(architecture, TargetArch::x86_64);
    let mut names = match work {
        Work::Signing => vec![SIGNING],
        _ => vec![PROCESS, FILES],
    };
    if work != Work::Signing && old {
        names.push(FILES_X86_64);
    }
    if !matches!(work, Work::BuildingInitrd | Work::Signing) {
        names.push(NETWORK);
        if old {
            names.push(NETWORK_X86_64);
        }
    }
    let names = names.into_iter().flatten();
    let mut rules: Vec<Value> = names.map(|name| json!({ "syscall": name })).collect();
    let mut only = |syscall: &str, arguments: Vec<Value>| {
        rules.push(match arguments.as_slice() {
            [] => json!({ "syscall": syscall }),
            _ => json!({ "syscall": syscall, "args": arguments }),
        });
    };
    // No new code.
    only("mmap", vec![masked(2, PROT_EXEC, 0)]);
    only("mprotect", vec![masked(2, PROT_EXEC, 0)]);
    // `abort`, after a panic that nothing catches.
    only("tgkill", vec![equal(0, u64::from(std::process::id()))]);
    if work == Work::Signing {
        // What a panic says.
        only("write", vec![equal(0, STDERR)]);
        return rules;
    }
    // No new process, and no new namespace: threads.
    only("clone", vec![masked(0, CLONE_THREAD, CLONE_THREAD)]);
    only("prctl", vec![equal(0, PR_SET_NAME)]);
    only("prctl", vec![equal(0, PR_SET_VMA)]);
    // Of itself alone.
    only("prlimit64", vec![equal(0, 0)]);
    if work == Work::OpeningSockets {
        only("listen", Vec::new());
        for family in [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET] {
            only("socket", vec![equal(0, family)]);
        }
    }
    if matches!(work, Work::AskingHook { .. }) {
        for family in [AF_INET, AF_INET6] {
            only(
                "socket",
                vec![equal(0, family), masked(1, SOCK_TYPE, SOCK_STREAM)],
            );
        }
    }
    for request in [FIONBIO, FIONREAD, SIOCOUTQ, TCGETS] {
        only("ioctl", vec![equal(1, request)]);
    }
    if work == Work::Serving {
        only(
            "socket",
            vec![equal(0, AF_INET), masked(1, SOCK_TYPE, SOCK_DGRAM)],
        );
        // tokio's signals arrive through one.
        only("socketpair", vec![equal(0, AF_UNIX)]);
    }
    rules
}

fn equal(argument: u8, value: u64) -> Value {
    // Of these arguments the kernel reads 32 bits.
    json!({ "index": argument, "type": "dword", "op": "eq", "val": value })
}

fn masked(argument: u8, mask: u64, value: u64) -> Value {
    json!({ "index": argument, "type": "dword", "op": { "masked_eq": mask }, "val": value })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn every_name_is_known_on_every_architecture() {
        for architecture in ["x86_64", "aarch64"] {
            let architecture = TargetArch::try_from(architecture).unwrap();
            for work in [
                Work::Serving,
                Work::BuildingInitrd,
                Work::OpeningSockets,
                Work::AskingHook { port: 80 },
                Work::Signing,
            ] {
                let filter = json!({ "all": {
                    "mismatch_action": { "errno": 38 }, "match_action": "allow",
                    "filter": rules(work, architecture),
                }});
                let text = filter.to_string();
                compile_from_json(text.as_bytes(), architecture).unwrap();
            }
        }
    }

    #[test]
    fn threads_and_udp_are_left_and_processes_and_tcp_are_not() {
        std::thread::spawn(|| {
            rustix::thread::set_no_new_privs(true).unwrap();
            restrict(Work::Serving).unwrap();
            std::thread::spawn(|| UdpSocket::bind("127.0.0.1:0").unwrap())
                .join()
                .unwrap();
            let refused = TcpListener::bind("127.0.0.1:0").unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(38));
            std::process::Command::new("/bin/true").spawn().unwrap_err();
            rustix::thread::sched_setaffinity(None, &rustix::thread::CpuSet::new()).unwrap_err();
        })
        .join()
        .unwrap();
    }
}
