//! The tests of the suites, in the words of their descriptions, and what stands for each here.
//!
//! - Connectathon's (`cthon04`): `basic/test*.c`, `general/runtests.wrk`, `special/runtests.wrk`, `lock/tlock.c`;
//! - nfstest: `test/nfstest_*`;
//! - libnfs: `tests/test_*.sh`;
//! - NetBSD: `tests/fs/vfs/t_*.c`.

/// What stands for a test.
#[derive(Debug)]
pub(super) enum By {
    /// A check of `checks.py`.
    Check(&'static str),
    /// A test of ours, by its function.
    Test(&'static str),
    /// Nothing; why.
    NotHere(&'static str),
}

/// Suite, test, and what stands for it.
pub(super) const ROWS: &[(&str, &str, By)] = &[
    (
        "cthon04 basic",
        "test1: creates files and folders",
        By::Check("nothing_is_created"),
    ),
    (
        "cthon04 basic",
        "test2: removes them",
        By::Check("nothing_is_removed_or_renamed"),
    ),
    (
        "cthon04 basic",
        "test3: lookups up and down across the mount",
        By::Check("lookup_up_and_down"),
    ),
    (
        "cthon04 basic",
        "test4: setattr, getattr and lookup",
        By::Check("no_attribute_is_changed"),
    ),
    (
        "cthon04 basic",
        "test4a: getattr and lookup",
        By::Check("getattr_and_lookup_of_many"),
    ),
    (
        "cthon04 basic",
        "test5: write and read",
        By::Check("read_in_pieces_of_every_size"),
    ),
    ("cthon04 basic", "test5a: write", By::Check("flags_of_open")),
    (
        "cthon04 basic",
        "test5b: read",
        By::Check("read_in_pieces_of_every_size"),
    ),
    (
        "cthon04 basic",
        "test6: readdir",
        By::Check("listing_has_each_name_once"),
    ),
    (
        "cthon04 basic",
        "test7: rename and link",
        By::Check("nothing_is_removed_or_renamed"),
    ),
    (
        "cthon04 basic",
        "test7a: rename",
        By::Check("nothing_is_removed_or_renamed"),
    ),
    (
        "cthon04 basic",
        "test7b: link",
        By::Check("hard_links_are_one_file"),
    ),
    (
        "cthon04 basic",
        "test8: symlink and readlink",
        By::Check("links_are_read_as_they_are"),
    ),
    (
        "cthon04 basic",
        "test9: statfs",
        By::Check("file_system_figures"),
    ),
    ("cthon04 general", "small compile", By::NotHere("it writes")),
    (
        "cthon04 general",
        "tbl, nroff",
        By::NotHere(
            "it writes; programs that read from such a mount are what every machine here runs",
        ),
    ),
    ("cthon04 general", "large compile", By::NotHere("it writes")),
    (
        "cthon04 general",
        "four simultaneous large compiles",
        By::Check("many_processes_at_once"),
    ),
    (
        "cthon04 special",
        "op_unlk: an open file is removed",
        By::Test("a_file_moved_within_the_root_keeps_its_handle_and_a_deleted_one_loses_it"),
    ),
    (
        "cthon04 special",
        "op_ren: an open file is renamed over",
        By::Test("a_file_moved_within_the_root_keeps_its_handle_and_a_deleted_one_loses_it"),
    ),
    (
        "cthon04 special",
        "op_chmod: an open file loses its mode",
        By::NotHere("it writes"),
    ),
    (
        "cthon04 special",
        "dupreq: lost replies of calls that cannot be repeated",
        By::NotHere("there are no such calls: nothing is changed"),
    ),
    (
        "cthon04 special",
        "excltest: exclusive creation",
        By::Check("flags_of_open"),
    ),
    (
        "cthon04 special",
        "fstat: file counts of statfs",
        By::Check("file_system_figures"),
    ),
    (
        "cthon04 special",
        "negseek: a negative position",
        By::Check("seek_everywhere"),
    ),
    (
        "cthon04 special",
        "rename: a hundred times",
        By::Check("nothing_is_removed_or_renamed"),
    ),
    (
        "cthon04 special",
        "truncate",
        By::Check("no_attribute_is_changed"),
    ),
    (
        "cthon04 special",
        "holey: holes",
        By::Check("holes_are_zeros"),
    ),
    (
        "cthon04 special",
        "nfsidem: the second test of lost replies",
        By::NotHere("there are no such calls: nothing is changed"),
    ),
    (
        "cthon04 special",
        "rewind: rewinddir",
        By::Check("telldir_seekdir_and_rewinddir"),
    ),
    (
        "cthon04 special",
        "telldir: cookies",
        By::Check("telldir_seekdir_and_rewinddir"),
    ),
    (
        "cthon04 special",
        "freesp: F_FREESP",
        By::NotHere("it writes"),
    ),
    (
        "cthon04 special",
        "bigfile: 30 MB",
        By::Check("read_in_pieces_of_every_size"),
    ),
    (
        "cthon04 special",
        "bigfile2: the edges of 2 and 4 GB",
        By::Check("edges_of_2_and_4_gib"),
    ),
    (
        "cthon04 special",
        "nstat, stat, stat2: many stats",
        By::Check("getattr_and_lookup_of_many"),
    ),
    (
        "cthon04 special",
        "touchn: many files",
        By::Check("open_files_stay_open"),
    ),
    (
        "cthon04 lock",
        "tlock: locks",
        By::Check("locks_of_the_client"),
    ),
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
    (
        "libnfs",
        "0100 ls of the root of the export",
        By::Test("libnfs_lists_and_reads_what_the_server_has"),
    ),
    (
        "libnfs",
        "0101 ls discovers servers",
        By::NotHere(
            "by a broadcast of CALLIT, which lets anybody use others' services; it is disabled in the suite",
        ),
    ),
    (
        "libnfs",
        "0102 ls discovers the exports of a server",
        By::Test("the_list_of_exports_has_the_allowed_networks"),
    ),
    (
        "libnfs",
        "0110 what a read-only mount refuses",
        By::Test("every_modification_is_refused_with_rofs"),
    ),
    (
        "libnfs",
        "0200 stat",
        By::Check("attributes_are_those_of_the_disk"),
    ),
    (
        "libnfs",
        "0201 stat by paths",
        By::Check("dots_in_a_path_lead_back"),
    ),
    (
        "libnfs",
        "0203 stat through a link",
        By::Check("stat_lstat_and_fstat_agree"),
    ),
    (
        "libnfs",
        "0210, 0211 fstat",
        By::Check("stat_lstat_and_fstat_agree"),
    ),
    ("libnfs", "0220 open by paths", By::Check("errors_of_paths")),
    (
        "libnfs",
        "0223, 0224, 0225 O_TRUNC, O_APPEND, O_CREAT",
        By::Check("flags_of_open"),
    ),
    ("libnfs", "0230 creat", By::Check("nothing_is_created")),
    ("libnfs", "0240 link", By::Check("nothing_is_created")),
    (
        "libnfs",
        "0250 rename",
        By::Check("nothing_is_removed_or_renamed"),
    ),
    ("libnfs", "0260 symlink", By::Check("nothing_is_created")),
    (
        "libnfs",
        "0270 unlink",
        By::Check("nothing_is_removed_or_renamed"),
    ),
    (
        "libnfs",
        "0280 mkdir, rmdir",
        By::Check("nothing_is_created"),
    ),
    (
        "libnfs",
        "0290 10 MB are read",
        By::Test("libnfs_lists_and_reads_what_the_server_has"),
    ),
    (
        "libnfs",
        "0291 read moves the position, pread does not",
        By::Check("read_at_the_end_and_beyond"),
    ),
    (
        "libnfs",
        "0300 write",
        By::Check("read_at_the_end_and_beyond"),
    ),
    ("libnfs", "0310 mknod", By::Check("nothing_is_created")),
    (
        "libnfs",
        "0320, 0321 lstat",
        By::Check("stat_lstat_and_fstat_agree"),
    ),
    (
        "libnfs",
        "0330, 0340, 0341 ftruncate, truncate",
        By::Check("no_attribute_is_changed"),
    ),
    ("libnfs", "0350 lseek", By::Check("seek_everywhere")),
    ("libnfs", "0360 statvfs", By::Check("file_system_figures")),
    (
        "libnfs",
        "0370, 0380, 0390 chmod",
        By::Check("no_attribute_is_changed"),
    ),
    (
        "libnfs",
        "0400, 0410, 0420 chown",
        By::Check("no_attribute_is_changed"),
    ),
    ("libnfs", "0430, 0440 access", By::Check("access_by_mode")),
    (
        "libnfs",
        "0450 utimes",
        By::Check("no_attribute_is_changed"),
    ),
    (
        "libnfs",
        "0460 opendir",
        By::Check("listing_has_each_name_once"),
    ),
    (
        "libnfs",
        "1000 a mount by a path, by a link, of nothing",
        By::Test("every_answer_is_nfsds_but_for_the_differences_that_are_explained"),
    ),
    ("libnfs", "1010 chdir", By::Check("lookup_up_and_down")),
    (
        "libnfs",
        "8000, 9910 timeouts",
        By::NotHere("of the library"),
    ),
    ("libnfs", "8010 URLs", By::NotHere("of the library")),
    (
        "libnfs",
        "0202 to 9900 leaks",
        By::NotHere("of the library"),
    ),
    ("NetBSD t_ro", "create", By::Check("nothing_is_created")),
    (
        "NetBSD t_ro",
        "rmfile",
        By::Check("nothing_is_removed_or_renamed"),
    ),
    (
        "NetBSD t_ro",
        "fileio: it is read, not opened for writing",
        By::Check("flags_of_open"),
    ),
    (
        "NetBSD t_ro",
        "attrs: they are read, not changed",
        By::Check("no_attribute_is_changed"),
    ),
    ("NetBSD t_ro", "createdir", By::Check("nothing_is_created")),
    ("NetBSD t_ro", "createfifo", By::Check("nothing_is_created")),
    (
        "NetBSD t_ro",
        "createsymlink",
        By::Check("nothing_is_created"),
    ),
    ("NetBSD t_ro", "createlink", By::Check("nothing_is_created")),
    (
        "NetBSD t_vnops",
        "lookup_simple: dots at the root",
        By::Check("dots_in_a_path_lead_back"),
    ),
    (
        "NetBSD t_vnops",
        "lookup_complex",
        By::Check("dots_in_a_path_lead_back"),
    ),
    (
        "NetBSD t_vnops",
        "dir_simple",
        By::Check("nothing_is_created"),
    ),
    (
        "NetBSD t_vnops",
        "dir_slash, dir_2slash, dir_3slash",
        By::Check("dots_in_a_path_lead_back"),
    ),
    (
        "NetBSD t_vnops",
        "dir_notempty",
        By::Check("nothing_is_removed_or_renamed"),
    ),
    (
        "NetBSD t_vnops",
        "dir_rmdirdotdot: up from a folder that was removed",
        By::Test("a_directory_moved_out_of_the_root_gives_no_access_to_the_outside"),
    ),
    (
        "NetBSD t_vnops",
        "rename_dir, rename_dotdot, rename_reg_nodir",
        By::Check("nothing_is_removed_or_renamed"),
    ),
    (
        "NetBSD t_vnops",
        "create_many",
        By::Test("a_folder_of_100_000_names_is_listed_whole_while_it_changes"),
    ),
    (
        "NetBSD t_vnops",
        "create_nonalphanum",
        By::Check("names_of_every_byte"),
    ),
    (
        "NetBSD t_vnops",
        "create_nametoolong, rename_nametoolong",
        By::Check("errors_of_paths"),
    ),
    ("NetBSD t_vnops", "create_exist", By::Check("flags_of_open")),
    (
        "NetBSD t_vnops",
        "symlink_zerolen, symlink_long",
        By::Check("links_are_read_as_they_are"),
    ),
    (
        "NetBSD t_vnops",
        "symlink_root",
        By::Test("names_that_lead_elsewhere_are_refused"),
    ),
    (
        "NetBSD t_vnops",
        "attrs",
        By::Check("no_attribute_is_changed"),
    ),
    (
        "NetBSD t_vnops",
        "fcntl_lock, fcntl_getlock_pids",
        By::Check("locks_of_the_client"),
    ),
    (
        "NetBSD t_vnops",
        "access_simple",
        By::Check("access_by_mode"),
    ),
    (
        "NetBSD t_vnops",
        "read_directory",
        By::Check("read_at_the_end_and_beyond"),
    ),
    (
        "NetBSD t_vnops",
        "lstat_symlink",
        By::Check("links_are_read_as_they_are"),
    ),
    ("NetBSD t_io", "holywrite", By::Check("holes_are_zeros")),
    (
        "NetBSD t_io",
        "extendfile, extendfile_append, shrinkfile",
        By::Check("no_attribute_is_changed"),
    ),
    (
        "NetBSD t_io",
        "overwrite512, overwrite64k, overwrite_trunc",
        By::NotHere("it writes"),
    ),
    (
        "NetBSD t_io",
        "read_after_unlink, wrrd_after_unlink",
        By::Test("a_file_moved_within_the_root_keeps_its_handle_and_a_deleted_one_loses_it"),
    ),
    (
        "NetBSD t_io",
        "read_fault",
        By::NotHere("of the client's kernel"),
    ),
    (
        "NetBSD t_unpriv",
        "owner",
        By::Check("permissions_hold_for_users"),
    ),
    (
        "NetBSD t_unpriv",
        "dirperms",
        By::Check("permissions_hold_for_users"),
    ),
    (
        "NetBSD t_unpriv",
        "times",
        By::Check("no_attribute_is_changed"),
    ),
    (
        "NetBSD t_unpriv",
        "flags",
        By::NotHere("file flags are BSD's, and not in NFSv3"),
    ),
    (
        "NetBSD t_vfsops",
        "tmount",
        By::Test("mounts_are_listed_until_they_are_unmounted"),
    ),
    (
        "NetBSD t_vfsops",
        "tstatvfs",
        By::Check("file_system_figures"),
    ),
    ("NetBSD t_vfsops", "tsync", By::NotHere("it writes")),
    (
        "NetBSD t_vfsops",
        "tfilehandle: a file by its handle",
        By::Test("handles_survive_a_restart_with_the_same_key_and_no_other"),
    ),
    (
        "NetBSD t_vfsops",
        "tfhremove: the handle of a removed file",
        By::Test("a_file_moved_within_the_root_keeps_its_handle_and_a_deleted_one_loses_it"),
    ),
    (
        "NetBSD t_vfsops",
        "tfhinval: a handle of nothing",
        By::Test("forged_and_truncated_handles_are_stale"),
    ),
    (
        "NetBSD, the others",
        "t_link, t_full, t_mtime_otrunc, t_mtime_write, t_rwtoro, t_union",
        By::NotHere("it writes"),
    ),
    (
        "NetBSD, the others",
        "t_renamerace, t_rmdirrace: names that change while they are used",
        By::Test("a_folder_of_100_000_names_is_listed_whole_while_it_changes"),
    ),
    (
        "pjdfstest",
        "chmod to utimensat",
        By::NotHere(
            "each test makes the files that it changes; that each change is refused: nothing_is_created and its neighbours",
        ),
    ),
    ("pynfs", "nfs4.0, nfs4.1", By::NotHere("NFSv4 alone")),
];
