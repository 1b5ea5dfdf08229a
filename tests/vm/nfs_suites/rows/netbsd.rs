//! NetBSD: `tests/fs/vfs/t_*.c`.

use super::row::{By, Row};

pub(super) const ROWS: &[Row] = &[
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
];
