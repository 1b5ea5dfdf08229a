//! Connectathon's (`cthon04`): `basic/test*.c`, `general/runtests.wrk`, `special/runtests.wrk`, `lock/tlock.c`.

use super::row::{By, Row};

pub(super) const ROWS: &[Row] = &[
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
];
