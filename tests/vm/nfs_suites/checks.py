"""What public NFS test suites ask of a mounted file system, as far as it can be asked of one that is read-only.

HERE is the tree on a disk, THERE the same tree over NFS, mounted for writing as the suites mount it: that nothing can be
written is the server's answer. Each function is a check; `nfs_suites/rows.rs` says which test of which suite it stands
for. A check is told as `check: NAME passed` or `check: NAME failed WHY`.
"""

import errno
import fcntl
import hashlib
import mmap
import os
import stat
import sys
import traceback

HERE, THERE = sys.argv[1:3]
KMSG = open("/dev/kmsg", "wb", buffering=0)
CHECKS = []
# Where nothing says otherwise: a user to whom no file belongs, and the owner of some.
STRANGER, OWNER = 4242, 1000


def check(function):
    CHECKS.append(function)
    return function


def here(name=""):
    return os.path.join(HERE, name)


def there(name=""):
    return os.path.join(THERE, name)


def same(one, other, what):
    if one != other:
        raise AssertionError(f"{what}: {one!r} is not {other!r}")


def fails(expected, function, *arguments):
    """`function` fails with an error of `expected`."""
    expected = expected if isinstance(expected, tuple) else (expected,)
    try:
        done = function(*arguments)
    except OSError as error:
        if error.errno not in expected:
            raise AssertionError(f"{function.__name__}{arguments}: {error}") from error
        return
    raise AssertionError(f"{function.__name__}{arguments}: {done!r}")


READ_ONLY = (errno.EROFS, errno.EACCES)


def as_user(uid, function):
    """Runs `function` as another user."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            function()
            os._exit(0)
        except BaseException:
            tell(traceback.format_exc().splitlines()[-1])
            os._exit(1)
    _, status = os.waitpid(child, 0)
    same(status, 0, f"as user {uid}")


def content(path, size=1 << 16):
    """A file, read in pieces."""
    found = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        while piece := os.read(descriptor, size):
            found.update(piece)
    finally:
        os.close(descriptor)
    return found.hexdigest()


def facts(path):
    found = os.lstat(path)
    return (
        found.st_mode, found.st_ino, found.st_nlink, found.st_uid, found.st_gid, found.st_rdev, found.st_blocks,
        # A disk has sizes of its own for folders, which ext4's are.
        found.st_size,
    )


def names_of(folder):
    """By one pass of getdents, in its order."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def kernel():
    folder = here("boot")
    return os.path.join("boot", next(name for name in os.listdir(folder) if name.startswith("vmlinuz")))


@check
def lookup_up_and_down():
    before = os.getcwd()
    for folder in ["", "folder", "folder/inner"]:
        os.chdir(there(folder))
        same(os.getcwd(), there(folder).rstrip("/"), "getcwd")
    os.chdir("../..")
    same(os.getcwd(), THERE, "up to the root of the mount")
    os.chdir("..")
    same(os.getcwd(), os.path.dirname(THERE), "out of it")
    os.chdir(before)


@check
def dots_in_a_path_lead_back():
    mount = os.path.basename(THERE)
    for one, other in [("", f"../{mount}"), ("", f"./../{mount}"), ("folder", "./folder/.././folder/."), ("folder", "folder//")]:
        same(facts(there(one)), facts(there(other)), other)


@check
def chdir_to_what_is_no_folder():
    before = os.getcwd()
    fails(errno.ENOENT, os.chdir, there("nothing"))
    fails(errno.ENOTDIR, os.chdir, there("plain"))
    same(os.getcwd(), before, "where it was")


@check
def getattr_and_lookup_of_many():
    for _ in range(3):
        for name in names_of(there("many")):
            found = os.stat(there(f"many/{name}"))
            same((found.st_size, stat.S_IMODE(found.st_mode)), (0, 0o644), name)


@check
def stat_lstat_and_fstat_agree():
    for name in ["plain", "empty", "setuid", "linked", "far", "folder", "."]:
        descriptor = os.open(there(name), os.O_RDONLY)
        try:
            same(os.fstat(descriptor), os.stat(there(name)), name)
            same(os.lstat(there(name)), os.stat(there(name)), name)
        finally:
            os.close(descriptor)
    same(os.stat(there("link")).st_ino, os.stat(there("plain")).st_ino, "through a link")
    assert stat.S_ISLNK(os.lstat(there("link")).st_mode), "a link"


