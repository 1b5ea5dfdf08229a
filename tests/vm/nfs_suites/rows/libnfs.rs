//! libnfs: `tests/test_*.sh`.

use super::row::{By, Row};

pub(super) const ROWS: &[Row] = &[
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
];
