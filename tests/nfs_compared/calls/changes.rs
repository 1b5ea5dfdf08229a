//! Calls that would change something, and handles that lead to nothing.

/// Everything that would change the tree.
pub(super) const CHANGES: &str = "
    SETATTR h:plain chmod w:0
    SETATTR h:plain sattr w:0
    SETATTR h:plain chmod w:1 q:0
    SETATTR h:folder chmod w:0
    SETATTR h:link chmod w:0
    SETATTR h:plain chmod w:0 uid:1000
    SETATTR h:fifo chmod w:0
    WRITE h:plain q:0 w:4 w:2 s:data
    WRITE h:plain q:0 w:4 w:0 s:data uid:1000
    WRITE h:plain q:0 w:0 w:2 s:
    WRITE h:plain q:0 w:4 w:2 s:da
    WRITE h:plain q:0 w:4 w:3 s:data
    WRITE h:plain q:9223372036854775807 w:4 w:2 s:data
    WRITE h:locked q:0 w:4 w:2 s:data uid:1000
    WRITE h:folder q:0 w:4 w:2 s:data
    WRITE h:link q:0 w:4 w:2 s:data
    WRITE h:fifo q:0 w:4 w:2 s:data
    CREATE h:. s:new w:0 sattr
    CREATE h:. s:new w:1 sattr
    CREATE h:. s:new w:2 q:7
    CREATE h:. s:new w:3 q:7
    CREATE h:. s:plain w:0 sattr
    CREATE h:. s:plain w:1 sattr
    CREATE h:. s:plain w:2 q:7
    CREATE h:. s:. w:0 sattr
    CREATE h:. s: w:0 sattr
    CREATE h:. s:a/b w:0 sattr
    CREATE h:. #:256 w:0 sattr
    CREATE h:plain s:new w:0 sattr
    CREATE h:shut s:new w:0 sattr uid:1000
    MKDIR h:. s:new sattr
    MKDIR h:. s:folder sattr
    MKDIR h:. s:. sattr
    MKDIR h:. s:.. sattr
    MKDIR h:plain s:new sattr
    MKDIR h:shut s:new sattr uid:1000
    SYMLINK h:. s:new sattr s:target
    SYMLINK h:. s:plain sattr s:target
    SYMLINK h:. s:. sattr s:target
    SYMLINK h:. s:new sattr s:
    SYMLINK h:plain s:new sattr s:target
    MKNOD h:. s:new w:7 sattr
    MKNOD h:. s:new w:6 sattr
    MKNOD h:. s:new w:4 sattr w:1 w:3
    MKNOD h:. s:new w:1 sattr
    MKNOD h:. s:new w:2 sattr
    MKNOD h:. s:. w:7 sattr
    MKNOD h:plain s:new w:7 sattr
    REMOVE h:. s:plain
    REMOVE h:. s:nothing
    REMOVE h:. s:folder
    REMOVE h:. s:.
    REMOVE h:. s:..
    REMOVE h:plain s:plain
    REMOVE h:shut s:file uid:1000
    RMDIR h:. s:folder
    RMDIR h:. s:nothing
    RMDIR h:. s:plain
    RMDIR h:. s:.
    RMDIR h:. s:..
    RMDIR h:plain s:folder
    RENAME h:. s:plain h:folder s:plain
    RENAME h:. s:nothing h:folder s:plain
    RENAME h:. s:. h:folder s:plain
    RENAME h:. s:plain h:folder s:..
    RENAME h:. s:plain h:plain s:plain
    RENAME h:plain s:plain h:folder s:plain
    RENAME h:. s:plain h~:folder s:plain
    RENAME h~:. s:plain h:folder s:plain
    LINK h:plain h:folder s:new
    LINK h:folder h:folder s:new
    LINK h:plain h:plain s:new
    LINK h:plain h:folder s:file
    LINK h:plain h:folder s:.
    LINK h:plain h~:folder s:new
    LINK h~:plain h:folder s:new
    COMMIT h:plain q:0 w:0
    COMMIT h:plain q:0 w:100
    COMMIT h:folder q:0 w:0
    COMMIT h:link q:0 w:0
    COMMIT h:fifo q:0 w:0
    COMMIT h:plain q:0 w:0 uid:1000
    COMMIT h:locked q:0 w:0 uid:1000
";

/// Handles that lead to no file.
pub(super) const HANDLES: &str = "
    GETATTR h~:plain
    GETATTR h~:folder
    GETATTR h~:.
    GETATTR #:0
    GETATTR #:4
    GETATTR #:32
    GETATTR #:64
    GETATTR #:65
    LOOKUP h~:folder s:file
    LOOKUP #:32 s:file
    LOOKUP h~:folder s:.
    ACCESS h~:plain w:63
    READLINK h~:link
    READ h~:plain q:0 w:10
    READ #:32 q:0 w:10
    READDIR h~:folder q:0 q:0 w:4096
    READDIRPLUS h~:folder q:0 q:0 w:4096 w:4096
    FSSTAT h~:plain
    FSINFO h~:plain
    PATHCONF h~:plain
    COMMIT h~:plain q:0 w:0
    SETATTR h~:plain chmod w:0
    WRITE h~:plain q:0 w:4 w:2 s:data
    CREATE h~:folder s:new w:0 sattr
    MKDIR h~:folder s:new sattr
    SYMLINK h~:folder s:new sattr s:target
    MKNOD h~:folder s:new w:7 sattr
    REMOVE h~:folder s:file
    RMDIR h~:folder s:file
    GETACL h~:plain w:15
    SETACL h~:plain w:0 w:0 w:0 w:0 w:0
";