@check
def attributes_are_those_of_the_disk():
    for name in names_of(HERE):
        if name not in ["past", "after-2106"]:
            same(facts(there(name)), facts(here(name)), name)


@check
def special_files_are_shown():
    for name, kind in [("fifo", stat.S_ISFIFO), ("socket", stat.S_ISSOCK), ("null", stat.S_ISCHR), ("block", stat.S_ISBLK)]:
        found = os.lstat(there(name))
        assert kind(found.st_mode), name
        same(found.st_rdev, os.lstat(here(name)).st_rdev, name)
        assert not os.path.isdir(there(name)), name
    # A device's data is the client's own.
    with open(there("null"), "rb") as null:
        same(null.read(), b"", "null")


@check
def errors_of_paths():
    fails(errno.ENOENT, os.stat, there("nothing"))
    fails(errno.ENOENT, os.stat, there("nothing/below"))
    fails(errno.ENOTDIR, os.stat, there("plain/below"))
    fails(errno.ENOTDIR, os.stat, there("plain/"))
    fails(errno.ENAMETOOLONG, os.stat, there("n" * 256))
    fails(errno.ENAMETOOLONG, os.open, there("n" * 256), os.O_CREAT | os.O_RDWR)
    fails(errno.ENOENT, os.open, there("nothing"), os.O_RDONLY)
    fails(errno.ENOENT, os.listdir, there("nothing"))
    fails(errno.ENOTDIR, os.listdir, there("plain"))
    fails(errno.ENOENT, os.readlink, there("nothing"))
    fails(errno.EINVAL, os.readlink, there("plain"))
    same(os.pathconf(there(), "PC_NAME_MAX"), 255, "the longest name")


@check
def names_of_every_byte():
    for byte in range(1, 256):
        name = os.fsencode(there()) + b"/" + bytes([byte])
        if byte not in b"/.":
            fails(errno.ENOENT, os.stat, name)
    listed = sorted(os.listdir(os.fsencode(there("names"))))
    same(listed, sorted(os.listdir(os.fsencode(here("names")))), "names")
    for name in listed:
        with open(os.path.join(os.fsencode(there("names")), name), "rb") as file:
            same(file.read(), name, "the file says its name")


@check
def read_in_pieces_of_every_size():
    name = kernel()
    expected = content(here(name))
    for size in [512, 8192, 12_345, 65_536, 1 << 20]:
        same(content(there(name), size), expected, f"{size} bytes at a time")


@check
def read_at_the_end_and_beyond():
    descriptor = os.open(there("plain"), os.O_RDONLY)
    try:
        same(os.read(descriptor, 100), b"0123456789\n", "more than there is")
        same(os.read(descriptor, 100), b"", "at the end")
        same(os.pread(descriptor, 4, 9), b"9\n", "across the end")
        same(os.pread(descriptor, 4, 1 << 40), b"", "far beyond")
        same(os.pread(descriptor, 0, 0), b"", "nothing")
        same(os.lseek(descriptor, 0, os.SEEK_CUR), 11, "pread leaves the position")
        fails(errno.EBADF, os.write, descriptor, b"x")
    finally:
        os.close(descriptor)
    fails(errno.EBADF, os.read, descriptor, 1)
    fails(errno.EISDIR, os.read, os.open(there("folder"), os.O_RDONLY), 1)
    with open(there("empty"), "rb") as empty:
        same(empty.read(), b"", "an empty file")


@check
def seek_everywhere():
    descriptor = os.open(there("plain"), os.O_RDONLY)
    try:
        same(os.lseek(descriptor, 3, os.SEEK_SET), 3, "from the start")
        same(os.read(descriptor, 1), b"3", "there")
        same(os.lseek(descriptor, 2, os.SEEK_CUR), 6, "from here")
        same(os.lseek(descriptor, -1, os.SEEK_END), 10, "from the end")
        same(os.lseek(descriptor, 100, os.SEEK_END), 111, "beyond the end")
        same(os.read(descriptor, 1), b"", "nothing there")
        fails(errno.EINVAL, os.lseek, descriptor, -1, os.SEEK_SET)
        fails(errno.EINVAL, os.lseek, descriptor, -1000, os.SEEK_CUR)
        same(os.lseek(descriptor, 0, os.SEEK_CUR), 111, "an error moves nothing")
    finally:
        os.close(descriptor)


