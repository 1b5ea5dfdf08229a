//! Calls that have to read what cannot be read (`nfs_compared/faults.rs`), or has to be waited for.

/// Blocks that cannot be read, an inode that was cleared, and a file with a lease.
pub(super) const FAULTS: &str = "
    GETATTR h:damaged
    READ h:damaged q:0 w:10
    READ h:damaged q:0 w:4096
    READ h:damaged q:4096 w:10
    READ h:damaged-long q:0 w:65536
    READ h:damaged-end q:0 w:12288
    READ h:damaged-end q:8192 w:4096
    READ h:damaged-long-end q:0 w:196608
    READ h:damaged-long-end q:131072 w:65536
    READLINK h:damaged-link
    ACCESS h:damaged-folder w:63
    READDIR h:damaged-folder q:0 q:0 w:4096
    READDIRPLUS h:damaged-folder q:0 q:0 w:4096 w:32768
    LOOKUP h:damaged-folder s:file
    LOOKUP h:damaged-folder s:nothing
    LOOKUP h:damaged-folder s:..
    MNT path:/damaged-folder
    MNT path:/damaged-folder/inner
    GETACL h:damaged-list w:15
    ACCESS h:damaged-list w:63
    ACCESS h:damaged-list w:63 uid:1001
    READ h:damaged-list q:0 w:10 uid:1001
    CREATE h:damaged-folder s:new w:0 sattr
    REMOVE h:damaged-folder s:file
    LOOKUP h:half s:there
    LOOKUP h:half s:gone
    READDIR h:half q:0 q:0 w:4096
    READDIRPLUS h:half q:0 q:0 w:4096 w:32768
    REMOVE h:half s:gone
    GETATTR h:leased
    ACCESS h:leased w:63
    READ h:leased q:0 w:10
";
