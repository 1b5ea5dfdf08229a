//! nfstest: `test/nfstest_*`.

use super::row::{By, Row};

pub(super) const ROWS: &[Row] = &[
    ("nfstest_posix", "access", By::Check("access_by_mode")),
    (
        "nfstest_posix",
        "chdir",
        By::Check("chdir_to_what_is_no_folder"),
    ),
    (
        "nfstest_posix",
        "chmod",
        By::Check("no_attribute_is_changed"),
    ),
    (
        "nfstest_posix",
        "close",
        By::Check("read_at_the_end_and_beyond"),
    ),
    (
        "nfstest_posix",
        "closedir",
        By::Check("telldir_seekdir_and_rewinddir"),
    ),
    ("nfstest_posix", "creat", By::Check("nothing_is_created")),
    ("nfstest_posix", "fcntl", By::Check("locks_of_the_client")),
    (
        "nfstest_posix",
        "fdatasync",
        By::Check("no_attribute_is_changed"),
    ),
    (
        "nfstest_posix",
        "fstat",
        By::Check("stat_lstat_and_fstat_agree"),
    ),
    (
        "nfstest_posix",
        "fstatvfs",
        By::Check("file_system_figures"),
    ),
    (
        "nfstest_posix",
        "fsync",
        By::Check("no_attribute_is_changed"),
    ),
    ("nfstest_posix", "link", By::Check("nothing_is_created")),
    ("nfstest_posix", "lseek", By::Check("seek_everywhere")),
    (
        "nfstest_posix",
        "lstat",
        By::Check("stat_lstat_and_fstat_agree"),
    ),
    ("nfstest_posix", "mkdir", By::Check("nothing_is_created")),
    ("nfstest_posix", "mmap", By::Check("mapped_files")),
    ("nfstest_posix", "munmap", By::Check("mapped_files")),
    ("nfstest_posix", "open", By::Check("flags_of_open")),
    ("nfstest_posix", "opendir", By::Check("errors_of_paths")),
    (
        "nfstest_posix",
        "read",
        By::Check("read_at_the_end_and_beyond"),
    ),
    (
        "nfstest_posix",
        "readdir",
        By::Check("listing_has_each_name_once"),
    ),
    (
        "nfstest_posix",
        "readlink",
        By::Check("links_are_read_as_they_are"),
    ),
    (
        "nfstest_posix",
        "rename",
        By::Check("nothing_is_removed_or_renamed"),
    ),
    (
        "nfstest_posix",
        "rewinddir",
        By::Check("telldir_seekdir_and_rewinddir"),
    ),
    (
        "nfstest_posix",
        "rmdir",
        By::Check("nothing_is_removed_or_renamed"),
    ),
    (
        "nfstest_posix",
        "seekdir",
        By::Check("telldir_seekdir_and_rewinddir"),
    ),
    (
        "nfstest_posix",
        "stat",
        By::Check("attributes_are_those_of_the_disk"),
    ),
    ("nfstest_posix", "statvfs", By::Check("file_system_figures")),
    ("nfstest_posix", "symlink", By::Check("nothing_is_created")),
    ("nfstest_posix", "sync", By::NotHere("it writes")),
    (
        "nfstest_posix",
        "telldir",
        By::Check("telldir_seekdir_and_rewinddir"),
    ),
    (
        "nfstest_posix",
        "unlink",
        By::Check("nothing_is_removed_or_renamed"),
    ),
    (
        "nfstest_posix",
        "write",
        By::Check("read_at_the_end_and_beyond"),
    ),
    (
        "nfstest, the others",
        "nfstest_alloc: ALLOCATE",
        By::NotHere("NFSv4 alone"),
    ),
    (
        "nfstest, the others",
        "nfstest_cache: attributes and data that another client changed",
        By::Test("a_file_that_is_known_by_its_path_may_be_written_replaced_linked_and_deleted"),
    ),
    (
        "nfstest, the others",
        "nfstest_delegation",
        By::NotHere("NFSv4 alone"),
    ),
    (
        "nfstest, the others",
        "nfstest_dio: direct reads, to the end",
        By::Check("direct_reads"),
    ),
    (
        "nfstest, the others",
        "nfstest_file, nfstest_pkt: captures are decoded",
        By::Test("a_whole_boot_is_decoded_without_a_malformed_packet_or_an_unexplained_error"),
    ),
    (
        "nfstest, the others",
        "nfstest_interop: what another version of NFS wrote",
        By::NotHere("one version is served"),
    ),
    (
        "nfstest, the others",
        "nfstest_io: random reads and writes",
        By::Check("many_processes_at_once"),
    ),
    (
        "nfstest, the others",
        "nfstest_lock",
        By::NotHere("machines mount with nolock: locks are their own"),
    ),
    (
        "nfstest, the others",
        "nfstest_pnfs",
        By::NotHere("NFSv4 alone"),
    ),
    (
        "nfstest, the others",
        "nfstest_sparse: SEEK",
        By::Check("holes_are_zeros"),
    ),
    (
        "nfstest, the others",
        "nfstest_ssc: COPY",
        By::NotHere("NFSv4 alone"),
    ),
    (
        "nfstest, the others",
        "nfstest_xid: replies match their calls",
        By::Test("pipelined_and_fragmented_calls_are_answered"),
    ),
];