@check
def holes_are_zeros():
    for place in [0, 4096, (2 << 30) - 4096, (2 << 30), (4 << 30) - 4096, 4 << 30, (4 << 30) + 4096, (5 << 30) - 4096, 5 << 30]:
        with open(here("sparse"), "rb") as one, open(there("sparse"), "rb") as other:
            one.seek(place)
            other.seek(place)
            same(other.read(8192), one.read(8192), f"at {place}")
    descriptor = os.open(there("sparse"), os.O_RDONLY)
    same(os.lseek(descriptor, 0, os.SEEK_END), (5 << 30) + 7, "its size")
    same(os.lseek(descriptor, 0, os.SEEK_DATA), 0, "data: NFSv3 has no holes")
    os.close(descriptor)


@check
def edges_of_2_and_4_gib():
    for edge in [2 << 30, 4 << 30]:
        for start in [edge - 1, edge, edge + 1]:
            with open(here("sparse"), "rb") as one, open(there("sparse"), "rb") as other:
                for count in [1, 2, 4096]:
                    same(os.pread(other.fileno(), count, start), os.pread(one.fileno(), count, start), f"{start}")


@check
def direct_reads():
    name = kernel()
    descriptor = os.open(there(name), os.O_RDONLY | os.O_DIRECT)
    buffer = mmap.mmap(-1, 1 << 20)
    found = hashlib.sha256()
    while length := os.readv(descriptor, [buffer]):
        found.update(buffer[:length])
    os.close(descriptor)
    same(found.hexdigest(), content(here(name)), "without the cache")


@check
def mapped_files():
    name = kernel()
    with open(there(name), "rb") as file:
        with mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ) as mapped:
            same(hashlib.sha256(mapped).hexdigest(), content(here(name)), "mapped")
        with mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as mapped:
            mapped[0:4] = b"mine"
            same(mapped[0:4], b"mine", "a private page")
        fails(errno.EACCES, mmap.mmap, file.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    same(content(there(name)), content(here(name)), "as before")


@check
def listing_has_each_name_once():
    for folder in ["", "folder", "void", "names", "many"]:
        listed = names_of(there(folder))
        same(len(set(listed)), len(listed), f"each once in {folder}")
        same(sorted(listed), sorted(names_of(here(folder))), folder)
        numbers = {entry.name: entry.inode() for entry in os.scandir(there(folder))}
        for name, number in numbers.items():
            same(number, os.lstat(there(os.path.join(folder, name))).st_ino, name)


class Directory:
    """The C library's directory streams, which Python hides."""

    def __init__(self, path):
        import ctypes

        self.library = library = ctypes.CDLL(None, use_errno=True)

        class Entry(ctypes.Structure):
            _fields_ = [
                ("number", ctypes.c_ulong), ("offset", ctypes.c_long), ("length", ctypes.c_ushort),
                ("kind", ctypes.c_ubyte), ("name", ctypes.c_char * 256),
            ]

        library.opendir.restype = ctypes.c_void_p
        library.readdir.restype = ctypes.POINTER(Entry)
        library.telldir.restype = ctypes.c_long
        library.readdir.argtypes = library.telldir.argtypes = library.rewinddir.argtypes = [ctypes.c_void_p]
        library.closedir.argtypes = [ctypes.c_void_p]
        library.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
        self.stream = library.opendir(os.fsencode(path))
        assert self.stream, path

    def next(self):
        entry = self.library.readdir(self.stream)
        return entry.contents.name if entry else None

    def tell(self):
        return self.library.telldir(self.stream)

    def seek(self, place):
        self.library.seekdir(self.stream, place)

    def rest(self):
        return list(iter(self.next, None))


@check
def telldir_seekdir_and_rewinddir():
    for folder in ["many", "names", "folder", "void"]:
        directory = Directory(there(folder))
        places, names = [], []
        while True:
            place = directory.tell()
            name = directory.next()
            if name is None:
                break
            places.append(place)
            names.append(name)
        assert b"." in names and b".." in names, f"the dots of {folder}"
        same(directory.next(), None, "the end stays the end")
        for number in list(range(len(places) - 1, -1, -37)) + list(range(0, len(places), 41)):
            directory.seek(places[number])
            same(directory.next(), names[number], f"entry {number} of {folder}")
        directory.seek(places[len(places) // 2])
        same(directory.rest(), names[len(places) // 2 :], "from the middle on")
        directory.library.rewinddir(directory.stream)
        same(directory.rest(), names, "again from the start")
        same(directory.library.closedir(directory.stream), 0, "closedir")


@check
def links_are_read_as_they_are():
    for name in ["link", "long-link", "bytes-link"]:
        target = os.readlink(os.fsencode(there(name)))
        same(target, os.readlink(os.fsencode(here(name))), name)
        same(os.lstat(there(name)).st_size, len(target), f"the length of {name}")
    with open(there("link"), "rb") as linked:
        same(linked.read(), b"0123456789\n", "through the link")
    fails(errno.ELOOP, os.open, there("link"), os.O_RDONLY | os.O_NOFOLLOW)
    fails((errno.ENAMETOOLONG, errno.ENOENT), os.stat, there("long-link"))


@check
def hard_links_are_one_file():
    one, other = os.stat(there("linked")), os.stat(there("linked-too"))
    same((one.st_ino, one.st_nlink), (other.st_ino, 2), "one file with two names")
    same(content(there("linked")), content(there("linked-too")), "with one content")


@check
def file_system_figures():
    ours, theirs = os.statvfs(there()), os.statvfs(here())
    same(ours.f_blocks * ours.f_frsize, theirs.f_blocks * theirs.f_frsize, "its size")
    same((ours.f_files, ours.f_ffree), (theirs.f_files, theirs.f_ffree), "files")
    assert ours.f_files > ours.f_ffree > 0, "more files than are free"
    same(ours.f_namemax, 255, "the longest name")
    descriptor = os.open(there("plain"), os.O_RDONLY)
    same(os.fstatvfs(descriptor).f_blocks, ours.f_blocks, "by a descriptor")
    os.close(descriptor)


@check
def access_by_mode():
    files = ["plain", "setuid", "locked", "own", "owned-unreadable", "execute-only", "group", "folder", "shut", "list-only", "search-only"]

    def look():
        for name in files:
            for mode in [os.F_OK, os.R_OK, os.X_OK, os.R_OK | os.X_OK]:
                same(os.access(there(name), mode), os.access(here(name), mode), f"{name} {mode}")
            same(os.access(there(name), os.W_OK), False, f"{name} for writing")
        same(os.access(there("nothing"), os.F_OK), False, "nothing")

    look()
    as_user(STRANGER, look)
    as_user(OWNER, look)


@check
def permissions_hold_for_users():
    def stranger():
        for name in ["locked", "own", "execute-only", "group"]:
            fails(errno.EACCES, os.open, there(name), os.O_RDONLY)
        fails(errno.EACCES, os.listdir, there("shut"))
        fails(errno.EACCES, os.stat, there("shut/file"))
        fails(errno.EACCES, os.chdir, there("shut"))
        fails(errno.EACCES, os.listdir, there("search-only"))
        same(os.stat(there("search-only/file")).st_size, len("search-only"), "by its name")
        assert "file" in os.listdir(there("list-only")), "listed"
        fails(errno.EACCES, os.stat, there("list-only/file"))

    def owner():
        with open(there("own"), "rb") as own:
            same(own.read(), b"own", "its own file")
        fails(errno.EACCES, os.open, there("owned-unreadable"), os.O_RDONLY)

    as_user(STRANGER, stranger)
    as_user(OWNER, owner)


@check
def flags_of_open():
    for flags in [os.O_RDONLY, os.O_RDONLY | os.O_NOCTTY, os.O_RDONLY | os.O_NOATIME, os.O_RDONLY | os.O_NONBLOCK]:
        descriptor = os.open(there("plain"), flags)
        same(os.read(descriptor, 1), b"0", f"flags {flags:o}")
        os.close(descriptor)
    for flags in [os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_RDWR | os.O_APPEND]:
        fails(READ_ONLY, os.open, there("plain"), flags)
    fails(errno.EEXIST, os.open, there("plain"), os.O_RDONLY | os.O_CREAT | os.O_EXCL)
    fails(errno.ENOTDIR, os.open, there("plain"), os.O_RDONLY | os.O_DIRECTORY)
    fails(errno.EISDIR, os.open, there("folder"), os.O_RDWR)
    descriptor = os.open(there("plain"), os.O_RDONLY | os.O_CREAT)
    os.close(descriptor)
    same(content(there("plain")), content(here("plain")), "as before")


@check
def nothing_is_created():
    before = sorted(os.listdir(THERE))
    fails(READ_ONLY, os.open, there("new"), os.O_CREAT | os.O_RDONLY, 0o600)
    fails(READ_ONLY, os.open, there("new"), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    fails(READ_ONLY, os.mkdir, there("new"))
    fails(READ_ONLY, os.mkfifo, there("new"))
    fails(READ_ONLY, os.mknod, there("new"), stat.S_IFCHR | 0o600, os.makedev(1, 3))
    fails(READ_ONLY, os.symlink, "target", there("new"))
    fails(READ_ONLY, os.link, there("plain"), there("new"))
    fails(errno.EEXIST, os.mkdir, there("folder"))
    fails(errno.ENOENT, os.stat, there("new"))
    same(sorted(os.listdir(THERE)), before, "the names")


@check
def nothing_is_removed_or_renamed():
    before = sorted(os.listdir(THERE))
    fails(READ_ONLY, os.unlink, there("plain"))
    fails(READ_ONLY, os.rmdir, there("void"))
    fails(READ_ONLY, os.rename, there("plain"), there("new"))
    fails(READ_ONLY, os.rename, there("plain"), there("empty"))
    fails(READ_ONLY, os.rename, there("folder"), there("void"))
    fails(errno.ENOENT, os.unlink, there("nothing"))
    same(sorted(os.listdir(THERE)), before, "the names")


@check
def no_attribute_is_changed():
    before = facts(there("plain")), os.stat(there("plain")).st_mtime_ns
    fails(READ_ONLY, os.chmod, there("plain"), 0o775)
    fails(READ_ONLY, os.chown, there("plain"), 1, 1)
    fails(READ_ONLY, os.utime, there("plain"), (0, 0))
    fails(READ_ONLY, os.truncate, there("plain"), 0)
    descriptor = os.open(there("plain"), os.O_RDONLY)
    fails(READ_ONLY, os.fchmod, descriptor, 0o775)
    fails(READ_ONLY, os.fchown, descriptor, 1, 1)
    fails(READ_ONLY, os.utime, descriptor, (0, 0))
    fails(errno.EINVAL, os.ftruncate, descriptor, 0)
    os.fsync(descriptor)
    os.fdatasync(descriptor)
    os.close(descriptor)
    same((facts(there("plain")), os.stat(there("plain")).st_mtime_ns), before, "the file")


@check
def open_files_stay_open():
    descriptors = [os.open(there(f"many/{name}"), os.O_RDONLY) for name in names_of(there("many"))]
    for descriptor in descriptors:
        same(os.fstat(descriptor).st_size, 0, "an open file")
        os.close(descriptor)
    twice = os.open(there("plain"), os.O_RDONLY)
    other = os.dup(twice)
    same(os.read(twice, 2) + os.read(other, 2), b"0123", "one position")
    os.close(twice)
    same(os.read(other, 2), b"45", "the other is open still")
    os.close(other)


@check
def locks_of_the_client():
    descriptor = os.open(there("plain"), os.O_RDONLY)
    fcntl.lockf(descriptor, fcntl.LOCK_SH, 4)
    fcntl.lockf(descriptor, fcntl.LOCK_UN)
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    same(flags & os.O_ACCMODE, os.O_RDONLY, "F_GETFL")
    same(fcntl.fcntl(fcntl.fcntl(descriptor, fcntl.F_DUPFD, 100), fcntl.F_GETFD), 0, "F_DUPFD")
    os.close(descriptor)


@check
def programs_run_from_it():
    """The machine's own root is such a mount: this interpreter comes from it. Here: what must not run."""
    for name in ["plain", "locked", "folder", "empty"]:
        child = os.fork()
        if child == 0:
            try:
                os.execv(there(name), [name])
            except OSError as error:
                os._exit(error.errno)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        same(os.waitstatus_to_exitcode(status), errno.EACCES, name)


@check
def many_processes_at_once():
    expected = {name: content(here(name)) for name in [kernel(), "plain", "linked"]}

    def work():
        for _ in range(2):
            for name, found in expected.items():
                same(content(there(name)), found, name)
            same(len(names_of(there("many"))), len(names_of(here("many"))), "many")

    children = []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            try:
                work()
                os._exit(0)
            except BaseException:
                os._exit(1)
        children.append(child)
    for child in children:
        same(os.waitpid(child, 0)[1], 0, "a process")


def tell(text):
    KMSG.write(f"<1>{text}\n".encode())


for one in CHECKS:
    try:
        one()
        tell(f"check: {one.__name__} passed")
    except BaseException as problem:
        tell(f"check: {one.__name__} failed {problem}"[:900])
tell("check: end")
